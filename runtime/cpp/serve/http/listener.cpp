#include "http/listener.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "log.hpp"

namespace tunefleet::serve {
namespace {

void raise_flag(int file) {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = ::write(file, &one, sizeof one);
}

int listen_on(const addrinfo& address) {
  const int file = ::socket(address.ai_family, address.ai_socktype | SOCK_CLOEXEC, 0);
  if (file < 0) return -1;
  const int on = 1;
  ::setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(file, address.ai_addr, address.ai_addrlen) == 0 && ::listen(file, SOMAXCONN) == 0)
    return file;
  const int why = errno;
  ::close(file);
  errno = why;
  return -1;
}

}  // namespace

Result<std::unique_ptr<Listener>> Listener::bind(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const std::string where = host + ":" + std::to_string(port);
  if (const int failed = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found))
    return Error{Code::kInput, where + " is no address: " + ::gai_strerror(failed)};
  int file = -1;
  for (const addrinfo* each = found; each != nullptr && file < 0; each = each->ai_next)
    file = listen_on(*each);
  const int why = errno;
  ::freeaddrinfo(found);
  if (file < 0)
    return Error{Code::kSystem, where + " cannot be listened on: " + std::strerror(why) +
                                    "; choose another port"};
  return std::make_unique<Listener>(file);
}

Listener::Listener(int socket)
    : socket_(socket), drain_(::eventfd(0, EFD_CLOEXEC)), stop_(::eventfd(0, EFD_CLOEXEC)) {}

Listener::~Listener() {
  if (accepting_.joinable()) drain(std::chrono::seconds(0));
  for (const int file : {socket_, drain_, stop_}) ::close(file);
}

int Listener::port() const {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
  // At the same place in both families.
  return ntohs(reinterpret_cast<const sockaddr_in*>(&address)->sin_port);
}

void Listener::start(size_t most, const ConnectionLimits& limits, std::string refusal,
                     Serve serve) {
  most_ = most;
  limits_ = limits;
  refusal_ = std::move(refusal);
  serve_ = std::move(serve);
  accepting_ = std::thread([this] { accept_all(); });
}

void Listener::accept_all() {
  while (true) {
    pollfd files[] = {{socket_, POLLIN, 0}, {stop_, POLLIN, 0}};
    if (::poll(files, 2, -1) < 0 && errno != EINTR) break;
    if (files[1].revents != 0) break;
    if (files[0].revents == 0) continue;
    const int accepted = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
    if (accepted >= 0) {
      open() < most_ ? take(accepted) : refuse(accepted);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
      // The connection stays in line: without a pause this would spin.
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
  // Whoever has been told by the system that the connection stands is served.
  for (pollfd file{socket_, POLLIN, 0}; ::poll(&file, 1, 0) > 0;) {
    const int accepted = ::accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC);
    if (accepted < 0) break;
    open() < most_ ? take(accepted) : refuse(accepted);
  }
  ::shutdown(socket_, SHUT_RDWR);
}

void Listener::take(int socket) {
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  {
    const std::lock_guard<std::mutex> held(lock_);
    sockets_.insert(socket);
    ++open_;
  }
  const auto leave = [this, socket] {
    const std::lock_guard<std::mutex> held(lock_);
    sockets_.erase(socket);
  };
  const auto gone = [this] {
    const std::lock_guard<std::mutex> held(lock_);
    --open_;
    ended_.notify_all();
  };
  try {
    std::thread([this, socket, leave, gone] {
      {
        Connection connection(socket, drain_, limits_);
        serve_(connection);
        // Before its number is given to another connection.
        leave();
      }
      gone();
    }).detach();
  } catch (const std::system_error& error) {
    log_error("no thread for a connection", {{"reason", error.what()}});
    leave();
    refuse(socket);
    gone();
  }
}

void Listener::refuse(int socket) {
  ++refused_;
  // Never waits: whoever does not take it has to do without.
  ::send(socket, refusal_.data(), refusal_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  ::shutdown(socket, SHUT_WR);
  char unread[4096];
  while (::recv(socket, unread, sizeof unread, MSG_DONTWAIT) > 0) {
  }
  ::close(socket);
}

size_t Listener::drain(std::chrono::seconds patience) {
  raise_flag(stop_);
  accepting_.join();
  raise_flag(drain_);
  std::unique_lock<std::mutex> held(lock_);
  if (ended_.wait_for(held, patience, [this] { return open_ == 0; })) return 0;
  const size_t left = sockets_.size();
  for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
  ended_.wait(held, [this] { return open_ == 0; });
  return left;
}

}  // namespace tunefleet::serve
