// Encoding and decoding of daemon/log/segment.hpp. All integers are little-endian.
#include "daemon/log/segment.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>
#include <random>

#include "daemon/base/hash.hpp"

namespace wiremill {
namespace {

static_assert(std::endian::native == std::endian::little, "the log is written as memory stands");

constexpr std::string_view kSegmentMagic = "WMLOGSEG";
constexpr size_t kHeaderCopyBytes = 64;
constexpr int64_t kHeaderCopyOffsets[] = {0, 2048};  // two sectors: one torn write spares the other
constexpr std::string_view kSuffix = ".seg";
constexpr size_t kNameDigits = 20;

template <class T>
void store(char* at, T value) {
  std::memcpy(at, &value, sizeof value);
}

template <class T>
T load(const char* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

uint32_t record_header_crc(uint64_t salt, const RecordHeader& header) {
  char bytes[24];
  store(bytes, salt);
  store(bytes + 8, header.sequence);
  store(bytes + 16, header.length);
  store(bytes + 20, header.payload_crc);
  return crc32c({bytes, sizeof bytes});
}

bool all_zero(std::string_view bytes) {
  return bytes.find_first_not_of('\0') == std::string_view::npos;
}

// One copy of the header. nullopt: its checksums are wrong.
Result<std::optional<SegmentHeader>> decode_copy(std::string_view copy, const std::string& path) {
  if (copy.size() < kHeaderCopyBytes || !copy.starts_with(kSegmentMagic) ||
      load<uint32_t>(copy.data() + 12) != crc32c(copy.substr(0, 12)))
    return std::nullopt;
  const auto version = load<uint32_t>(copy.data() + 8);
  if (version != kLogFormatVersion)
    return fail(ErrorCode::Unsupported,
                "{} is a log segment of format version {}; this program reads version {}", path,
                version, kLogFormatVersion);
  if (load<uint32_t>(copy.data() + 60) != crc32c(copy.substr(0, 60))) return std::nullopt;
  const std::string_view name = copy.substr(40, kLogNameBytesMax);
  return SegmentHeader{.name = std::string(name.substr(0, name.find('\0'))),
                       .first = load<uint64_t>(copy.data() + 16),
                       .epoch = load<uint64_t>(copy.data() + 24),
                       .salt = load<uint64_t>(copy.data() + 32)};
}

}  // namespace

std::string segment_file_name(uint64_t first) { return fmt::format("{:020}.seg", first); }

std::optional<uint64_t> parse_segment_file_name(std::string_view name) {
  if (name.size() != kNameDigits + kSuffix.size() || !name.ends_with(kSuffix)) return std::nullopt;
  uint64_t first = 0;
  const char* const end = name.data() + kNameDigits;
  const auto [stopped, error] = std::from_chars(name.data(), end, first);
  if (error != std::errc{} || stopped != end || first == 0) return std::nullopt;
  return first;
}

std::string encode_segment_header(const SegmentHeader& header) {
  WM_INVARIANT(header.name.size() <= kLogNameBytesMax);
  char copy[kHeaderCopyBytes] = {};
  std::memcpy(copy, kSegmentMagic.data(), kSegmentMagic.size());
  store(copy + 8, kLogFormatVersion);
  store(copy + 12, crc32c({copy, 12}));
  store(copy + 16, header.first);
  store(copy + 24, header.epoch);
  store(copy + 32, header.salt);
  std::memcpy(copy + 40, header.name.data(), header.name.size());
  store(copy + 60, crc32c({copy, 60}));

  std::string block(static_cast<size_t>(kSegmentHeaderBytes), '\0');
  for (const int64_t offset : kHeaderCopyOffsets)
    std::memcpy(block.data() + offset, copy, sizeof copy);
  return block;
}

Result<std::optional<SegmentHeader>> decode_segment_header(std::string_view block,
                                                           const std::string& path) {
  bool remains = all_zero(block.substr(0, static_cast<size_t>(kSegmentHeaderBytes)));
  for (const int64_t offset : kHeaderCopyOffsets) {
    if (static_cast<size_t>(offset) >= block.size()) continue;
    const std::string_view copy = block.substr(static_cast<size_t>(offset), kHeaderCopyBytes);
    auto header = decode_copy(copy, path);
    if (!header || header->has_value()) return header;
    const size_t compared = std::min(copy.size(), kSegmentMagic.size());
    remains |= copy.substr(0, compared) == kSegmentMagic.substr(0, compared);
  }
  if (!remains) return fail(ErrorCode::Damaged, "{} is not a log segment", path);
  return std::nullopt;
}

int64_t group_bytes(std::span<const std::string> payloads) {
  int64_t bytes = kGroupHeaderBytes;
  for (const std::string& payload : payloads) bytes += record_bytes(payload.size());
  return bytes;
}

void encode_group(const GroupHeader& header, std::span<const std::string> payloads, char* out) {
  char* at = out + kGroupHeaderBytes;
  uint64_t sequence = header.first;
  for (const std::string& payload : payloads) {
    const RecordHeader record{.sequence = sequence++,
                              .length = static_cast<uint32_t>(payload.size()),
                              .payload_crc = crc32c(payload)};
    store(at, record.length);
    store(at + 4, static_cast<uint32_t>(record.sequence));
    store(at + 8, record.payload_crc);
    store(at + 12, record_header_crc(header.salt, record));
    char* const end = at + record_bytes(payload.size());
    at = std::copy(payload.begin(), payload.end(), at + kRecordHeaderBytes);
    at = std::fill_n(at, end - at, '\0');
  }
  std::fill_n(out, kGroupHeaderBytes, '\0');
  store(out, kGroupMagic);
  store(out + 8, header.salt);
  store(out + 16, header.offset);
  store(out + 24, header.synced_before);
  store(out + 32, header.epoch);
  store(out + 40, header.first);
  store(out + 48, static_cast<int64_t>(at - out));
  store(out + 56, static_cast<uint32_t>(payloads.size()));
  store(out + 4, crc32c({out + 8, static_cast<size_t>(kGroupHeaderBytes) - 8}));
}

std::optional<GroupHeader> decode_group_header(std::string_view bytes, int64_t offset) {
  constexpr auto kSize = static_cast<size_t>(kGroupHeaderBytes);
  if (bytes.size() < kSize || load<uint32_t>(bytes.data()) != kGroupMagic ||
      load<uint32_t>(bytes.data() + 4) != crc32c(bytes.substr(8, kSize - 8)))
    return std::nullopt;
  const GroupHeader header{.salt = load<uint64_t>(bytes.data() + 8),
                           .offset = load<int64_t>(bytes.data() + 16),
                           .synced_before = load<int64_t>(bytes.data() + 24),
                           .epoch = load<uint64_t>(bytes.data() + 32),
                           .first = load<uint64_t>(bytes.data() + 40),
                           .bytes = load<int64_t>(bytes.data() + 48),
                           .count = load<uint32_t>(bytes.data() + 56)};
  if (header.offset != offset || header.bytes < kGroupHeaderBytes || header.synced_before < 0 ||
      header.synced_before > offset || header.synced_before % 8 != 0)
    return std::nullopt;
  return header;
}

std::optional<RecordHeader> decode_record_header(std::string_view bytes, uint64_t salt,
                                                 uint64_t expected) {
  if (bytes.size() < static_cast<size_t>(kRecordHeaderBytes)) return std::nullopt;
  const auto ahead = load<uint32_t>(bytes.data() + 4) - static_cast<uint32_t>(expected);
  const RecordHeader header{.sequence = expected + ahead,
                            .length = load<uint32_t>(bytes.data()),
                            .payload_crc = load<uint32_t>(bytes.data() + 8)};
  if (load<uint32_t>(bytes.data() + 12) != record_header_crc(salt, header)) return std::nullopt;
  return header;
}

Result<std::unique_ptr<File>> make_zeroed_file(FileSystem& files, const std::string& path,
                                               int64_t bytes) {
  auto file = files.open(path, OpenMode::Create);
  if (!file) return file;
  WM_TRY((*file)->allocate(bytes));
  WM_TRY((*file)->zero(0, bytes));
  WM_TRY((*file)->sync());
  return file;
}

uint64_t random_salt() {
  std::random_device device;
  return (uint64_t{device()} << 32) | device();
}

}  // namespace wiremill
