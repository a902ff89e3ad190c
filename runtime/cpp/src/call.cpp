#include "call.hpp"

#include <array>
#include <cstring>

#include "arena.hpp"

namespace tunefleet {
namespace {

/// As many as a manifest may have, the addresses, the arena and the first row.
constexpr size_t kMostArguments = 64;
/// What the code returns if a row number is outside of its table; see runtime/program/entry.py.
constexpr int64_t kOutside = 1;

std::string shape_text(const DLTensor& tensor) {
  std::string text = "[";
  for (int32_t i = 0; i < tensor.ndim; ++i)
    text += (i == 0 ? "" : ", ") + std::to_string(tensor.shape[i]);
  return text + "]";
}

std::string shape_text(const TensorSpec& spec) {
  std::string text = spec.batched ? "[batch" : "[";
  for (const int64_t extent : spec.shape)
    text += (text.size() == 1 ? "" : ", ") + std::to_string(extent);
  return text + "]";
}

bool dense(const DLTensor& tensor) {
  if (tensor.strides == nullptr) return true;
  int64_t stride = 1;
  for (int32_t i = tensor.ndim - 1; i >= 0; --i) {
    if (tensor.shape[i] != 1 && tensor.strides[i] != stride) return false;
    stride *= tensor.shape[i];
  }
  return true;
}

Status refuse(const TensorSpec& spec, const std::string& what) {
  return Error{Code::kInput, spec.name + " " + what};
}

/// Error unless a tensor is what `spec` says; `batch` is 0 until a batched tensor has told it.
Status check(const TensorSpec& spec, const DLTensor& tensor, int64_t* batch) {
  const size_t leading = spec.batched ? 1 : 0;
  if (tensor.device.device_type != kDLCPU) return refuse(spec, "is not in CPU memory");
  if (tensor.dtype.code != spec.dtype.code || tensor.dtype.bits != spec.dtype.bits ||
      tensor.dtype.lanes != 1)
    return refuse(spec, "is of another type");
  bool fits = static_cast<size_t>(tensor.ndim) == spec.shape.size() + leading;
  for (size_t i = 0; fits && i < spec.shape.size(); ++i)
    fits = tensor.shape[i + leading] == spec.shape[i];
  if (!fits)
    return refuse(spec, "has shape " + shape_text(tensor) + ", the model takes " + shape_text(spec));
  if (!dense(tensor)) return refuse(spec, "is not dense and row-major");
  if (spec.batched && tensor.shape[0] < 1) return refuse(spec, "has no rows");
  if (tensor.data == nullptr) return refuse(spec, "has no data");
  const auto at = reinterpret_cast<uintptr_t>(tensor.data) + tensor.byte_offset;
  if (at % (tensor.dtype.bits / 8u) != 0) return refuse(spec, "is not aligned to its elements");
  if (!spec.batched) return {};
  const int64_t rows = tensor.shape[0];
  if (*batch != 0 && rows != *batch)
    return refuse(spec, "has " + std::to_string(rows) + " rows, the inputs before it have " +
                            std::to_string(*batch));
  *batch = rows;
  return {};
}

template <class T>
Status find_outside(const TensorSpec& spec, const DLTensor& tensor) {
  const auto* values = reinterpret_cast<const T*>(static_cast<const char*>(tensor.data) +
                                                  tensor.byte_offset);
  int64_t count = 1, example = 1;
  for (int32_t i = 0; i < tensor.ndim; ++i) count *= tensor.shape[i];
  for (const int64_t extent : spec.shape) example *= extent;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t rows = spec.rows[spec.rows.size() == 1 ? 0 : static_cast<size_t>(i % example)];
    if (rows == 0) continue;
    const auto value = static_cast<double>(values[i]);
    // As the code has it: fractions are cut off towards zero.
    if (value > -1.0 && value < double(rows)) continue;
    return refuse(spec, "row " + std::to_string(i / example) + ", element " +
                            std::to_string(i % example) + ": " + std::to_string(values[i]) +
                            " is outside [0, " + std::to_string(rows) + ")");
  }
  return {};
}

/// Tells which row number the code turned down.
Status outside(const Version& version, const DLTensor* inputs) {
  for (size_t i = 0; i < version.signature->inputs.size(); ++i) {
    const TensorSpec& spec = version.signature->inputs[i];
    if (spec.rows.empty()) continue;
    Status found;
    if (spec.dtype.code == kDLFloat)
      found = spec.dtype.bits == 64 ? find_outside<double>(spec, inputs[i])
                                    : find_outside<float>(spec, inputs[i]);
    else if (spec.dtype.bits == 64)
      found = find_outside<int64_t>(spec, inputs[i]);
    else if (spec.dtype.bits == 32)
      found = find_outside<int32_t>(spec, inputs[i]);
    if (found) return found;
  }
  // The caller changed it meanwhile, or it is of a rare type.
  return Error{Code::kInput, "a row number is outside of its table"};
}

std::string raised() {
  TVMFFIObjectHandle error = nullptr;
  TVMFFIErrorMoveFromRaised(&error);
  if (error == nullptr) return "the code failed and does not say why";
  const TVMFFIErrorCell* cell = TVMFFIErrorGetCellPtr(error);
  std::string text(cell->message.data, cell->message.size);
  TVMFFIObjectDecRef(error);
  return text.substr(0, text.find('\n'));
}

TVMFFIAny tensor_argument(const DLTensor* tensor) {
  TVMFFIAny any{};
  any.type_index = kTVMFFIDLTensorPtr;
  any.v_ptr = const_cast<DLTensor*>(tensor);
  return any;
}

DLTensor flat(const void* data, int64_t* size, int64_t* stride, DLDataType dtype) {
  DLTensor tensor{};
  tensor.data = const_cast<void*>(data);
  tensor.device = {kDLCPU, 0};
  tensor.ndim = 1;
  tensor.dtype = dtype;
  tensor.shape = size;
  tensor.strides = stride;
  return tensor;
}

}  // namespace

