// Reads a log's directory as it lies on the disk, and says what stands in it and what is missing. For
// `wiremill log`, beside a running daemon or without one: takes no lock, changes nothing, and reads
// every byte that was ever written. What recovery would do (daemon/log/recovery.hpp) is said, not done.
// One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/log/file.hpp"
#include "daemon/log/segment.hpp"

namespace wiremill {

// Sequences [first, last] cannot be read. `offset`: where the bad bytes begin in `path`.
struct LogDamage {
  uint64_t first = 0, last = 0;
  std::string path;
  int64_t offset = 0;
  std::string what;
};

struct SegmentReport {
  std::string path;
  uint64_t first = 0, last = 0;  // of the records in it; last is first - 1 where it has none
  uint64_t epoch = 0;            // the newest found
  uint64_t records = 0, groups = 0;
  int64_t bytes = 0;       // up to the end of the last record
  int64_t file_bytes = 0;  // with what is zeroed ahead
};

struct LogReport {
  std::string directory, name;
  uint64_t first = 1, last = 0;  // last is first - 1 where there are no records
  uint64_t epoch = 0;
  uint32_t version = kLogFormatVersion;
  uint64_t records = 0, groups = 0, bytes = 0;
  bool clean = false;       // closed in order
  bool held = false;        // a daemon has it open: the tail may move meanwhile
  uint64_t torn_bytes = 0;  // what the next start would cut, after …
  int64_t torn_offset = 0;  // … this offset of the newest segment
  std::vector<SegmentReport> segments;
  uint64_t damaged_records = 0;   // all of them; …
  std::vector<LogDamage> damage;  // … the first kDamageMax places
};

inline constexpr size_t kDamageMax = 1000;

struct InspectPorts {
  // Each whole record, ascending. May be empty.
  std::function<void(uint64_t sequence, std::string_view payload)> record;
  // How many bytes of how many are read; false ends it with Unavailable. May be empty.
  std::function<bool(uint64_t done, uint64_t total)> progress;
  FileSystem* files = nullptr;  // where not the kernel's, which tests replace
};

// Errors: NotFound (no log there), Io, Unsupported (a later format version), Damaged (a file that is
// no segment, or another log's).
Result<LogReport> inspect_log(const std::string& directory, const InspectPorts& ports);

// Whether there is a log in `directory`: a segment or a mark.
bool is_log_directory(const std::string& directory, FileSystem* files = nullptr);

}  // namespace wiremill
