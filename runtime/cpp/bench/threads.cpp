// Calls per second of two threads over those of one, in turns; and the same of a loop that touches
// no memory: what the machine's two cores can do at best.
#include <atomic>
#include <thread>

#include "bench.hpp"

namespace tunefleet::bench {
namespace {

/// Turns of `step` per second, by `count` threads on a core each.
template <class MakeStep>
double rate(size_t count, double seconds, MakeStep make_step) {
  std::atomic<size_t> ready{0};
  std::atomic<bool> go{false}, stop{false};
  std::vector<uint64_t> done(count * 16, 0);
  std::vector<std::thread> threads;
  for (size_t at = 0; at < count; ++at)
    threads.emplace_back([&, at] {
      pin(at);
      auto step = make_step(at);
      step();
      ++ready;
      while (!go) std::this_thread::yield();
      uint64_t turns = 0;
      for (; !stop; ++turns) step();
      done[at * 16] = turns;
    });
  while (ready != count) std::this_thread::yield();
  const double begin = now();
  go = true;
  std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  stop = true;
  const double took = now() - begin;
  for (auto& thread : threads) thread.join();
  uint64_t turns = 0;
  for (const uint64_t some : done) turns += some;
  return static_cast<double>(turns) / took;
}

}  // namespace

int threads(const Arguments& arguments) {
  const auto model = load(arguments[0]);
  const int64_t rows = std::stoll(arguments[1]);
  const double seconds = std::stod(arguments[3]);
  const auto calls = [&](size_t seed) {
    auto batch = std::make_shared<Batch>(*model->signature(), rows, static_cast<unsigned>(seed));
    return [batch, &model] {
      if (auto error = batch->score(*model)) fail(error->message);
    };
  };
  const auto spinning = [](size_t) {
    return [] {
      double x = 1.0;
      for (int i = 0; i < 20000; ++i) x = x * 1.0000001 + 1e-9;
      [[maybe_unused]] volatile double kept = x;
    };
  };
  std::vector<double> one, two, calls_ratio, spin_ratio;
  for (int64_t i = 0; i < std::stoll(arguments[2]); ++i) {
    one.push_back(rate(1, seconds, calls));
    two.push_back(rate(2, seconds, calls));
    calls_ratio.push_back(two.back() / one.back());
    spin_ratio.push_back(rate(2, seconds, spinning) / rate(1, seconds, spinning));
  }
  std::printf("one_per_s %.0f\n", quantile(one, 0.5));
  std::printf("two_per_s %.0f\n", quantile(two, 0.5));
  std::printf("ratio %.3f\n", quantile(calls_ratio, 0.5));
  std::printf("spin_ratio %.3f\n", quantile(spin_ratio, 0.5));
  return 0;
}

}  // namespace tunefleet::bench
