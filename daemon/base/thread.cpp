#include "daemon/base/thread.hpp"

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

namespace wiremill {
namespace {

thread_local bool named = false;

}  // namespace

bool is_named_thread() { return named; }

void set_thread_name(const std::string& name) {
  named = true;
  pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
}

void give_way(int nice) {
  const auto thread = static_cast<id_t>(gettid());  // Linux has a priority for each thread
  (void)setpriority(PRIO_PROCESS, thread, getpriority(PRIO_PROCESS, thread) + nice);
}

}  // namespace wiremill
