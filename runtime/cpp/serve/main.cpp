// tunefleet-serve: bundles over HTTP; see `--help` and docs/serving.md.
#include <cstdio>

#include "options.hpp"
#include "server.hpp"

int main(int argc, char** argv) {
  using namespace tunefleet::serve;
  const auto options = parse_options({argv + 1, argv + argc});
  if (!options) {
    std::fprintf(stderr, "error: %s\n", options.error().message.c_str());
    return 2;
  }
  if ((*options).help) return std::fputs(usage().c_str(), stdout), 0;
  return run(*options, tunefleet::Model::load);
}
