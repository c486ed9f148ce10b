// The segment log: an append-only sequence of records that survives kill -9 and power cuts. Used
// twice, for the intake and for results. File format and recovery: docs/log-format.md.
//
// A record's sequence is its place: 1, 2, 3 … without gaps. append() hands a record to the log's
// own writer thread, which takes all that is waiting as one group, writes it, calls fdatasync once
// and then reports `durable`. Nothing above durable() is ever shown to a reader.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/error.hpp"

namespace wiremill {

class FileSystem;  // daemon/log/file.hpp

enum class Durability {
  Always,    // fdatasync before a record counts as durable
  Interval,  // written at once, fdatasync every sync_interval_ms
  None,      // written at once; the kernel decides
};

struct LogOptions {
  std::string directory;             // made if missing; its parent must exist
  std::string name;                  // "intake" or "result", in the segments' headers; <= 16 bytes
  int64_t segment_bytes = 64 << 20;  // >= 8 KiB; a larger record gets a segment of its own
  int64_t queue_bytes_max = 64 << 20;  // appended but not yet durable
  Durability durability = Durability::Always;
  int64_t sync_interval_ms = 50;
  uint64_t next_min = 1;        // sequences below are used, even if the log has lost them
  FileSystem* files = nullptr;  // where not the kernel's, which tests replace
};

// A record as a reader gets it. `damaged`: its bytes failed their checksum, or the disk cannot read
// them; the payload is empty.
struct LogRecord {
  uint64_t sequence = 0;
  bool damaged = false;
  std::string payload;
};

struct LogStatistics {
  uint64_t first = 1;    // oldest sequence kept
  uint64_t durable = 0;  // newest durable sequence; first - 1 where there is none
  uint64_t epoch = 1;    // raised by an unclean start without Durability::Always
  uint64_t bytes = 0;    // in all segments, without what is zeroed ahead
  uint64_t groups = 0, syncs = 0;
  uint64_t torn_bytes = 0;       // cut from the tail when the log was opened
  uint64_t damaged_records = 0;  // found so far
  uint64_t segments = 0;
  uint64_t newest_segment = 1;    // its first sequence
  uint64_t epoch_first = 1;       // the first sequence that was given out in the present epoch
  uint64_t rewritten_groups = 0;  // groups whose write or sync failed and that a new segment took
};

// Whether what is read stays in the kernel's page cache, for others to find, or leaves it.
enum class Caching { Keep, Leave };

class LogReader;

class Log {
 public:
  // Opens or makes the log, recovers its tail and starts the writer thread. Errors: Locked (another
  // process holds the directory), Io, Config (options out of range), Unsupported (a format version
  // of the future), Damaged (a header that fits no format, or another log's).
  static Result<std::unique_ptr<Log>> open(const LogOptions& options);
  // Syncs what was appended and marks a clean end. Does not wait for space: on a full disk what is
  // not durable by now is given up.
  ~Log();

  // Queues a record and gives it the next sequence. Any thread; sequences are in the order of the
  // calls. Where nothing waits, a record larger than queue_bytes_max is taken, too. Errors: Busy
  // (queue_bytes_max are waiting: try again after the next durable report), TooLarge (over 1 GiB),
  // Io (the log could not be written and is read-only from now on).
  Result<uint64_t> append(std::string payload);

  // The newest durable sequence. Any thread.
  uint64_t durable() const;
  // The sequence that the next append gets. Any thread.
  uint64_t next() const;

  // Calls `listener(durable)` on the writer thread after each group became durable, and once with
  // the old value when the log turns read-only, also from within ~Log. Set before the first append;
  // an empty one ends the calls: none runs when on_durable returns. The listener must not call it.
  void on_durable(std::function<void(uint64_t)> listener);

  // Waits until everything appended so far is durable; the listener may hear of it a moment later.
  // Errors: Io; NoSpace, at once: all is kept and written when there is space.
  Status flush();
  // As flush, but at most so long; answers whether all of it is durable.
  bool flush_within(std::chrono::milliseconds at_most);
  // Waits until everything that is durable by now is on the medium, too; with Durability::Always it
  // is. Any thread. Errors: as flush.
  Status sync();
  // Ok; or NoSpace: nothing can be written until there is space, what waits is kept and the writer
  // tries again each second; or why the log is read-only for good (Io).
  Status health() const;

  // A reader that begins at `sequence` (at the oldest kept one if that is larger). The log must
  // outlive it.
  std::unique_ptr<LogReader> reader(uint64_t sequence, Caching caching = Caching::Keep) const;

  // Removes whole segments all of whose records are below `sequence`; the newest segment stays.
  // Any thread. Errors: Io; what could not be removed is removed by a later call.
  Status remove_below(uint64_t sequence);
  // Where the newest segments that together have at most `bytes` begin; the newest counts always.
  uint64_t first_within(uint64_t bytes) const;
  const std::string& directory() const;

  LogStatistics statistics() const;

 private:
  class Impl;
  explicit Log(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
  friend class LogReader;
};

// Reads durable records in order without disturbing the writer. One thread at a time.
class LogReader {
 public:
  ~LogReader();
  // Appends at most `records_max` further records, and no more than it takes to reach `bytes_max`,
  // to `out`. Adds nothing where nothing further is durable yet. Where segments were removed under
  // the reader it goes on at the oldest record kept: the sequences tell. Errors: Io.
  Status read(size_t records_max, size_t bytes_max, std::vector<LogRecord>& out);
  // The sequence that the next read begins with.
  uint64_t position() const;

 private:
  class Impl;
  explicit LogReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
  friend class Log;
};

}  // namespace wiremill
