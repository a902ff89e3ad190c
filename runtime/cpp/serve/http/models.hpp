// The models of a process, by name.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "metrics/model_metrics.hpp"
#include "scoring/batcher.hpp"
#include "tunefleet/model.hpp"

namespace tunefleet::serve {

struct ServedModel {
  std::string name;
  std::shared_ptr<Model> model;
  ModelMetrics metrics;
  /// Most rows of a request: what fits into the largest body.
  int64_t max_rows = 0;

  /// What clients call the version that is served: the first digits of its digest.
  std::string version() const { return model->version().substr(0, 12); }
};

/// A place is the model's lane in the batcher.
using ServedModels = std::vector<std::unique_ptr<ServedModel>>;

/// Bytes of one row of all inputs or all outputs, whichever are more.
size_t row_bytes(const Signature& signature);

/// Whether several requests can be scored together: no input is the same for a whole batch.
bool can_join(const Signature& signature);

/// A lane for each model; `join_rows` as `ServeOptions` has it.
std::vector<std::unique_ptr<Lane>> lanes_of(const ServedModels& models, int64_t join_rows);

}  // namespace tunefleet::serve
