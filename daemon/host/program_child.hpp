// A stage that is any program (`command:` in its configuration), spoken with over its standard input
// and output: docs/external-stage.md.
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "daemon/config/config.hpp"
#include "daemon/host/child.hpp"

namespace wiremill {

// Starts `config.command` by way of `launcher`, which is wiremill-stagehost, and asks it what it is.
// `config` outlives the child, whose process ends when `stop` asks for it. Errors: Config, in its
// words; Io; Unavailable.
Result<std::unique_ptr<Child>> start_program_child(const std::string& launcher,
                                                   const StageConfig& config,
                                                   const std::stop_token& stop);

}  // namespace wiremill
