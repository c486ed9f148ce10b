// The inside of LogReader (daemon/log/log.hpp): called by one thread at a time, reads by its own
// file handle and takes the catalog's mutex for look-ups only.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/log/catalog.hpp"
#include "daemon/log/file.hpp"
#include "daemon/log/log.hpp"
#include "daemon/log/recent_groups.hpp"
#include "daemon/log/walker.hpp"

namespace wiremill {

class LogReader::Impl {
 public:
  // Without `recent` everything is read from the files.
  Impl(FileSystem& files, Catalog& catalog, const RecentGroups* recent, std::string log_name,
       uint64_t position, Caching caching)
      : files_(files),
        catalog_(catalog),
        recent_(recent),
        log_name_(std::move(log_name)),
        caching_(caching),
        position_(std::max(position, catalog.first())) {}

  Status read(size_t records_max, size_t bytes_max, std::vector<LogRecord>& out);
  uint64_t position() const { return position_; }

 private:
  Status enter(const SegmentPlace& place);
  Result<IndexEntry> hop(const SegmentPlace& place, uint64_t salt);
  Status find_next(int64_t end);
  Result<LogRecord> take(const SegmentPlace& place);
  void forget();

  FileSystem& files_;
  Catalog& catalog_;
  const RecentGroups* const recent_;
  const std::string log_name_;
  const Caching caching_;
  uint64_t position_;

  std::shared_ptr<const Segment> segment_;  // the one entered
  std::unique_ptr<File> file_;
  std::unique_ptr<Readable> source_;  // what is read: file_ and recent_
  std::optional<SegmentWalker> walker_;
  std::optional<SegmentEntry> ahead_;  // the next whole record header, at or after position_
  int64_t searched_up_to_ = 0;         // no record header follows below this offset
  int64_t forgotten_up_to_ = 0;        // has left the page cache
};

}  // namespace wiremill
