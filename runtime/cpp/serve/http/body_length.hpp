// How long a request's body is, as far as its head can be believed.
#pragma once

#include <string>

#include "http/beast.hpp"

namespace tunefleet::serve {

struct BodyLength {
  size_t bytes = 0;
  /// Of them, JSON; all unless a header says otherwise.
  size_t json = 0;
  /// 0, or why the body is not read, as a status of HTTP and a reason.
  int refused = 0;
  std::string reason = {};
};

/// `request` as Beast understood it: it has one valid Content-Length, or none.
BodyLength body_length(const Head& request, size_t most);

}  // namespace tunefleet::serve
