#include "http/infer.hpp"

#include "http/answers.hpp"

namespace tunefleet::serve {
namespace {

DLTensor view(const void* data, std::vector<int64_t>& shape, DLDataType dtype) {
  DLTensor tensor{};
  tensor.data = const_cast<void*>(data);
  tensor.device = {kDLCPU, 0};
  tensor.ndim = static_cast<int32_t>(shape.size());
  tensor.dtype = dtype;
  tensor.shape = shape.data();
  return tensor;
}

}  // namespace

bool Infer::parse(Response& response) {
  signature_ = served.model->signature();
  auto read = parse_request(body, *signature_, served.max_rows);
  if (!read) {
    refuse(response, 400, read.error().message);
    return false;
  }
  request_ = std::move(*read);
  job.rows = request_.rows;
  for (size_t i = 0; i < request_.inputs.size(); ++i) {
    Tensor& tensor = request_.inputs[i];
    job.inputs.push_back(view(tensor.data, tensor.shape, signature_->inputs[i].dtype));
  }
  const auto& outputs = signature_->outputs;
  scores_.resize(outputs.size());
  shapes_.resize(outputs.size());
  for (size_t i = 0; i < outputs.size(); ++i) {
    shapes_[i] = outputs[i].shape;
    shapes_[i].insert(shapes_[i].begin(), job.rows);
    size_t size = outputs[i].dtype.bits / 8u;
    for (const int64_t extent : shapes_[i]) size *= static_cast<size_t>(extent);
    scores_[i].resize(size);
    job.outputs.push_back(view(scores_[i].data(), shapes_[i], outputs[i].dtype));
  }
  return true;
}

size_t Infer::json_bytes() const {
  // A float takes four bytes, and about twelve as text.
  size_t bytes = 0;
  for (const Wanted& output : request_.outputs)
    if (!output.binary) bytes += 3 * scores_[output.place].size();
  return bytes;
}

void Infer::finish(Response& response) const {
  if (job.error)
    return refuse(response, job.error->code == Code::kInput ? 400 : 500, job.error->message);
  Answer scored = infer_answer(served.name, request_, *signature_, scores_);
  answer(response, 200, std::move(scored.body));
  if (scored.head == 0) return;
  response.set(http::field::content_type, "application/octet-stream");
  response.set("Inference-Header-Content-Length", std::to_string(scored.head));
}

}  // namespace tunefleet::serve
