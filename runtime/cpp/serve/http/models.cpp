#include "http/models.hpp"

#include <algorithm>

namespace tunefleet::serve {
namespace {

size_t bytes_of(const std::vector<TensorSpec>& specs) {
  size_t total = 0;
  for (const TensorSpec& spec : specs) {
    if (!spec.batched) continue;
    size_t bytes = spec.dtype.bits / 8u;
    for (const int64_t extent : spec.shape) bytes *= static_cast<size_t>(extent);
    total += bytes;
  }
  return total;
}

/// The fewest rows that are scored about as fast as any: more would wait for each other in vain.
int64_t rows_to_join(const Model& model) {
  constexpr double kAbout = 1.05;
  // Of handing requests over to the thread that scores and back; as `serving.load` shows it.
  constexpr double kHandedOver = 20e-6;
  const auto of_a_row = [&](int64_t rows) {
    return (kHandedOver + model.seconds(rows)) / static_cast<double>(rows);
  };
  const auto buckets = model.buckets();
  double least = of_a_row(buckets.back());
  for (const int64_t rows : buckets) least = std::min(least, of_a_row(rows));
  return *std::find_if(buckets.begin(), buckets.end(),
                       [&](int64_t rows) { return of_a_row(rows) <= kAbout * least; });
}

}  // namespace

size_t row_bytes(const Signature& signature) {
  return std::max<size_t>(1, std::max(bytes_of(signature.inputs), bytes_of(signature.outputs)));
}

bool can_join(const Signature& signature) {
  return std::all_of(signature.inputs.begin(), signature.inputs.end(),
                     [](const TensorSpec& spec) { return spec.batched; });
}

std::vector<std::unique_ptr<Lane>> lanes_of(const ServedModels& models, int64_t join_rows) {
  std::vector<std::unique_ptr<Lane>> lanes;
  for (const auto& served : models) {
    int64_t join = join_rows >= 0 ? join_rows : rows_to_join(*served->model);
    if (!can_join(*served->model->signature())) join = 0;
    lanes.push_back(std::make_unique<Lane>(served->model, join, served->metrics));
  }
  return lanes;
}

}  // namespace tunefleet::serve
