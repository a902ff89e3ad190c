#include "server.hpp"

#include <pthread.h>
#include <sched.h>

#include <csignal>

#include "http/listener.hpp"
#include "http/models.hpp"
#include "http/routes.hpp"
#include "log.hpp"
#include "metrics/exposition.hpp"
#include "scoring/batcher.hpp"
#include "watch.hpp"

namespace tunefleet::serve {
namespace {

size_t cpus() {
  cpu_set_t allowed;
  if (::sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 1;
  return static_cast<size_t>(CPU_COUNT(&allowed));
}

size_t io_threads(const ServeOptions& options) {
  // One reads and answers about as much as eight score.
  constexpr size_t kScoring = 8;
  if (options.io_threads != 0) return static_cast<size_t>(options.io_threads);
  return std::max<size_t>(1, cpus() / kScoring);
}

Result<ServedModels> load_all(const ServeOptions& options, const LoadModel& load) {
  tunefleet::Options how;
  how.watch_ms = static_cast<int>(options.watch_ms);
  how.arch = options.arch;
  ServedModels models;
  for (const Place& place : options.models) {
    auto model = load(place.folder, how);
    if (!model) return model.error();
    auto served = std::make_unique<ServedModel>();
    const auto signature = (*model)->signature();
    served->name = place.name.empty() ? signature->model : place.name;
    served->model = *model;
    served->max_rows = std::max<int64_t>(
        1, (options.max_body_mb << 20) / static_cast<int64_t>(row_bytes(*signature)));
    for (const auto& other : models)
      if (other->name == served->name)
        return Error{Code::kInput, "two bundles are called " + served->name +
                                       "; name them apart: NAME=BUNDLE"};
    models.push_back(std::move(served));
  }
  return models;
}

/// Wait for a signal that ends the server; `meanwhile` is called every so often.
template <class Meanwhile>
int wait_for_signal(const sigset_t& signals, Meanwhile meanwhile) {
  const timespec pause{0, 200'000'000};
  while (true) {
    const int signal = ::sigtimedwait(&signals, nullptr, &pause);
    if (signal > 0) return signal;
    meanwhile();
  }
}

int fail(const Error& error) {
  log_error("cannot serve", {{"reason", error.message}});
  return 1;
}

}  // namespace

int run(const ServeOptions& options, const LoadModel& load) {
  // Before any thread begins, so that this one alone receives them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  auto listener = Listener::bind(options.host, static_cast<int>(options.port));
  if (!listener) return fail(listener.error());
  auto loaded = load_all(options, load);
  if (!loaded) return fail(loaded.error());
  const ServedModels& models = *loaded;
  VersionLog versions(models);

  BatcherOptions batching;
  batching.threads = options.threads == 0 ? cpus() : static_cast<size_t>(options.threads);
  batching.pin = options.pin != 0;
  batching.join_delay = std::chrono::microseconds(options.join_delay_us);
  batching.max_wait = static_cast<double>(options.max_wait_ms) * 1e-3;
  Batcher batcher(lanes_of(models, options.join_rows), batching);

  Routes routes(models);
  routes.metrics = [&] { return exposition(models, **listener); };
  asio::thread_pool slow(1);
  Service service{routes, models, batcher, slow};
  service.most_body = static_cast<size_t>(options.max_body_mb) << 20;
  service.most_waiting = static_cast<size_t>(options.max_waiting_mb) << 20;
  service.idle = std::chrono::seconds(options.idle_s);
  service.transfer = std::chrono::seconds(options.transfer_s);
  (*listener)->start(service, io_threads(options), static_cast<size_t>(options.connections),
                     refusal());
  log_info("listening", {{"host", options.host}, {"port", std::to_string((*listener)->port())}});

  wait_for_signal(signals, [&] { versions.look(); });
  routes.ready = false;
  log_info("draining", {});
  std::this_thread::sleep_for(std::chrono::milliseconds(options.drain_delay_ms));
  const size_t cut = (*listener)->drain(std::chrono::seconds(options.drain_s));
  if (cut != 0) log_error("connections cut off", {{"count", std::to_string(cut)}});
  log_info("drained", {});
  return cut == 0 ? 0 : 1;
}

}  // namespace tunefleet::serve
