// What the clean stage asks of a character, as bits in one table: ICU's properties of the Basic
// Multilingual Plane, looked up once. Runs over every character of every document. Any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace wiremill::clean {

enum Trait : uint8_t {
  kAlpha = 1,        // u_isalpha
  kCombining = 2,    // has a combining class
  kDigit = 4,        // u_isdigit
  kUpper = 8,        // u_isupper
  kLower = 16,       // u_islower
  kAlphabetic = 32,  // Alphabetic
  kLowers = 64,      // u_tolower makes another character of it
  kStays = 128,      // tidy leaves text of such characters alone as it is
};

// Of any code point, by ICU; slow.
uint8_t find_traits(char32_t character);

// Those of the characters below U+10000.
using TraitTable = std::array<uint8_t, 0x10000>;
extern const TraitTable kTraits;

inline constexpr std::array<uint8_t, 0x80> kAsciiTraits = [] {
  std::array<uint8_t, 0x80> table{};
  table.fill(kStays);
  for (size_t c = '0'; c <= '9'; ++c) table[c] |= kDigit;
  for (size_t c = 'a'; c <= 'z'; ++c) table[c] |= kAlpha | kAlphabetic | kLower;
  for (size_t c = 'A'; c <= 'Z'; ++c) table[c] |= kAlpha | kAlphabetic | kUpper | kLowers;
  return table;
}();

inline uint8_t traits_of(char32_t character) {
  if (character < 0x80) return kAsciiTraits[character];
  return character < 0x10000 ? kTraits[character] : find_traits(character);
}

// The character in lower case, where that is another single one.
char32_t find_lowered(char32_t character);
inline char32_t lowered(char32_t character) {
  return (traits_of(character) & kLowers) == 0 ? character
         : character < 0x80                    ? character + 32
                                               : find_lowered(character);
}

}  // namespace wiremill::clean
