#include "http/routes.hpp"

#include "http/answers.hpp"
#include "http/body_length.hpp"

namespace tunefleet::serve {
namespace {

/// Parts between slashes.
std::vector<std::string> split(const std::string& path) {
  std::vector<std::string> parts;
  for (size_t at = 0; at < path.size();) {
    const size_t end = std::min(path.find('/', at + 1), path.size());
    parts.push_back(path.substr(at + 1, end - at - 1));
    at = end;
  }
  return parts;
}

}  // namespace

thread_local Connection* Routes::current = nullptr;

std::string refusal() {
  const std::string body = error_body("there are too many connections; try again");
  return "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
         "Retry-After: 1\r\nConnection: close\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

Routes::Routes(const ServedModels& models, Batcher& batcher, const RouteLimits& limits)
    : models_(models), batcher_(batcher), limits_(limits), turns_(limits.turns) {
  set_pre_routing_handler([this](const auto& request, auto& response) {
    route(request, response);
    return HandlerResponse::Handled;
  });
  set_exception_handler([](const auto&, auto& response, std::exception_ptr) {
    refuse(response, 500, "out of memory");
    current->closing = true;
  });
  set_post_routing_handler([this](const auto&, auto& response) { finish(response); });
}

void Routes::serve(Connection& connection) {
  auto then = Then::kNext;
  while (then == Then::kNext && connection.next_request()) then = serve_request(connection);
  if (then == Then::kLinger) connection.linger();
}

Routes::Then Routes::serve_request(Connection& connection) {
  Turn turn(turns_);
  connection.turn = &turn;
  current = &connection;
  bool last = false;
  const bool answered =
      process_request(connection, connection.draining(), last, [&](httplib::Request& request) {
        connection.understood = true;
        // Answers are never cut to ranges, nor compressed.
        request.ranges.clear();
        request.headers.erase("Accept-Encoding");
      });
  // Nothing came after all, or a request line that cpp-httplib gave up on without a word.
  if (!answered && connection.failure() != 400) {
    httplib::Request none;
    httplib::Response response;
    refuse(response, connection.failure(), reason_of(connection.failure()));
    connection.write_format("HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n",
                            response.status, "Refused", response.body.size());
    connection.write(response.body.data(), response.body.size());
    connection.closing = true;
  }
  const bool sent = connection.flush();
  connection.turn = nullptr;
  if (!sent) return Then::kEnd;
  if (connection.closing) return Then::kLinger;
  return !answered || last || connection.draining() ? Then::kEnd : Then::kNext;
}

void Routes::finish(httplib::Response& response) const {
  if (!current->understood) {
    refuse(response, current->failure(), reason_of(current->failure()));
    response.headers.erase("Content-Length");
    response.set_header("Content-Length", std::to_string(response.body.size()));
    current->closing = true;
  }
  response.headers.erase("Keep-Alive");
  if (current->closing && !response.has_header("Connection"))
    response.set_header("Connection", "close");
}

void Routes::route(const httplib::Request& request, httplib::Response& response) {
  const bool get = request.method == "GET" || request.method == "HEAD";
  const BodyLength length = body_length(request, limits_.body);
  // What is not read may be mistaken for the next request.
  current->closing = length.refused != 0 || (length.bytes != 0 && request.method != "POST");
  if (length.refused != 0) return refuse(response, length.refused, length.reason);
  if (!get && request.method != "POST")
    return refuse(response, 405, "there is nothing for " + request.method);
  const auto path = split(request.path);
  const bool v2 = !path.empty() && path[0] == "v2";
  if (v2 && path.size() >= 3 && path[1] == "models") return route_model(path, request, response);
  current->closing = current->closing || length.bytes != 0;
  if (get && path == std::vector<std::string>{"metrics"}) {
    response.status = 200;
    response.set_header("Content-Type", "text/plain; version=0.0.4");
    response.body = metrics();
    return;
  }
  if (get && v2 && path.size() == 1) return answer(response, 200, server_metadata());
  if (get && v2 && path.size() == 3 && path[1] == "health") {
    if (path[2] == "live") return answer(response, 200, R"({"live":true})");
    if (path[2] == "ready" && ready) return answer(response, 200, R"({"ready":true})");
    if (path[2] == "ready") return refuse(response, 503, "the server drains");
  }
  refuse(response, 404, "there is no " + request.method + " " + request.path);
}

void Routes::route_model(const std::vector<std::string>& path, const httplib::Request& request,
                         httplib::Response& response) {
  const bool reads = request.method == "POST";
  // Until its body is read.
  const bool body = reads && request.get_header_value("Content-Length") != "0";
  current->closing = current->closing || body;
  size_t place = 0;
  while (place < models_.size() && models_[place]->name != path[2]) ++place;
  if (place == models_.size()) return refuse(response, 404, "there is no model " + path[2]);
  const ServedModel& served = *models_[place];
  size_t next = 3;
  if (path.size() >= 5 && path[3] == "versions") {
    if (path[4] != served.version())
      return refuse(response, 404, path[2] + " is served in version " + served.version() +
                                       ", not " + path[4]);
    next = 5;
  }
  if (path.size() == next && !reads)
    return answer(response, 200,
                  model_metadata(served.name, served.version(), *served.model->signature()));
  if (path.size() == next + 1 && path[next] == "ready" && !reads)
    return ready ? answer(response, 200, R"({"ready":true})")
                 : refuse(response, 503, "the server drains");
  if (path.size() == next + 1 && path[next] == "infer") {
    if (!reads) return refuse(response, 405, "infer takes POST");
    infer(place, request, response);
    models_[place]->metrics.count(response.status);
    models_[place]->metrics.answered.observe(seconds_since(current->begun()));
    return;
  }
  refuse(response, 404, "there is no " + request.method + " " + request.path);
}

}  // namespace tunefleet::serve
