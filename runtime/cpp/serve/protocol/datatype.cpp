#include "protocol/datatype.hpp"

namespace tunefleet::serve {

std::string datatype(DLDataType dtype) {
  const std::string bits = std::to_string(dtype.bits);
  switch (dtype.code) {
    case kDLBool:
      return "BOOL";
    case kDLInt:
      return "INT" + bits;
    case kDLUInt:
      return "UINT" + bits;
    case kDLFloat:
      return dtype.bits >= 16 ? "FP" + bits : "";
    default:
      return "";
  }
}

}  // namespace tunefleet::serve
