#include "options.hpp"

#include <cerrno>
#include <cstdlib>

namespace tunefleet::serve {
namespace {

struct Number {
  const char* flag;
  const char* unit;
  int64_t ServeOptions::*field;
  int64_t least, most;
  const char* help;
};

constexpr Number kNumbers[] = {
    {"--port", "PORT", &ServeOptions::port, 0, 65535, "0 takes a free one and logs it"},
    {"--threads", "N", &ServeOptions::threads, 0, 1024, "that score; 0: one for each CPU"},
    {"--pin", "0|1", &ServeOptions::pin, 0, 1, "each of them to a CPU of its own"},
    {"--join-rows", "ROWS", &ServeOptions::join_rows, -1, 1 << 20,
     "scored together at most; 0: none are, -1: the fastest bucket"},
    {"--join-delay-us", "US", &ServeOptions::join_delay_us, 0, 60000000,
     "that a request waits for others to join; 0: only what waits already"},
    {"--max-wait-ms", "MS", &ServeOptions::max_wait_ms, 1, 60000,
     "a request that would wait longer is refused with 503"},
    {"--io-threads", "N", &ServeOptions::io_threads, 0, 1024,
     "that read requests and send answers; 0: one for eight CPUs"},
    {"--connections", "N", &ServeOptions::connections, 1, 10000, "at a time; more get 503"},
    {"--max-body-mb", "MB", &ServeOptions::max_body_mb, 1, 1024, "of one request"},
    {"--max-waiting-mb", "MB", &ServeOptions::max_waiting_mb, 1, 1 << 20, "of all requests"},
    {"--transfer-s", "S", &ServeOptions::transfer_s, 1, 3600,
     "for a request to arrive, and for its answer to be taken"},
    {"--idle-s", "S", &ServeOptions::idle_s, 1, 86400, "before an unused connection is closed"},
    {"--watch-ms", "MS", &ServeOptions::watch_ms, 1, 3600000, "between looks for a new version"},
    {"--drain-delay-ms", "MS", &ServeOptions::drain_delay_ms, 0, 600000,
     "that SIGTERM leaves the port open while readiness says no"},
    {"--drain-s", "S", &ServeOptions::drain_s, 1, 3600, "for requests under way to end"},
};

bool parse_number(const std::string& text, const Number& number, int64_t* value) {
  char* end = nullptr;
  errno = 0;
  const long long read = std::strtoll(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0' || errno != 0 || read < number.least || read > number.most)
    return false;
  *value = read;
  return true;
}

Error wrong(const std::string& what) { return {Code::kInput, what + "; see --help"}; }

}  // namespace

Result<ServeOptions> parse_options(const std::vector<std::string>& arguments) {
  ServeOptions options;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == "--help" || argument == "-h") return options.help = true, options;
    if (argument.rfind("--", 0) != 0) {
      const size_t split = argument.find('=');
      const bool named = split != std::string::npos && argument.find('/') > split;
      const Place place = named ? Place{argument.substr(0, split), argument.substr(split + 1)}
                                : Place{"", argument};
      if (place.folder.empty()) return wrong(argument + " names no folder");
      options.models.push_back(place);
      continue;
    }
    if (i + 1 == arguments.size()) return wrong(argument + " needs a value");
    const std::string& value = arguments[++i];
    bool known = argument == "--host" || argument == "--arch";
    if (argument == "--host") options.host = value;
    if (argument == "--arch") options.arch = value;
    for (const Number& number : kNumbers) {
      if (argument != number.flag) continue;
      known = true;
      if (!parse_number(value, number, &(options.*number.field)))
        return wrong(argument + " is a number from " + std::to_string(number.least) + " to " +
                     std::to_string(number.most) + ", not " + value);
    }
    if (!known) return wrong("there is no " + argument);
  }
  if (options.models.empty()) return wrong("name at least one bundle");
  return options;
}

std::string usage() {
  std::string text =
      "usage: tunefleet-serve [OPTION VALUE]... [NAME=]BUNDLE...\n\n"
      "Serve bundles that `tunefleet export` wrote, by the Open Inference Protocol v2 over HTTP.\n"
      "SIGTERM ends it gracefully: see --drain-delay-ms.\n\n"
      "  --host HOST            to listen on  [127.0.0.1]\n"
      "  --arch ARCH            of the bundle's CPU architectures  [the fastest that runs here]\n";
  const ServeOptions defaults;
  for (const Number& number : kNumbers) {
    std::string line = std::string("  ") + number.flag + " " + number.unit;
    line.resize(std::max<size_t>(line.size() + 1, 25), ' ');
    text += line + number.help + "  [" + std::to_string(defaults.*number.field) + "]\n";
  }
  return text;
}

}  // namespace tunefleet::serve
