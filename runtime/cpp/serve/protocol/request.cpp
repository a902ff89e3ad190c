#include "protocol/request.hpp"

#include <cstring>
#include <new>
#include <nlohmann/json.hpp>

#include "protocol/datatype.hpp"
#include "protocol/values.hpp"

namespace tunefleet::serve {
namespace {

using Json = nlohmann::json;

constexpr size_t kLine = 64;
/// The longest that an answer repeats.
constexpr size_t kMostId = 256;

/// Says what is wrong with a request, once.
class Reader {
 public:
  Reader(const Body& body, const Signature& signature, int64_t max_rows)
      : body_(body), signature_(signature), max_rows_(max_rows), at_(body.head()) {}

  bool read(const Json& json) {
    if (!json.is_object()) return wrong("the request is no JSON object");
    if (json.contains("id") && (!json["id"].is_string() ||
                                json["id"].get_ref<const std::string&>().size() > kMostId))
      return wrong("id is no text of at most " + std::to_string(kMostId) + " bytes");
    if (json.contains("id")) request.id = json["id"].get<std::string>();
    if (!json.contains("inputs") || !json["inputs"].is_array())
      return wrong("inputs is no list");
    if (json["inputs"].size() != signature_.inputs.size())
      return wrong(signature_.model + " takes " + std::to_string(signature_.inputs.size()) +
                   " inputs, not " + std::to_string(json["inputs"].size()));
    request.inputs.resize(signature_.inputs.size());
    for (const Json& input : json["inputs"])
      if (!read_input(input)) return false;
    if (at_ != body_.size())
      return wrong(std::to_string(body_.size() - at_) + " bytes of binary data belong to no input");
    return read_outputs(json);
  }

  InferRequest request;
  std::string reason;

 private:
  bool wrong(std::string what) {
    reason = std::move(what);
    return false;
  }

  static const Json& at(const Json& from, const char* key) {
    static const Json nothing;
    const auto found = from.is_object() ? from.find(key) : from.end();
    return from.is_object() && found != from.end() ? *found : nothing;
  }

  template <class Specs>
  static size_t place_of(const Specs& specs, const Json& name) {
    for (size_t i = 0; i < specs.size(); ++i)
      if (name.is_string() && name.get_ref<const std::string&>() == specs[i].name) return i;
    return specs.size();
  }

  bool read_input(const Json& input) {
    const size_t place = place_of(signature_.inputs, at(input, "name"));
    if (place == signature_.inputs.size())
      return wrong("an input is called " + at(input, "name").dump() + ": there is none of that name");
    const TensorSpec& spec = signature_.inputs[place];
    Tensor& tensor = request.inputs[place];
    if (tensor.data != nullptr) return wrong(spec.name + " is there twice");
    if (at(input, "datatype") != datatype(spec.dtype))
      return wrong(spec.name + " is of datatype " + at(input, "datatype").dump() +
                   ", the model takes " + datatype(spec.dtype));
    if (!read_shape(spec, at(input, "shape"), tensor)) return false;
    size_t count = 1;
    for (const int64_t extent : tensor.shape) count *= static_cast<size_t>(extent);
    return read_data(spec, input, count, tensor);
  }

  bool read_shape(const TensorSpec& spec, const Json& shape, Tensor& tensor) {
    const size_t leading = spec.batched ? 1 : 0;
    bool fits = shape.is_array() && shape.size() == spec.shape.size() + leading;
    for (size_t i = 0; fits && i < spec.shape.size(); ++i)
      fits = shape[i + leading].is_number_unsigned() &&
             shape[i + leading].get<uint64_t>() == static_cast<uint64_t>(spec.shape[i]);
    if (!fits)
      return wrong(spec.name + " has shape " + shape.dump() + ", the model takes " + text_of(spec));
    tensor.shape = spec.shape;
    if (!spec.batched) return true;
    const Json& rows = shape[0];
    if (!rows.is_number_unsigned() || rows.get<uint64_t>() < 1 ||
        rows.get<uint64_t>() > static_cast<uint64_t>(max_rows_))
      return wrong(spec.name + " has " + rows.dump() + " rows, not 1 to " +
                   std::to_string(max_rows_));
    const auto count = rows.get<int64_t>();
    if (request.rows != 0 && request.rows != count)
      return wrong(spec.name + " has " + std::to_string(count) + " rows, the inputs before it " +
                   std::to_string(request.rows));
    request.rows = count;
    tensor.shape.insert(tensor.shape.begin(), count);
    return true;
  }

