// Threads score without a pause while the two newest versions of a bundle take turns being served:
// calls that failed, answers that are neither version's, tails, memory. Turns with and without new
// versions alternate; each lasts as long as it is told to, and until some versions and calls were seen.
#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "bench.hpp"

namespace tunefleet::bench {
namespace {

namespace fs = std::filesystem;

/// What a turn has to have seen, however busy the machine is.
constexpr uint64_t kLeastVersions = 2, kLeastCalls = 100;

/// Swaps versions as an exporter does: beside, then renamed.
class Swapper {
 public:
  explicit Swapper(fs::path folder) : folder_(std::move(folder)) {
    std::vector<fs::path> found;
    for (const auto& entry : fs::directory_iterator(folder_ / "versions"))
      found.push_back(entry.path());
    if (found.size() < 2) fail("the bundle has to have two versions");
    std::sort(found.begin(), found.end());
    versions_ = {found[found.size() - 2], found[found.size() - 1]};
  }

  void swap() {
    const fs::path part = folder_ / "manifest.json.part";
    fs::copy_file(versions_[at_], part, fs::copy_options::overwrite_existing);
    fs::rename(part, folder_ / "manifest.json");
    at_ = 1 - at_;
  }

 private:
  fs::path folder_;
  std::vector<fs::path> versions_;
  size_t at_ = 0;
};

/// Seconds of a call, of each turn: kept like this, the memory of a long run stays what it is.
class Tails {
 public:
  void take(const std::vector<double>& times) {
    for (Part& part : parts_) part.turns.push_back(quantile(times, part.share));
  }

  /// Medians of the turns.
  void print(const char* kind) const {
    for (const Part& part : parts_)
      std::printf("%s_%s_us %.1f\n", kind, part.name, quantile(part.turns, 0.5) * 1e6);
  }

 private:
  struct Part {
    const char* name;
    double share;
    std::vector<double> turns = {};
  };
  Part parts_[3] = {{"p50", 0.5}, {"p99", 0.99}, {"p999", 0.999}};
};

struct Load {
  Model& model;
  int64_t rows;
  size_t threads;
  /// Scores of each version, for each thread's inputs.
  std::vector<std::vector<std::vector<char>>> known = {};
  std::atomic<uint64_t> failed{0}, mixed{0}, calls{0};

  /// Seconds of each call; `meanwhile` is called again and again until `seconds` have passed, and
  /// it says that it is enough.
  template <class Meanwhile>
  std::vector<double> run(double seconds, Meanwhile meanwhile) {
    std::atomic<bool> stop{false};
    std::vector<std::vector<double>> times(threads);
    std::vector<std::thread> callers;
    for (size_t at = 0; at < threads; ++at)
      callers.emplace_back([&, at] {
        Batch batch(*model.signature(), rows, static_cast<unsigned>(at));
        times[at].reserve(1 << 20);
        while (!stop) {
          const double begin = now();
          const Status error = batch.score(model);
          times[at].push_back(now() - begin);
          ++calls;
          if (error)
            ++failed;
          else if (std::none_of(known.begin(), known.end(),
                                [&](const auto& version) { return batch.scored(version[at]); }))
            ++mixed;
        }
      });
    const double end = now() + seconds;
    while (!meanwhile() || now() < end) {
    }
    stop = true;
    for (auto& caller : callers) caller.join();
    std::vector<double> all;
    for (const auto& some : times) all.insert(all.end(), some.begin(), some.end());
    return all;
  }
};

double resident_mb() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.rfind("VmRSS:", 0) == 0) return std::stod(line.substr(6)) / 1024;
  return 0;
}

}  // namespace

int refresh(const Arguments& arguments) {
  const auto period = std::chrono::milliseconds(std::stoll(arguments[5]));
  Swapper swapper(arguments[0]);
  Options options;
  options.watch_ms = static_cast<int>(std::max<int64_t>(1, period.count() / 4));
  const auto model = load(arguments[0], options);
  Load load{*model, std::stoll(arguments[1]), std::stoul(arguments[2])};
  for (int version = 0; version < 2; ++version) {
    swapper.swap();
    if (auto error = model->refresh()) fail(error->message);
    load.known.emplace_back();
    for (size_t at = 0; at < load.threads; ++at) {
      Batch batch(*model->signature(), load.rows, static_cast<unsigned>(at));
      if (auto error = batch.score(*model)) fail(error->message);
      load.known.back().push_back(batch.scores());
    }
  }
  if (load.known[0] == load.known[1]) fail("the two versions score alike");

  const double seconds = std::stod(arguments[4]);
  Tails steady, refreshed;
  std::string seen = model->version();
  uint64_t swaps = 0, served = 0;
  double refreshing_s = 0, first_mb = 0, last_mb = 0;
  for (int64_t round = 0; round < std::stoll(arguments[3]); ++round) {
    steady.take(load.run(seconds, [&] {
      std::this_thread::sleep_for(period);
      return true;
    }));
    const double begin = now();
    const uint64_t least_served = served + kLeastVersions, least_calls = load.calls + kLeastCalls;
    refreshed.take(load.run(seconds, [&] {
      swapper.swap();
      ++swaps;
      std::this_thread::sleep_for(period);
      if (model->version() != seen) ++served;
      seen = model->version();
      return served >= least_served && load.calls >= least_calls;
    }));
    refreshing_s += now() - begin;
    // Not while a version is half read.
    if (auto error = model->refresh()) fail(error->message);
    seen = model->version();
    last_mb = resident_mb();
    if (round == 0) first_mb = last_mb;
  }
  std::printf("calls %llu\nfailed %llu\nmixed %llu\nswaps %llu\nserved %llu\n",
              static_cast<unsigned long long>(load.calls), static_cast<unsigned long long>(load.failed),
              static_cast<unsigned long long>(load.mixed), static_cast<unsigned long long>(swaps),
              static_cast<unsigned long long>(served));
  steady.print("steady");
  refreshed.print("refreshed");
  std::printf("refreshing_s %.1f\n", refreshing_s);
  std::printf("first_mb %.1f\nlast_mb %.1f\n", first_mb, last_mb);
  if (!model->last_error().empty()) fail(model->last_error());
  return 0;
}

}  // namespace tunefleet::bench
