// Which results may go: by age and by bytes. Called by the service on one thread, from time to time.
//
// Age is measured by a clock of the log's own, not by the wall clock, which may jump: it goes on with
// the steady clock while the daemon runs, and over a stop by the wall clock's difference, at least
// nothing and at most a day. So a wrong wall clock can keep results longer, and never costs any.
// The clock and marks {sequence, time} are kept in the file AGES beside the segments, replaced whole.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "daemon/base/error.hpp"
#include "daemon/log/log.hpp"

namespace wiremill {

// Milliseconds from anywhere; tests stand in for it.
class RetentionClock {
 public:
  virtual ~RetentionClock() = default;
  virtual int64_t steady_ms() const = 0;
  virtual int64_t wall_ms() const = 0;
};

struct RetentionOptions {
  int64_t age_max_ms = 0;                 // 0: no limit
  int64_t bytes_max = 0;                  // 0: no limit
  const RetentionClock* clock = nullptr;  // where not the system's
  FileSystem* files = nullptr;            // where not the kernel's
};

class Retention {
 public:
  // Reads AGES from the log's directory; a missing or damaged one counts everything as new (and is
  // said in the daemon's log). Errors: Io. `log` outlives it.
  static Result<std::unique_ptr<Retention>> open(const RetentionOptions& options, Log& log,
                                                 const std::string& directory);
  ~Retention();

  // Notes where the log stands, and removes whole segments that are past the limits and below
  // `keep_from`. Answers the oldest sequence kept. Errors: Io, NoSpace: what could be removed is.
  Result<uint64_t> run(uint64_t keep_from);

 private:
  class Impl;
  explicit Retention(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace wiremill
