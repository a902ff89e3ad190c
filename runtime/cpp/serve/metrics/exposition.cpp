#include "metrics/exposition.hpp"

#include <unistd.h>

#include <fstream>

namespace tunefleet::serve {
namespace {

void head(std::string& text, const char* name, const char* type, const char* help) {
  text += std::string("# HELP ") + name + " " + help + "\n# TYPE " + name + " " + type + "\n";
}

std::string quoted(const std::string& value) {
  std::string text;
  for (const char c : value) {
    if (c == '\\' || c == '"') text += '\\';
    text += c == '\n' ? ' ' : c;
  }
  return '"' + text + '"';
}

std::string label(const ServedModel& served) { return "model=" + quoted(served.name); }

void histogram(std::string& text, const ServedModels& models, const char* name, const char* help,
               Histogram ModelMetrics::*which) {
  head(text, name, "histogram", help);
  for (const auto& served : models) text += (served->metrics.*which).text(name, label(*served));
}

uint64_t resident_bytes() {
  uint64_t pages = 0;
  std::ifstream statm("/proc/self/statm");
  statm >> pages >> pages;
  return pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
}

}  // namespace

std::string exposition(const ServedModels& models, const Listener& listener) {
  std::string text;
  head(text, "tunefleet_serve_requests_total", "counter", "Requests to score, by status of HTTP.");
  for (const auto& served : models)
    for (const int status : {200, 400, 408, 411, 413, 415, 500, 503})
      text += "tunefleet_serve_requests_total{" + label(*served) + ",code=\"" +
              std::to_string(status) + "\"} " + std::to_string(served->metrics.counted(status)) +
              "\n";
  histogram(text, models, "tunefleet_serve_request_seconds",
            "From a request's first byte to its answer.", &ModelMetrics::answered);
  histogram(text, models, "tunefleet_serve_queue_seconds", "In the queue.", &ModelMetrics::queued);
  histogram(text, models, "tunefleet_serve_score_seconds",
            "One call of the model, for one request or several.", &ModelMetrics::scored);
  histogram(text, models, "tunefleet_serve_call_rows", "Rows of such a call.", &ModelMetrics::rows);
  head(text, "tunefleet_serve_model_info", "gauge", "What is served.");
  for (const auto& served : models)
    text += "tunefleet_serve_model_info{" + label(*served) + ",version=" +
            quoted(served->version()) + ",arch=" + quoted(served->model->arch()) + "} 1\n";
  head(text, "tunefleet_serve_refresh_refused", "gauge", "1 if the newest version was refused.");
  for (const auto& served : models)
    text += "tunefleet_serve_refresh_refused{" + label(*served) + "} " +
            (served->model->last_error().empty() ? "0\n" : "1\n");
  head(text, "tunefleet_serve_connections", "gauge", "Open connections.");
  text += "tunefleet_serve_connections " + std::to_string(listener.open()) + "\n";
  head(text, "tunefleet_serve_refused_connections_total", "counter", "Turned away: too many.");
  text += "tunefleet_serve_refused_connections_total " + std::to_string(listener.refused()) + "\n";
  head(text, "process_resident_memory_bytes", "gauge", "Resident memory.");
  text += "process_resident_memory_bytes " + std::to_string(resident_bytes()) + "\n";
  return text;
}

}  // namespace tunefleet::serve