  bool read_data(const TensorSpec& spec, const Json& input, size_t count, Tensor& tensor) {
    const Json& binary = at(at(input, "parameters"), "binary_data_size");
    if (binary.is_null()) {
      const std::string why = read_values(at(input, "data"), spec.dtype, count, tensor.own);
      if (!why.empty()) return wrong(spec.name + " " + why);
      tensor.data = tensor.own.data();
      return true;
    }
    const size_t bytes = count * (spec.dtype.bits / 8u);
    if (!binary.is_number_unsigned() || binary.get<uint64_t>() != bytes)
      return wrong(spec.name + " has " + binary.dump() + " bytes of binary data, its shape " +
                   std::to_string(bytes));
    if (bytes > body_.size() - at_) return wrong("the binary data of " + spec.name + " is cut off");
    tensor.data = body_.data() + at_;
    at_ += bytes;
    if (reinterpret_cast<uintptr_t>(tensor.data) % (spec.dtype.bits / 8u) == 0) return true;
    tensor.own.assign(tensor.data, tensor.data + bytes);
    tensor.data = tensor.own.data();
    return true;
  }

  bool read_outputs(const Json& json) {
    const Json& all = at(at(json, "parameters"), "binary_data_output");
    const bool binary = all.is_boolean() && all.get<bool>();
    if (!json.contains("outputs")) {
      for (size_t i = 0; i < signature_.outputs.size(); ++i) request.outputs.push_back({i, binary});
    } else if (!json["outputs"].is_array() || json["outputs"].size() > signature_.outputs.size()) {
      return wrong("outputs is no list of outputs of the model");
    } else {
      for (const Json& output : json["outputs"]) {
        const size_t place = place_of(signature_.outputs, at(output, "name"));
        if (place == signature_.outputs.size())
          return wrong("an output is called " + at(output, "name").dump() +
                       ": there is none of that name");
        const Json& own = at(at(output, "parameters"), "binary_data");
        request.outputs.push_back({place, own.is_boolean() ? own.get<bool>() : binary});
      }
    }
    for (const Wanted& wanted : request.outputs)
      if (!wanted.binary && !has_values(signature_.outputs[wanted.place].dtype))
        return wrong(signature_.outputs[wanted.place].name + " can be had as binary data only");
    return true;
  }

  static std::string text_of(const TensorSpec& spec) {
    Json shape = spec.shape;
    if (spec.batched) shape.insert(shape.begin(), -1);
    return shape.dump();
  }

  const Body& body_;
  const Signature& signature_;
  const int64_t max_rows_;
  /// Where the next input's binary data begin.
  size_t at_;
};

}  // namespace

Body::Body(size_t size, size_t head)
    : room_(new (std::nothrow) char[size + kLine]), size_(size), head_(head) {
  if (room_ == nullptr) return;
  const auto binary = reinterpret_cast<uintptr_t>(room_.get()) + head;
  data_ = room_.get() + (kLine - binary % kLine) % kLine;
}

Result<InferRequest> parse_request(const Body& body, const Signature& signature, int64_t max_rows) {
  const Json json = Json::parse(body.data(), body.data() + body.head(), nullptr,
                                /*allow_exceptions=*/false);
  if (json.is_discarded()) return Error{Code::kInput, "the request is no JSON"};
  Reader reader(body, signature, max_rows);
  if (!reader.read(json)) return Error{Code::kInput, reader.reason};
  return std::move(reader.request);
}

}  // namespace tunefleet::serve
