// Opening a log's directory: locks it, recovers the newest segment and writes down that the log is
// in use. Called once, by Log::open.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/log/catalog.hpp"
#include "daemon/log/file.hpp"
#include "daemon/log/group_writer.hpp"
#include "daemon/log/log.hpp"

namespace wiremill {

// What was found.
struct LogStart {
  std::unique_ptr<FileLock> lock;
  std::vector<std::pair<uint64_t, int64_t>> older;  // segments' firsts and bytes, ascending
  GroupWriterStart newest;
  uint64_t epoch_first = 1;
  int64_t torn_bytes = 0;
  std::vector<std::pair<uint64_t, uint64_t>> damaged;
  std::vector<IndexEntry> index;
};

// Errors: as Log::open.
Result<LogStart> open_directory(FileSystem& files, const LogOptions& options);

}  // namespace wiremill
