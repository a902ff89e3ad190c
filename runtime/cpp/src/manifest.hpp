// What a bundle says of itself; see runtime/bundle/manifest.py.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tunefleet/model.hpp"

namespace tunefleet {

struct FileEntry {
  std::string file, sha256;
  uint64_t bytes = 0;
};

struct ArrayEntry {
  uint64_t offset = 0, bytes = 0;
};

struct BucketEntry {
  int64_t batch = 0;
  FileEntry code;
  uint64_t arena_bytes = 0;
  double seconds = 0.0;
  /// Places in `ArchEntry::arrays`.
  std::vector<uint64_t> reads;
};

struct ArchEntry {
  std::string name, isa_level;
  std::vector<std::string> features;
  FileEntry weights;
  std::vector<ArrayEntry> arrays;
  /// By batch size, rising.
  std::vector<BucketEntry> buckets;
  /// Place in `buckets` of the first piece of a batch of 1, 2, ..., and of any larger one.
  std::vector<uint32_t> plan;
  uint32_t beyond = 0;
};

struct Manifest {
  Signature signature;
  /// As they are written but for their names, as JSON.
  std::string inputs, outputs;
  std::vector<ArchEntry> archs;
};

/// Read a manifest; whatever is in `text`, the result is an error or holds together: no index is out
/// of range, no array outside of its file.
Result<Manifest> parse_manifest(std::string_view text);

/// `float32` and the like; false if there is no such type.
bool parse_dtype(const std::string& name, DLDataType* dtype);

}  // namespace tunefleet
