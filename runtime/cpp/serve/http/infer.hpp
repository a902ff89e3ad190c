// One request to be scored, from its body to its answer.
#pragma once

#include <atomic>

#include "http/beast.hpp"
#include "http/body_length.hpp"
#include "http/models.hpp"
#include "protocol/request.hpp"

namespace tunefleet::serve {

/// Counts bytes for as long as it lives, if there is room for them.
class Held {
 public:
  Held(std::atomic<size_t>& all, size_t bytes, size_t most)
      : fits(all.fetch_add(bytes) + bytes <= most), all_(all), bytes_(bytes) {}
  ~Held() { all_ -= bytes_; }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

  const bool fits;

 private:
  std::atomic<size_t>& all_;
  const size_t bytes_;
};

/// Steps are taken in the order in which they stand here, each by one thread at a time.
class Infer {
 public:
  Infer(ServedModel& model, size_t place, const BodyLength& length)
      : served(model), lane(place), body(length.bytes, length.json) {}

  /// Read the body; false if it is no request, and `response` says why.
  bool parse(Response& response);

  /// Whether scores were made of `job` or not, say so.
  void finish(Response& response) const;

  /// About as many bytes of JSON as the answer will have.
  size_t json_bytes() const;

  ServedModel& served;
  /// Of the batcher.
  const size_t lane;
  Body body;
  Job job;

 private:
  std::shared_ptr<const Signature> signature_;
  InferRequest request_;
  std::vector<std::vector<char>> scores_;
  std::vector<std::vector<int64_t>> shapes_;
};

}  // namespace tunefleet::serve
