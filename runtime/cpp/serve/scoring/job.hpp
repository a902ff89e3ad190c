// One request on its way through the batcher.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include "tunefleet/model.hpp"

namespace tunefleet::serve {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// Lies with whoever waits for it.
struct Job {
  /// Tensors as `Model::score` takes them.
  std::vector<DLTensor> inputs, outputs;
  int64_t rows = 0;
  Clock::time_point arrived{};

  /// What became of it.
  Status error;
  /// Called once, by the thread that scored it; the job may be gone when it returns.
  std::function<void()> ended;
};

}  // namespace tunefleet::serve
