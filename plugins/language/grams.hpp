// The n-grams that the scorer looks up and the trainer learns: letters in lower case within words,
// and the word's edge. One definition, so that both hash alike. Pure, any thread.
#pragma once

#include <unicode/uchar.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace wiremill::language {

inline constexpr size_t kGramMax = 5;  // symbols
inline constexpr uint32_t kEdge = 1;   // the symbol before and after each word
inline constexpr uint32_t kNoLetter = 0;

struct CodePoint {
  char32_t value;
  size_t next;
};

// `text` is valid UTF-8, `at` the beginning of a character.
inline CodePoint code_point_at(std::string_view text, size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  if (lead < 0x80) return {lead, at + 1};
  const size_t length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  char32_t value = lead & (0x7fU >> length);
  size_t next = at + 1;
  for (; next < text.size() && next < at + length; ++next)
    value = value << 6 | (static_cast<unsigned char>(text[next]) & 0x3fU);
  return {value, next};
}

// The letter in lower case, kNoLetter where `c` is none. Marks are no letters: the tables that the
// model was learnt from part words there.
inline uint32_t letter_of(char32_t c) {
  const auto value = static_cast<UChar32>(c);
  if ((U_GET_GC_MASK(value) & U_GC_L_MASK) == 0) return kNoLetter;
  return static_cast<uint32_t>(u_tolower(value));
}

// The hash of an n-gram is the mixed sum of its symbols times the factor of their place, the last
// symbol first: so that a longer n-gram ending at the same place costs one more product.
inline constexpr std::array<uint64_t, kGramMax> kPlaceFactors = {
    0x9e3779b97f4a7c15, 0xc2b2ae3d27d4eb4f, 0x165667b19e3779f9, 0xd6e8feb86659fd93,
    0xa0761d6478bd642f};

inline uint64_t mixed(uint64_t sum) {
  sum ^= sum >> 31;
  sum *= 0xbf58476d1ce4e5b9;
  return sum ^ sum >> 29;
}

}  // namespace wiremill::language
