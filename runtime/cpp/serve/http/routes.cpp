#include "http/routes.hpp"

#include <cctype>

#include "http/answers.hpp"

namespace tunefleet::serve {
namespace {

bool is_hex(char c) { return std::isxdigit(static_cast<unsigned char>(c)) != 0; }

/// A part of a path, with what is written as %XX.
std::string decoded(const std::string& part) {
  std::string text;
  for (size_t at = 0; at < part.size(); ++at) {
    const std::string digits = part.substr(at + 1, 2);
    if (part[at] == '%' && digits.size() == 2 && is_hex(digits[0]) && is_hex(digits[1])) {
      text += static_cast<char>(std::stoi(digits, nullptr, 16));
      at += 2;
    } else {
      text += part[at];
    }
  }
  return text;
}

/// Parts between slashes, without what comes behind a question mark.
std::vector<std::string> split(const std::string& target) {
  const std::string path = target.substr(0, target.find('?'));
  std::vector<std::string> parts;
  for (size_t at = 0; at < path.size();) {
    const size_t end = std::min(path.find('/', at + 1), path.size());
    parts.push_back(decoded(path.substr(at + 1, end - at - 1)));
    at = end;
  }
  return parts;
}

void no_such(const Head& request, Response& response) {
  refuse(response, 404,
         "there is no " + std::string(request.method_string()) + " " +
             std::string(request.target()));
}

}  // namespace

std::string refusal() {
  const std::string body = error_body("there are too many connections; try again");
  return "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\n"
         "Retry-After: 1\r\nConnection: close\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::optional<size_t> Routes::find(const Head& request, Response& response) const {
  const bool get = request.method() == http::verb::get || request.method() == http::verb::head;
  if (!get && request.method() != http::verb::post) {
    refuse(response, 405, "there is nothing for " + std::string(request.method_string()));
    return {};
  }
  const auto path = split(std::string(request.target()));
  const bool v2 = !path.empty() && path[0] == "v2";
  if (v2 && path.size() >= 3 && path[1] == "models") return find_model(path, request, response);
  if (get && path == Parts{"metrics"}) {
    answer(response, 200, metrics());
    response.set(http::field::content_type, "text/plain; version=0.0.4");
  } else if (get && v2 && path.size() == 1) {
    answer(response, 200, server_metadata());
  } else if (get && path == Parts{"v2", "health", "live"}) {
    answer(response, 200, R"({"live":true})");
  } else if (get && path == Parts{"v2", "health", "ready"}) {
    answer_ready(response);
  } else {
    no_such(request, response);
  }
  return {};
}

std::optional<size_t> Routes::find_model(const Parts& path, const Head& request,
                                         Response& response) const {
  size_t place = 0;
  while (place < models_.size() && models_[place]->name != path[2]) ++place;
  if (place == models_.size()) {
    refuse(response, 404, "there is no model " + path[2]);
    return {};
  }
  const ServedModel& served = *models_[place];
  size_t next = 3;
  if (path.size() >= 5 && path[3] == "versions") {
    if (path[4] != served.version()) {
      refuse(response, 404, path[2] + " is served in version " + served.version() + ", not " +
                                path[4]);
      return {};
    }
    next = 5;
  }
  const bool post = request.method() == http::verb::post;
  const std::string what = path.size() == next + 1 ? path[next] : "";
  if (what == "infer" && post) return place;
  if (what == "infer")
    refuse(response, 405, "infer takes POST");
  else if (what == "ready" && !post)
    answer_ready(response);
  else if (path.size() == next && !post)
    answer(response, 200,
           model_metadata(served.name, served.version(), *served.model->signature()));
  else
    no_such(request, response);
  return {};
}

void Routes::answer_ready(Response& response) const {
  if (ready) return answer(response, 200, R"({"ready":true})");
  refuse(response, 503, "the server drains");
}

}  // namespace tunefleet::serve
