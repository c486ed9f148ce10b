// A read-only hash table inside the model file: 32-bit keys to rows of a fixed width. The upper
// bits of a key choose one of 2^bits buckets, its lower 16 bits are its fingerprint within the
// bucket; with 16 bits of bucket the key is kept whole. A miss costs two reads from arrays that
// stay in the second-level cache.
//
//   u32 bits, u32 count, u32 offsets[2^bits + 1], u16 fingerprints[count], u8 rows[count * width],
//   32 zero bytes (a row may be read a little beyond its end)
//
// Written by the trainer, read by Model. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "daemon/base/error.hpp"

namespace wiremill::entities {

class Table {
 public:
  static constexpr size_t kReadBeyond = 32;

  Table() = default;

  // `bytes` begin at a multiple of 8 and outlive the table.
  static Result<Table> parse(std::string_view bytes, size_t width);

  // The row, `width` bytes of it, or null.
  const uint8_t* find(uint32_t key) const {
    const uint32_t bucket = key >> shift_;
    const auto fingerprint = static_cast<uint16_t>(key);
    for (uint32_t i = offsets_[bucket], end = offsets_[bucket + 1]; i < end; ++i)
      if (fingerprints_[i] == fingerprint) return rows_ + i * width_;
    return nullptr;
  }
  size_t size() const { return count_; }

  // The bytes of a table of these rows. Of keys that cannot be told apart the first is kept.
  static std::string encode(std::vector<std::pair<uint32_t, std::string>> rows, size_t width);

 private:
  const uint32_t* offsets_ = nullptr;
  const uint16_t* fingerprints_ = nullptr;
  const uint8_t* rows_ = nullptr;
  size_t count_ = 0, width_ = 0;
  unsigned shift_ = 0;
};

}  // namespace wiremill::entities
