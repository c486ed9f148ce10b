// The newest groups of a log as they were written, in memory: the log's writer adds them, its readers
// look here before they read the file. Direct writes leave nothing in the page cache, so without it a
// reader close behind the writer would have the medium to wait for.
//
// Any thread. Whoever copies holds the lock only to look a group up.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <deque>
#include <memory>
#include <string_view>

#include "daemon/base/thread.hpp"
#include "daemon/log/file.hpp"

namespace wiremill {

// Whole blocks of a file, in memory that a direct write can take.
class Blocks {
 public:
  // Those that hold [begin, end); what they hold around it is zero.
  Blocks(int64_t begin, int64_t end);

  int64_t begin() const { return begin_; }
  char* at(int64_t offset) { return bytes_.get() + (offset - begin_); }
  const char* at(int64_t offset) const { return bytes_.get() + (offset - begin_); }
  std::string_view bytes() const { return {bytes_.get(), size_}; }
  // With the block that malloc leaves unused to align them: half of it all, where groups are small.
  size_t occupied() const { return size_ + kBlockBytes; }

 private:
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };

  int64_t begin_;
  size_t size_;
  std::unique_ptr<char[], Free> bytes_;
};

class RecentGroups {
 public:
  // Keeps blocks that occupy `bytes_max` bytes, or the newest group.
  explicit RecentGroups(size_t bytes_max) : bytes_max_(bytes_max) {}

  // The group at [begin, end) of the segment that begins with sequence `segment`.
  void add(uint64_t segment, int64_t begin, int64_t end, std::shared_ptr<const Blocks> blocks)
      WM_EXCLUDES(mutex_);
  // Copies [begin, end) of the segment. False: not all of it is here, and nothing can be said of
  // `into`.
  bool copy(uint64_t segment, int64_t begin, int64_t end, char* into) const WM_EXCLUDES(mutex_);

 private:
  struct Group {
    uint64_t segment;
    int64_t begin, end;
    std::shared_ptr<const Blocks> blocks;
  };
  Group find(uint64_t segment, int64_t offset) const WM_EXCLUDES(mutex_);

  const size_t bytes_max_;
  mutable Mutex mutex_;
  std::deque<Group> groups_ WM_GUARDED_BY(mutex_);  // ascending by segment and offset
  size_t bytes_ WM_GUARDED_BY(mutex_) = 0;          // that their blocks occupy
};

}  // namespace wiremill
