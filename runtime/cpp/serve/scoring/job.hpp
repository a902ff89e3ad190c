// One request on its way through the batcher.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <vector>

#include "tunefleet/model.hpp"

namespace tunefleet::serve {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

/// Lies with the thread that waits for it.
struct Job {
  /// Tensors as `Model::score` takes them.
  std::vector<DLTensor> inputs, outputs;
  int64_t rows = 0;
  Clock::time_point arrived{};

  // What became of it; written under the batcher's lock.
  Status error;
  bool done = false;
  std::condition_variable ended;
};

}  // namespace tunefleet::serve
