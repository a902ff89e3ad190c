// Answers without scores.
#pragma once

#include <string>

#include "http/beast.hpp"
#include "protocol/response.hpp"

namespace tunefleet::serve {

inline constexpr const char* kJson = "application/json";

inline void answer(Response& response, int status, std::string body) {
  response.result(static_cast<unsigned>(status));
  response.set(http::field::content_type, kJson);
  response.body() = std::move(body);
}

inline void refuse(Response& response, int status, const std::string& reason) {
  answer(response, status, error_body(reason));
}

/// There is no room now; there will be.
inline void shed(Response& response, const std::string& reason) {
  refuse(response, 503, reason + "; try again");
  response.set(http::field::retry_after, "1");
}

}  // namespace tunefleet::serve
