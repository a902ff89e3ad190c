// What code was compiled for, against what the manifest says of it.
#pragma once

#include <string_view>

#include "files.hpp"
#include "manifest.hpp"

namespace tunefleet {

/// Error if the code of a bucket was compiled for anything else than it would be called with; see
/// runtime/program/contract.py.
Status check_contract(std::string_view contract, const Manifest& manifest, const ArchEntry& arch,
                      const BucketEntry& bucket, const Mapped& weights);

}  // namespace tunefleet
