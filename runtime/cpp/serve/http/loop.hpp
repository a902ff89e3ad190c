// A thread that serves connections.
#pragma once

#include <thread>
#include <unordered_set>

#include "http/session.hpp"

namespace tunefleet::serve {

class Loop {
 public:
  /// `ended` is called when a connection has gone.
  Loop(Service& service, std::function<void()> ended);
  /// Connections have to have ended.
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  asio::io_context& context() { return context_; }

  /// Serve a connection that was accepted; by any thread.
  void take(Session::Socket socket);
  /// Have connections end; see `Session::drain`.
  void drain();
  /// Hang up on all; returns how many there were.
  size_t cut();

 private:
  void run();
  void tick();

  Service& service_;
  const std::function<void()> ended_;
  asio::io_context context_{1};
  asio::executor_work_guard<asio::io_context::executor_type> work_ =
      asio::make_work_guard(context_);
  asio::steady_timer clock_{context_};
  /// Those that are open; only its thread looks at them.
  std::unordered_set<Session*> sessions_;
  bool draining_ = false;
  std::thread thread_;
};

}  // namespace tunefleet::serve
