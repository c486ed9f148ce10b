// Fuzz target: what a plugin's process says, from the shared memory it may write anything into, to the
// documents (daemon/host, and the calls of daemon/pipeline). Its checks: whatever was said, the
// documents go on with spans that lie in their text, on the boundaries of characters, and with no more
// changes of state than they may have.
#include <google/protobuf/stubs/logging.h>

#include "tests/fuzz/stage_events_script.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const google::protobuf::LogSilencer silencer;
  std::vector<wiremill::fuzz::Command> commands;
  wiremill::fuzz::run_script(
      data, size, [&](const wiremill::fuzz::Command& command) { commands.push_back(command); });
  wiremill::fuzz::StageEventsScript(std::move(commands)).run();
  return 0;
}
