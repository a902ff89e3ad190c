// The server from its options to its end.
#pragma once

#include <functional>

#include "options.hpp"
#include "tunefleet/model.hpp"

namespace tunefleet::serve {

/// Makes a model of a bundle's folder.
using LoadModel =
    std::function<Result<std::shared_ptr<Model>>(const std::string& folder, const Options& options)>;

/// Serve until a signal ends it; returns the exit code of the process.
int run(const ServeOptions& options, const LoadModel& load);

}  // namespace tunefleet::serve
