#include "daemon/service/supervisor.hpp"

#include <systemd/sd-daemon.h>

#include <algorithm>

namespace wiremill {
namespace {

// One line.
std::string status_line(std::string text) {
  std::replace(text.begin(), text.end(), '\n', ' ');
  return "STATUS=" + text;
}

}  // namespace

Supervisor::Supervisor() {
  uint64_t watchdog_us = 0;
  if (sd_watchdog_enabled(0, &watchdog_us) > 0) watchdog_ = std::chrono::microseconds(watchdog_us);
}

void Supervisor::ready(const std::string& text) {
  sd_notify(0, ("READY=1\n" + status_line(text)).c_str());
}
void Supervisor::status(const std::string& text) { sd_notify(0, status_line(text).c_str()); }
void Supervisor::reloading() { sd_notify(0, "RELOADING=1\nSTATUS=reloading"); }
void Supervisor::stopping() { sd_notify(0, "STOPPING=1\nSTATUS=draining"); }
void Supervisor::beat() { sd_notify(0, "WATCHDOG=1"); }

}  // namespace wiremill
