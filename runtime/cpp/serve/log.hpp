// One JSON object a line on standard error.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>

namespace tunefleet::serve {

using Fields = std::initializer_list<std::pair<const char*, std::string>>;

void log_info(const char* event, Fields fields);
void log_error(const char* event, Fields fields);

}  // namespace tunefleet::serve
