#include "protocol/response.hpp"

#include <nlohmann/json.hpp>

#include "protocol/datatype.hpp"
#include "protocol/values.hpp"

namespace tunefleet::serve {
namespace {

// Fields stand in the order in which people read them.
using Ordered = nlohmann::ordered_json;

/// The longest reason; it may quote a request.
constexpr size_t kMostReason = 500;

Ordered describe(const std::vector<TensorSpec>& specs) {
  Ordered list = Ordered::array();
  for (const TensorSpec& spec : specs) {
    Ordered shape = spec.shape;
    if (spec.batched) shape.insert(shape.begin(), -1);
    list.push_back({{"name", spec.name}, {"datatype", datatype(spec.dtype)}, {"shape", shape}});
  }
  return list;
}

}  // namespace

Answer infer_answer(const std::string& model, const InferRequest& request,
                    const Signature& signature, const std::vector<std::vector<char>>& outputs) {
  Ordered json{{"model_name", model}};
  if (!request.id.empty()) json["id"] = request.id;
  json["outputs"] = Ordered::array();
  size_t binary = 0;
  for (const Wanted& wanted : request.outputs) {
    const TensorSpec& spec = signature.outputs[wanted.place];
    const std::vector<char>& data = outputs[wanted.place];
    Ordered shape = spec.shape;
    shape.insert(shape.begin(), request.rows);
    Ordered output{{"name", spec.name}, {"datatype", datatype(spec.dtype)}, {"shape", shape}};
    if (wanted.binary) {
      output["parameters"] = {{"binary_data_size", data.size()}};
      binary += data.size();
    } else {
      output["data"] = write_values(data.data(), spec.dtype, data.size() / (spec.dtype.bits / 8u));
    }
    json["outputs"].push_back(std::move(output));
  }
  Answer answer{json.dump(), 0};
  if (binary == 0) return answer;
  answer.head = answer.body.size();
  answer.body.reserve(answer.head + binary);
  for (const Wanted& wanted : request.outputs)
    if (wanted.binary)
      answer.body.append(outputs[wanted.place].data(), outputs[wanted.place].size());
  return answer;
}

std::string server_metadata() {
  return Ordered{{"name", "tunefleet-serve"},
              {"version", TUNEFLEET_VERSION},
              {"extensions", {"binary_tensor_data"}}}
      .dump();
}

std::string model_metadata(const std::string& model, const std::string& version,
                           const Signature& signature) {
  return Ordered{{"name", model},
              {"versions", {version}},
              {"platform", "tunefleet"},
              {"inputs", describe(signature.inputs)},
              {"outputs", describe(signature.outputs)}}
      .dump();
}

std::string error_body(const std::string& reason) {
  const Ordered json{{"error", reason.substr(0, kMostReason)}};
  return json.dump(-1, ' ', false, Ordered::error_handler_t::replace);
}

}  // namespace tunefleet::serve
