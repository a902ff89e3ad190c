#include "http/loop.hpp"

#include <pthread.h>

#include <future>

#include "log.hpp"

namespace tunefleet::serve {
namespace {

/// How late a connection may be found to have taken too long.
constexpr std::chrono::milliseconds kTick{100};

}  // namespace

Loop::Loop(Service& service, std::function<void()> ended)
    : service_(service), ended_(std::move(ended)), thread_([this] { run(); }) {
  ::pthread_setname_np(thread_.native_handle(), "connections");
}

Loop::~Loop() {
  asio::post(context_, [this] {
    clock_.cancel();
    work_.reset();
  });
  thread_.join();
}

void Loop::run() {
  tick();
  while (true) {
    try {
      context_.run();
      return;
    } catch (const std::exception& error) {
      // Memory was short: the connection at whose request it happened has gone.
      log_error("a connection was given up", {{"reason", error.what()}});
    }
  }
}

void Loop::tick() {
  clock_.expires_after(kTick);
  clock_.async_wait([this](const error_code& failed) {
    if (failed) return;
    const auto now = Clock::now();
    for (Session* session : sessions_) session->look_at(now);
    tick();
  });
}

void Loop::take(Session::Socket socket) {
  asio::post(context_, [this, socket = std::move(socket)]() mutable {
    const auto session = std::make_shared<Session>(std::move(socket), service_, [this](Session* gone) {
      sessions_.erase(gone);
      ended_();
    });
    sessions_.insert(session.get());
    if (draining_) session->drain();
    session->start();
  });
}

void Loop::drain() {
  asio::post(context_, [this] {
    draining_ = true;
    for (Session* session : sessions_) session->drain();
  });
}

size_t Loop::cut() {
  std::promise<size_t> count;
  asio::post(context_, [&] {
    for (Session* session : sessions_) session->cut();
    count.set_value(sessions_.size());
  });
  return count.get_future().get();
}

}  // namespace tunefleet::serve
