// `wiremill plugin check`: the command around the conformance kit (cli/check). Main thread.
#pragma once

#include <CLI/CLI.hpp>

namespace wiremill::cli {

// Adds `check` to the command `plugin`.
void add_plugin_check(CLI::App& plugin, int& exit_code);

}  // namespace wiremill::cli
