// Names of element types in the Open Inference Protocol.
#pragma once

#include <dlpack/dlpack.h>

#include <string>

namespace tunefleet::serve {

/// `FP32` and the like; empty if the protocol has no name for it.
std::string datatype(DLDataType dtype);

}  // namespace tunefleet::serve
