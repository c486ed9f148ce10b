// The thread "housekeeping": looks each second how much space is free, holds the intake while there
// is too little, removes what the two logs need no longer keep, and has them read again for damage.
// Owned by the daemon.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "daemon/base/error.hpp"
#include "daemon/base/thread.hpp"
#include "daemon/log/log.hpp"
#include "daemon/log/retention.hpp"
#include "daemon/log/scrub.hpp"

namespace wiremill {

struct HousekeeperOptions {
  std::string state_dir;
  // As is_short_of_space() has it.
  int64_t free_bytes_min = 1 << 30;
  RetentionOptions results;
  int64_t scrub_bytes_per_second = 8 << 20;  // of both logs together; 0: none
};

// All are called on the thread "housekeeping".
struct HousekeeperPorts {
  std::function<void(std::string why)> hold;  // empty: documents are taken again
  // The state on disk is that behind this result: results above it are needed by recovery.
  std::function<uint64_t()> checkpointed;
  // Intake records above it are needed by the intake's own recovery.
  std::function<uint64_t()> intake_needed_above;
};

// Whether the intake is to be held: with less than `minimum` bytes free, and once it was, until there
// is a tenth more, so that it does not go back and forth.
bool is_short_of_space(bool was_short, int64_t free_bytes, int64_t minimum);

class Housekeeper {
 public:
  // Looks for space at once, so that a daemon on a full disk holds before it serves. The logs
  // outlive it. Errors: Io.
  static Result<std::unique_ptr<Housekeeper>> open(const HousekeeperOptions& options,
                                                   Log& intake_log, Log& results,
                                                   HousekeeperPorts ports);
  // Ends within a moment.
  ~Housekeeper();

  struct Report {
    int64_t free_bytes = 0, disk_bytes = 0;
    std::string hold;     // why documents are refused; empty where they are not
    std::string trouble;  // why old segments cannot be removed; empty where they can
    Scrub::Progress intake_scrubbed, results_scrubbed;
  };
  // Any thread.
  Report report() const;

 private:
  Housekeeper(const HousekeeperOptions& options, Log& intake_log, Log& results,
              HousekeeperPorts ports, std::unique_ptr<Retention> retention);
  void run();
  void watch_space();
  void remove_old();

  // Constant after construction.
  const HousekeeperOptions options_;
  Log& intake_log_;
  Log& results_;
  const HousekeeperPorts ports_;
  const std::unique_ptr<Retention> retention_;
  std::unique_ptr<Scrub> intake_scrub_, results_scrub_;

  mutable Mutex mutex_;
  Condition condition_;
  Report report_ WM_GUARDED_BY(mutex_);
  bool stopping_ WM_GUARDED_BY(mutex_) = false;

  std::thread thread_;
};

}  // namespace wiremill
