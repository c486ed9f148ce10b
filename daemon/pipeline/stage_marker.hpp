// Which document a stage died in: a mapped file with a slot for each worker. Entering a stage's
// process or settle writes {stage, first and last sequence} into the worker's slot; a fatal signal
// (SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT) or an exit() while a slot is entered stamps it before
// the process ends: the worker's own slot, or, where the thread is no worker (a plugin's own), every
// slot that is entered. The file is shared memory, so it outlives the process; it need not outlive
// the machine. kill -9, power cuts and any signal that another process sent stamp nothing, so they
// never make a suspect.
//
// At the next start the documents of stamped slots are suspects. The pipeline runs each alone: no
// other document is in the line meanwhile, so a second death names it. `attempts` counts the deaths
// that were its own; at the stage's attempts_max it is condemned: DEAD, code CRASHED. A suspect that
// gets through is cleared. One death of a batch accuses all its documents and counts for none.
//
// The process still dies as it would have: the handlers give way to those that were there before.
//
// Threads: each worker its own slot; opened and closed by the pipeline's owner, one at a time in a
// process.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "daemon/base/error.hpp"

namespace wiremill {

struct Suspect {
  uint64_t sequence = 0;
  std::string stage;
  uint32_t attempts = 0;  // deaths in this stage while it ran alone
  std::string cause;      // of the last one: "SIGSEGV", "exit()"
  friend bool operator==(const Suspect&, const Suspect&) = default;
};

class StageMarker {
 public:
  // Reads what the last process left, then clears the slots and installs the signal handlers. A
  // file of another shape is begun anew. Errors: Io, NoSpace.
  static Result<std::unique_ptr<StageMarker>> open(const std::string& path, size_t workers);
  ~StageMarker();

  // Who died last time and before, and was not cleared when the marker was opened; ascending by
  // sequence.
  const std::vector<Suspect>& suspects() const;
  // Every document up to here has its result, durable: none of them is a suspect any more. Any
  // thread, one at a time.
  void clear_up_to(uint64_t sequence);

  // The calling worker is inside `stage` with documents [first, last], until leave().
  void enter(size_t worker, const std::string& stage, uint64_t first, uint64_t last, bool alone);
  void leave(size_t worker);

 private:
  class Impl;
  explicit StageMarker(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace wiremill
