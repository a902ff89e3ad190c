// Several requests as one call of the model.
#pragma once

#include <vector>

#include "scoring/job.hpp"
#include "tensors.hpp"
#include "tunefleet/model.hpp"

namespace tunefleet::serve {

/// Memory for joined calls of one thread; it grows to the largest and stays.
class Joined {
 public:
  /// Score jobs that share a model; each gets its own error, or scores. One that is refused does
  /// not fail the others: they are scored again by themselves.
  void score(Model& model, const std::vector<Job*>& jobs);

 private:
  Status score_joined(Model& model, const std::vector<Job*>& jobs);

  std::vector<OwnTensor> inputs_, outputs_;
  std::vector<DLTensor> given_, wanted_;
};

}  // namespace tunefleet::serve
