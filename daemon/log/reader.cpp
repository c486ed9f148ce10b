// Reading a log: daemon/log/reader.hpp.
//
// The sequences are dense, so what is missing shows: a reader at sequence 17 that finds 19 as the
// next whole record reports 17 and 18 as damaged.
#include "daemon/log/reader.hpp"

#include <algorithm>
#include <utility>

namespace wiremill {
namespace {

// A segment: its newest groups out of memory, the others out of its file.
class RecentFile final : public Readable {
 public:
  RecentFile(const RecentGroups* recent, uint64_t segment, const File& file)
      : recent_(recent), segment_(segment), file_(file) {}

  Result<size_t> read_at(int64_t offset, char* into, size_t size) const override {
    const int64_t end = offset + static_cast<int64_t>(size);
    if (recent_ != nullptr && recent_->copy(segment_, offset, end, into)) return size;
    return file_.read_at(offset, into, size);
  }
  Result<int64_t> size() const override { return file_.size(); }

 private:
  const RecentGroups* const recent_;
  const uint64_t segment_;
  const File& file_;
};

}  // namespace

LogReader::LogReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LogReader::~LogReader() = default;

Status LogReader::read(size_t records_max, size_t bytes_max, std::vector<LogRecord>& out) {
  return impl_->read(records_max, bytes_max, out);
}

uint64_t LogReader::position() const { return impl_->position(); }

Status LogReader::Impl::read(size_t records_max, size_t bytes_max, std::vector<LogRecord>& out) {
  size_t records = 0;
  size_t bytes = 0;
  const auto wanted = [&] { return records < records_max && (records == 0 || bytes < bytes_max); };
  while (wanted()) {
    const SegmentPlace place = catalog_.find(position_);
    position_ = std::max(position_, place.segment->first);
    if (position_ > place.last) return {};
    if (place.segment != segment_) {
      const Status entered = enter(place);
      // Removed since it was looked up: the oldest is another one now.
      if (!entered && entered.error().code == ErrorCode::NotFound &&
          catalog_.find(position_).segment != place.segment)
        continue;
      WM_TRY(entered);
    }
    while (wanted() && position_ <= place.last) {
      auto record = take(place);
      if (!record) return tl::unexpected(record.error());
      ++records;
      bytes += record->payload.size();
      out.push_back(std::move(*record));
    }
    if (caching_ == Caching::Leave) forget();
  }
  return {};
}

// What was read leaves the page cache. What the kernel has read ahead stays for the next call.
void LogReader::Impl::forget() {
  file_->forget(forgotten_up_to_, walker_->offset());
  forgotten_up_to_ = walker_->offset();
}

// Opens the segment and stands at the group that holds position_, or before it.
Status LogReader::Impl::enter(const SegmentPlace& place) {
  segment_.reset();
  walker_.reset();
  ahead_.reset();
  searched_up_to_ = 0;
  forgotten_up_to_ = 0;
  auto file = files_.open(place.segment->path, OpenMode::Read);
  if (!file) return tl::unexpected(file.error());
  // So that the medium is read, not what the kernel remembers of it.
  if (caching_ == Caching::Leave) (*file)->forget(0, place.end);
  const auto header =
      read_segment_header(**file, place.segment->path, log_name_, place.segment->first);
  // Without a header nothing in it is found, and all its records are reported as damaged.
  if (!header && header.error().code != ErrorCode::Damaged) return tl::unexpected(header.error());
  const uint64_t salt = header && header->has_value() ? (*header)->salt : 0;
  file_ = std::move(*file);
  source_ = std::make_unique<RecentFile>(recent_, place.segment->first, *file_);
  const auto start = hop(place, salt);
  if (!start) return tl::unexpected(start.error());
  walker_.emplace(*source_, salt);
  walker_->seek(start->offset, start->sequence);
  segment_ = place.segment;
  return {};
}

// Goes from group header to group header, and leaves what it passed in the index. Answers the last
// group that stands where the one before it says and may hold position_: from there on the walker
// finds its way, whatever comes.
Result<IndexEntry> LogReader::Impl::hop(const SegmentPlace& place, uint64_t salt) {
  IndexEntry at = place.near, next = at;
  std::vector<IndexEntry> passed;
  while (next.offset < place.end) {
    const auto group = read_group_header(*source_, next.offset, salt);
    if (!group) return tl::unexpected(group.error());
    if (!group->has_value() || (*group)->first < next.sequence) break;
    at = next;
    if ((*group)->first + (*group)->count > position_) break;
    if (passed.empty() || at.offset >= passed.back().offset + kIndexStepBytes) passed.push_back(at);
    next = {.sequence = (*group)->first + (*group)->count, .offset = at.offset + (*group)->bytes};
  }
  if (!passed.empty()) catalog_.add_index(*place.segment, passed);
  return at;
}

// Sets ahead_, where a record header follows below `end`.
Status LogReader::Impl::find_next(int64_t end) {
  while (!ahead_ && searched_up_to_ < end) {
    const auto entry = walker_->next(end);
    if (!entry) return tl::unexpected(entry.error());
    if (entry->kind == SegmentEntry::Kind::End) searched_up_to_ = end;
    if (entry->kind == SegmentEntry::Kind::Record && entry->record.sequence >= position_)
      ahead_ = *entry;
  }
  return {};
}

// The record at position_, which is durable; position_ goes on by one.
Result<LogRecord> LogReader::Impl::take(const SegmentPlace& place) {
  WM_TRY(find_next(place.end));
  LogRecord record{.sequence = position_, .damaged = true, .payload = {}};
  if (ahead_ && ahead_->record.sequence == position_) {
    const auto payload = walker_->payload(*ahead_);
    if (!payload) return tl::unexpected(payload.error());
    if (payload->has_value()) {
      record.damaged = false;
      record.payload.assign(**payload);
    }
    ahead_.reset();
  }
  if (record.damaged) catalog_.add_damaged(position_, position_);
  ++position_;
  return record;
}

}  // namespace wiremill
