#include "tunefleet/model.hpp"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <new>
#include <thread>

#include "call.hpp"
#include "files.hpp"
#include "served.hpp"

namespace tunefleet {
namespace {

/// Shares a CPU with calls that have no other: for each moment of work it rests for several.
///
/// The system lets a thread run for milliseconds before the next one has its turn, which is many
/// calls' time; pieces that are shorter than a call, with rests between them, delay few, and little.
class Pace {
 public:
  using Clock = std::chrono::steady_clock;

  /// How long to rest after what was done since `go_on`.
  Clock::duration rest() const { return std::min(Clock::now() - begin_, kMost) * kRests; }
  void go_on() { begin_ = Clock::now(); }

 private:
  static constexpr int kRests = 4;
  /// A piece that took longer was interrupted.
  static constexpr Clock::duration kMost = std::chrono::microseconds(200);

  Clock::time_point begin_ = Clock::now();
};

class Served final : public Model {
 public:
  Served(std::string folder, Options options, std::shared_ptr<const Version> version)
      : folder_(std::move(folder)), options_(std::move(options)), version_(std::move(version)) {}

  ~Served() override {
    {
      const std::lock_guard<std::mutex> held(watching_);
      ending_ = true;
    }
    wake_.notify_all();
    if (watcher_.joinable()) watcher_.join();
  }

  void watch() {
    if (options_.watch_ms > 0) watcher_ = std::thread([this] { watch_folder(); });
  }

  Status score(const DLTensor* inputs, size_t num_inputs, const DLTensor* outputs,
               size_t num_outputs) noexcept override {
    try {
      const auto version = current();
      return call(*version, inputs, num_inputs, outputs, num_outputs);
    } catch (const std::exception& error) {
      return Error{Code::kSystem, error.what()};
    }
  }

  Status refresh() noexcept override {
    try {
      const std::lock_guard<std::mutex> held(refreshing_);
      auto old = current();
      if (manifest_digest() == old->digest) return note({}), Status{};
      Pace pace;
      auto fresh = read_version(folder_, options_, old.get(), [&] { rest(pace); });
      if (fresh && !stands_in(*(*fresh)->signature, *old->signature))
        fresh = Error{Code::kBundle,
                      "the new version takes other inputs or outputs; load it as another model"};
      note(fresh ? std::string() : fresh.error().message);
      if (!fresh) return fresh.error();
      std::atomic_store(&version_, *fresh);
      // Whoever lets go of a version last gives its memory back, which takes a while: not a caller.
      while (old.use_count() > 1) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      return {};
    } catch (const std::exception& error) {
      return Error{Code::kSystem, error.what()};
    }
  }

  std::shared_ptr<const Signature> signature() const noexcept override {
    return current()->signature;
  }
  std::string arch() const override { return current()->arch; }
  std::string version() const override { return current()->digest; }

  std::vector<int64_t> buckets() const override {
    const auto version = current();
    std::vector<int64_t> sizes;
    for (const Bucket& bucket : version->buckets) sizes.push_back(bucket.batch);
    return sizes;
  }

  double seconds(int64_t rows) const override {
    const auto version = current();
    double total = 0.0;
    while (rows > 0) {
      const Bucket& bucket = version->bucket_for(rows);
      total += bucket.seconds;
      rows -= bucket.batch;
    }
    return total;
  }

  std::string last_error() const override {
    const std::lock_guard<std::mutex> held(noting_);
    return last_error_;
  }

  std::shared_ptr<const Version> current() const { return std::atomic_load(&version_); }

 private:
  static bool stands_in(const Signature& fresh, const Signature& old) {
    const auto same = [](const std::vector<TensorSpec>& a, const std::vector<TensorSpec>& b) {
      if (a.size() != b.size()) return false;
      for (size_t i = 0; i < a.size(); ++i)
        if (a[i].dtype.code != b[i].dtype.code || a[i].dtype.bits != b[i].dtype.bits ||
            a[i].shape != b[i].shape || a[i].batched != b[i].batched)
          return false;
      return true;
    };
    return same(fresh.inputs, old.inputs) && same(fresh.outputs, old.outputs);
  }

  void note(std::string error) {
    const std::lock_guard<std::mutex> held(noting_);
    last_error_ = std::move(error);
  }

  /// Rests, unless the model is going away.
  void rest(Pace& pace) {
    std::unique_lock<std::mutex> held(watching_);
    wake_.wait_for(held, pace.rest(), [this] { return ending_; });
    pace.go_on();
  }

  void watch_folder() {
    // Reading and checking a version takes longer than a call: calls go first. Linux counts this by
    // thread.
    constexpr int kNice = 10;
    ::setpriority(PRIO_PROCESS, static_cast<id_t>(::gettid()), kNice);
    std::string seen = version();
    std::unique_lock<std::mutex> held(watching_);
    const auto pause = std::chrono::milliseconds(options_.watch_ms);
    while (!wake_.wait_for(held, pause, [this] { return ending_; })) {
      held.unlock();
      const std::string now = manifest_digest();
      if (!now.empty() && now != seen) {
        const Status refused = refresh();
        // A damaged version is not tried again until there is another; a lack of memory passes.
        if (!refused || refused->code != Code::kSystem) seen = now;
      }
      held.lock();
    }
  }

  std::string manifest_digest() const {
    const auto text = read_file(folder_ + "/manifest.json", 0);
    return text ? sha256(*text) : std::string();
  }

  const std::string folder_;
  const Options options_;
  /// Read and replaced by `std::atomic_load` and `std::atomic_store` only.
  std::shared_ptr<const Version> version_;
  std::mutex refreshing_;
  mutable std::mutex noting_;
  std::string last_error_;
  std::mutex watching_;
  std::condition_variable wake_;
  bool ending_ = false;
  std::thread watcher_;
};

}  // namespace

std::shared_ptr<const Version> served_version(const Model& model) {
  return static_cast<const Served&>(model).current();
}

Result<std::shared_ptr<Model>> Model::load(const std::string& folder, const Options& options) {
  try {
    auto version = read_version(folder, options, nullptr);
    if (!version) return version.error();
    auto served = std::make_shared<Served>(folder, options, *version);
    served->watch();
    return std::shared_ptr<Model>(std::move(served));
  } catch (const std::exception& error) {
    return Error{Code::kSystem, error.what()};
  }
}

}  // namespace tunefleet
