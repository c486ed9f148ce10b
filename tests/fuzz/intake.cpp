// Fuzz target: messages to the intake (daemon/intake), the whole room behind its sockets: frames,
// numbered sessions, bare messages, firehose, repeats, a log that is busy or fails, restarts. Sockets
// and log are stand-ins that do what the script says (IntakeScript), so every moment at which
// something may become durable is reached, without threads and at full speed. The script's checks:
// what is acknowledged is durable and is the document that was sent; every bare message gets one
// answer; answers are what the protocol says; what was accepted is read again after a restart.
#include <google/protobuf/stubs/logging.h>

#include "tests/fuzz/intake_script.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const google::protobuf::LogSilencer silencer;
  wiremill::fuzz::IntakeScript script;
  wiremill::fuzz::run_script(
      data, size, [&](const wiremill::fuzz::Command& command) { script.apply(command); });
  script.finish();
  return 0;
}
