// What clients are told, as the Open Inference Protocol has it.
#pragma once

#include <string>
#include <vector>

#include "protocol/request.hpp"
#include "tunefleet/model.hpp"

namespace tunefleet::serve {

/// The body of an answer; the first `head` bytes are JSON, 0 if all of them are.
struct Answer {
  std::string body;
  size_t head = 0;
};

/// `outputs` in the order of the signature, of `request.rows` rows each.
Answer infer_answer(const std::string& model, const InferRequest& request,
                    const Signature& signature, const std::vector<std::vector<char>>& outputs);

/// `GET /v2`.
std::string server_metadata();

/// `GET /v2/models/NAME`.
std::string model_metadata(const std::string& model, const std::string& version,
                           const Signature& signature);

std::string error_body(const std::string& reason);

}  // namespace tunefleet::serve
