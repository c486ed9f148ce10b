// The daemon as a whole: owns every room, in the order in which they depend on each other. Used by
// main.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <tl/expected.hpp>

#include "daemon/config/config.hpp"
#include "daemon/service/reload.hpp"

namespace wiremill {

// Why the daemon did not start: everything that was found, and the exit code.
struct StartFailure {
  ConfigErrors errors;
  int exit_code = 78;
};

class Daemon {
 public:
  // Loads the plugins, opens and recovers logs and state, binds the sockets. Nothing is served yet,
  // and after a failure nothing is left open.
  // `load_again` is for reloads; empty where there is no file.
  static tl::expected<std::unique_ptr<Daemon>, StartFailure> open(const Config& config,
                                                                  const std::string& state_dir,
                                                                  ConfigLoader load_again);
  ~Daemon();

  // Serves until SIGTERM or SIGINT, then drains: no document is taken any more, those in the line
  // come to their results within drain_timeout, the rest is recovered at the next start. A second
  // signal ends the process at once. SIGHUP reloads the configuration. Main thread.
  void run();

 private:
  class Impl;
  explicit Daemon(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace wiremill
