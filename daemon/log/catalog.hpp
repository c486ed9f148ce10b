// What the writer and the readers share: which segments there are, how far each is durable, and a
// sparse index into them. Any thread; the mutex is held for look-ups only, never for I/O.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "daemon/base/thread.hpp"
#include "daemon/log/log.hpp"

namespace wiremill {

// A group's place in its segment.
struct IndexEntry {
  uint64_t sequence = 0;
  int64_t offset = 0;
};
// At least this far apart, so that the index of a 64 MiB segment stays under 16 KiB.
inline constexpr int64_t kIndexStepBytes = 64 << 10;

struct Segment {
  uint64_t first = 0;
  std::string path;
};

// A segment as it stood when it was looked up.
struct SegmentPlace {
  std::shared_ptr<const Segment> segment;
  uint64_t last = 0;  // its newest durable sequence; first - 1 where it has none yet
  int64_t end = 0;    // everything durable lies below this offset
  IndexEntry near;    // a group at or before the sequence looked up; the segment's first otherwise
};

class Catalog {
 public:
  explicit Catalog(uint64_t durable) : durable_(durable) {}

  // A newer segment than all others, or a new file for the newest one.
  void add(uint64_t first, std::string path, int64_t end);
  // A group of the newest segment is durable up to `last` and `end`.
  void publish(IndexEntry group, uint64_t last, int64_t end);
  // So far a reader is shown records, and no further. Any thread, without waiting.
  uint64_t durable() const { return durable_.load(std::memory_order_acquire); }
  // The segment that holds `sequence`; the oldest one where it is removed already.
  SegmentPlace find(uint64_t sequence) const;
  // Groups of `segment`, ascending; those between known ones are not needed.
  void add_index(const Segment& segment, std::span<const IndexEntry> groups);
  // Takes out the oldest segments, all but the newest, that end below `sequence`: their paths.
  std::vector<std::string> take_below(uint64_t sequence);

  // 1 <= first <= last. What is known already is not counted again.
  void add_damaged(uint64_t first, uint64_t last);
  uint64_t first() const;
  uint64_t first_within(uint64_t bytes) const;  // as Log's
  LogStatistics statistics() const;             // first, bytes, damaged_records and the segments

 private:
  struct Item {
    std::shared_ptr<const Segment> segment;
    int64_t end = 0;
    std::vector<IndexEntry> index;
  };
  static void extend(std::vector<IndexEntry>& index, IndexEntry group);

  mutable Mutex mutex_;
  std::deque<Item> items_ WM_GUARDED_BY(mutex_);  // ascending; never empty once the log is open
  std::atomic<uint64_t> durable_;                 // changes under mutex_
  std::map<uint64_t, uint64_t> damaged_ WM_GUARDED_BY(mutex_);  // ranges apart: first, last
  uint64_t damaged_records_ WM_GUARDED_BY(mutex_) = 0;
};

}  // namespace wiremill
