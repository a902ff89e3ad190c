#include "manifest.hpp"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace tunefleet {
namespace {

using Json = nlohmann::json;

constexpr int64_t kSchema = 1;
/// No extent, batch or count is larger: products of a few of them stay far from overflow.
constexpr int64_t kMost = int64_t{1} << 31;
/// Inputs and outputs together; arguments of a call lie on the stack.
constexpr size_t kMostTensors = 60;

/// Reads values; the first that is not as it should be is remembered, and all after it are empty.
class Reader {
 public:
  const Json& at(const Json& from, const char* key) {
    static const Json nothing;
    if (!from.is_object() || !from.contains(key)) {
      fail(std::string(key) + " is missing");
      return nothing;
    }
    return from[key];
  }

  std::string text(const Json& from, const char* key) {
    const Json& value = at(from, key);
    if (!value.is_string()) return fail(std::string(key) + " is no text"), std::string();
    return value.get<std::string>();
  }

  int64_t number(const Json& value, const char* key, int64_t least = 0, int64_t most = kMost) {
    const bool whole = value.is_number_unsigned() || value.is_number_integer();
    const bool large = value.is_number_unsigned() && value.get<uint64_t>() > uint64_t(INT64_MAX);
    if (!whole || large || value.get<int64_t>() < least || value.get<int64_t>() > most) {
      fail(std::string(key) + " is no whole number from " + std::to_string(least) + " to " +
           std::to_string(most));
      return least;
    }
    return value.get<int64_t>();
  }

  std::vector<int64_t> numbers(const Json& from, const char* key, int64_t least = 0,
                               int64_t most = kMost) {
    std::vector<int64_t> found;
    for (const Json& value : list(from, key)) found.push_back(number(value, key, least, most));
    return found;
  }

  const Json& list(const Json& from, const char* key) {
    static const Json none = Json::array();
    const Json& value = at(from, key);
    if (value.is_array()) return value;
    fail(std::string(key) + " is no list");
    return none;
  }

  void require(bool holds, const std::string& what) {
    if (!holds) fail(what);
  }

  void fail(const std::string& what) {
    if (reason.empty()) reason = what;
  }

  std::string reason;
};

int64_t most_size() { return int64_t{1} << 46; }

FileEntry file_of(Reader& reader, const Json& from, const char* key) {
  const Json& entry = reader.at(from, key);
  FileEntry file;
  file.file = reader.text(entry, "file");
  file.sha256 = reader.text(entry, "sha256");
  file.bytes = uint64_t(reader.number(reader.at(entry, "bytes"), "bytes", 1, most_size()));
  // A file of the bundle's folder, not of any other.
  reader.require(!file.file.empty() && file.file[0] != '.' &&
                     file.file.find('/') == std::string::npos,
                 "a file's name leads out of the bundle");
  return file;
}

TensorSpec tensor_of(Reader& reader, const Json& from, bool input) {
  TensorSpec spec;
  spec.name = reader.text(from, "name");
  const std::string dtype = reader.text(from, "dtype");
  reader.require(parse_dtype(dtype, &spec.dtype), spec.name + " is of unknown type " + dtype);
  spec.shape = reader.numbers(from, "shape", 1);
  reader.require(spec.shape.size() < 8, spec.name + " has too many extents");
  if (!input) return spec;
  const Json& batched = reader.at(from, "batched");
  reader.require(batched.is_boolean(), "batched is neither true nor false");
  spec.batched = batched.is_boolean() && batched.get<bool>();
  if (reader.at(from, "rows").is_null()) return spec;
  spec.rows = reader.numbers(from, "rows", 0, INT64_MAX);
  double count = 1;
  for (const int64_t extent : spec.shape) count *= double(extent);
  const bool fits = spec.rows.size() == 1 || double(spec.rows.size()) == count;
  reader.require(fits, spec.name + " has limits for another number of elements");
  return spec;
}

/// Names are the callers' business, code knows none.
std::string nameless(Json tensors) {
  for (Json& tensor : tensors)
    if (tensor.is_object()) tensor.erase("name");
  return tensors.dump();
}

BucketEntry bucket_of(Reader& reader, const Json& from, size_t arrays) {
  BucketEntry bucket;
  bucket.batch = reader.number(reader.at(from, "batch"), "batch", 1);
  bucket.code = file_of(reader, from, "code");
  bucket.arena_bytes =
      uint64_t(reader.number(reader.at(from, "arena_bytes"), "arena_bytes", 1, most_size()));
  const Json& seconds = reader.at(from, "seconds");
  reader.require(seconds.is_number(), "seconds is no number");
  if (seconds.is_number()) bucket.seconds = seconds.get<double>();
  for (const int64_t place : reader.numbers(from, "reads")) {
    reader.require(size_t(place) < arrays, "a bucket reads an array that is not there");
    bucket.reads.push_back(uint64_t(place));
  }
  return bucket;
}

uint32_t place_of(Reader& reader, const ArchEntry& arch, int64_t batch) {
  for (size_t i = 0; i < arch.buckets.size(); ++i)
    if (arch.buckets[i].batch == batch) return uint32_t(i);
  reader.fail("the plan names a bucket that is not there");
  return 0;
}

ArchEntry arch_of(Reader& reader, const Json& from) {
  ArchEntry arch;
  arch.name = reader.text(from, "name");
  arch.isa_level = reader.text(from, "isa_level");
  for (const Json& feature : reader.list(from, "features")) {
    reader.require(feature.is_string(), "a feature is no text");
    if (feature.is_string()) arch.features.push_back(feature.get<std::string>());
  }
  arch.weights = file_of(reader, from, "weights");
  for (const Json& entry : reader.list(from, "arrays")) {
    ArrayEntry array;
    array.offset = uint64_t(reader.number(reader.at(entry, "offset"), "offset", 0, most_size()));
    array.bytes = uint64_t(reader.number(reader.at(entry, "bytes"), "bytes", 0, most_size()));
    const bool inside = array.offset + array.bytes <= arch.weights.bytes && array.offset % 64 == 0;
    reader.require(inside, "an array lies outside of its file");
    arch.arrays.push_back(array);
  }
  for (const Json& entry : reader.list(from, "buckets"))
    arch.buckets.push_back(bucket_of(reader, entry, arch.arrays.size()));
  reader.require(!arch.buckets.empty(), "there is no bucket");
  for (const int64_t batch : reader.numbers(from, "plan", 1))
    arch.plan.push_back(place_of(reader, arch, batch));
  arch.beyond = place_of(reader, arch, reader.number(reader.at(from, "beyond"), "beyond", 1));
  return arch;
}

}  // namespace

