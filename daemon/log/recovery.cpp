// Recovery of the newest segment (daemon/log/recovery.hpp).
//
// The problem: after a crash the end of the file may hold half a group, sectors of it in any
// order. After a bad sector or a flipped bit the middle may be bad. The first was never
// acknowledged and must go, or a later group would be taken for damaged; the second was
// acknowledged, and what follows it must be served. The bytes themselves look alike.
//
// What tells them apart is how far the file was synced. Each group's header says which offset was
// synced before the group was written; the highest one found in any whole header is a promise that
// everything below it once was whole. Bad bytes below are damage. Bad bytes at or above it are
// torn, and everything from the group that they hit is cut. With fdatasync after each group only
// the last group can be torn:
//
//     4096        9000         9900             20000
//     | group A   | group B    | group C .. bad | zeros
//       synced 4096  synced 9000  synced 9900       C is cut; a bad A or B is damage
//
// MARK holds the end of the file as synced when the log was opened, and after a clean end as it was
// closed, so a bad last group below it is damage, too.
// A writer that runs out of work says the same by an empty group behind the last one: the file ends
// there, and the group whose bytes are to replace it counts only from its own header on. Behind a
// promise made later an empty group is no end: an older program left it standing and wrote on.
//
// Two passes over at most one segment, from the page cache mostly: the first finds the promise, the
// second finds what breaks it. What is kept above the promise may so far stand in the page cache
// alone, and after a failed sync the cache calls such pages clean; it is written once more and
// synced before anyone sees it.
#include "daemon/log/recovery.hpp"

#include <algorithm>

#include "daemon/base/fail_point.hpp"
#include "daemon/base/mutant.hpp"
#include "daemon/log/walker.hpp"

namespace wiremill {
namespace {

using Kind = SegmentEntry::Kind;

// What the first pass finds.
struct Survey {
  int64_t synced = kSegmentHeaderBytes;
  uint64_t epoch = 0;
  uint64_t next = 1;
};

Result<Survey> survey(const File& file, const SegmentHeader& header, int64_t size) {
  const bool ignore_promises = mutant("skip_high_water_mark");
  Survey result{.synced = kSegmentHeaderBytes, .epoch = header.epoch, .next = header.first};
  SegmentWalker walker(file, header.salt);
  walker.seek(kSegmentHeaderBytes, header.first);
  for (;;) {
    const auto entry = walker.next(size);
    if (!entry) return tl::unexpected(entry.error());
    if (entry->kind == Kind::End) return result;
    if (entry->kind == Kind::Record)
      result.next = std::max(result.next, entry->record.sequence + 1);
    if (entry->kind != Kind::Group) continue;
    result.epoch = std::max(result.epoch, entry->group.epoch);
    result.next = std::max(result.next, entry->group.first + entry->group.count);
    if (ignore_promises) continue;
    result.synced = std::max(result.synced, entry->group.synced_before);
  }
}

// The second pass: walks up to the first bytes that are torn.
class Judge {
 public:
  // Every sequence below `given_out` was durable once.
  Judge(const Survey& found, uint64_t given_out, RecoveredSegment& into)
      : found_(found), given_out_(given_out), into_(into), next_(into.header.first) {}

  Status walk(int64_t size) {
    SegmentWalker walker(*into_.file, into_.header.salt);
    walker.seek(kSegmentHeaderBytes, next_);
    for (bool torn = false; !torn;) {
      const auto entry = walker.next(size);
      if (!entry) return tl::unexpected(entry.error());
      switch (entry->kind) {
        case Kind::Group:
          torn = entry->group.count == 0 && entry->begin >= found_.synced;
          if (torn)
            end_at_empty_group(*entry);
          else
            begin_group(*entry);
          break;
        case Kind::Record: {
          const auto payload = walker.payload(*entry);
          if (!payload) return tl::unexpected(payload.error());
          if (payload->has_value())
            pass(entry->record.sequence);
          else
            torn = bad(entry->begin, entry->end);
          break;
        }
        case Kind::Gap: torn = bad(entry->begin, entry->end); break;
        case Kind::End:
          finish(*entry);
          torn = true;
          break;
      }
    }
    // Where damage reaches up to the end, the last of it show only by what is known otherwise.
    miss_up_to(damage_reaches_end_ ? std::max(found_.next, given_out_) : given_out_);
    into_.next = next_;
    return {};
  }

 private:
  void begin_group(const SegmentEntry& entry) {
    miss_up_to(entry.group.first);
    group_begin_ = entry.begin;
    group_end_ = entry.begin + entry.group.bytes;
    if (into_.index.empty() || entry.begin >= into_.index.back().offset + kIndexStepBytes)
      into_.index.push_back({.sequence = entry.group.first, .offset = entry.begin});
    group_first_ = entry.group.first;
  }

  // It stays as it is, and goes on vouching.
  void end_at_empty_group(const SegmentEntry& entry) {
    miss_up_to(entry.group.first);
    into_.end = entry.begin;
    into_.vouched_end = entry.end;
  }

