// What is counted of one model.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "metrics/histogram.hpp"

namespace tunefleet::serve {

/// Any number of threads may count.
struct ModelMetrics {
  /// From the first byte of a request to its answer.
  Histogram answered{seconds()};
  /// In the queue.
  Histogram queued{seconds()};
  /// One call, of one request or of several that were joined.
  Histogram scored{seconds()};
  /// Rows of such a call.
  Histogram rows{{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096}};

  void count(int status) { by_status_[place(status)].fetch_add(1, std::memory_order_relaxed); }
  uint64_t counted(int status) const {
    return by_status_[place(status)].load(std::memory_order_relaxed);
  }

 private:
  static std::vector<double> seconds() {
    return {25e-6, 50e-6, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2,
            2.5e-2, 5e-2, 0.1,  0.25,   0.5,  1.0,  2.5};
  }
  static size_t place(int status) { return static_cast<size_t>(status) % 600; }

  std::array<std::atomic<uint64_t>, 600> by_status_{};
};

}  // namespace tunefleet::serve
