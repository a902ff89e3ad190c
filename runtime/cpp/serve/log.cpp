#include "log.hpp"

#include <unistd.h>

#include <chrono>
#include <ctime>
#include <nlohmann/json.hpp>

namespace tunefleet::serve {
namespace {

std::string timestamp() {
  const auto now = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  const auto part = std::chrono::duration_cast<std::chrono::milliseconds>(now.time_since_epoch());
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char text[40];
  const size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(text + length, sizeof text - length, ".%03dZ", static_cast<int>(part.count() % 1000));
  return text;
}

void write_line(const char* level, const char* event, Fields fields) {
  nlohmann::ordered_json line{{"timestamp", timestamp()}, {"level", level}, {"event", event}};
  for (const auto& [name, value] : fields) line[name] = value;
  // What clients send may be no UTF-8.
  const std::string text =
      line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  // In one call, so that lines of two threads do not mix; there is nobody to tell if it fails.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace

void log_info(const char* event, Fields fields) { write_line("info", event, fields); }

void log_error(const char* event, Fields fields) { write_line("error", event, fields); }

}  // namespace tunefleet::serve
