#include "http/body_length.hpp"

#include <algorithm>

namespace tunefleet::serve {
namespace {

/// Digits and nothing else; false otherwise.
bool parse_size(const std::string& text, size_t* size) {
  if (text.empty() || text.size() > 18) return false;
  if (!std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return false;
  *size = std::stoull(text);
  return true;
}

BodyLength turned_down(int status, std::string reason) { return {0, 0, status, std::move(reason)}; }

}  // namespace

BodyLength body_length(const Head& request, size_t most) {
  // Two accounts of one length are how requests are smuggled past a proxy.
  if (request.count(http::field::transfer_encoding) != 0)
    return turned_down(411, "a body has to come with its Content-Length, not in chunks");
  BodyLength length;
  if (request.count(http::field::content_length) == 0) {
    if (request.method() == http::verb::post)
      return turned_down(411, "there is no header Content-Length");
    return length;
  }
  if (!parse_size(std::string(request[http::field::content_length]), &length.bytes))
    return turned_down(400, "Content-Length is no number");
  if (length.bytes > most)
    return turned_down(413, "the body has " + std::to_string(length.bytes) + " bytes, more than " +
                           std::to_string(most) + "; send fewer rows");
  const std::string encoding(request[http::field::content_encoding]);
  if (!encoding.empty() && encoding != "identity")
    return turned_down(415, "bodies are taken as they are, not as " + encoding);
  length.json = length.bytes;
  const auto json = request.find("Inference-Header-Content-Length");
  if (json != request.end() &&
      (!parse_size(std::string(json->value()), &length.json) || length.json > length.bytes))
    return turned_down(400, "Inference-Header-Content-Length is no number up to Content-Length");
  return length;
}

}  // namespace tunefleet::serve