  void pass(uint64_t sequence) {
    miss_up_to(sequence);
    next_ = sequence + 1;
  }

  void miss_up_to(uint64_t sequence) {
    if (sequence <= next_) return;
    into_.damaged.emplace_back(next_, sequence - 1);
    next_ = sequence;
  }

  // Answers whether the tail begins here. A damaged record's sequence shows by its absence.
  bool bad(int64_t begin, int64_t end) {
    if (end <= found_.synced && !mutant("cut_at_first_bad_record")) return false;
    cut(begin);
    return true;
  }

  void finish(const SegmentEntry& end) {
    if (end.zeros && end.begin >= std::max(group_end_, found_.synced))
      into_.end = end.begin;
    else
      cut(end.begin);
  }

  // Bad bytes begin at `begin` and reach over the promise: the group that they hit goes as a whole,
  // but nothing below the promise does.
  void cut(int64_t begin) {
    damage_reaches_end_ = begin < found_.synced;
    into_.end = mutant("cut_at_first_bad_record") ? begin : std::max(begin, found_.synced);
    if (group_begin_ < found_.synced || begin >= group_end_) return;
    into_.end = group_begin_;
    next_ = group_first_;
    while (!into_.damaged.empty() && into_.damaged.back().first >= next_) into_.damaged.pop_back();
    if (!into_.index.empty() && into_.index.back().offset == group_begin_) into_.index.pop_back();
  }

  const Survey& found_;
  const uint64_t given_out_;
  RecoveredSegment& into_;
  uint64_t next_;
  int64_t group_begin_ = 0, group_end_ = 0;
  uint64_t group_first_ = 0;
  bool damage_reaches_end_ = false;
};

// Zeroes what is not zero from `begin` on, so that nothing stale can come back; answers how many
// bytes lay between `begin` and the last that was not zero.
Result<int64_t> clear_tail(File& file, int64_t begin, int64_t size) {
  constexpr int64_t kStepBytes = 64 << 10;
  FileWindow window(file);
  int64_t cleared = 0;
  for (int64_t at = begin; at < size; at += kStepBytes) {
    const auto block = window.view(at, kStepBytes, size);
    if (!block) return tl::unexpected(block.error());
    // Equal to itself moved by one, and zero at first: all zeros, at the speed of memcmp.
    if (block->empty() ||
        (block->front() == '\0' && block->substr(1) == block->substr(0, block->size() - 1)))
      continue;
    const int64_t end = at + static_cast<int64_t>(block->find_last_not_of('\0')) + 1;
    WM_TRY(file.zero(at, end));
    cleared = end - begin;
  }
  return cleared;
}

Status rewrite(File& file, int64_t begin, int64_t end) {
  constexpr int64_t kStepBytes = 1 << 20;
  // Not through a window, which would have unreadable bytes written as zeros.
  std::string block(static_cast<size_t>(std::clamp(end - begin, int64_t{0}, kStepBytes)), '\0');
  for (int64_t at = begin; at < end; at += kStepBytes) {
    block.resize(static_cast<size_t>(std::min(kStepBytes, end - at)));
    const auto got = file.read_at(at, block.data(), block.size());
    if (!got) return tl::unexpected(got.error());
    WM_TRY(file.write_at(at, std::string_view(block).substr(0, *got)));
  }
  return {};
}

}  // namespace

Result<std::optional<RecoveredSegment>> recover_segment(FileSystem& files, const std::string& path,
                                                        const std::string& log_name, uint64_t first,
                                                        const std::optional<LogMark>& mark) {
  RecoveredSegment result;
  auto file = files.open(path, OpenMode::Write);
  if (!file) return tl::unexpected(file.error());
  result.file = std::move(*file);
  const auto header = read_segment_header(*result.file, path, log_name, first);
  if (!header) return tl::unexpected(header.error());
  if (!header->has_value()) return std::nullopt;
  result.header = **header;
  const auto size = result.file->size();
  if (!size) return tl::unexpected(size.error());
  result.capacity = *size;

  auto found = survey(*result.file, result.header, *size);
  if (!found) return tl::unexpected(found.error());
  const bool clean = mark && mark->clean && mark->segment == first;
  if (mark && mark->segment == first) found->synced = std::max(found->synced, mark->end);
  result.epoch = found->epoch;
  WM_TRY(Judge(*found, mark ? mark->next : 1, result).walk(*size));

  fail_point("recovery.before_cut");
  const int64_t tail = std::max(result.end, result.vouched_end);
  const auto torn = clear_tail(*result.file, tail, *size);
  if (!torn) return tl::unexpected(torn.error());
  result.torn_bytes = *torn;
  fail_point("recovery.after_cut");
  if (!clean) WM_TRY(rewrite(*result.file, found->synced, tail));
  if (!clean || *torn > 0) WM_TRY(result.file->sync());
  return result;
}

}  // namespace wiremill
