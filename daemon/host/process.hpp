// A process that runs a stage, as the daemon sees it: started with nothing of the daemon's but what it
// is given, watched through a pidfd, ended by SIGKILL. One thread at a time.
#pragma once

#include <poll.h>
#include <sys/types.h>

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/host/control_group.hpp"

namespace wiremill {

class Process {
 public:
  struct Plan {
    std::vector<std::string> arguments;    // the first is the program's file
    std::vector<std::string> environment;  // NAME=value, and nothing else
    // The daemon's descriptor, and as which one the process has it. Standard input and output are
    // /dev/null where they are not among them; standard error is a file of this object's.
    std::vector<std::pair<int, int>> descriptors;
  };
  // In a process group of its own. In the control group, whose entrance is among the arguments, it puts
  // itself. Errors: Io.
  static Result<Process> start(const Plan& plan, std::optional<ControlGroup> control_group);
  Process(Process&& other) noexcept;
  Process& operator=(Process&&) = delete;
  ~Process();  // kills it

  enum class Wait {
    Ready,  // one of the descriptors is; also where the process has ended meanwhile
    Ended,
    TimedOut,
  };
  Wait wait(std::span<const pollfd> descriptors, int64_t timeout_ns);
  // What wait() found of its descriptor `index`.
  short found(size_t index) const { return polled_[index].revents; }

  pid_t id() const { return pid_; }
  // It and all that it started, which cannot leave its group.
  const std::vector<pid_t>& group();
  // Processor time of all its threads since it began; 0 where it is not known.
  int64_t cpu_ns() const;
  // How long its first thread could run and had no core, since it began; 0 where it is not known.
  int64_t waited_for_core_ns() const;
  // The whole group: what it started goes with it.
  void kill() const;
  // Why it has ended, and its last words; nothing where it runs.
  std::optional<std::string> ended();
  // Why a process that has ended did so: "was killed by SIGSEGV", "ended with exit code 0".
  std::string cause() const;
  // Where the kernel looks at some of its limits.
  const std::optional<ControlGroup>& control_group() const { return control_group_; }
  // The end of what it wrote to standard error; for one line, without control characters.
  std::string last_words() const;
  // Keeps the file of what it wrote bounded. While the process waits.
  void trim_words() const;

 private:
  Process(int words_fd, std::optional<ControlGroup> control_group)
      : control_group_(std::move(control_group)), words_fd_(words_fd) {}

  std::optional<ControlGroup> control_group_;
  int words_fd_;
  pid_t pid_ = -1;
  int pid_fd_ = -1, schedstat_fd_ = -1;
  std::vector<pollfd> polled_;
  std::vector<pid_t> group_;
  std::string newest_;  // process of the machine, when the group was looked at
};

// Text from a stage's process, fit for one line of a message: UTF-8 without control characters.
std::string one_line(std::string_view text);

}  // namespace wiremill
