// Writing groups (daemon/log/group_writer.hpp).
//
// A failed write or sync is believed. The kernel may call pages clean that never reached the disk,
// so what a second sync says about them proves nothing, and a disk that was full may hold any part
// of the group. The bytes are still in memory, though, as long as the group was shown to nobody:
// they go to a segment of their own, on other blocks.
//
//     segment 1:  | groups 1 … 9 | 10 … 12, failed    segment 10:  | 10 … 12 | …
//                                ^ end_, all synced
//
// The order is: what was kept is synced (under Durability::Always it always is); segment 10 is made,
// synced and named; segment 1 is cut at end_; the group is written into segment 10 and synced; then
// it is shown. A power cut leaves one of two things. Segment 10 is not there yet: recovery finds
// the failed group at the end of segment 1, as after any power cut in the middle of a write, and
// cuts it where it is torn; where it is whole it is what was appended, and nothing else was ever
// given these sequences. Or segment 10 is there: its name claims 10 and all after it, readers leave
// segment 1 at 9, and recovery looks at segment 10 alone, so that whatever stands behind end_, cut
// or not, is never looked at. All that was acknowledged lies below end_ or was synced in segment 10.
// The cut only gives the space back; if it fails, nothing is wrong.
//
// Where the failed group is the first of its segment, the new file takes the same name by a rename.
#include "daemon/log/group_writer.hpp"

#include <algorithm>
#include <utility>

#include "daemon/base/fail_point.hpp"
#include "daemon/base/logging.hpp"
#include "daemon/base/mutant.hpp"

namespace wiremill {

GroupWriter::GroupWriter(FileSystem& files, const LogOptions& options, Catalog& catalog,
                         RecentGroups& recent, GroupWriterStart start)
    : options_(options),
      catalog_(catalog),
      recent_(recent),
      epoch_(start.epoch),
      maker_(files, options.directory, options.segment_bytes),
      file_(std::move(start.file)),
      header_(std::move(start.header)),
      capacity_(start.capacity),
      end_(start.end),
      put_end_(end_),
      synced_(end_),
      next_(start.next),
      put_next_(next_) {}

Status GroupWriter::begin() {
  if (!file_) return roll(header_.first, kSegmentHeaderBytes);
  const int64_t begin = end_ / kBlockBytes * kBlockBytes;
  if (begin == end_) return {};
  Blocks block(begin, end_);
  const auto got = file_->read_at(begin, block.at(begin), static_cast<size_t>(end_ - begin));
  // What cannot be read cannot be written again: it stays alone.
  if (!got) return roll(next_, kSegmentHeaderBytes);
  kept_ = std::make_shared<const Blocks>(std::move(block));
  return {};
}

Status GroupWriter::put(std::span<const std::string> payloads) {
  const int64_t bytes = group_bytes(payloads);
  if (spoilt_ || end_ + bytes > capacity_) WM_TRY(roll(next_, kSegmentHeaderBytes + bytes));
  spoilt_ = true;  // until it is kept
  fail_point("log.append.before_write");
  WM_TRY(write(payloads));
  fail_point("log.append.after_write");
  put_end_ = end_ + bytes;
  put_next_ = next_ + payloads.size();
  return {};
}

Status GroupWriter::sync() {
  fail_point("log.sync.before");
  Status synced = mutant("skip_sync") ? Status{} : file_->sync();
  if (!synced) {
    lost_ = synced_ < end_;
    put_end_ = end_;
    return synced;
  }
  fail_point("log.sync.after");
  synced_ = put_end_;
  syncs_.fetch_add(1, std::memory_order_relaxed);
  return {};
}

IndexEntry GroupWriter::keep() {
  const IndexEntry place{.sequence = next_, .offset = end_};
  recent_.add(header_.first, end_, put_end_, put_);
  kept_ = std::move(put_);
  end_ = put_end_;
  next_ = put_next_;
  spoilt_ = false;
  if (end_ > capacity_ / 2) maker_.prepare();
  return place;
}

bool GroupWriter::vouch_due() const {
  return synced_ == end_ && vouched_ != end_ && !spoilt_ && end_ > kSegmentHeaderBytes &&
         end_ + kGroupHeaderBytes <= capacity_ && !mutant("skip_high_water_mark");
}

void GroupWriter::vouch() {
  vouched_ = end_;
  if (!write({})) spoilt_ = true;
}

// Writes the group at end_ and leaves its blocks in put_.
Status GroupWriter::write(std::span<const std::string> payloads) {
  auto blocks = std::make_shared<Blocks>(end_, end_ + group_bytes(payloads));
  if (kept_)
    std::copy_n(kept_->at(blocks->begin()), end_ - blocks->begin(), blocks->at(blocks->begin()));
  encode_group({.salt = header_.salt,
                .offset = end_,
                .synced_before = mutant("skip_high_water_mark") ? 0 : synced_,
                .epoch = epoch_,
                .first = next_},
               payloads, blocks->at(end_));
  put_ = blocks;
  const std::string_view bytes = blocks->bytes();
  const int64_t room = capacity_ - blocks->begin();
  return room >= static_cast<int64_t>(bytes.size())
             ? file_->write_blocks(blocks->begin(), bytes)
             : file_->write_at(blocks->begin(), bytes.substr(0, static_cast<size_t>(room)));
}

// Goes over to a new segment. The old one is synced whole and ends with its last group.
Status GroupWriter::roll(uint64_t first, int64_t bytes) {
  if (unsynced()) WM_TRY(sync());
  fail_point("log.roll.before");
  SegmentHeader header{
      .name = options_.name, .first = first, .epoch = epoch_, .salt = random_salt()};
  auto made = maker_.make(header, bytes);
  if (!made) return tl::unexpected(made.error());
  const std::unique_ptr<File> old = std::exchange(file_, std::move(*made));
  const int64_t old_end = end_;
  const bool replaced = header_.first == first;
  header_ = std::move(header);
  capacity_ = std::max(bytes, options_.segment_bytes);
  end_ = put_end_ = synced_ = kSegmentHeaderBytes;
  kept_.reset();
  vouched_ = 0;
  spoilt_ = false;
  catalog_.add(header_.first, options_.directory + '/' + segment_file_name(header_.first), end_);
  fail_point("log.roll.made");
  if (old && !replaced) {
    if (const Status cut = old->truncate(old_end); !cut)
      log_warning("a segment keeps the space behind its end: {}", cut.error().message);
  }
  fail_point("log.roll.after");
  return {};
}

}  // namespace wiremill
