// Accepts connections, a bounded number at a time, for a few threads to serve.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "http/loop.hpp"
#include "tunefleet/result.hpp"

namespace tunefleet::serve {

class Listener {
 public:
  /// Listen on an address; nothing is accepted yet.
  static Result<std::unique_ptr<Listener>> bind(const std::string& host, int port);

  Listener();
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  int port() const;

  /// Accept connections, `most` at a time: others are answered `refusal`, and closed.
  void start(Service& service, size_t threads, size_t most, std::string refusal);

  /// Accept no more, and tell connections to end after the request that they are at; those that are
  /// still there after `patience` are cut off. Returns how many were.
  size_t drain(std::chrono::seconds patience);

  size_t open() const { return open_.load(std::memory_order_relaxed); }
  uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }

 private:
  void accept();
  /// Take what the system has accepted already; then close the port.
  void accept_last();
  void take(asio::ip::tcp::socket socket);
  void refuse(asio::ip::tcp::socket socket);

  asio::io_context context_{1};
  asio::ip::tcp::acceptor acceptor_{context_};
  asio::steady_timer pause_{context_};
  std::thread accepting_;
  size_t most_ = 0, next_ = 0;
  std::string refusal_;
  std::mutex lock_;
  std::condition_variable ended_;
  std::atomic<size_t> open_{0};
  std::atomic<uint64_t> refused_{0};
  /// After what connections use when they end.
  std::vector<std::unique_ptr<Loop>> loops_;
};

}  // namespace tunefleet::serve
