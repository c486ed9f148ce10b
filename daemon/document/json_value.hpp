// JSON that stages hand over for Result.extensions. Any thread.
#pragma once

#include <string>
#include <string_view>

#include "daemon/base/error.hpp"

namespace wiremill {

// One JSON value, on one line, without blanks. Errors: Malformed with the byte position.
Result<std::string> compact_json(std::string_view json);

}  // namespace wiremill
