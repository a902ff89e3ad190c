// Requests in, scores out: a queue for each model, and the threads that score.
#pragma once

#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "metrics/model_metrics.hpp"
#include "scoring/job.hpp"
#include "scoring/service_times.hpp"
#include "tunefleet/model.hpp"

namespace tunefleet::serve {

struct BatcherOptions {
  size_t threads = 1;
  bool pin = true;
  std::chrono::microseconds join_delay{0};
  /// Longest estimated wait, in seconds, that a request is taken with.
  double max_wait = 0.02;
};

/// A model that requests wait for.
struct Lane {
  Lane(std::shared_ptr<Model> served, int64_t join, ModelMetrics& counted)
      : model(std::move(served)), join_rows(join), metrics(counted) {}

  const std::shared_ptr<Model> model;
  /// Most rows that are scored together; 0 joins none.
  const int64_t join_rows;
  ModelMetrics& metrics;

  // Under the batcher's lock.
  std::deque<Job*> waiting;
  int64_t rows = 0;
  ServiceTimes times;
};

class Batcher {
 public:
  Batcher(std::vector<std::unique_ptr<Lane>> lanes, const BatcherOptions& options);
  /// No request may be under way.
  ~Batcher();

  /// Have a job scored; false if it would have to wait too long, and will not be.
  bool submit(size_t lane, Job& job);

  /// Whether a request that came now would be shed.
  bool overloaded();

  const std::vector<std::unique_ptr<Lane>>& lanes() const { return lanes_; }

 private:
  /// Seconds that a request which came now would wait, as far as it can be told; under the lock.
  double estimated_wait() const;
  void run(size_t thread);
  /// The lane whose turn it is; null if none has enough waiting, and `until` is when one will.
  Lane* due(Clock::time_point now, Clock::time_point* until) const;
  static std::vector<Job*> take(Lane& lane);

  const std::vector<std::unique_ptr<Lane>> lanes_;
  const BatcherOptions options_;
  std::mutex lock_;
  std::condition_variable arrived_;
  bool ending_ = false;
  /// By thread, when it is expected to be done; the epoch if it scores nothing.
  std::vector<Clock::time_point> busy_until_;
  std::vector<std::thread> threads_;
};

}  // namespace tunefleet::serve
