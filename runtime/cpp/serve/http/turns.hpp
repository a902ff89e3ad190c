// Who of the connections is attended to.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>

namespace tunefleet::serve {

/// So many connections at a time have their requests read and answered.
///
/// Each connection has a thread, and all share the CPUs with the few that score: without turns,
/// clients that are refused and ask again would leave next to nothing for scoring.
class Turns {
 public:
  explicit Turns(size_t count) : free_(count) {}

  void take() {
    std::unique_lock<std::mutex> held(lock_);
    given_back_.wait(held, [this] { return free_ != 0; });
    --free_;
  }

  void leave() {
    {
      const std::lock_guard<std::mutex> held(lock_);
      ++free_;
    }
    given_back_.notify_one();
  }

 private:
  std::mutex lock_;
  std::condition_variable given_back_;
  size_t free_;
};

/// A turn, while this lives.
class Turn {
 public:
  explicit Turn(Turns& turns) : turns_(turns) { turns_.take(); }
  ~Turn() { turns_.leave(); }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  /// Others may have it while this lives: the thread waits for something.
  class Lent {
   public:
    explicit Lent(Turn* turn) : turn_(turn) {
      if (turn_ != nullptr) turn_->turns_.leave();
    }
    ~Lent() {
      if (turn_ != nullptr) turn_->turns_.take();
    }
    Lent(const Lent&) = delete;
    Lent& operator=(const Lent&) = delete;

   private:
    Turn* const turn_;
  };

 private:
  Turns& turns_;
};

}  // namespace tunefleet::serve
