// Microseconds of a call beyond its kernels: a call, and its kernels alone on what the call before
// left staged, are timed in turns, each after the same steps, so that both find the caches alike.
//
// A call finds its inputs near if whoever calls has just written them, as a server has that has just
// received them; after kernels that were run twice they are far away, as is all that is no kernel.
// A call copies its inputs and checks the copy: what it costs at the same moments to copy as
// many bytes and look at each word once is the part of the rest that is the machine's.
#include "arena.hpp"
#include "bench.hpp"
#include "served.hpp"

namespace tunefleet::bench {
namespace {

/// The kernels of a bucket, as the last call of this thread left their inputs staged.
class Kernels {
 public:
  Kernels(const Version& version, int64_t rows) {
    for (const Bucket& bucket : version.buckets)
      if (bucket.batch == rows) bucket_ = &bucket;
    if (bucket_ == nullptr) fail("the batch has to be one of the buckets");
    run_ = bucket_->library->function("kernels");
    const auto flat = [](void* data, int64_t* size, DLDataType dtype) {
      DLTensor tensor{};
      tensor.data = data;
      tensor.device = {kDLCPU, 0};
      tensor.ndim = 1;
      tensor.dtype = dtype;
      tensor.shape = size;
      return tensor;
    };
    sizes_[0] = static_cast<int64_t>(bucket_->addresses.size());
    sizes_[1] = static_cast<int64_t>(thread_arena_size());
    tensors_[0] = flat(const_cast<uint64_t*>(bucket_->addresses.data()), &sizes_[0],
                       {kDLUInt, 64, 1});
    tensors_[1] = flat(thread_arena(version.arena_bytes), &sizes_[1], {kDLUInt, 8, 1});
    for (int i = 0; i < 2; ++i) {
      arguments_[i].type_index = kTVMFFIDLTensorPtr;
      arguments_[i].v_ptr = &tensors_[i];
    }
  }
  Kernels(const Kernels&) = delete;
  Kernels& operator=(const Kernels&) = delete;

  void operator()() {
    TVMFFIAny result{};
    if (run_(nullptr, arguments_, 2, &result) != 0 || result.v_int64 != 0)
      fail("the kernels failed");
  }

 private:
  const Bucket* bucket_ = nullptr;
  TVMFFISafeCallType run_ = nullptr;
  int64_t sizes_[2] = {};
  DLTensor tensors_[2] = {};
  TVMFFIAny arguments_[2] = {};
};

/// Two buffers of a size, the copy of one into the other, and one look at each word of the copy.
class Copy {
 public:
  explicit Copy(size_t bytes) : from_(bytes / 8), to_(bytes / 8) {}

  void operator()() {
    std::copy(from_.begin(), from_.end(), to_.begin());
    uint64_t seen = 0;
    for (const uint64_t word : to_) seen |= word;
    if (seen != 0) fail("a copy is no copy");
  }
  void write() { std::fill(from_.begin(), from_.end(), uint64_t{0}); }

 private:
  std::vector<uint64_t> from_, to_;
};

template <class Step>
double seconds_of(Step&& step) {
  const double begin = now();
  step();
  return now() - begin;
}

/// One way of finding the inputs: seconds of each turn.
struct Turns {
  std::vector<double> calls, beyond, copies;

  void print(const char* name) const {
    std::printf("%s_call_us %.3f\n", name, quantile(calls, 0.5) * 1e6);
    std::printf("%s_beyond_us %.3f\n", name, quantile(beyond, 0.5) * 1e6);
    std::printf("%s_copy_us %.3f\n", name, quantile(copies, 0.5) * 1e6);
  }
};

}  // namespace

int overhead(const Arguments& arguments) {
  pin(static_cast<size_t>(sched_getcpu()));
  const auto model = load(arguments[0]);
  const int64_t rows = std::stoll(arguments[1]);
  Batch batch(*model->signature(), rows, 1);
  const auto call = [&] {
    if (auto error = batch.score(*model)) fail(error->message);
  };
  call();
  const auto version = served_version(*model);
  Kernels kernels(*version, rows);
  Copy copy(batch.input_bytes());
  const auto far = [&] {
    kernels();
    kernels();
  };
  const auto near = [&] {
    call();
    batch.write();
  };
  Turns far_turns, near_turns;
  const auto take = [&](Turns& turns, const auto& prepare, bool written) {
    prepare();
    turns.calls.push_back(seconds_of(call));
    prepare();
    turns.beyond.push_back(turns.calls.back() - seconds_of(kernels));
    prepare();
    if (written) copy.write();
    turns.copies.push_back(seconds_of(copy));
  };
  for (int64_t i = 0; i < std::stoll(arguments[2]); ++i) {
    take(far_turns, far, false);
    take(near_turns, near, true);
  }
  far_turns.print("far");
  near_turns.print("near");
  return 0;
}

}  // namespace tunefleet::bench
