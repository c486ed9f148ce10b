// The files of a log, built by a script for the fuzz target log.cpp. Checksums and salt are right
// where the script asks for a whole piece: mutations alone would never get past them.
//
//   S n        a new segment file of first sequence n, with its header
//   R n bytes  the same without a header: these bytes
//   G f a|b|…  a whole group of these payloads; f: bit 0 says that all before it was synced, the next
//              three bits are sequences to leave out
//   A …        a group header that is whole and says anything (five numbers of two bytes)
//   X bytes    these bytes                    Z n   n × 64 zeros
//   W a b …    these bytes written over the file, a × 256 + b bytes before its end
//   K n        the last n × 8 bytes cut off
//   M bytes    MARK is these bytes            N …   MARK is whole and says anything
#pragma once

#include <cstring>
#include <string>
#include <vector>

#include "daemon/base/hash.hpp"
#include "daemon/log/mark.hpp"
#include "daemon/log/memory_file_system.hpp"
#include "daemon/log/segment.hpp"
#include "tests/fuzz/script.hpp"

namespace wiremill::fuzz {

class LogFiles {
 public:
  LogFiles(MemoryFileSystem& files, std::string directory, std::string log_name)
      : files_(files), directory_(std::move(directory)), log_name_(std::move(log_name)) {}

  void build(const uint8_t* data, size_t size) {
    run_script(data, size, [this](const Command& command) { apply(command); });
    store();
  }
  bool has_forged_header() const { return has_forged_header_; }

 private:
  static constexpr uint64_t kSalt = 0x0123456789abcdef;

  static uint64_t number(const Command& command, size_t index) {
    return command.byte(2 * index) | static_cast<uint64_t>(command.byte(2 * index + 1)) << 8;
  }
  // Each sequence that is missing is a record to report; so that there are not many of them.
  static uint64_t sequence(const Command& command, size_t index) {
    return number(command, index) & 0x3ff;
  }

  void begin(uint64_t first, std::string bytes) {
    store();
    first_ = next_ = first;
    segment_ = std::move(bytes);
  }
  void store() {
    if (first_ != 0)
      files_.set_contents(directory_ + '/' + segment_file_name(first_), std::move(segment_));
    segment_.clear();
  }

  void apply(const Command& command) {
    switch (command.what) {
      case 'S':
        return begin(command.byte(0),
                     encode_segment_header(
                         {.name = log_name_, .first = command.byte(0), .epoch = 1, .salt = kSalt}));
      case 'R': return begin(command.byte(0), std::string(command.behind(1)));
      case 'G': return add_group(command);
      case 'A': return add_header(command);
      case 'X': segment_ += command.argument; return;
      case 'Z': segment_.append(command.byte(0) * size_t{64}, '\0'); return;
      case 'W': return overwrite(command);
      case 'K':
        segment_.resize(segment_.size() - std::min(segment_.size(), command.byte(0) * size_t{8}));
        return;
      case 'M': files_.set_contents(directory_ + "/MARK", std::string(command.argument)); return;
      case 'N':
        (void)write_mark(files_, directory_,
                         {.clean = (command.byte(8) & 1) != 0,
                          .always = (command.byte(8) & 2) != 0,
                          .epoch = number(command, 0),
                          .next = sequence(command, 1),
                          .segment = sequence(command, 2),
                          .end = static_cast<int64_t>(number(command, 3)),
                          .epoch_first = sequence(command, 5)});
        return;
      default: return;
    }
  }

  void add_group(const Command& command) {
    std::vector<std::string> payloads{""};
    for (const char c : command.behind(1))
      if (c == '|')
        payloads.emplace_back();
      else
        payloads.back() += c;
    const auto offset = static_cast<int64_t>(segment_.size());
    next_ += command.byte(0) >> 1 & 7;
    std::string group(static_cast<size_t>(group_bytes(payloads)), '\0');
    encode_group({.salt = kSalt,
                  .offset = offset,
                  .synced_before = (command.byte(0) & 1) != 0 ? offset : kSegmentHeaderBytes,
                  .epoch = 1,
                  .first = next_},
                 payloads, group.data());
    next_ += payloads.size();
    segment_ += group;
  }

  // docs/log-format.md says which field stands where.
  void add_header(const Command& command) {
    has_forged_header_ = true;
    const uint64_t fields[] = {kSalt,
                               segment_.size(),
                               number(command, 0),     // synced before
                               number(command, 1),     // epoch
                               sequence(command, 2),   // first
                               number(command, 3),     // bytes
                               sequence(command, 4)};  // records
    std::string header(8, '\0');
    header.append(reinterpret_cast<const char*>(fields), sizeof fields);
    const uint32_t crc = crc32c(std::string_view(header).substr(8));
    std::memcpy(header.data(), &kGroupMagic, 4);
    std::memcpy(header.data() + 4, &crc, 4);
    segment_ += header;
  }

  void overwrite(const Command& command) {
    const size_t back = command.byte(0) * size_t{256} + command.byte(1);
    const std::string_view bytes = command.behind(2);
    if (back > segment_.size() || bytes.size() > back) return;
    segment_.replace(segment_.size() - back, bytes.size(), bytes);
  }

  MemoryFileSystem& files_;
  const std::string directory_, log_name_;
  uint64_t first_ = 0;  // of the segment that is being built; 0: none yet
  uint64_t next_ = 1;
  std::string segment_;
  bool has_forged_header_ = false;
};

}  // namespace wiremill::fuzz
