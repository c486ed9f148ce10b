// The bytes of a segment: its header, its groups, its records (docs/log-format.md says why each
// field stands where it stands). Pure encoding and decoding, and the making of segment files.
// Called by the writer thread, the maker thread, readers and recovery.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "daemon/base/error.hpp"
#include "daemon/log/file.hpp"

namespace wiremill {

inline constexpr uint32_t kLogFormatVersion = 1;
inline constexpr int64_t kSegmentHeaderBytes = 4096;  // the first group begins here
inline constexpr int64_t kGroupHeaderBytes = 64;
inline constexpr int64_t kRecordHeaderBytes = 16;
inline constexpr size_t kLogNameBytesMax = 16;

struct SegmentHeader {
  std::string name;    // of the log: "intake" or "result"
  uint64_t first = 0;  // sequence
  uint64_t epoch = 0;
  uint64_t salt = 0;  // random; stands in every group and enters every checksum of this segment
};

struct GroupHeader {
  uint64_t salt = 0;
  int64_t offset = 0;         // of the group in its segment
  int64_t synced_before = 0;  // everything below this offset was synced when the group was written
  uint64_t epoch = 0;
  uint64_t first = 0;  // sequence
  int64_t bytes = 0;   // header, records and padding
  uint32_t count = 0;
};

struct RecordHeader {
  uint64_t sequence = 0;
  uint32_t length = 0;
  uint32_t payload_crc = 0;
};

// "00000000000000000017.seg" and back; nullopt for any other name.
std::string segment_file_name(uint64_t first);
std::optional<uint64_t> parse_segment_file_name(std::string_view name);

constexpr int64_t record_bytes(size_t payload_bytes) {
  return kRecordHeaderBytes + static_cast<int64_t>((payload_bytes + 7) & ~size_t{7});
}

// The whole header block, kSegmentHeaderBytes long.
std::string encode_segment_header(const SegmentHeader& header);
// Takes the first kSegmentHeaderBytes of the file, or what there is of them. nullopt: neither copy
// is whole, and what stands there is zeros or began as a header. Errors, naming `path`: Unsupported
// (another version), Damaged (neither a header nor the remains of one).
Result<std::optional<SegmentHeader>> decode_segment_header(std::string_view block,
                                                           const std::string& path);

// Of the group: header, records and padding.
int64_t group_bytes(std::span<const std::string> payloads);
// Writes the group to `out`, group_bytes() long. Takes salt, offset, synced_before, epoch and first
// from `header`; bytes and count from the payloads.
void encode_group(const GroupHeader& header, std::span<const std::string> payloads, char* out);

// `bytes` begins where the header would; nullopt where none stands.
std::optional<GroupHeader> decode_group_header(std::string_view bytes, int64_t offset);
// `expected` is the lowest sequence that may stand here; the 32 stored bits are completed from it.
std::optional<RecordHeader> decode_record_header(std::string_view bytes, uint64_t salt,
                                                 uint64_t expected);
// The first four bytes of a group header.
inline constexpr uint32_t kGroupMagic = 0x50524757;  // "WGRP"

// Makes `path`, `bytes` long, of zeros that are on the medium, so that later writes into it change
// no metadata and fdatasync has only data to write.
Result<std::unique_ptr<File>> make_zeroed_file(FileSystem& files, const std::string& path,
                                               int64_t bytes);

uint64_t random_salt();

}  // namespace wiremill
