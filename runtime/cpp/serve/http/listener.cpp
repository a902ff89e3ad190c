#include "http/listener.hpp"

#include <pthread.h>

namespace tunefleet::serve {
namespace {

using asio::ip::tcp;

/// Before the next try, of what failed for lack of files or memory: the connection stays in line.
constexpr std::chrono::milliseconds kPause{10};

}  // namespace

Listener::Listener() = default;

Result<std::unique_ptr<Listener>> Listener::bind(const std::string& host, int port) {
  auto listener = std::make_unique<Listener>();
  const std::string where = host + ":" + std::to_string(port);
  error_code failed;
  tcp::resolver resolver(listener->context_);
  const auto found = resolver.resolve(
      host, std::to_string(port), tcp::resolver::passive | tcp::resolver::numeric_service, failed);
  if (failed) return Error{Code::kInput, where + " is no address: " + failed.message()};
  auto& acceptor = listener->acceptor_;
  for (const auto& entry : found) {
    acceptor.close(failed);
    acceptor.open(entry.endpoint().protocol(), failed);
    if (!failed) acceptor.set_option(tcp::acceptor::reuse_address(true), failed);
    if (!failed) acceptor.bind(entry.endpoint(), failed);
    if (!failed) acceptor.listen(asio::socket_base::max_listen_connections, failed);
    if (!failed) return listener;
  }
  return Error{Code::kSystem,
               where + " cannot be listened on: " + failed.message() + "; choose another port"};
}

Listener::~Listener() {
  if (accepting_.joinable()) drain(std::chrono::seconds(0));
}

int Listener::port() const { return acceptor_.local_endpoint().port(); }

void Listener::start(Service& service, size_t threads, size_t most, std::string refusal) {
  most_ = most;
  refusal_ = std::move(refusal);
  for (size_t at = 0; at < threads; ++at)
    loops_.push_back(std::make_unique<Loop>(service, [this] {
      const std::lock_guard<std::mutex> held(lock_);
      --open_;
      ended_.notify_all();
    }));
  accept();
  accepting_ = std::thread([this] { context_.run(); });
  ::pthread_setname_np(accepting_.native_handle(), "accepting");
}

void Listener::accept() {
  // The socket belongs to the thread that will serve it.
  acceptor_.async_accept(loops_[next_]->context(), [this](const error_code& failed,
                                                          tcp::socket socket) {
    if (!failed) take(std::move(socket));
    if (!acceptor_.is_open() || failed == asio::error::operation_aborted) return;
    if (!failed || failed == asio::error::connection_aborted) return accept();
    pause_.expires_after(kPause);
    pause_.async_wait([this](const error_code& ended) {
      if (!ended) accept();
    });
  });
}

void Listener::take(tcp::socket socket) {
  if (open() >= most_) return refuse(std::move(socket));
  error_code ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  ++open_;
  loops_[next_]->take(std::move(socket));
  next_ = (next_ + 1) % loops_.size();
}

void Listener::refuse(tcp::socket socket) {
  ++refused_;
  // Never waits: whoever does not take it has to do without.
  error_code failed;
  socket.non_blocking(true, failed);
  if (!failed) socket.write_some(asio::buffer(refusal_), failed);
  if (!failed) socket.shutdown(tcp::socket::shutdown_send, failed);
  char unread[4096];
  while (!failed) socket.read_some(asio::buffer(unread), failed);
}

void Listener::accept_last() {
  pause_.cancel();
  error_code failed;
  acceptor_.cancel(failed);
  acceptor_.non_blocking(true, failed);
  while (!failed) {
    tcp::socket socket(loops_[next_]->context());
    acceptor_.accept(socket, failed);
    if (!failed) take(std::move(socket));
  }
  acceptor_.close(failed);
}

size_t Listener::drain(std::chrono::seconds patience) {
  asio::post(context_, [this] { accept_last(); });
  accepting_.join();
  for (const auto& loop : loops_) loop->drain();
  std::unique_lock<std::mutex> held(lock_);
  if (ended_.wait_for(held, patience, [this] { return open_ == 0; })) return 0;
  held.unlock();
  size_t left = 0;
  for (const auto& loop : loops_) left += loop->cut();
  held.lock();
  ended_.wait(held, [this] { return open_ == 0; });
  return left;
}

}  // namespace tunefleet::serve
