// Microseconds of a call, and of its kernels alone on the same staged inputs, in turns.
#include "arena.hpp"
#include "bench.hpp"
#include "version.hpp"

namespace tunefleet::bench {
namespace {

/// Seconds that one turn lasts, about.
constexpr double kTurn = 0.002;

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

template <class Call>
double seconds_of(Call&& call, int count) {
  const double begin = now();
  for (int i = 0; i < count; ++i) call();
  return (now() - begin) / count;
}

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
  const auto version = read_version(arguments[0], {}, nullptr);
  if (!version) fail(version.error().message);
  Kernels kernels(**version, rows);
  const int count = std::max(1, static_cast<int>(kTurn / seconds_of(call, 100)));
  std::vector<double> calls, alone, beyond;
  for (int64_t i = 0; i < std::stoll(arguments[2]); ++i) {
    calls.push_back(seconds_of(call, count));
    alone.push_back(seconds_of(kernels, count));
    beyond.push_back(calls.back() - alone.back());
  }
  std::printf("call_us %.3f\n", quantile(calls, 0.5) * 1e6);
  std::printf("kernels_us %.3f\n", quantile(alone, 0.5) * 1e6);
  std::printf("beyond_us %.3f\n", quantile(beyond, 0.5) * 1e6);
  return 0;
}

}  // namespace tunefleet::bench
