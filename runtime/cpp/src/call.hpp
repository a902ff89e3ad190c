// One call of a model.
#pragma once

#include "tunefleet/model.hpp"
#include "version.hpp"

namespace tunefleet {

/// Check the tensors of a call against a version, and score them piece by piece.
Status call(const Version& version, const DLTensor* inputs, size_t num_inputs,
            const DLTensor* outputs, size_t num_outputs);

}  // namespace tunefleet
