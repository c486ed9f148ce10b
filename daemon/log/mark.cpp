// Reading and writing MARK: daemon/log/mark.hpp. 64 bytes, little-endian: magic "WMLOGMRK", flags
// (1 clean, 2 always), CRC-32C of the other 44 of the first 48 bytes, epoch, next, segment, end;
// epoch_first, CRC-32C of all 56 bytes before it, zeros. The first 48 bytes were all there was once,
// and are a whole MARK still: a shorter one tells no epoch_first, an older program reads no further.
#include "daemon/log/mark.hpp"

#include <cstddef>
#include <cstring>
#include <string_view>

#include "daemon/base/fail_point.hpp"
#include "daemon/base/hash.hpp"
#include "daemon/base/logging.hpp"

namespace wiremill {
namespace {

constexpr char kMagic[] = "WMLOGMRK";
constexpr uint32_t kClean = 1;
constexpr uint32_t kAlways = 2;

struct Bytes {
  char magic[8];
  uint32_t flags;
  uint32_t crc;
  uint64_t epoch, next, segment;
  int64_t end;
  uint64_t epoch_first;
  uint32_t whole_crc;
  uint32_t zeros;
};
static_assert(sizeof(Bytes) == 64);

std::string_view view_of(const Bytes& bytes) {
  return {reinterpret_cast<const char*>(&bytes), sizeof bytes};
}

uint32_t crc_of(Bytes bytes) {
  bytes.crc = 0;
  return crc32c(view_of(bytes).substr(0, offsetof(Bytes, epoch_first)));
}

uint32_t whole_crc_of(const Bytes& bytes) {
  return crc32c(view_of(bytes).substr(0, offsetof(Bytes, whole_crc)));
}

}  // namespace

Result<std::optional<LogMark>> read_mark(FileSystem& files, const std::string& directory) {
  const auto file = files.open(directory + "/MARK", OpenMode::Read);
  if (!file && file.error().code == ErrorCode::NotFound) return std::nullopt;
  if (!file) return tl::unexpected(file.error());
  Bytes bytes{};
  const auto got = (*file)->read_at(0, reinterpret_cast<char*>(&bytes), sizeof bytes);
  if (!got) {
    log_warning("{}; the log opens as if there were none", got.error().message);
    return std::nullopt;
  }
  if (std::memcmp(bytes.magic, kMagic, sizeof bytes.magic) != 0 || bytes.crc != crc_of(bytes) ||
      bytes.end < 0 || bytes.end % 8 != 0)
    return std::nullopt;
  return LogMark{.clean = (bytes.flags & kClean) != 0,
                 .always = (bytes.flags & kAlways) != 0,
                 .epoch = bytes.epoch,
                 .next = bytes.next,
                 .segment = bytes.segment,
                 .end = bytes.end,
                 .epoch_first = *got == sizeof bytes && bytes.whole_crc == whole_crc_of(bytes)
                                    ? bytes.epoch_first
                                    : 1};
}

Status write_mark(FileSystem& files, const std::string& directory, const LogMark& mark) {
  Bytes bytes{.magic = {},
              .flags = (mark.clean ? kClean : 0) | (mark.always ? kAlways : 0),
              .crc = 0,
              .epoch = mark.epoch,
              .next = mark.next,
              .segment = mark.segment,
              .end = mark.end,
              .epoch_first = mark.epoch_first,
              .whole_crc = 0,
              .zeros = 0};
  std::memcpy(bytes.magic, kMagic, sizeof bytes.magic);
  bytes.crc = crc_of(bytes);
  bytes.whole_crc = whole_crc_of(bytes);

  const std::string temporary = directory + "/MARK.tmp";
  WM_TRY(make_whole_file(files, temporary, view_of(bytes)));
  fail_point("mark.before_rename");
  WM_TRY(files.rename(temporary, directory + "/MARK"));
  return files.sync_directory(directory);
}

}  // namespace wiremill
