// What a word looks like: its hash without regard to case, its affixes, shape and kind of letters,
// and the clusters of words that it belongs to. Called by Passage for every token. Any thread.
#pragma once

#include <wiremill/plugin.h>

#include <array>
#include <cstdint>
#include <string_view>

#include "plugins/entities/model.hpp"

namespace wiremill::entities {

// Two numbers into one, as spread as a hash must be (the finalizer of MurmurHash3).
constexpr uint64_t mix(uint64_t left, uint64_t right) {
  uint64_t x = (left ^ (right + 0x9e3779b97f4a7c15ULL + (left << 6))) * 0xff51afd7ed558ccdULL;
  x ^= x >> 33;
  x *= 0xc4ceb9fe1a85ec53ULL;
  return x ^ (x >> 29);
}

// How a word is written, as far as names are concerned.
enum class Case : uint8_t {
  None,     // no letter with case: numbers, punctuation, Han
  Lower,    // begins with a small letter
  Capital,  // a capital, then small letters or nothing
  All,      // two capitals or more and no small letter
  Mixed,    // capitals inside: "McLaren", "iPhone", "YouTube"
};

inline constexpr size_t kAffixes = 4;  // of 1 to 4 characters

struct Word {
  uint64_t lower = 0;                       // hash of the word in small letters, digits as 0
  std::array<uint64_t, kAffixes> prefix{};  // hashes; 0 where the word is not longer
  std::array<uint64_t, kAffixes> suffix{};
  uint32_t shape = 0;                              // hash of "Xx", "d,d", "X.X."
  std::array<uint16_t, kClusterSizes> clusters{};  // 0 for an unknown word
  uint64_t initials = 0;  // of an abbreviation in capitals ("SCO", "U.S."), as `mix` chains them
  uint32_t initial = 0;   // the first character in small
  Case letters = Case::None;
  uint8_t kind = WM_TOKEN_WORD;
  bool cyrillic = false;
  bool first_capital = false;

  bool capital() const { return letters >= Case::Capital; }
};

// `text` is valid UTF-8 and not empty.
Word look_at(std::string_view text, uint32_t kind, const Lexicon& lexicon);

// The key of a word, and of a phrase after one more word, in the lexicon's tables.
inline uint32_t word_key(uint64_t lower) { return static_cast<uint32_t>(lower >> 16); }
inline uint64_t extend_phrase(uint64_t phrase, uint64_t lower) { return mix(phrase, lower); }

}  // namespace wiremill::entities
