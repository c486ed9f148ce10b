// `wiremill validate`: every error of a configuration at once.

#include <fmt/format.h>

#include "cli/command.hpp"
#include "cli/terminal.hpp"
#include "daemon/base/units.hpp"
#include "daemon/pipeline/line.hpp"

namespace wiremill::cli {
namespace {

// By how much the stages can hold a document up, and with it those behind it.
std::string describe_hold_up(const Line& line) {
  std::string endless;
  for (const LineStage& stage : line.stages())
    if (!hold_up_max_ms(stage)) endless += (endless.empty() ? "" : ", ") + stage.stage->name();
  if (const auto all_ms = hold_up_max_ms(line.stages()))
    return fmt::format("A document is held up for {} at most.", format_duration_ms(*all_ms));
  return fmt::format("A document may be held up without end in: {} (no isolation: process).",
                     endless);
}

int validate(const std::string& path) {
  const auto config = read_config(path);
  if (!config) return config.error();
  const auto line = Line::build(config->stages, plugin_directories(config->plugin_dir), {});
  if (!line) return print_config_errors(line.error());
  std::string names;
  for (const StageConfig& stage : config->stages)
    names += (names.empty() ? "" : " → ") + stage.name;
  const Status written = write_out(
      fmt::format("{}: valid. Stages: {}\n{}\n", path.empty() ? "default configuration" : path,
                  names.empty() ? "none" : names, describe_hold_up(**line)));
  return written ? 0 : wiremill::exit_code(written.error().code);
}

}  // namespace

void add_validate(CLI::App& app, int& exit_code) {
  auto path = std::make_shared<std::string>();
  CLI::App* command =
      app.add_subcommand("validate", "Check a configuration and show every error in it.");
  command->add_option("file", *path, "The configuration.")->required()->type_name("FILE");
  command->footer(
      "Loads the plugins, starts the commands and checks their options too. Each error is\n"
      "FILE:LINE:COLUMN: what is wrong.\n"
      "Exit codes: 0 valid, 78 not.");
  command->callback([path, &exit_code] { exit_code = validate(*path); });
}

}  // namespace wiremill::cli
