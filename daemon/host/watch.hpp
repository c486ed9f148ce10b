// Watches the time, the processor time and the memory of one call to a stage's process. Made for the
// call; its thread.
#pragma once

#include <poll.h>

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "daemon/base/clock.hpp"
#include "daemon/config/config.hpp"
#include "daemon/host/child.hpp"
#include "daemon/host/process.hpp"

namespace wiremill {

inline constexpr int64_t kCancelGraceMs = 1000;

class Watch {
 public:
  // Which document of the call the process is at, and since when (CLOCK_MONOTONIC). A document beyond
  // the last: it did not say.
  struct Place {
    uint32_t document;
    int64_t began_ns;
  };
  // `given_bytes` of shared memory are not the process's own. All references outlive this.
  // `cancelled` is the batch's: a process that goes on for kCancelGraceMs after it was set is ended.
  Watch(Process& process, const StageConfig& limits, size_t documents, int64_t given_bytes,
        const volatile uint32_t* cancelled, std::function<Place()> place);

  // Until one of the descriptors is ready; what ended the process otherwise.
  std::optional<Death> wait(std::span<const pollfd> descriptors);
  // Time in which the process waited for the daemon is not its own, nor that in which it waited for a
  // core: a busy machine makes no document late. That holds until it had as much processor time as its
  // deadline is long, for a process can also take the cores from itself.
  void pause() { paused_at_ns_ = monotonic_ns(); }
  void go_on() { served_ns_ += monotonic_ns() - paused_at_ns_; }

  // The process has ended by itself, or the kernel ended it.
  Death ended() const;
  // Ends it.
  Death stop(std::string code, std::string message) const;

 private:
  // The process did this: "ended …". With its last words.
  Death blame(std::string code, std::string message) const;
  std::optional<uint32_t> guilty() const;
  // What the kernel says of it since its beginning.
  struct Used {
    // Of all its threads and processes; 0 where it may have several and nobody asks.
    int64_t cpu_ns = 0;
    // Without a core; 0 where it may have other processes, which nobody asks.
    int64_t waited_ns = 0;
  };
  Used use();
  int64_t excused_ns(const Used& before, int64_t deadline_ns) const;

  void look();  // where it is
  int64_t due_ns() const;
  std::optional<Death> over_limit();
  std::optional<Death> too_much();  // memory, processes, threads
  std::optional<Death> too_many_threads(const std::vector<pid_t>& members) const;
  std::optional<Death> too_much_memory(const std::vector<pid_t>& members) const;
  uint64_t tasks_refused() const;

  Process& process_;
  const StageConfig& limits_;
  const size_t documents_;
  const int64_t given_bytes_;
  const volatile uint32_t* const cancelled_;
  const std::function<Place()> place_;
  const int64_t began_ns_;
  Place at_{UINT32_MAX, 0};
  int64_t looked_ns_ = began_ns_;  // at the limits
  uint32_t talks_ = 0;             // about the document
  int64_t paused_at_ns_ = 0;
  int64_t served_ns_ = 0, served_before_ns_ = 0;  // in the call; before the document
  const Used used_before_call_;
  const uint64_t tasks_refused_before_;
  Used used_before_, used_;  // before the document; at the last look
  int64_t cancelled_at_ns_ = 0;
};

inline bool is_set(const volatile uint32_t* flag) {
  return __atomic_load_n(flag, __ATOMIC_RELAXED) != 0;
}

}  // namespace wiremill
