// A server under measurement, as a child process, and where it keeps its files. Main thread.
#pragma once

#include <sys/types.h>

#include <csignal>
#include <map>
#include <string>
#include <vector>

namespace wiremill {

// A loopback endpoint whose port was free a moment ago.
std::string free_endpoint();

// The path of a program that was built beside this one.
std::string program(const std::string& name);

// A folder in `parent`, on the disk under measurement; gone with the object.
class Scratch {
 public:
  explicit Scratch(const std::string& parent);
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Seconds of processor time, of all threads.
double own_cpu_seconds();

using CpuSeconds = std::map<std::string, double>;

class ServerProcess {
 public:
  // `arguments[0]` is the program. Its standard error goes to `log_path`.
  ServerProcess(const std::vector<std::string>& arguments, const std::string& log_path);
  // Kills what was not stopped.
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  double cpu_seconds() const;
  // Of the threads that live, by name; those of one name together.
  CpuSeconds thread_cpu_seconds() const;
  // Sends a signal and answers the exit code, 128 + the signal that ended it.
  int stop(int signal = SIGTERM);

 private:
  pid_t pid_ = -1;
};

}  // namespace wiremill
