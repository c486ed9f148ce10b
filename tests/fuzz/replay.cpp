// Fuzz target: requests to the replay endpoint and subscriptions to the feed (daemon/feed), the whole
// room behind its sockets, with results that become durable, are damaged or are removed meanwhile,
// and peers that stop reading or vanish. Sockets and log are stand-ins that do what the script says
// (ReplayScript). Its checks: a stream's results ascend, are durable, and never exceed its credit;
// what retention took is said; every answer is what the protocol says.
#include <google/protobuf/stubs/logging.h>

#include "tests/fuzz/replay_script.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const google::protobuf::LogSilencer silencer;
  wiremill::fuzz::ReplayScript script;
  wiremill::fuzz::run_script(
      data, size, [&](const wiremill::fuzz::Command& command) { script.apply(command); });
  return 0;
}
