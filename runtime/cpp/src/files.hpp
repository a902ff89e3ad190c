// Files of a bundle, in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "tunefleet/result.hpp"

namespace tunefleet {

/// Read a file that has to be `bytes` long; any length up to 64 MiB if that is 0.
Result<std::string> read_file(const std::string& path, uint64_t bytes);

/// A file, mapped for reading; the mapping outlives the file's name.
class Mapped {
 public:
  /// Map a file that has to be `bytes` long.
  static Result<std::shared_ptr<const Mapped>> open(const std::string& path, uint64_t bytes);

  Mapped(const void* data, size_t size) : data_(static_cast<const char*>(data)), size_(size) {}
  ~Mapped();
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;

  /// Have the system read all of it now.
  void read() const;

  const char* data() const { return data_; }
  size_t size() const { return size_; }
  std::string_view text() const { return {data_, size_}; }

 private:
  const char* data_;
  size_t size_;
};

/// Called between two pieces of a long work, so that others get on with theirs.
using Pause = std::function<void()>;

/// SHA-256 in hexadecimal digits; empty if it cannot be computed.
std::string sha256(std::string_view bytes, const Pause& pause = {});

}  // namespace tunefleet
