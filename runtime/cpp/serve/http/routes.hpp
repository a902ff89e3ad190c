// Requests to answers: the Open Inference Protocol over HTTP.
#pragma once

#include <httplib.h>

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "http/connection.hpp"
#include "http/models.hpp"
#include "protocol/request.hpp"
#include "scoring/batcher.hpp"

namespace tunefleet::serve {

struct RouteLimits {
  /// Bytes of one body, and of all that are here at a time.
  size_t body = 16u << 20;
  size_t waiting = 512u << 20;
  /// Connections that are attended to at a time; a request that waits to be scored does not count.
  size_t turns = 1;
};

/// cpp-httplib reads heads and writes answers; bodies are read here, where the limits are.
class Routes final : public httplib::Server {
 public:
  Routes(const ServedModels& models, Batcher& batcher, const RouteLimits& limits);

  /// Answer the requests of a connection until it ends.
  void serve(Connection& connection);

  /// False makes readiness say no.
  std::atomic<bool> ready{true};
  /// What `GET /metrics` answers.
  std::function<std::string()> metrics = [] { return std::string(); };

 private:
  /// What a connection does after a request.
  enum class Then { kNext, kLinger, kEnd };

  Then serve_request(Connection& connection);
  void route(const httplib::Request& request, httplib::Response& response);
  void route_model(const std::vector<std::string>& path, const httplib::Request& request,
                   httplib::Response& response);
  // In infer.cpp.
  void infer(size_t place, const httplib::Request& request, httplib::Response& response);
  void infer_body(size_t place, const Body& body, httplib::Response& response);
  void finish(httplib::Response& response) const;

  /// Whose request a thread answers; cpp-httplib does not hand it through.
  static thread_local Connection* current;

  const ServedModels& models_;
  Batcher& batcher_;
  const RouteLimits limits_;
  /// Bytes of bodies that are here.
  std::atomic<size_t> waiting_{0};
  Turns turns_;
};

/// What whoever comes while there is no room is told, as a whole answer.
std::string refusal();

}  // namespace tunefleet::serve
