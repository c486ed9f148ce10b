// A stage in processes of its own: a plugin with `isolation: process`, or a program (`command:`).
// Whatever it does there, the daemon and the other documents go on.
//
// Each call takes a child of its own for as long as it lasts, so one that dies takes nobody else's
// documents with it; there are as many children as calls at once, and one more where the stage
// settles: settle always goes to the same one, as its instance may remember what it wrote. A child
// that dies is replaced, and for a minute afterwards a spare one stands ready.
//
// Which document is to blame a plugin says before it begins one (wm_output.begin); a program answers
// them one by one. Where a plugin does not, the documents of the call are tried one by one. The guilty
// one's verdict is WM_BAD_DOCUMENT with CRASHED, DEADLINE, CPU, MEMORY, PROCESSES or PROTOCOL; what the
// call said of the others is forgotten, and they are called again in a new child. A stage whose children
// end too often, or cannot be started, is broken for the life of this object.
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "daemon/config/config.hpp"
#include "daemon/plugin/plugin.hpp"

namespace wiremill {

class HostedStage : public Stage {
 public:
  // Loads the plugin in a child, where the daemon never maps it, or starts `config.command`. `config`
  // says the stage's name and limits. Its descriptor can be asked for then. When `stop` asks for it,
  // its processes end, and no more are started: what the stage then says is of no use. [main thread]
  // Errors: Config, as the child words it; Io.
  static Result<std::unique_ptr<HostedStage>> load(const StageConfig& config,
                                                   const std::string& stagehost,
                                                   const std::string& plugin_file, StageLog log,
                                                   std::stop_token stop = {});
  // Makes the instance; before the first call. [main thread] Errors: as Stage::create.
  virtual Status start(const wm_option_value* values, size_t values_count) = 0;

 protected:
  using Stage::Stage;
};

// wiremill-stagehost in ../bin of the running program's folder.
std::string stagehost_program();

}  // namespace wiremill
