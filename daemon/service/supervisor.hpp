// What the service manager is told (sd_notify(3)): that the daemon is ready, what it does, that it
// reloads, that it stops, and, where a watchdog is set, that it makes progress. Without a service
// manager nothing happens. Main thread.
#pragma once

#include <chrono>
#include <string>

namespace wiremill {

class Supervisor {
 public:
  // Reads NOTIFY_SOCKET and WATCHDOG_USEC.
  Supervisor();

  void ready(const std::string& status);
  void reloading();  // until ready()
  void status(const std::string& text);
  void stopping();
  void beat();

  // Within which it must beat; zero where nobody watches.
  std::chrono::microseconds watchdog() const { return watchdog_; }

 private:
  std::chrono::microseconds watchdog_{0};
};

}  // namespace wiremill
