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

BodyLength refuse(int status, std::string reason) { return {0, 0, status, std::move(reason)}; }

}  // namespace

BodyLength body_length(const httplib::Request& request, size_t most) {
  // Two accounts of one length are how requests are smuggled past a proxy.
  if (request.has_header("Transfer-Encoding"))
    return refuse(411, "a body has to come with its Content-Length, not in chunks");
  if (request.get_header_value_count("Content-Length") > 1)
    return refuse(400, "there are several headers Content-Length");
  BodyLength length;
  if (!request.has_header("Content-Length")) {
    if (request.method == "POST") return refuse(411, "there is no header Content-Length");
    return length;
  }
  if (!parse_size(request.get_header_value("Content-Length"), &length.bytes))
    return refuse(400, "Content-Length is no number");
  if (length.bytes > most)
    return refuse(413, "the body has " + std::to_string(length.bytes) + " bytes, more than " +
                           std::to_string(most) + "; send fewer rows");
  const std::string encoding = request.get_header_value("Content-Encoding");
  if (!encoding.empty() && encoding != "identity")
    return refuse(415, "bodies are taken as they are, not as " + encoding);
  length.json = length.bytes;
  if (request.has_header("Inference-Header-Content-Length") &&
      (!parse_size(request.get_header_value("Inference-Header-Content-Length"), &length.json) ||
       length.json > length.bytes))
    return refuse(400, "Inference-Header-Content-Length is no number up to Content-Length");
  return length;
}

}  // namespace tunefleet::serve
