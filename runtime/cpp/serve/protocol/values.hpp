// Tensors as JSON: nested or flat lists of numbers.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tunefleet/model.hpp"

namespace tunefleet::serve {

/// Write `count` elements of a list into `to`; returns what is wrong, or nothing.
std::string read_values(const nlohmann::json& list, DLDataType dtype, size_t count,
                        std::vector<char>& to);

/// The elements of a tensor, as a flat list.
nlohmann::json write_values(const char* data, DLDataType dtype, size_t count);

/// Whether elements of a type can be written as JSON.
bool has_values(DLDataType dtype);

}  // namespace tunefleet::serve
