// What a client asks for: the body of an inference request.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tunefleet/model.hpp"

namespace tunefleet::serve {

/// A body with its binary part on a cache line, so that most tensors are scored where they arrived.
class Body {
 public:
  /// Room for `size` bytes of which the first `head` are JSON; not cleared. `data` is null if there
  /// is no memory.
  Body(size_t size, size_t head);

  char* data() { return data_; }
  const char* data() const { return data_; }
  size_t size() const { return size_; }
  size_t head() const { return head_; }

 private:
  std::unique_ptr<char[]> room_;
  char* data_ = nullptr;
  size_t size_, head_;
};

/// A tensor that lies in a body, or in memory of its own; the shape lies beside it.
struct Tensor {
  std::vector<int64_t> shape;
  std::vector<char> own;
  const char* data = nullptr;
};

/// An output that a client wants.
struct Wanted {
  /// Place in the signature's outputs.
  size_t place = 0;
  bool binary = false;
};

struct InferRequest {
  std::string id;
  int64_t rows = 0;
  /// In the order of the signature.
  std::vector<Tensor> inputs;
  std::vector<Wanted> outputs;
};

/// Read a request; whatever is in `body`, the result is an error or fits the signature. Tensors may
/// lie in `body`.
Result<InferRequest> parse_request(const Body& body, const Signature& signature, int64_t max_rows);

}  // namespace tunefleet::serve