bool parse_dtype(const std::string& name, DLDataType* dtype) {
  struct Kind {
    const char* prefix;
    uint8_t code;
  };
  if (name == "bool") return *dtype = {kDLBool, 8, 1}, true;
  for (const Kind kind : {Kind{"float", kDLFloat}, {"uint", kDLUInt}, {"int", kDLInt}}) {
    const std::string prefix = kind.prefix;
    if (name.rfind(prefix, 0) != 0) continue;
    for (const int bits : {8, 16, 32, 64})
      if (name == prefix + std::to_string(bits))
        return *dtype = {kind.code, uint8_t(bits), 1}, true;
  }
  return false;
}

Result<Manifest> parse_manifest(std::string_view text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return Error{Code::kBundle, "the manifest is no JSON; export it again"};
  Reader reader;
  const int64_t schema = reader.number(reader.at(json, "schema"), "schema", 0, INT64_MAX);
  if (reader.reason.empty() && schema != kSchema)
    return Error{Code::kBundle, "the manifest is of schema " + std::to_string(schema) +
                                    ", this library reads " + std::to_string(kSchema)};
  Manifest manifest;
  manifest.signature.model = reader.text(json, "model");
  for (const Json& entry : reader.list(json, "inputs"))
    manifest.signature.inputs.push_back(tensor_of(reader, entry, true));
  for (const Json& entry : reader.list(json, "outputs"))
    manifest.signature.outputs.push_back(tensor_of(reader, entry, false));
  manifest.inputs = nameless(reader.list(json, "inputs"));
  manifest.outputs = nameless(reader.list(json, "outputs"));
  for (const Json& entry : reader.list(json, "archs"))
    manifest.archs.push_back(arch_of(reader, entry));
  const auto& inputs = manifest.signature.inputs;
  const auto& outputs = manifest.signature.outputs;
  reader.require(inputs.size() + outputs.size() <= kMostTensors, "there are too many tensors");
  reader.require(!outputs.empty() && std::any_of(inputs.begin(), inputs.end(),
                                                 [](const TensorSpec& s) { return s.batched; }),
                 "no input tells the batch, or there is no output");
  if (!reader.reason.empty())
    return Error{Code::kBundle, "the manifest is damaged: " + reader.reason + "; export it again"};
  return manifest;
}

}  // namespace tunefleet
