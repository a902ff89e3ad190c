// One version of a model, ready to be called; never changed after it was made.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "files.hpp"
#include "library.hpp"
#include "manifest.hpp"
#include "tunefleet/model.hpp"

namespace tunefleet {

/// A bucket, and the addresses that its code reads by.
struct Bucket {
  int64_t batch = 0;
  std::string sha256;
  /// Of one call, where the bundle was written.
  double seconds = 0.0;
  std::shared_ptr<const Library> library;
  std::vector<uint64_t> addresses;
};

struct Version {
  std::shared_ptr<const Signature> signature;
  std::string arch;
  /// SHA-256 of the manifest.
  std::string digest;
  std::string weights_sha256;
  std::shared_ptr<const Mapped> weights;
  std::vector<Bucket> buckets;
  /// Place in `buckets` of the first piece of a batch of 1, 2, ..., and of any larger one.
  std::vector<uint32_t> plan;
  uint32_t beyond = 0;
  /// Of the bucket that needs most.
  uint64_t arena_bytes = 0;

  const Bucket& bucket_for(int64_t rest) const {
    const auto place = static_cast<size_t>(rest - 1);
    return buckets[place < plan.size() ? plan[place] : beyond];
  }
};

/// Read the version that `folder` has now.
///
/// Code and weights that `old` has already, by their digests, are shared with it. `pause` is called
/// between pieces of weights.
Result<std::shared_ptr<const Version>> read_version(const std::string& folder,
                                                    const Options& options, const Version* old,
                                                    const Pause& pause = {});

}  // namespace tunefleet
