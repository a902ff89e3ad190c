#include "contract.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace tunefleet {
namespace {

using Json = nlohmann::json;

/// What the manifest and the files hold of what a contract tells.
Json claimed(const Manifest& manifest, const ArchEntry& arch, const BucketEntry& bucket,
             const Mapped& weights, size_t constants) {
  Json said = {{"batch", bucket.batch},
               {"arena_bytes", bucket.arena_bytes},
               {"weights", Json::array()},
               {"constants", Json::array()},
               {"inputs", Json::parse(manifest.inputs, nullptr, false)},
               {"outputs", Json::parse(manifest.outputs, nullptr, false)}};
  const size_t sized = bucket.reads.size() - std::min(constants, bucket.reads.size());
  for (size_t i = 0; i < bucket.reads.size(); ++i) {
    const ArrayEntry& array = arch.arrays[bucket.reads[i]];
    if (i < sized)
      said["weights"].push_back(array.bytes);
    else
      said["constants"].push_back(sha256(weights.text().substr(array.offset, array.bytes)));
  }
  return said;
}

}  // namespace

Status check_contract(std::string_view contract, const Manifest& manifest, const ArchEntry& arch,
                      const BucketEntry& bucket, const Mapped& weights) {
  const std::string named = "bucket " + std::to_string(bucket.batch);
  const Json compiled = Json::parse(contract, nullptr, /*allow_exceptions=*/false);
  if (!compiled.is_object() || !compiled.contains("constants"))
    return Error{Code::kBundle, "the code of " + named + " has no contract; export it again"};
  const Json said = claimed(manifest, arch, bucket, weights, compiled["constants"].size());
  for (const auto& [key, value] : said.items())
    if (!compiled.contains(key) || compiled[key] != value)
      return Error{Code::kBundle, "the manifest and the code of " + named + " disagree on its " +
                                      key + "; export the bundle again"};
  if (said.size() != compiled.size())
    return Error{Code::kBundle, "the code of " + named + " asks for more than this library knows"};
  return {};
}

}  // namespace tunefleet
