#include "daemon/host/wakes_here.hpp"

namespace wiremill {

WakesHere::WakesHere(pid_t process) : process_(process) {
  const int core = sched_getcpu();
  if (core < 0 || sched_getaffinity(0, sizeof own_, &own_) != 0) return;
  cpu_set_t here;
  CPU_ZERO(&here);
  CPU_SET(static_cast<size_t>(core), &here);
  is_changed_ = sched_setaffinity(process, sizeof here, &here) == 0;
}

WakesHere::~WakesHere() {
  if (is_changed_) sched_setaffinity(process_, sizeof own_, &own_);
}

}  // namespace wiremill
