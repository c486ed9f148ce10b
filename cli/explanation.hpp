// What `wiremill run --explain` does: asks the stages to say what they left out, and shows it. Any
// thread.
#pragma once

#include <string>
#include <vector>

#include "cli/terminal.hpp"
#include "daemon/config/config.hpp"
#include "wiremill/v1/document.pb.h"

namespace wiremill::cli {

// Sets the option `explain` of every stage whose plugin has such a flag. False: none has.
bool ask_for_explanations(std::vector<StageConfig>& stages,
                          const std::vector<std::string>& plugin_directories);

// Takes the lists `removed` out of a result's extensions and shows them, a line each: the reason,
// and what was left out. Nothing in the document can disturb the terminal.
std::string take_explanations(v1::Result& result, const Style& style);

}  // namespace wiremill::cli
