#include "metrics/histogram.hpp"

#include <cstdio>

namespace tunefleet::serve {
namespace {

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", value);
  return text;
}

}  // namespace

std::string Histogram::text(const std::string& name, const std::string& labels) const {
  std::string text;
  uint64_t below = 0;
  for (size_t i = 0; i <= bounds_.size(); ++i) {
    below += counts_[i].load(std::memory_order_relaxed);
    const std::string bound = i < bounds_.size() ? number(bounds_[i]) : "+Inf";
    text += name + "_bucket{" + labels + ",le=\"" + bound + "\"} " + std::to_string(below) + "\n";
  }
  text += name + "_sum{" + labels + "} " + number(sum_.load(std::memory_order_relaxed)) + "\n";
  text += name + "_count{" + labels + "} " + std::to_string(below) + "\n";
  return text;
}

}  // namespace tunefleet::serve
