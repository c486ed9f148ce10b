// The subcommands of `wiremill`, one file each. Each adds itself to the parser and sets the exit
// code that main returns.
#pragma once

#include <CLI/CLI.hpp>

namespace wiremill::cli {

void add_log(CLI::App& app, int& exit_code);
void add_run(CLI::App& app, int& exit_code);
void add_push(CLI::App& app, int& exit_code);
void add_tail(CLI::App& app, int& exit_code);
void add_status(CLI::App& app, int& exit_code);
void add_show(CLI::App& app, int& exit_code);
void add_dead(CLI::App& app, int& exit_code);
void add_cursor(CLI::App& app, int& exit_code);
void add_plugin(CLI::App& app, int& exit_code);
void add_reload(CLI::App& app, int& exit_code);
void add_validate(CLI::App& app, int& exit_code);

}  // namespace wiremill::cli
