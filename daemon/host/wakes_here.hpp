// Where a stage's process goes on when a worker hands it a call.
//
// A worker that hands over and then sleeps leaves its core to the process. The scheduler does not know
// that it is about to sleep: at that moment every core is busy, so it wakes the process where it ran
// last, often behind the process of another worker, and the worker's core stands idle until it is
// balanced, milliseconds later. With two workers on two cores both processes ran on the one core and
// both workers on the other (Linux 6.18, `perf sched`); a wake-up that says that the sender is about to
// sleep, as pipes and sockets send it, changed nothing. bench/RESULTS.md says what that cost.
#pragma once

#include <sched.h>
#include <sys/types.h>

namespace wiremill {

// While it lives, the main thread of a process that sleeps can only be woken on this thread's core;
// afterwards it may run where this thread may. It shall be woken there, not kept there: hold this just
// around the waking. A hint: does nothing where the kernel does not allow it.
class WakesHere {
 public:
  explicit WakesHere(pid_t process);
  ~WakesHere();
  WakesHere(const WakesHere&) = delete;
  WakesHere& operator=(const WakesHere&) = delete;

 private:
  const pid_t process_;
  cpu_set_t own_;  // where this thread may run
  bool is_changed_ = false;
};

}  // namespace wiremill
