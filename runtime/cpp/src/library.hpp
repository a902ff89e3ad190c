// One bucket's compiled code.
#pragma once

#include <tvm/ffi/c_api.h>

#include <memory>
#include <string>
#include <string_view>

#include "tunefleet/result.hpp"

namespace tunefleet {

/// A shared library that is loaded from memory: what was checked is what runs, whatever becomes of
/// the file.
class Library {
 public:
  static Result<std::shared_ptr<const Library>> load(std::string_view bytes,
                                                     const std::string& name);

  Library(void* handle, int file) : handle_(handle), file_(file) {}
  ~Library();
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  /// A function by the name that runtime/program/entry.py gives it; null if there is none.
  TVMFFISafeCallType function(const std::string& name) const;
  /// `score(input..., addresses, arena, output..., start)`.
  TVMFFISafeCallType score() const { return score_; }
  /// What the code was compiled for, as JSON; see runtime/program/contract.py.
  std::string_view contract() const { return contract_; }

 private:
  void* handle_;
  int file_;
  TVMFFISafeCallType score_ = nullptr;
  std::string_view contract_;
};

}  // namespace tunefleet
