// What the pipeline reads: the documents of the intake log, in batches. Made by the daemon; workers, one
// call at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <vector>

#include "daemon/log/log.hpp"

namespace wiremill {

// How long a batch waits for documents that are on their way to the disk. While a burst comes in,
// whoever pushes waits for it, and what is acknowledged waits on disk; a batch of real stages takes
// many times as long.
inline constexpr std::chrono::milliseconds kIntakeFirst{5};

class IntakeReader {
 public:
  // `log` outlives it.
  IntakeReader(Log& log, uint64_t from, std::chrono::milliseconds wait_at_most)
      : log_(log), reader_(log.reader(from)), wait_at_most_(wait_at_most) {}

  // As LogReader::read.
  Status read(size_t documents_max, size_t bytes_max, std::vector<LogRecord>& records) {
    (void)log_.flush_within(wait_at_most_);
    return reader_->read(documents_max, bytes_max, records);
  }

 private:
  Log& log_;
  const std::unique_ptr<LogReader> reader_;
  const std::chrono::milliseconds wait_at_most_;
};

}  // namespace wiremill
