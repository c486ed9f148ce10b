// A result for people: two or three lines of it. Any thread.
#pragma once

#include <string>

#include "cli/terminal.hpp"
#include "wiremill/v1/document.pb.h"

namespace wiremill::cli {

// Ends with a line break. Nothing in the document can disturb the terminal.
std::string pretty_result(const v1::Result& result, const Style& style);

}  // namespace wiremill::cli
