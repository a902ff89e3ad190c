#include "scoring/service_times.hpp"

namespace tunefleet::serve {
namespace {

/// Of a new value in the running mean: some dozen calls are remembered.
constexpr double kShare = 0.05;

size_t class_of(int64_t rows) {
  size_t place = 0;
  while ((int64_t{1} << place) < rows && place < 31) ++place;
  return place;
}

}  // namespace

void ServiceTimes::observe(int64_t rows, double seconds) {
  double& mean = seconds_[class_of(rows)];
  mean = mean == 0.0 ? seconds : mean + kShare * (seconds - mean);
}

double ServiceTimes::estimate(int64_t rows) const {
  const size_t wanted = class_of(rows);
  if (seconds_[wanted] != 0.0) return seconds_[wanted];
  for (size_t larger = wanted + 1; larger < kClasses; ++larger)
    if (seconds_[larger] != 0.0) return seconds_[larger];
  // Rows cost less the more there are: in proportion is too much rather than too little.
  for (size_t smaller = wanted; smaller-- > 0;)
    if (seconds_[smaller] != 0.0)
      return seconds_[smaller] * static_cast<double>(int64_t{1} << (wanted - smaller));
  return 0.0;
}

}  // namespace tunefleet::serve
