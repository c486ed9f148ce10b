// wiremilld: parse, load the configuration, open everything, run, drain.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <cstdio>

#include "daemon/base/logging.hpp"
#include "daemon/base/memory.hpp"
#include "daemon/config/config.hpp"
#include "daemon/host/control_group.hpp"
#include "daemon/pipeline/line.hpp"
#include "daemon/service/daemon.hpp"

namespace {

using wiremill::Config;
using wiremill::ConfigErrors;

int show(const ConfigErrors& errors, int exit_code) {
  for (const auto& error : errors)
    std::fprintf(stderr, "%s: %s\n", error.where.c_str(), error.message.c_str());
  return exit_code;
}

int refuse(const ConfigErrors& errors, int exit_code) {
  show(errors, exit_code);
  std::fprintf(stderr, "wiremilld: not started, %zu error%s\n", errors.size(),
               errors.size() == 1 ? "" : "s");
  return exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  wiremill::keep_freed_memory();
  std::signal(SIGHUP, SIG_IGN);  // until there is a line to reload
  CLI::App app{
      "wiremilld takes documents over ZeroMQ, runs them through the configured stages and "
      "publishes "
      "the results.",
      "wiremilld"};
  std::string config_path, state_dir_option, log_level;
  bool check = false;
  app.add_option("--config", config_path, "Configuration (default: an embedded one, all stages).")
      ->type_name("FILE");
  app.add_option(
         "--state", state_dir_option,
         "Folder for logs and state (default: storage.state_dir of the configuration, else\n"
         "$XDG_STATE_HOME/wiremill).")
      ->type_name("DIR");
  app.add_option("--log-level", log_level, "debug, info, warning or error.")
      ->check(CLI::IsMember({"debug", "info", "warning", "error"}))
      ->type_name("LEVEL");
  app.add_flag("--check", check,
               "Check configuration and plugins, show every error, do not start.");
  app.set_version_flag("--version", WIREMILL_VERSION);
  app.footer(
      "SIGTERM and SIGINT drain and exit 0; a second one exits at once. What was acknowledged is "
      "on\n"
      "disk either way. SIGHUP takes up changed stages, as `wiremill reload` does.\n"
      "Exit codes: 0 done, 64 usage, 70 internal, 74 input or output failed (a port in use, a "
      "state\n"
      "folder that cannot be written), 78 wrong configuration.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 64;
  }

  const wiremill::ConfigLoader load = [&]() -> tl::expected<Config, wiremill::ConfigFailure> {
    auto read = config_path.empty() ? wiremill::parse_config(wiremill::default_config_yaml(),
                                                             "default configuration")
                                    : wiremill::load_config(config_path);
    if (read && !log_level.empty()) read->log.level = log_level;
    return read;
  };
  auto config = load();
  if (!config) {
    const ConfigErrors errors = wiremill::all_errors(std::move(config).error());
    return check ? show(errors, 78) : refuse(errors, 78);
  }
  wiremill::start_logging(config->log.level, config->log.format);

  if (check) {
    const auto line =
        wiremill::Line::build(config->stages, wiremill::plugin_directories(config->plugin_dir), {});
    if (!line) return show(line.error(), 78);
    std::printf("%s: valid\n", config_path.empty() ? "default configuration" : config_path.c_str());
    return 0;
  }
  const auto state_dir = wiremill::choose_state_dir(state_dir_option, *config);
  if (!state_dir) return refuse({{"--state", state_dir.error().message}}, 78);
  auto daemon = wiremill::Daemon::open(*config, *state_dir,
                                       config_path.empty() ? wiremill::ConfigLoader() : load);
  if (!daemon) return refuse(daemon.error().errors, daemon.error().exit_code);
  if (std::ranges::any_of(config->stages, &wiremill::StageConfig::own_process))
    wiremill::log_info("{}", wiremill::control_groups().report());
  (*daemon)->run();
  return 0;
}
