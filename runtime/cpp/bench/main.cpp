// Measures the library, and hammers it; see benchmarks/serving.
//
//   tunefleet-bench overhead BUNDLE BATCH ROUNDS
//   tunefleet-bench threads BUNDLE BATCH ROUNDS SECONDS
//   tunefleet-bench allocations BUNDLE BATCH CALLS
//   tunefleet-bench refresh BUNDLE BATCH THREADS ROUNDS SECONDS PERIOD_MS
#include <cstring>

#include "bench.hpp"

namespace {

struct Command {
  const char* name;
  size_t arguments;
  int (*run)(const tunefleet::bench::Arguments&);
};

constexpr Command kCommands[] = {
    {"overhead", 3, tunefleet::bench::overhead},
    {"threads", 4, tunefleet::bench::threads},
    {"allocations", 3, tunefleet::bench::allocations},
    {"refresh", 6, tunefleet::bench::refresh},
};

}  // namespace

int main(int argc, char** argv) {
  const tunefleet::bench::Arguments arguments(argv + std::min(argc, 2), argv + argc);
  for (const Command& command : kCommands)
    if (argc > 1 && std::strcmp(argv[1], command.name) == 0 &&
        arguments.size() == command.arguments)
      return command.run(arguments);
  std::fprintf(stderr, "usage: tunefleet-bench overhead|threads|allocations|refresh BUNDLE ...\n");
  return 2;
}
