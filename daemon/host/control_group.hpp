// Control groups (cgroup v2): where this process may make some, the kernel itself limits the memory and
// the threads of each stage's process; elsewhere Watch looks at them from outside.
//
// A group below its own is all that a process may make, and the kernel wants no process in a group that
// has limited ones below it. So the process goes into a group `daemon` beside those of its children:
//
//     OWN/                      cgroup.subtree_control: +memory +pids
//     OWN/daemon/               this process
//     OWN/stage-NAME-1/ …       each a child of the stage NAME, with all that it starts
//
// It does so only where its group was given to it: it may write there, systemd (where it runs the
// machine) has delegated it, and nobody else is in it. The group of a login shell, or of a container
// with more programs in it, stays as it is.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/config/config.hpp"

namespace wiremill {

inline constexpr uint32_t kThreadsMax = 256;  // for each process that a stage may have

// The group of one child. It is removed with this object, when nobody is left in it. One thread at a
// time.
class ControlGroup {
 public:
  // Of a folder that was just made. Errors: Io.
  static Result<ControlGroup> limit(std::string folder, bool memory, bool tasks,
                                    const StageConfig& limits);
  ControlGroup(ControlGroup&& other) noexcept;
  ControlGroup& operator=(ControlGroup&&) = delete;
  ~ControlGroup();

  // A process that writes 0 to this file is in the group.
  std::string entrance() const;
  bool limits_memory() const { return memory_bytes_max_ > 0; }
  bool limits_tasks() const { return is_tasks_limited_; }
  int64_t memory_bytes_max() const { return memory_bytes_max_; }

  std::vector<pid_t> processes() const;
  // How often one of them wanted a thread or a process more than it may have.
  uint64_t tasks_refused() const;
  // Why the kernel ended the group, where it did for want of memory.
  enum class MemoryEnd { None, OverLimit, Elsewhere };
  MemoryEnd memory_end() const;

 private:
  ControlGroup(std::string folder, int64_t memory_bytes_max, bool is_tasks_limited)
      : folder_(std::move(folder)),
        memory_bytes_max_(memory_bytes_max),
        is_tasks_limited_(is_tasks_limited) {}

  std::string folder_;        // empty: moved from
  int64_t memory_bytes_max_;  // 0: the kernel does not look at it
  bool is_tasks_limited_;
};

class ControlGroups {
 public:
  // Finds out what this process may do, and where it may, goes into its group and clears what a
  // process before it left. `root` is the folder in which proc, run and the groups' mount are found.
  explicit ControlGroups(const std::string& root = "");
  ControlGroups(const ControlGroups&) = delete;
  ControlGroups& operator=(const ControlGroups&) = delete;

  // Which limits the kernel enforces and which are looked at, and why; for the log.
  const std::string& report() const { return report_; }
  // One for a child of this stage; none where there are none. Any thread. Errors: Io.
  Result<std::optional<ControlGroup>> make(const StageConfig& limits);

 private:
  Status find(const std::string& root);
  Status enter();

  std::string folder_;  // this process's, before it went in
  bool memory_ = false, tasks_ = false;
  std::string report_;
  std::atomic<uint64_t> made_{0};
};

// This process's, found out with the first call. Any thread.
ControlGroups& control_groups();

}  // namespace wiremill
