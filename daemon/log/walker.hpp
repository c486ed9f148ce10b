// Walks the groups and records of one segment, and finds its way again after damage. Called by
// recovery and by readers, each with a walker of its own.
//
// Every group header and every record header checks itself, so damage costs what it hits: after bad
// bytes the walker tries each multiple of 8 for the next header that is whole. Documents cannot
// forge one, since the segment's random salt enters each header's checksum.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "daemon/base/error.hpp"
#include "daemon/log/file.hpp"
#include "daemon/log/segment.hpp"

namespace wiremill {

// Reads a file in large steps; views stay valid until the next call. What the disk cannot read is
// seen as zeros, in pieces of 4 KiB.
class FileWindow {
 public:
  explicit FileWindow(const Readable& file) : file_(file) {}
  // The bytes from `offset` to offset + length, to `limit` or to the end of the file, whichever
  // comes first. Nothing at or above `limit` is read, not even ahead.
  Result<std::string_view> view(int64_t offset, int64_t length, int64_t limit);

 private:
  const Readable& file_;
  std::string buffer_;
  int64_t begin_ = 0;
};

struct SegmentEntry {
  enum class Kind {
    Group,   // `group`; the records follow as entries of their own
    Record,  // `record`; its payload is not checked yet
    Gap,     // [begin, end) are bad bytes; something whole stands at `end`
    End,     // nothing whole stands in [begin, end = limit)
  };
  Kind kind = Kind::End;
  int64_t begin = 0, end = 0;
  bool zeros = false;  // of an End: all its bytes are zero
  GroupHeader group;
  RecordHeader record;
};

class SegmentWalker {
 public:
  SegmentWalker(const Readable& file, uint64_t salt) : window_(file), salt_(salt) {}

  // Goes on at `offset`, where nothing below sequence `expected` is looked for.
  void seek(int64_t offset, uint64_t expected);
  // The next entry wholly below `limit`. After an End the walker stands where it stood, so that a
  // later call with a larger limit goes on. Errors: Io.
  Result<SegmentEntry> next(int64_t limit);
  int64_t offset() const { return offset_; }  // where `next` looks next
  // The payload of the record that `next` has just answered; nullopt where its checksum is wrong.
  Result<std::optional<std::string_view>> payload(const SegmentEntry& entry);

 private:
  uint64_t ahead_max(int64_t offset) const;
  Result<std::optional<SegmentEntry>> entry_at(int64_t offset, int64_t limit);
  Result<SegmentEntry> search(int64_t from, int64_t limit);

  FileWindow window_;
  const uint64_t salt_;
  int64_t offset_ = kSegmentHeaderBytes;
  int64_t whole_end_ =
      kSegmentHeaderBytes;  // of the last whole entry; the gap behind it lies between
  uint64_t expected_ = 1;   // the lowest that may come behind whole_end_
};

// The header of a segment file. Where both copies are lost, the salt is taken from the first whole
// group and the first sequence is the file name's; nullopt where there is no such group either.
// Errors: Io, Unsupported, Damaged (as decode_segment_header; also a segment of another log).
Result<std::optional<SegmentHeader>> read_segment_header(const File& file, const std::string& path,
                                                         const std::string& log_name,
                                                         uint64_t first);

// The group header at `offset`; nullopt where none stands. For hopping along a segment.
Result<std::optional<GroupHeader>> read_group_header(const Readable& file, int64_t offset,
                                                     uint64_t salt);

}  // namespace wiremill