Status call(const Version& version, const DLTensor* inputs, size_t num_inputs,
            const DLTensor* outputs, size_t num_outputs) {
  const Signature& signature = *version.signature;
  if (num_inputs != signature.inputs.size() || num_outputs != signature.outputs.size())
    return Error{Code::kInput, signature.model + " takes " +
                                   std::to_string(signature.inputs.size()) + " inputs and " +
                                   std::to_string(signature.outputs.size()) + " outputs, not " +
                                   std::to_string(num_inputs) + " and " +
                                   std::to_string(num_outputs)};
  int64_t batch = 0;
  for (size_t i = 0; i < num_inputs; ++i)
    if (auto error = check(signature.inputs[i], inputs[i], &batch)) return error;
  for (size_t i = 0; i < num_outputs; ++i)
    if (auto error = check(signature.outputs[i], outputs[i], &batch)) return error;

  void* arena = thread_arena(version.arena_bytes);
  if (arena == nullptr)
    return Error{Code::kSystem, "no memory for " + std::to_string(version.arena_bytes) +
                                    " bytes of activations"};
  int64_t arena_size = static_cast<int64_t>(thread_arena_size()), one = 1, addresses_size = 0;
  const DLTensor room = flat(arena, &arena_size, &one, {kDLUInt, 8, 1});
  DLTensor addresses = flat(nullptr, &addresses_size, &one, {kDLUInt, 64, 1});

  std::array<TVMFFIAny, kMostArguments> arguments;
  size_t count = 0;
  for (size_t i = 0; i < num_inputs; ++i) arguments[count++] = tensor_argument(&inputs[i]);
  arguments[count++] = tensor_argument(&addresses);
  arguments[count++] = tensor_argument(&room);
  for (size_t i = 0; i < num_outputs; ++i) arguments[count++] = tensor_argument(&outputs[i]);
  TVMFFIAny& start = arguments[count++];
  start = TVMFFIAny{};
  start.type_index = kTVMFFIInt;

  for (int64_t row = 0; row < batch;) {
    const Bucket& bucket = version.bucket_for(batch - row);
    addresses.data = const_cast<uint64_t*>(bucket.addresses.data());
    addresses_size = static_cast<int64_t>(bucket.addresses.size());
    start.v_int64 = row;
    TVMFFIAny result{};
    if (bucket.library->score()(nullptr, arguments.data(), static_cast<int32_t>(count), &result))
      return Error{Code::kInput, raised()};
    if (result.v_int64 == kOutside) return outside(version, inputs);
    if (result.v_int64 != 0) return Error{Code::kBundle, "the code turned its arena down"};
    row += bucket.batch;
  }
  return {};
}

}  // namespace tunefleet
