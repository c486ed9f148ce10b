// A plugin in wiremill-stagehost, spoken with through shared memory (channel.hpp).
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "daemon/config/config.hpp"
#include "daemon/host/child.hpp"

namespace wiremill {

// Starts `program`, which is wiremill-stagehost, and has it load the plugin. `limits` outlives the
// child, whose process ends when `stop` asks for it. Errors: Config, in the child's words; Io;
// Unavailable.
Result<std::unique_ptr<Child>> start_plugin_child(const std::string& program,
                                                  const std::string& plugin_file,
                                                  const StageConfig& limits,
                                                  const std::stop_token& stop);

}  // namespace wiremill
