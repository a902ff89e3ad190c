#include "http/connection.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace tunefleet::serve {
namespace {

/// Request line and headers; cpp-httplib limits each line, and not their number.
constexpr size_t kMostHead = 8192;
constexpr size_t kAhead = 16384;
constexpr std::chrono::milliseconds kLinger{1000};

int milliseconds_until(std::chrono::steady_clock::time_point deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(
      deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::max<int64_t>(0, left.count()));
}

}  // namespace

Connection::Connection(int socket, int drain, const ConnectionLimits& limits)
    : socket_(socket), drain_(drain), limits_(limits), ahead_(kAhead) {}

Connection::~Connection() { ::close(socket_); }

bool Connection::next_request() {
  closing = understood = false;
  failure_ = 400;
  head_ = 0;
  const auto idle = Clock::now();
  while (ahead_begin_ == ahead_end_) {
    const auto deadline = idle + (draining_ ? limits_.idle_draining : limits_.idle);
    pollfd files[] = {{socket_, POLLIN, 0}, {drain_, POLLIN, 0}};
    const int found = ::poll(files, draining_ ? 1 : 2, milliseconds_until(deadline));
    if (found < 0 && errno != EINTR) return false;
    if (found == 0 && Clock::now() >= deadline) return false;
    if (found > 0 && files[1].revents != 0) draining_ = true;
    if (found > 0 && files[0].revents != 0) break;
  }
  begun_ = Clock::now();
  return true;
}

bool Connection::wait_for(short events, Clock::time_point deadline) const {
  const Turn::Lent lent(turn);
  pollfd file{socket_, events, 0};
  while (true) {
    const int found = ::poll(&file, 1, milliseconds_until(deadline));
    if (found > 0) return true;
    if (found == 0 || errno != EINTR) return false;
  }
}

ssize_t Connection::receive(char* to, size_t size) {
  const auto deadline = begun_ + limits_.transfer;
  while (true) {
    const ssize_t done = ::recv(socket_, to, size, MSG_DONTWAIT);
    if (done >= 0) return done;
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return -1;
    // An interim answer is what the client waits for.
    if (!answer_.empty() && !flush()) return -1;
    if (!wait_for(POLLIN, deadline) || Clock::now() >= deadline) {
      failure_ = 408;
      return -1;
    }
  }
}

ssize_t Connection::read(char* to, size_t size) {
  if (!understood && (head_ += size) > kMostHead) {
    failure_ = 431;
    return -1;
  }
  if (ahead_begin_ == ahead_end_) {
    // What is as large as the buffer need not go through it.
    if (size >= ahead_.size()) return receive(to, size);
    const ssize_t done = receive(ahead_.data(), ahead_.size());
    if (done <= 0) return done;
    ahead_begin_ = 0;
    ahead_end_ = static_cast<size_t>(done);
  }
  const size_t taken = std::min(size, ahead_end_ - ahead_begin_);
  std::memcpy(to, ahead_.data() + ahead_begin_, taken);
  ahead_begin_ += taken;
  return static_cast<ssize_t>(taken);
}

bool Connection::read_body(char* to, size_t size) {
  while (size > 0) {
    const ssize_t done = read(to, size);
    if (done <= 0) return false;
    to += done;
    size -= static_cast<size_t>(done);
  }
  return true;
}

ssize_t Connection::write(const char* from, size_t size) {
  answer_.append(from, size);
  return static_cast<ssize_t>(size);
}

bool Connection::flush() {
  const auto deadline = Clock::now() + limits_.transfer;
  for (size_t at = 0; at < answer_.size();) {
    const ssize_t done =
        ::send(socket_, answer_.data() + at, answer_.size() - at, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (done > 0) {
      at += static_cast<size_t>(done);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      if (!wait_for(POLLOUT, deadline) || Clock::now() >= deadline) return false;
    } else if (errno != EINTR) {
      return false;
    }
  }
  answer_.clear();
  return true;
}

void Connection::linger() {
  ::shutdown(socket_, SHUT_WR);
  const auto deadline = Clock::now() + kLinger;
  while (Clock::now() < deadline && wait_for(POLLIN, deadline))
    if (::recv(socket_, ahead_.data(), ahead_.size(), MSG_DONTWAIT) <= 0) return;
}

}  // namespace tunefleet::serve
