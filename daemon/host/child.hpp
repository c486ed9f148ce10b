// A child process that runs one stage (the program wiremill-stagehost), as the daemon sees it: started
// with nothing of the daemon's but its channel, watched through a pidfd, ended by SIGKILL.
#pragma once

#include <sys/types.h>

#include <string>

#include "daemon/base/error.hpp"
#include "daemon/host/channel.hpp"

namespace wiremill {

class Child {
 public:
  // `program` runs with `plugin` (a file) as its argument, with an empty environment, in a process
  // group of its own. It is killed when the thread that started it ends. Errors: Io, Unavailable.
  static Result<Child> start(const std::string& program, const std::string& plugin);
  Child(Child&& other) noexcept;
  Child& operator=(Child&&) = delete;
  ~Child();  // kills it

  Channel& channel() { return channel_; }

  enum class Wait {
    Woken,
    Ended,
    TimedOut,
  };
  // Until the child wakes the daemon, ends, or the time is over.
  Wait wait(int64_t timeout_ns) const;

  // Memory that it holds alone, in bytes (RssAnon); 0 where it is not known.
  int64_t memory_bytes() const;
  void kill() const;
  // Why a child that has ended did so: "killed by SIGSEGV", "ended with exit code 0".
  std::string cause() const;
  // The end of what it wrote to standard error; for one line, without control characters.
  std::string last_words() const;
  // Keeps the file of what it wrote bounded. While the child waits.
  void trim_words() const;

 private:
  Child(Channel channel, int words_fd, pid_t pid, int pid_fd)
      : channel_(std::move(channel)), words_fd_(words_fd), pid_(pid), pid_fd_(pid_fd) {}

  Channel channel_;
  int words_fd_;
  pid_t pid_;
  int pid_fd_;
};

}  // namespace wiremill
