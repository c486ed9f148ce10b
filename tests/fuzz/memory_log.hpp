// Stands in for the log (daemon/log/log.hpp) where intake and feed are fuzzed: memory_log.cpp defines
// class Log over one vector, without a thread, and what is appended becomes durable when the script
// says so. One log a program, one thread.
#pragma once

#include <cstdint>
#include <vector>

#include "daemon/log/log.hpp"

namespace wiremill::fuzz {

struct MemoryLog {
  std::vector<LogRecord> records;  // of sequences 1, 2, 3 …
  uint64_t first = 1;              // the oldest kept
  uint64_t durable = 0;
  bool busy = false;    // append answers Busy
  bool failed = false;  // the log is read-only
};

// What Log::open opens.
inline MemoryLog memory_log;

}  // namespace wiremill::fuzz
