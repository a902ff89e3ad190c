// Serves a model from a bundle that `tunefleet export` wrote: no Python, no compiler.
//
//   auto model = tunefleet::Model::load("/srv/bundles/dlrm");
//   if (!model) return fail(model.error().message);
//   if (auto error = (*model)->score(inputs, 2, outputs, 1)) log(error->message);
//
// Any number of threads may call one model. Its weights are mapped once; each thread has one arena
// for the activations of all models. Nothing is allocated by a call after the thread's first.
#pragma once

#include <dlpack/dlpack.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tunefleet/export.h"
#include "tunefleet/result.hpp"

namespace tunefleet {

/// An input or an output, as the bundle describes it.
struct TensorSpec {
  std::string name;
  DLDataType dtype;
  /// Extents behind the batch; all of them if it is not batched.
  std::vector<int64_t> shape;
  /// False for an input that is the same for the whole batch.
  bool batched = true;
  /// Rows of the table that each element of an example indexes, 0 where it is no row number; one
  /// number stands for all; empty if none of them is a row number.
  std::vector<int64_t> rows;
};

/// What a model takes and returns.
struct Signature {
  std::string model;
  std::vector<TensorSpec> inputs, outputs;
};

struct Options {
  /// Look for a new version every so often, in a thread of its own; 0 leaves that to `refresh`.
  int watch_ms = 0;
  /// Check the SHA-256 of every file before it is used.
  bool verify = true;
  /// Serve with this CPU architecture of the bundle; empty takes the fastest one that runs here.
  std::string arch;
};

class TUNEFLEET_PUBLIC Model {
 public:
  /// Read the bundle in `folder`.
  static Result<std::shared_ptr<Model>> load(const std::string& folder, const Options& options = {});

  virtual ~Model() = default;

  /// Score a batch of any size.
  ///
  /// Tensors are dense, row-major, in CPU memory, in the order of `signature`; the first extent of
  /// those that are batched is the batch. After an error the outputs hold no scores.
  virtual Status score(const DLTensor* inputs, size_t num_inputs, const DLTensor* outputs,
                       size_t num_outputs) noexcept = 0;

  /// Serve what the folder has by now. Calls in flight end on what they began with, and are waited
  /// for; a bundle that is refused leaves the old version serving.
  virtual Status refresh() noexcept = 0;

  /// What is served now; a refresh may replace it.
  virtual std::shared_ptr<const Signature> signature() const noexcept = 0;

  /// CPU architecture that is served with, and SHA-256 of the manifest.
  virtual std::string arch() const = 0;
  virtual std::string version() const = 0;

  /// Batch sizes with code of their own, rising.
  virtual std::vector<int64_t> buckets() const = 0;

  /// Seconds that a call with so many rows takes, as they were timed where the bundle was written.
  virtual double seconds(int64_t rows) const = 0;

  /// Why the last attempt to refresh was refused; empty if it was not.
  virtual std::string last_error() const = 0;
};

/// Give this thread's arena back to the system; the next call makes another.
TUNEFLEET_PUBLIC void release_arena() noexcept;

}  // namespace tunefleet
