#include "scoring/joined.hpp"

#include <cstring>

namespace tunefleet::serve {
namespace {

size_t size_of(const DLTensor& tensor) {
  size_t size = tensor.dtype.bits / 8u;
  for (int32_t i = 0; i < tensor.ndim; ++i) size *= static_cast<size_t>(tensor.shape[i]);
  return size;
}

/// Lay out room for the rows of all jobs.
void fit(const std::vector<TensorSpec>& specs, int64_t rows, std::vector<OwnTensor>& tensors,
         std::vector<DLTensor>& views) {
  tensors.resize(specs.size());
  views.resize(specs.size());
  for (size_t i = 0; i < specs.size(); ++i) {
    tensors[i].fit(specs[i], rows);
    views[i] = tensors[i].view();
  }
}

}  // namespace

void Joined::score(Model& model, const std::vector<Job*>& jobs) {
  if (jobs.size() > 1 && !score_joined(model, jobs)) return;
  for (Job* job : jobs)
    job->error = model.score(job->inputs.data(), job->inputs.size(), job->outputs.data(),
                             job->outputs.size());
}

Status Joined::score_joined(Model& model, const std::vector<Job*>& jobs) {
  const auto signature = model.signature();
  int64_t rows = 0;
  for (const Job* job : jobs) rows += job->rows;
  fit(signature->inputs, rows, inputs_, given_);
  fit(signature->outputs, rows, outputs_, wanted_);
  for (size_t i = 0; i < given_.size(); ++i) {
    char* to = inputs_[i].bytes.data();
    for (const Job* job : jobs) {
      std::memcpy(to, job->inputs[i].data, size_of(job->inputs[i]));
      to += size_of(job->inputs[i]);
    }
  }
  if (auto error = model.score(given_.data(), given_.size(), wanted_.data(), wanted_.size()))
    return error;
  for (size_t i = 0; i < wanted_.size(); ++i) {
    const char* from = outputs_[i].bytes.data();
    for (const Job* job : jobs) {
      std::memcpy(job->outputs[i].data, from, size_of(job->outputs[i]));
      from += size_of(job->outputs[i]);
    }
  }
  return {};
}

}  // namespace tunefleet::serve
