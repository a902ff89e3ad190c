// Where requests lead: the Open Inference Protocol over HTTP.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "http/beast.hpp"
#include "http/models.hpp"

namespace tunefleet::serve {

class Routes {
 public:
  explicit Routes(const ServedModels& models) : models_(models) {}

  /// The place of the model that is to score the request's body; none if `response` is the answer,
  /// whatever the body is.
  std::optional<size_t> find(const Head& request, Response& response) const;

  /// False makes readiness say no.
  std::atomic<bool> ready{true};
  /// What `GET /metrics` answers.
  std::function<std::string()> metrics = [] { return std::string(); };

 private:
  using Parts = std::vector<std::string>;

  std::optional<size_t> find_model(const Parts& path, const Head& request,
                                   Response& response) const;
  void answer_ready(Response& response) const;

  const ServedModels& models_;
};

/// What whoever comes while there is no room is told, as a whole answer.
std::string refusal();

}  // namespace tunefleet::serve
