// Eight characters at a time: a piece of text as one number, and which of its bytes are of a kind,
// as a mask with the highest bit of each. What is not ASCII is of no kind. Called by the plugins
// that read every character of every document, on any thread.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace wiremill {

static_assert(std::endian::native == std::endian::little, "the first character is the lowest byte");

inline constexpr uint64_t kEachByte = 0x0101010101010101U, kEachTop = 0x8080808080808080U;

// The eight bytes at `at`, zeros where the text ends.
inline uint64_t load_eight(std::string_view text, size_t at) {
  uint64_t bytes = 0;
  if (at + 8 <= text.size()) {
    std::memcpy(&bytes, text.data() + at, 8);
  } else if (at < text.size() && text.size() >= 8) {
    std::memcpy(&bytes, text.data() + text.size() - 8, 8);
    bytes >>= 8 * (at + 8 - text.size());
  } else {
    for (size_t i = at; i < text.size(); ++i)
      bytes |= uint64_t{static_cast<unsigned char>(text[i])} << 8 * (i - at);
  }
  return bytes;
}

// Bytes from `first` to `last`, both ASCII.
inline uint64_t bytes_within(uint64_t bytes, unsigned char first, unsigned char last) {
  const uint64_t low = bytes & ~kEachTop;
  const uint64_t reaches = low + (0x80U - first) * kEachByte;
  const uint64_t exceeds = low + (0x7fU - last) * kEachByte;
  return reaches & ~exceeds & ~bytes & kEachTop;
}
inline uint64_t digits_within(uint64_t bytes) { return bytes_within(bytes, '0', '9'); }
inline uint64_t letters_within(uint64_t bytes) {
  return bytes_within(bytes | 0x20 * kEachByte, 'a', 'z');
}

// How many bytes the mask names.
inline uint32_t bytes_in(uint64_t mask) {
  return static_cast<uint32_t>((mask >> 7) * kEachByte >> 56);
}

// How many bytes come before the first that the mask names; 8 where it names none.
inline size_t bytes_before(uint64_t mask) {
  return static_cast<size_t>(std::countr_zero(mask)) / 8;
}

}  // namespace wiremill
