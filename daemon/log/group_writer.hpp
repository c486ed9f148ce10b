// Where the log's groups go: writes them into the newest segment, syncs, goes over to the next one.
// Owned by the log's writer thread (daemon/log/log.cpp), which decides when, and what is shown.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "daemon/base/error.hpp"
#include "daemon/log/catalog.hpp"
#include "daemon/log/file.hpp"
#include "daemon/log/log.hpp"
#include "daemon/log/recent_groups.hpp"
#include "daemon/log/segment.hpp"
#include "daemon/log/segment_maker.hpp"

namespace wiremill {

// The newest segment as it was found.
struct GroupWriterStart {
  std::unique_ptr<File> file;  // none where it has to be made
  SegmentHeader header;
  int64_t capacity = 0;
  int64_t end = kSegmentHeaderBytes;  // everything below is on the medium
  uint64_t next = 1;
  uint64_t epoch = 1;
};

class GroupWriter {
 public:
  // All outlive it.
  GroupWriter(FileSystem& files, const LogOptions& options, Catalog& catalog, RecentGroups& recent,
              GroupWriterStart start);

  // Makes the newest segment where there is none, or none whose last block can be read. Errors: Io,
  // NoSpace.
  Status begin();

  // Writes a group of the next sequences, group_bytes() long. It counts for nothing before keep(), and
  // after an error the same group is put again or none is: it then goes to a new segment. Errors:
  // Io, NoSpace.
  Status put(std::span<const std::string> payloads);
  // Syncs what was put and kept. Never repeated for the same bytes. Errors: Io, NoSpace.
  Status sync();
  // The group that was put is the log's from now on.
  IndexEntry keep();

  // An empty group header behind the last group tells a later recovery that all before it was
  // synced. Due where that is so and not yet written; not synced, and overwritten by the next group.
  bool vouch_due() const;
  void vouch();

  uint64_t next() const { return next_; }  // the sequence that the next group begins with
  int64_t end() const { return end_; }     // of the last group that was kept
  uint64_t segment() const { return header_.first; }
  bool unsynced() const { return synced_ < end_; }
  // The bytes behind end() are unknown; the next group goes to a new segment.
  bool spoilt() const { return spoilt_; }
  // A sync of what was kept has failed: it may be gone.
  bool lost() const { return lost_; }
  // Any thread.
  uint64_t syncs() const { return syncs_.load(std::memory_order_relaxed); }

 private:
  Status roll(uint64_t first, int64_t bytes);
  Status write(std::span<const std::string> payloads);

  const LogOptions& options_;
  Catalog& catalog_;
  RecentGroups& recent_;
  const uint64_t epoch_;
  SegmentMaker maker_;

  std::unique_ptr<File> file_;
  SegmentHeader header_;
  int64_t capacity_;     // of file_
  int64_t end_;          // of the last group kept
  int64_t put_end_;      // of the group that was put, end_ where none was
  int64_t synced_;       // as far as file_ was synced
  int64_t vouched_ = 0;  // where the empty header stands
  uint64_t next_;
  uint64_t put_next_;
  bool spoilt_ = false;
  bool lost_ = false;
  // Blocks are written whole, so each group begins with what the one before left in its last block.
  std::shared_ptr<const Blocks>
      kept_;                           // of the last group kept; none where end_ is a block's begin
  std::shared_ptr<const Blocks> put_;  // of the group that was put
  std::atomic<uint64_t> syncs_ = 0;
};

}  // namespace wiremill
