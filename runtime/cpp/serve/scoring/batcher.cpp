#include "scoring/batcher.hpp"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <utility>

#include "scoring/joined.hpp"

namespace tunefleet::serve {
namespace {

/// Keep the calling thread on the `place`th CPU that the process may use.
void pin_to(size_t place) {
  cpu_set_t allowed;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  size_t left = place % static_cast<size_t>(CPU_COUNT(&allowed));
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed) || left-- != 0) continue;
    cpu_set_t only;
    CPU_ZERO(&only);
    CPU_SET(cpu, &only);
    ::pthread_setaffinity_np(::pthread_self(), sizeof only, &only);
    return;
  }
}

Clock::duration duration(double seconds) {
  return std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
}

}  // namespace

Batcher::Batcher(std::vector<std::unique_ptr<Lane>> lanes, const BatcherOptions& options)
    : lanes_(std::move(lanes)), options_(options), busy_until_(options.threads) {
  for (size_t at = 0; at < options.threads; ++at) threads_.emplace_back([this, at] { run(at); });
}

Batcher::~Batcher() {
  {
    const std::lock_guard<std::mutex> held(lock_);
    ending_ = true;
  }
  arrived_.notify_all();
  for (auto& thread : threads_) thread.join();
}

bool Batcher::submit(size_t place, Job& job) {
  Lane& lane = *lanes_[place];
  const std::lock_guard<std::mutex> held(lock_);
  if (estimated_wait() > options_.max_wait) return false;
  job.arrived = Clock::now();
  lane.waiting.push_back(&job);
  lane.rows += job.rows;
  arrived_.notify_one();
  return true;
}

bool Batcher::overloaded() {
  const std::lock_guard<std::mutex> held(lock_);
  return estimated_wait() > options_.max_wait;
}

double Batcher::estimated_wait() const {
  double seconds = 0.0;
  const auto now = Clock::now();
  for (const auto until : busy_until_)
    if (until > now) seconds += std::chrono::duration<double>(until - now).count();
  for (const auto& lane : lanes_) {
    if (lane->waiting.empty()) continue;
    if (lane->join_rows == 0) {
      const auto count = static_cast<int64_t>(lane->waiting.size());
      seconds += static_cast<double>(count) * lane->times.estimate(lane->rows / count);
      continue;
    }
    const int64_t whole = lane->rows / lane->join_rows, rest = lane->rows % lane->join_rows;
    seconds += static_cast<double>(whole) * lane->times.estimate(lane->join_rows);
    if (rest != 0) seconds += lane->times.estimate(rest);
  }
  return seconds / static_cast<double>(threads_.size());
}

Lane* Batcher::due(Clock::time_point now, Clock::time_point* until) const {
  Lane* found = nullptr;
  *until = Clock::time_point::max();
  for (const auto& lane : lanes_) {
    if (lane->waiting.empty()) continue;
    const auto oldest = lane->waiting.front()->arrived;
    const bool joins = lane->join_rows != 0 && lane->rows < lane->join_rows && !ending_;
    const auto ripe = joins ? oldest + options_.join_delay : oldest;
    if (ripe > now)
      *until = std::min(*until, ripe);
    else if (found == nullptr || oldest < found->waiting.front()->arrived)
      found = lane.get();
  }
  return found;
}

std::vector<Job*> Batcher::take(Lane& lane) {
  std::vector<Job*> jobs;
  int64_t rows = 0;
  while (!lane.waiting.empty()) {
    Job* next = lane.waiting.front();
    if (!jobs.empty() && rows + next->rows > lane.join_rows) break;
    jobs.push_back(next);
    lane.waiting.pop_front();
    rows += next->rows;
  }
  lane.rows -= rows;
  return jobs;
}

void Batcher::run(size_t thread) {
  if (options_.pin) pin_to(thread);
  Joined joined;
  std::unique_lock<std::mutex> held(lock_);
  while (true) {
    Clock::time_point until;
    Lane* lane = due(Clock::now(), &until);
    if (lane == nullptr) {
      if (ending_ && until == Clock::time_point::max()) return;
      if (until == Clock::time_point::max())
        arrived_.wait(held);
      else
        arrived_.wait_until(held, until);
      continue;
    }
    const std::vector<Job*> jobs = take(*lane);
    int64_t rows = 0;
    for (const Job* job : jobs) rows += job->rows;
    const auto begin = Clock::now();
    busy_until_[thread] = begin + duration(lane->times.estimate(rows));
    // Whoever came with these may have left more than this thread takes.
    if (!lane->waiting.empty()) arrived_.notify_one();
    held.unlock();
    for (const Job* job : jobs)
      lane->metrics.queued.observe(std::chrono::duration<double>(begin - job->arrived).count());
    joined.score(*lane->model, jobs);
    const double took = seconds_since(begin);
    lane->metrics.scored.observe(took);
    lane->metrics.rows.observe(static_cast<double>(rows));
    held.lock();
    lane->times.observe(rows, took);
    busy_until_[thread] = {};
    held.unlock();
    // After what the next request is measured by; and with the call, the job is gone.
    for (Job* job : jobs) std::exchange(job->ended, nullptr)();
    held.lock();
  }
}

}  // namespace tunefleet::serve
