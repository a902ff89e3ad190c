// Counts of values by size, as Prometheus has them.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

namespace tunefleet::serve {

/// Any number of threads may observe.
class Histogram {
 public:
  /// `bounds` rise; a value counts for the first that it is not above.
  explicit Histogram(std::vector<double> bounds)
      : bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {}

  void observe(double value) {
    size_t place = 0;
    while (place < bounds_.size() && value > bounds_[place]) ++place;
    counts_[place].fetch_add(1, std::memory_order_relaxed);
    double sum = sum_.load(std::memory_order_relaxed);
    while (!sum_.compare_exchange_weak(sum, sum + value, std::memory_order_relaxed)) {
    }
  }

  /// Samples of the text format, without help and type. `labels` are written as `name="value"`.
  std::string text(const std::string& name, const std::string& labels) const;

 private:
  const std::vector<double> bounds_;
  std::vector<std::atomic<uint64_t>> counts_;
  std::atomic<double> sum_{0.0};
};

}  // namespace tunefleet::serve
