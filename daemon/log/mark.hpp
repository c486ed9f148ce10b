// The file MARK in a log's directory: how the log was last left. Written when the log is opened
// (not clean) and when it is closed in order (clean); replaced whole by a rename, so it is always
// one or the other. Called while a log opens and closes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "daemon/base/error.hpp"
#include "daemon/log/file.hpp"

namespace wiremill {

struct LogMark {
  bool clean = false;
  bool always = false;  // written under Durability::Always
  uint64_t epoch = 1;
  uint64_t next = 1;         // every sequence below this one was given out
  uint64_t segment = 0;      // first sequence of the newest segment when this was written …
  int64_t end = 0;           // … and where its records ended, all synced; 0 and 0: not known
  uint64_t epoch_first = 1;  // the first sequence given out in this epoch; 1 where it is not known
};

// nullopt where there is none, it cannot be read, or its checksum is wrong. Errors: Io where it
// cannot be opened.
Result<std::optional<LogMark>> read_mark(FileSystem& files, const std::string& directory);
Status write_mark(FileSystem& files, const std::string& directory, const LogMark& mark);

}  // namespace wiremill
