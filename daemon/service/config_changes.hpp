// What of a changed configuration a running daemon cannot take up. Used by Reload.
#pragma once

#include <string>
#include <vector>

#include "daemon/config/config.hpp"

namespace wiremill {

// The keys that differ, as they are written in the file ("intake.credit"), but for `stages` and
// log.level.
std::vector<std::string> keys_for_a_restart(const Config& running, const Config& wanted);

}  // namespace wiremill
