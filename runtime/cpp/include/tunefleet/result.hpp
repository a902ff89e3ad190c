// Errors as values: nothing in tunefleet's interface throws.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <variant>

namespace tunefleet {

/// What kind of thing went wrong; the numbers are those of the C interface.
enum class Code : int {
  kInput = 1,   ///< Inputs or outputs are not what the model takes; nothing was computed.
  kBundle = 2,  ///< The bundle is damaged, incomplete, or of another schema.
  kCpu = 3,     ///< The bundle has nothing for this CPU.
  kSystem = 4,  ///< The operating system refused memory, a file or a thread.
};

struct Error {
  Code code;
  /// What happened, and what to do next; one line.
  std::string message;
};

/// Empty if all went well.
using Status = std::optional<Error>;

/// A value, or why there is none.
template <class T>
class Result {
 public:
  Result(T value) : held_(std::move(value)) {}
  Result(Error error) : held_(std::move(error)) {}

  explicit operator bool() const { return std::holds_alternative<T>(held_); }
  T& operator*() { return *std::get_if<T>(&held_); }
  const T& operator*() const { return *std::get_if<T>(&held_); }
  T* operator->() { return std::get_if<T>(&held_); }
  /// Only if there is no value.
  const Error& error() const { return *std::get_if<Error>(&held_); }

 private:
  std::variant<T, Error> held_;
};

}  // namespace tunefleet
