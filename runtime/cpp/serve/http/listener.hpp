// Accepts connections, a bounded number at a time, each in a thread of its own.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "http/connection.hpp"
#include "tunefleet/result.hpp"

namespace tunefleet::serve {

class Listener {
 public:
  using Serve = std::function<void(Connection&)>;

  /// Listen on an address; nothing is accepted yet.
  static Result<std::unique_ptr<Listener>> bind(const std::string& host, int port);

  explicit Listener(int socket);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  int port() const;

  /// Accept connections, `most` at a time: others are answered `refusal`, and closed.
  void start(size_t most, const ConnectionLimits& limits, std::string refusal, Serve serve);

  /// Accept no more, and tell connections to end after the request that they are at; those that are
  /// still there after `patience` are cut off. Returns how many were.
  size_t drain(std::chrono::seconds patience);

  size_t open() const { return open_.load(std::memory_order_relaxed); }
  uint64_t refused() const { return refused_.load(std::memory_order_relaxed); }

 private:
  void accept_all();
  void take(int socket);
  void refuse(int socket);

  const int socket_;
  /// Readable once connections are to end.
  const int drain_;
  /// Readable once nothing is to be accepted any more.
  const int stop_;
  size_t most_ = 0;
  ConnectionLimits limits_;
  std::string refusal_;
  Serve serve_;
  std::thread accepting_;
  std::mutex lock_;
  std::condition_variable ended_;
  std::set<int> sockets_;
  std::atomic<size_t> open_{0};
  std::atomic<uint64_t> refused_{0};
};

}  // namespace tunefleet::serve
