// How long scoring takes, by rows, as it was measured lately.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace tunefleet::serve {

/// Not safe for several threads.
class ServiceTimes {
 public:
  void observe(int64_t rows, double seconds);

  /// Seconds of a call with so many rows; 0 before anything was observed. Never more than a larger
  /// call took, as far as one was seen.
  double estimate(int64_t rows) const;

 private:
  static constexpr size_t kClasses = 32;
  /// By the power of two that the rows are not more than; 0 was never seen.
  std::array<double, kClasses> seconds_{};
};

}  // namespace tunefleet::serve
