// Metrics in Prometheus's text format.
#pragma once

#include <string>

#include "http/listener.hpp"
#include "http/models.hpp"

namespace tunefleet::serve {

std::string exposition(const ServedModels& models, const Listener& listener);

}  // namespace tunefleet::serve
