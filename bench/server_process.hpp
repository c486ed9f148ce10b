// A server under measurement, as a child process. Main thread.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

namespace wiremill {

// A loopback endpoint whose port was free a moment ago.
std::string free_endpoint();

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
  // Sends SIGTERM and answers the exit code, 128 + the signal that ended it.
  int stop();

 private:
  pid_t pid_ = -1;
};

}  // namespace wiremill
