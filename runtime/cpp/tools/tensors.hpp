// Tensors with memory of their own.
#pragma once

#include <cstdint>
#include <vector>

#include "tunefleet/model.hpp"

namespace tunefleet {

class OwnTensor {
 public:
  /// Make room for a batch.
  void fit(const TensorSpec& spec, int64_t batch) {
    shape_.clear();
    if (spec.batched) shape_.push_back(batch);
    shape_.insert(shape_.end(), spec.shape.begin(), spec.shape.end());
    size_t size = spec.dtype.bits / 8u;
    for (const int64_t extent : shape_) size *= static_cast<size_t>(extent);
    bytes.resize(size);
    dtype_ = spec.dtype;
  }

  /// Valid until the next `fit`.
  DLTensor view() {
    DLTensor tensor{};
    tensor.data = bytes.data();
    tensor.device = {kDLCPU, 0};
    tensor.ndim = static_cast<int32_t>(shape_.size());
    tensor.dtype = dtype_;
    tensor.shape = shape_.data();
    return tensor;
  }

  std::vector<char> bytes;

 private:
  std::vector<int64_t> shape_;
  DLDataType dtype_{};
};

}  // namespace tunefleet
