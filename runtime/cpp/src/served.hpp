// What a loaded model serves, for those who look inside.
#pragma once

#include "tunefleet/model.hpp"
#include "version.hpp"

namespace tunefleet {

/// The version that `model`, which came from `Model::load`, serves now.
std::shared_ptr<const Version> served_version(const Model& model);

}  // namespace tunefleet
