// Answers without scores.
#pragma once

#include <httplib.h>

#include <string>

#include "protocol/response.hpp"

namespace tunefleet::serve {

inline constexpr const char* kJson = "application/json";

inline void answer(httplib::Response& response, int status, std::string body) {
  response.status = status;
  response.set_header("Content-Type", kJson);
  response.body = std::move(body);
}

inline void refuse(httplib::Response& response, int status, const std::string& reason) {
  answer(response, status, error_body(reason));
}

/// There is no room now; there will be.
inline void shed(httplib::Response& response, const std::string& reason) {
  refuse(response, 503, reason + "; try again");
  response.set_header("Retry-After", "1");
}

/// Why a request could not be read.
inline const char* reason_of(int status) {
  switch (status) {
    case 408:
      return "the request did not arrive in time";
    case 431:
      return "the request's head is too large";
    default:
      return "the request is no HTTP that is understood";
  }
}

}  // namespace tunefleet::serve
