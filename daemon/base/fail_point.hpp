// Named places at which a test ends the process as kill -9 would, in the middle of what it does.
// Only wiremilld_mutant compiles them in (WIREMILL_MUTANTS; see mutant.hpp); there the environment
// variable WIREMILL_FAIL_POINT says where and at which pass: "log.sync.before:3". Everywhere else
// nothing is left of them.
//
// Names are room.operation.moment: log.append.before_write, log.sync.before, log.sync.after,
// log.roll.made, state.apply.before, checkpoint.after, cursor.commit.before, retention.removed,
// recovery.cut … `wiremilld_mutant` counts the passes of all threads together.
#pragma once

#include <string_view>

#ifdef WIREMILL_MUTANTS
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <string>
#endif

namespace wiremill {

#ifdef WIREMILL_MUTANTS
static inline void fail_point(std::string_view name) {
  static const char* const chosen = std::getenv("WIREMILL_FAIL_POINT");
  if (chosen == nullptr) return;
  const std::string_view wanted(chosen);
  const size_t colon = wanted.rfind(':');
  if (name != wanted.substr(0, colon)) return;
  static std::atomic<int> passes{0};
  const int at = colon == std::string_view::npos ? 1 : std::atoi(chosen + colon + 1);
  if (++passes >= at) kill(getpid(), SIGKILL);
}
#else
static constexpr void fail_point(std::string_view) {}
#endif

}  // namespace wiremill
