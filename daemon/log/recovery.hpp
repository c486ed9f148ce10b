// Recovers the newest segment of a log: tells a torn tail from damage, cuts the first, sets the
// second aside. Called once, while a log opens.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/log/catalog.hpp"
#include "daemon/log/file.hpp"
#include "daemon/log/mark.hpp"
#include "daemon/log/segment.hpp"

namespace wiremill {

struct RecoveredSegment {
  std::unique_ptr<File> file;
  SegmentHeader header;
  int64_t capacity = 0;     // of the file
  int64_t end = 0;          // the next group goes here; everything below is on the medium
  int64_t vouched_end = 0;  // of the empty group that stands there, if one does
  uint64_t next = 1;        // the sequence after the last one found
  uint64_t epoch = 0;       // the highest found
  int64_t torn_bytes = 0;
  std::vector<std::pair<uint64_t, uint64_t>> damaged;  // sequences, first and last
  std::vector<IndexEntry> index;
};

// nullopt: the file was left half made, and no record was ever written to it. Errors: Io,
// Unsupported, Damaged.
Result<std::optional<RecoveredSegment>> recover_segment(FileSystem& files, const std::string& path,
                                                        const std::string& log_name, uint64_t first,
                                                        const std::optional<LogMark>& mark);

}  // namespace wiremill
