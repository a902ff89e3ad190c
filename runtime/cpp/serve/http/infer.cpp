#include "http/answers.hpp"
#include "http/body_length.hpp"
#include "http/routes.hpp"

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

/// Bytes that are held while this lives, if there is room for them.
class Held {
 public:
  Held(std::atomic<size_t>& all, size_t bytes, size_t most)
      : fits(all.fetch_add(bytes) + bytes <= most), all_(all), bytes_(bytes) {}
  ~Held() { all_ -= bytes_; }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

  const bool fits;

 private:
  std::atomic<size_t>& all_;
  const size_t bytes_;
};

/// Room for the scores of a request.
struct Scores {
  Scores(const Signature& signature, int64_t rows)
      : bytes(signature.outputs.size()), shapes(signature.outputs.size()) {
    for (size_t i = 0; i < bytes.size(); ++i) {
      const TensorSpec& spec = signature.outputs[i];
      shapes[i] = spec.shape;
      shapes[i].insert(shapes[i].begin(), rows);
      size_t size = spec.dtype.bits / 8u;
      for (const int64_t extent : shapes[i]) size *= static_cast<size_t>(extent);
      bytes[i].resize(size);
    }
  }

  std::vector<std::vector<char>> bytes;
  std::vector<std::vector<int64_t>> shapes;
};

}  // namespace

void Routes::infer(size_t place, const httplib::Request& request, httplib::Response& response) {
  const BodyLength length = body_length(request, limits_.body);
  const Held held(waiting_, length.bytes, limits_.waiting);
  if (!held.fits) return shed(response, "too many bytes are waiting");
  const Body body = [&] {
    Body room(length.bytes, length.json);
    if (room.data() != nullptr && current->read_body(room.data(), room.size()))
      current->closing = false;
    return room;
  }();
  if (body.data() == nullptr) return refuse(response, 500, "out of memory");
  if (current->closing) {
    const int status = current->failure();
    return refuse(response, status, status == 408 ? reason_of(408) : "the body is cut off");
  }
  infer_body(place, body, response);
}

void Routes::infer_body(size_t place, const Body& body, httplib::Response& response) {
  const ServedModel& served = *models_[place];
  const auto signature = served.model->signature();
  // Before the work of reading it: what is refused has to cost little.
  if (batcher_.overloaded()) return shed(response, "too many requests are waiting");
  auto request = parse_request(body, *signature, served.max_rows);
  if (!request) return refuse(response, 400, request.error().message);
  Job job;
  job.rows = request->rows;
  for (size_t i = 0; i < request->inputs.size(); ++i) {
    Tensor& tensor = request->inputs[i];
    job.inputs.push_back(view(tensor.data, tensor.shape, signature->inputs[i].dtype));
  }
  Scores scores(*signature, job.rows);
  for (size_t i = 0; i < scores.bytes.size(); ++i)
    job.outputs.push_back(
        view(scores.bytes[i].data(), scores.shapes[i], signature->outputs[i].dtype));
  const auto outcome = [&] {
    const Turn::Lent lent(current->turn);
    return batcher_.score(place, job);
  }();
  if (outcome == Batcher::Outcome::kShed) return shed(response, "too many requests are waiting");
  if (job.error)
    return refuse(response, job.error->code == Code::kInput ? 400 : 500, job.error->message);
  Answer scored = infer_answer(served.name, *request, *signature, scores.bytes);
  answer(response, 200, std::move(scored.body));
  if (scored.head == 0) return;
  response.headers.erase("Content-Type");
  response.set_header("Content-Type", "application/octet-stream");
  response.set_header("Inference-Header-Content-Length", std::to_string(scored.head));
}

}  // namespace tunefleet::serve
