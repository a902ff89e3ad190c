// What tunefleet-serve can be told on its command line.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tunefleet/result.hpp"

namespace tunefleet::serve {

/// A model to serve: the folder of its bundle, and what clients call it.
struct Place {
  /// Empty takes the name that the bundle has.
  std::string name;
  std::string folder;
};

struct ServeOptions {
  std::vector<Place> models;
  std::string host = "127.0.0.1";
  std::string arch;
  int64_t port = 8000;
  /// Threads that score; 0 starts one for each CPU that the process may use.
  int64_t threads = 0;
  /// Give each of them a CPU of its own.
  int64_t pin = 1;
  /// Most rows of the requests that are scored together; 0 joins none; -1 takes the
  /// smallest bucket whose rows cost about as little as those of any.
  int64_t join_rows = -1;
  /// How long a request waits for others to join.
  int64_t join_delay_us = 0;
  /// A request that would wait longer for its turn is refused.
  int64_t max_wait_ms = 20;
  /// Threads that read requests and send answers; 0 starts one for every eight CPUs.
  int64_t io_threads = 0;
  int64_t connections = 1024;
  /// Bytes of one request, and of all that are being read, waiting or scored.
  int64_t max_body_mb = 16;
  int64_t max_waiting_mb = 512;
  /// A request has to arrive, and its answer to be taken, within so long.
  int64_t transfer_s = 10;
  /// A connection without requests is closed after so long.
  int64_t idle_s = 60;
  /// How often bundles are looked at for a new version.
  int64_t watch_ms = 1000;
  /// After SIGTERM: how long connections are still accepted, while readiness says no.
  int64_t drain_delay_ms = 0;
  /// After that: how long requests that are under way may take.
  int64_t drain_s = 30;
  bool help = false;
};

/// Read a command line, without the program's name.
Result<ServeOptions> parse_options(const std::vector<std::string>& arguments);

/// What `--help` prints.
std::string usage();

}  // namespace tunefleet::serve
