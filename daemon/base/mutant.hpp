// Faults built in on purpose, so that tests/fault can show that its checker finds them. Only
// wiremilld_mutant, a program for tests that is installed nowhere, compiles the files that ask with
// WIREMILL_MUTANTS; there the environment variable WIREMILL_MUTANT names the one fault that is on.
// Everywhere else the answer is a constant, and nothing of a fault is left in the program.
//
//   acknowledge_before_write  intake: what is queued for the log counts as durable; the log is slow
//                             to write it, so that a kill surely comes in between
//   skip_sync                 log: a sync of a segment is counted and not made
//   publish_before_sync       log: a group is shown as soon as it is written
//   skip_high_water_mark      log: no group says what was synced before it, recovery knows of none,
//                             and damage is cut like a torn tail
//   cut_at_first_bad_record   log: recovery cuts at the first bad record wherever it stands
//   state_before_result       pipeline, service: state is on disk before the result is
//   checkpoint_before_sync    service: state goes to disk whether or not its results are there
//   half_settle_batch         pipeline: of a batch only the first half of the documents has its state
//                             changes recorded beside its results
#pragma once

#include <string_view>

#ifdef WIREMILL_MUTANTS
#include <cstdlib>
#endif

namespace wiremill {

#ifdef WIREMILL_MUTANTS
static inline bool mutant(std::string_view name) {
  static const char* const chosen = std::getenv("WIREMILL_MUTANT");
  return chosen != nullptr && name == chosen;
}
#else
static constexpr bool mutant(std::string_view) { return false; }
#endif

}  // namespace wiremill
