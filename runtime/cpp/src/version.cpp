#include "version.hpp"

#include <algorithm>

#include "contract.hpp"
#include "cpu.hpp"

namespace tunefleet {
namespace {

double seconds_of(const ArchEntry& arch) {
  double total = 0.0;
  for (const BucketEntry& bucket : arch.buckets) total += bucket.seconds / double(bucket.batch);
  return total;
}

/// The fastest that runs here, or the one that was asked for.
Result<const ArchEntry*> choose(const Manifest& manifest, const std::string& wanted) {
  const ArchEntry* best = nullptr;
  std::string names;
  for (const ArchEntry& arch : manifest.archs) {
    names += (names.empty() ? "" : ", ") + arch.name;
    if (!wanted.empty() && arch.name != wanted) continue;
    if (!runs_here(arch.isa_level, arch.features)) continue;
    if (best == nullptr || seconds_of(arch) < seconds_of(*best)) best = &arch;
  }
  if (best != nullptr) return best;
  const std::string which = wanted.empty() ? "none of them runs on this CPU"
                                           : wanted + " is not among them, or does not run here";
  return Error{Code::kCpu, "the bundle is for " + names + ": " + which +
                               "; export it for this CPU's architecture, too"};
}

Error broken(const std::string& folder, const FileEntry& entry) {
  return {Code::kBundle, folder + "/" + entry.file +
                             " is not what the manifest promises; export the bundle again"};
}

Result<Bucket> read_bucket(const std::string& folder, const Options& options,
                           const Manifest& manifest, const ArchEntry& arch,
                           const BucketEntry& entry, const Mapped& weights, const Version* old) {
  Bucket bucket;
  bucket.batch = entry.batch;
  bucket.sha256 = entry.code.sha256;
  bucket.seconds = entry.seconds;
  if (old != nullptr)
    for (const Bucket& known : old->buckets)
      if (known.sha256 == entry.code.sha256) bucket.library = known.library;
  if (bucket.library == nullptr) {
    auto code = read_file(folder + "/" + entry.code.file, entry.code.bytes);
    if (!code) return code.error();
    if (options.verify && sha256(*code) != entry.code.sha256) return broken(folder, entry.code);
    auto library = Library::load(*code, entry.code.file);
    if (!library) return library.error();
    bucket.library = *library;
  }
  if (auto error = check_contract(bucket.library->contract(), manifest, arch, entry, weights))
    return *error;
  for (const uint64_t place : entry.reads)
    bucket.addresses.push_back(
        reinterpret_cast<uint64_t>(weights.data() + arch.arrays[place].offset));
  // The address of an empty vector would be null, which is no tensor.
  if (bucket.addresses.empty()) bucket.addresses.push_back(0);
  return bucket;
}

}  // namespace

Result<std::shared_ptr<const Version>> read_version(const std::string& folder,
                                                    const Options& options, const Version* old,
                                                    const Pause& pause) {
  auto text = read_file(folder + "/manifest.json", 0);
  if (!text) return text.error();
  auto manifest = parse_manifest(*text);
  if (!manifest) return manifest.error();
  auto chosen = choose(*manifest, options.arch);
  if (!chosen) return chosen.error();
  const ArchEntry& arch = **chosen;

  auto version = std::make_shared<Version>();
  version->signature = std::make_shared<const Signature>(manifest->signature);
  version->arch = arch.name;
  version->digest = sha256(*text);
  version->plan = arch.plan;
  version->beyond = arch.beyond;
  version->weights_sha256 = arch.weights.sha256;
  if (old != nullptr && old->weights_sha256 == arch.weights.sha256) {
    version->weights = old->weights;
  } else {
    auto weights = Mapped::open(folder + "/" + arch.weights.file, arch.weights.bytes);
    if (!weights) return weights.error();
    if (!options.verify)
      (*weights)->read();
    else if (sha256((*weights)->text(), pause) != arch.weights.sha256)
      return broken(folder, arch.weights);
    version->weights = *weights;
  }
  if (version->weights->size() != arch.weights.bytes)
    return Error{Code::kBundle, "the manifest is damaged: weights of two sizes"};
  for (const BucketEntry& entry : arch.buckets) {
    auto bucket = read_bucket(folder, options, *manifest, arch, entry, *version->weights, old);
    if (!bucket) return bucket.error();
    version->buckets.push_back(std::move(*bucket));
    version->arena_bytes = std::max(version->arena_bytes, entry.arena_bytes);
  }
  return std::shared_ptr<const Version>(std::move(version));
}

}  // namespace tunefleet
