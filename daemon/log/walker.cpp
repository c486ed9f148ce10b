// Walking a segment: daemon/log/walker.hpp.
#include "daemon/log/walker.hpp"

#include <algorithm>
#include <cstring>

#include "daemon/base/hash.hpp"
#include "daemon/base/logging.hpp"

namespace wiremill {
namespace {

constexpr int64_t kReadStepBytes = 256 << 10;
constexpr int64_t kSearchStepBytes = 64 << 10;
constexpr int64_t kPieceBytes = 4 << 10;  // the page cache's unit: less is not read from a disk
constexpr int kPieceTries = 3;
constexpr uint64_t kSkippedMax = 1 << 20;  // what results may be ahead of documents by, and more

uint32_t load32(const char* at) {
  uint32_t value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

Status read_piece(const Readable& file, int64_t offset, char* into, int64_t bytes) {
  Status read;
  for (int tries = 0; tries < kPieceTries; ++tries) {
    const auto got = file.read_at(offset, into, static_cast<size_t>(bytes));
    if (got) return {};
    read = tl::unexpected(got.error());
  }
  return read;
}

// A disk loses single sectors: what fails to be read is read again piece by piece, and a piece that
// fails again and again comes as zeros, which no checksum takes for anything.
Result<size_t> read_around(const Readable& file, int64_t offset, char* into, size_t size) {
  const auto got = file.read_at(offset, into, size);
  if (got) return got;
  const auto file_size = file.size();
  if (!file_size) return tl::unexpected(file_size.error());
  const int64_t end = std::min(offset + static_cast<int64_t>(size), *file_size);
  int64_t lost = 0;
  for (int64_t at = offset, step = 0; at < end; at += step) {
    step = std::min(kPieceBytes - at % kPieceBytes, end - at);
    char* const piece = into + (at - offset);
    if (read_piece(file, at, piece, step)) continue;
    std::memset(piece, 0, static_cast<size_t>(step));
    lost += step;
  }
  if (lost > 0)
    log_warning("{}: {} bytes of the {} from offset {} on count as damaged", got.error().message,
                lost, end - offset, offset);
  return static_cast<size_t>(std::max(end - offset, int64_t{0}));
}

}  // namespace

Result<std::string_view> FileWindow::view(int64_t offset, int64_t length, int64_t limit) {
  length = std::clamp(limit - offset, int64_t{0}, length);
  const int64_t end = begin_ + static_cast<int64_t>(buffer_.size());
  if (offset < begin_ || offset + length > end) {
    const int64_t wanted = std::min(std::max(length, kReadStepBytes), limit - offset);
    buffer_.resize(static_cast<size_t>(std::max(wanted, int64_t{0})));
    begin_ = offset;
    const auto got = read_around(file_, offset, buffer_.data(), buffer_.size());
    if (!got) {
      buffer_.clear();
      return tl::unexpected(got.error());
    }
    buffer_.resize(*got);
  }
  return std::string_view(buffer_).substr(static_cast<size_t>(offset - begin_),
                                          static_cast<size_t>(length));
}

void SegmentWalker::seek(int64_t offset, uint64_t expected) {
  offset_ = whole_end_ = offset;
  expected_ = expected;
}

Result<SegmentEntry> SegmentWalker::next(int64_t limit) {
  auto entry = entry_at(offset_, limit);
  if (!entry) return tl::unexpected(entry.error());
  if (!entry->has_value()) {
    auto found = search(offset_, limit);
    if (found && found->kind == SegmentEntry::Kind::Gap) offset_ = found->end;
    return found;
  }
  const SegmentEntry& whole = **entry;
  offset_ = whole_end_ = whole.end;
  expected_ =
      whole.kind == SegmentEntry::Kind::Group ? whole.group.first : whole.record.sequence + 1;
  return whole;
}

Result<std::optional<std::string_view>> SegmentWalker::payload(const SegmentEntry& entry) {
  const auto bytes = window_.view(entry.begin + kRecordHeaderBytes, entry.record.length, entry.end);
  if (!bytes) return tl::unexpected(bytes.error());
  if (bytes->size() != entry.record.length || crc32c(*bytes) != entry.record.payload_crc)
    return std::nullopt;
  return *bytes;
}

// How far beyond `expected_` the sequence of a record at `offset` may be: by the records that fit
// between, and by the sequences that were never given out there. Not a matter of how far the file is
// read: what is a record stays one.
uint64_t SegmentWalker::ahead_max(int64_t offset) const {
  return static_cast<uint64_t>((offset - whole_end_) / kRecordHeaderBytes) + kSkippedMax;
}

// What stands at `offset`; nullopt: nothing whole.
Result<std::optional<SegmentEntry>> SegmentWalker::entry_at(int64_t offset, int64_t limit) {
  const auto bytes = window_.view(offset, kGroupHeaderBytes, limit);
  if (!bytes) return tl::unexpected(bytes.error());
  SegmentEntry entry;
  entry.begin = offset;
  if (const auto group = decode_group_header(*bytes, offset);
      group && group->salt == salt_ && group->first >= expected_) {
    entry.kind = SegmentEntry::Kind::Group;
    entry.end = offset + kGroupHeaderBytes;
    entry.group = *group;
    return entry;
  }
  if (const auto record = decode_record_header(*bytes, salt_, expected_);
      record && record->sequence - expected_ <= ahead_max(offset) &&
      offset + record_bytes(record->length) <= limit) {
    entry.kind = SegmentEntry::Kind::Record;
    entry.end = offset + record_bytes(record->length);
    entry.record = *record;
    return entry;
  }
  return std::nullopt;
}

// Tries every multiple of 8 after `from`. The cheap look at the words comes first: nearly every
// place fails it.
Result<SegmentEntry> SegmentWalker::search(int64_t from, int64_t limit) {
  SegmentEntry result;
  result.begin = from;
  result.end = limit;
  result.zeros = true;
  const auto room = static_cast<uint64_t>(std::max(limit - whole_end_, int64_t{0}));
  for (int64_t at = from; at < limit;) {
    const auto block = window_.view(at, kSearchStepBytes, limit);
    if (!block) return tl::unexpected(block.error());
    if (block->empty()) break;
    int64_t step = 0;
    bool promising = false;
    for (; step < static_cast<int64_t>(block->size()) && !promising; step += 8) {
      const std::string_view bytes = block->substr(static_cast<size_t>(step));
      if (bytes.size() < 8) {
        result.zeros &= bytes.find_first_not_of('\0') == std::string_view::npos;
        continue;
      }
      const uint32_t first = load32(bytes.data());
      const uint32_t second = load32(bytes.data() + 4);
      if (first == 0 && second == 0) continue;
      result.zeros = false;
      promising = at + step != from &&
                  (first == kGroupMagic ||
                   (first < room &&
                    second - static_cast<uint32_t>(expected_) <= ahead_max(at + step)));
    }
    at += step;
    if (!promising) continue;
    const auto entry = entry_at(at - 8, limit);
    if (!entry) return tl::unexpected(entry.error());
    if (!entry->has_value()) continue;
    result.kind = SegmentEntry::Kind::Gap;
    result.end = at - 8;
    return result;
  }
  return result;
}

Result<std::optional<SegmentHeader>> read_segment_header(const File& file, const std::string& path,
                                                         const std::string& log_name,
                                                         uint64_t first) {
  const auto size = file.size();
  if (!size) return tl::unexpected(size.error());
  FileWindow window(file);
  const auto block = window.view(0, kSegmentHeaderBytes, *size);
  if (!block) return tl::unexpected(block.error());
  auto header = decode_segment_header(*block, path);
  if (header && header->has_value() && (*header)->name != log_name)
    return fail(ErrorCode::Damaged, "{} belongs to the log \"{}\", not to \"{}\"", path,
                (*header)->name, log_name);
  if (header && header->has_value() && (*header)->first != first)
    return fail(ErrorCode::Damaged, "{} holds a segment that begins at sequence {}", path,
                (*header)->first);
  if (header && header->has_value()) return header;
  if (!header && header.error().code == ErrorCode::Unsupported) return header;

  for (int64_t at = kSegmentHeaderBytes; at < *size; at += 8) {
    const auto bytes = window.view(at, kGroupHeaderBytes, *size);
    if (!bytes) return tl::unexpected(bytes.error());
    if (const auto group = decode_group_header(*bytes, at))
      return SegmentHeader{
          .name = log_name, .first = first, .epoch = group->epoch, .salt = group->salt};
  }
  return header;
}

Result<std::optional<GroupHeader>> read_group_header(const Readable& file, int64_t offset,
                                                     uint64_t salt) {
  char bytes[kGroupHeaderBytes];
  const auto got = read_around(file, offset, bytes, sizeof bytes);
  if (!got) return tl::unexpected(got.error());
  const auto group = decode_group_header({bytes, *got}, offset);
  if (!group || group->salt != salt) return std::nullopt;
  return group;
}

}  // namespace wiremill
