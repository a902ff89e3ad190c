#include <dlfcn.h>

#include "peer.hpp"

namespace tunefleet::bench {
namespace {

/// Places in the table of functions that is ONNX Runtime's C interface. Its wheel has the library
/// and no header; the table only ever grows at its end (OrtApi in onnxruntime_c_api.h).
enum class Place : size_t {
  kGetErrorMessage = 2,
  kCreateEnv = 3,
  kCreateSession = 7,
  kRun = 9,
  kCreateSessionOptions = 10,
  kSetIntraOpNumThreads = 24,
  kSetInterOpNumThreads = 25,
  kSessionGetInputName = 36,
  kSessionGetOutputName = 37,
  kCreateTensorWithData = 49,
  kCreateCpuMemoryInfo = 69,
  kGetAllocatorWithDefaultOptions = 78,
  kReleaseStatus = 93,
  kReleaseValue = 96,
};

/// Of the table; any that has these functions.
constexpr uint32_t kVersion = 1;

struct Base {
  const void* const* (*table)(uint32_t version);
  const char* (*version)();
};

/// What its functions take and give is never looked into here.
using Handle = void*;

class Api {
 public:
  explicit Api(const void* const* table) : table_(table) {}

  template <class Function>
  Function* function(Place place) const {
    return reinterpret_cast<Function*>(const_cast<void*>(table_[static_cast<size_t>(place)]));
  }

  /// Call a function that returns a status.
  template <class... Arguments>
  Status operator()(Place place, Arguments... arguments) const {
    const Handle status = function<Handle(Arguments...)>(place)(arguments...);
    if (status == nullptr) return {};
    Error error{Code::kSystem, function<const char*(Handle)>(Place::kGetErrorMessage)(status)};
    release(Place::kReleaseStatus, status);
    return error;
  }

  void release(Place place, Handle what) const { function<void(Handle)>(place)(what); }

 private:
  const void* const* table_;
};

/// ONNX's number of a type; 0 if it is not used here.
int element_type(DLDataType dtype) {
  if (dtype.code == kDLFloat && dtype.bits == 32) return 1;
  if (dtype.code == kDLInt && dtype.bits == 32) return 6;
  if (dtype.code == kDLInt && dtype.bits == 64) return 7;
  return 0;
}

/// Lives as long as the process: what it holds is never given back.
class OnnxModel final : public Peer {
 public:
  OnnxModel(std::shared_ptr<Model> like, Api api) : Peer(std::move(like)), api_(api) {}

  Status open(const std::string& file) {
    constexpr int kWarnings = 2, kArena = 1, kDefaultMemory = 0;
    Handle environment = nullptr, options = nullptr, allocator = nullptr;
    const auto step = [&](Status error) {
      if (error && !failed_) failed_ = error;
      return !failed_;
    };
    static_cast<void>(
        step(api_(Place::kCreateEnv, kWarnings, "peer", &environment)) &&
        step(api_(Place::kCreateSessionOptions, &options)) &&
        step(api_(Place::kSetIntraOpNumThreads, options, 1)) &&
        step(api_(Place::kSetInterOpNumThreads, options, 1)) &&
        step(api_(Place::kCreateSession, environment, file.c_str(), options, &session_)) &&
        step(api_(Place::kCreateCpuMemoryInfo, kArena, kDefaultMemory, &memory_)) &&
        step(api_(Place::kGetAllocatorWithDefaultOptions, &allocator)));
    const auto name = [&](Place place, size_t at, std::vector<const char*>& names) {
      char* found = nullptr;
      if (!failed_ && step(api_(place, session_, at, allocator, &found))) names.push_back(found);
    };
    for (size_t i = 0; i < signature()->inputs.size(); ++i)
      name(Place::kSessionGetInputName, i, inputs_);
    for (size_t i = 0; i < signature()->outputs.size(); ++i)
      name(Place::kSessionGetOutputName, i, outputs_);
    return failed_;
  }

  Status score(const DLTensor* inputs, size_t num_inputs, const DLTensor* outputs,
               size_t num_outputs) noexcept override {
    std::vector<Handle> given, wanted;
    Status error = wrap(inputs, num_inputs, given);
    if (!error) error = wrap(outputs, num_outputs, wanted);
    if (!error)
      error = api_(Place::kRun, session_, Handle{nullptr}, inputs_.data(), given.data(),
                   given.size(), outputs_.data(), wanted.size(), wanted.data());
    for (const auto& values : {given, wanted})
      for (const Handle value : values) api_.release(Place::kReleaseValue, value);
    return error;
  }

 private:
  Status wrap(const DLTensor* tensors, size_t count, std::vector<Handle>& to) const {
    for (size_t i = 0; i < count; ++i) {
      const DLTensor& tensor = tensors[i];
      size_t bytes = tensor.dtype.bits / 8u;
      for (int32_t d = 0; d < tensor.ndim; ++d) bytes *= static_cast<size_t>(tensor.shape[d]);
      Handle value = nullptr;
      if (auto error = api_(Place::kCreateTensorWithData, memory_, tensor.data, bytes, tensor.shape,
                            static_cast<size_t>(tensor.ndim), element_type(tensor.dtype), &value))
        return error;
      to.push_back(value);
    }
    return {};
  }

  const Api api_;
  Handle session_ = nullptr, memory_ = nullptr;
  std::vector<const char*> inputs_, outputs_;
  Status failed_;
};

}  // namespace

Result<std::shared_ptr<Model>> load_onnxruntime(std::shared_ptr<Model> like,
                                                const std::string& library,
                                                const std::string& file) {
  void* handle = ::dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  const auto base = handle == nullptr ? nullptr
                                      : reinterpret_cast<const Base* (*)()>(
                                            ::dlsym(handle, "OrtGetApiBase"));
  if (base == nullptr) return Error{Code::kSystem, library + " is no ONNX Runtime"};
  auto model = std::make_shared<OnnxModel>(std::move(like), Api(base()->table(kVersion)));
  if (auto error = model->open(file)) return *error;
  return std::shared_ptr<Model>(std::move(model));
}

}  // namespace tunefleet::bench
