#include "protocol/values.hpp"

#include <cstring>
#include <limits>
#include <type_traits>

namespace tunefleet::serve {
namespace {

using Json = nlohmann::json;

/// Lists may be nested as deep as tensors have extents, and not deeper.
constexpr int kMostNested = 8;

template <class T>
bool convert(const Json& value, T* to) {
  if constexpr (std::is_same_v<T, bool>) {
    if (!value.is_boolean()) return false;
    *to = value.get<bool>();
  } else if constexpr (std::is_floating_point_v<T>) {
    if (!value.is_number()) return false;
    *to = static_cast<T>(value.get<double>());
  } else if constexpr (std::is_unsigned_v<T>) {
    if (!value.is_number_unsigned()) return false;
    if (value.get<uint64_t>() > std::numeric_limits<T>::max()) return false;
    *to = static_cast<T>(value.get<uint64_t>());
  } else {
    if (!value.is_number_integer()) return false;
    if (value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{INT64_MAX}) return false;
    const auto number = value.get<int64_t>();
    if (number < std::numeric_limits<T>::min() || number > std::numeric_limits<T>::max())
      return false;
    *to = static_cast<T>(number);
  }
  return true;
}

template <class T>
class Flattener {
 public:
  Flattener(std::vector<char>& to, size_t count) : to_(to), count_(count) {}

  std::string all(const Json& list) {
    std::string wrong = nested(list, 0);
    if (wrong.empty() && done_ != count_)
      wrong = "has " + std::to_string(done_) + " elements, its shape " + std::to_string(count_);
    return wrong;
  }

 private:
  std::string nested(const Json& list, int depth) {
    if (depth == kMostNested) return "is nested too deep";
    for (const Json& value : list) {
      if (value.is_array()) {
        if (std::string wrong = nested(value, depth + 1); !wrong.empty()) return wrong;
        continue;
      }
      T element{};
      if (done_ == count_) return "has more elements than its shape";
      if (!convert(value, &element))
        return "element " + std::to_string(done_) + " is not of its type";
      std::memcpy(to_.data() + done_ * sizeof(T), &element, sizeof(T));
      ++done_;
    }
    return {};
  }

  std::vector<char>& to_;
  size_t count_, done_ = 0;
};

/// Call with a value of the C++ type of `dtype`; false if JSON has no such values.
template <class Use>
bool with_type(DLDataType dtype, Use use) {
  const auto sized = [&](auto b8, auto b16, auto b32, auto b64) {
    switch (dtype.bits) {
      case 8:
        return use(b8), true;
      case 16:
        return use(b16), true;
      case 32:
        return use(b32), true;
      case 64:
        return use(b64), true;
      default:
        return false;
    }
  };
  switch (dtype.code) {
    case kDLBool:
      return use(false), true;
    case kDLInt:
      return sized(int8_t{}, int16_t{}, int32_t{}, int64_t{});
    case kDLUInt:
      return sized(uint8_t{}, uint16_t{}, uint32_t{}, uint64_t{});
    case kDLFloat:
      if (dtype.bits == 32) return use(float{}), true;
      if (dtype.bits == 64) return use(double{}), true;
      return false;
    default:
      return false;
  }
}

}  // namespace

bool has_values(DLDataType dtype) {
  return with_type(dtype, [](auto) {});
}

std::string read_values(const Json& list, DLDataType dtype, size_t count, std::vector<char>& to) {
  if (!list.is_array()) return "data is no list";
  to.resize(count * (dtype.bits / 8u));
  std::string wrong;
  const bool known = with_type(dtype, [&](auto zero) {
    wrong = Flattener<decltype(zero)>(to, count).all(list);
  });
  return known ? wrong : "has to be sent as binary data";
}

Json write_values(const char* data, DLDataType dtype, size_t count) {
  Json list = Json::array();
  with_type(dtype, [&](auto zero) {
    for (size_t i = 0; i < count; ++i) {
      std::memcpy(&zero, data + i * sizeof zero, sizeof zero);
      list.push_back(zero);
    }
  });
  return list;
}

}  // namespace tunefleet::serve
