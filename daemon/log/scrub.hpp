// Reads the older segments of a log again, slowly, so that damage is found while it may still be
// mended from a copy. A thread of its own at the lowest priority; what it finds is counted in
// LogStatistics::damaged_records and said in the daemon's log. A round begins each day.
#pragma once

#include <cstdint>
#include <memory>

#include "daemon/log/log.hpp"

namespace wiremill {

class Scrub {
 public:
  // `log` outlives it. `bytes_per_second` > 0.
  Scrub(const Log& log, int64_t bytes_per_second);
  // Ends within a moment.
  ~Scrub();

  // Since the start. Any thread.
  struct Progress {
    uint64_t rounds = 0, records = 0, bytes = 0;
  };
  Progress progress() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace wiremill
