// How a word looks: see words.hpp. One pass over its characters.
#include "plugins/entities/words.hpp"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <cstring>

namespace wiremill::entities {
namespace {

// Beyond this many characters a token is no word of any language; the rest only enters the hash.
constexpr size_t kCharactersMax = 48;

struct Character {
  uint32_t lower;
  char shape;  // X, x, d, or the character itself where it is ASCII; 'c' for letters without case
};

Character look_at_character(UChar32 c) {
  if (c < 0x80) {
    if (c >= 'a' && c <= 'z') return {static_cast<uint32_t>(c), 'x'};
    if (c >= 'A' && c <= 'Z') return {static_cast<uint32_t>(c + 32), 'X'};
    if (c >= '0' && c <= '9') return {'0', 'd'};
    return {static_cast<uint32_t>(c), static_cast<char>(c)};
  }
  if (c == 0x2018 || c == 0x2019) return {'\'', '\''};
  if (c >= 0x2010 && c <= 0x2014) return {'-', '-'};
  if (c == 0x201c || c == 0x201d || c == 0x201e || c == 0xab || c == 0xbb) return {'"', '"'};
  const auto lower = static_cast<uint32_t>(u_tolower(c));
  if (u_isupper(c) || u_istitle(c)) return {lower, 'X'};
  if (u_islower(c)) return {lower, 'x'};
  return {lower, u_isdigit(c) ? 'd' : 'c'};
}

uint64_t add(uint64_t hash, uint32_t character) {
  return (hash ^ character) * 0x100000001b3ULL + (hash >> 47);
}

constexpr uint64_t kEmpty = 0xcbf29ce484222325ULL;

Case letters_of(bool first_upper, size_t upper, size_t lower, bool upper_after_lower) {
  if (upper + lower == 0) return Case::None;
  if (upper == 0) return Case::Lower;
  if (lower == 0) return upper > 1 ? Case::All : Case::Capital;
  if (!first_upper || upper_after_lower || upper > 1) return Case::Mixed;
  return Case::Capital;
}

}  // namespace

Word look_at(std::string_view text, uint32_t kind, const Lexicon& lexicon) {
  Word word;
  word.kind = static_cast<uint8_t>(kind);
  std::array<uint32_t, kCharactersMax> lower{};
  size_t count = 0, uppers = 0, lowers = 0;
  bool first_upper = false, upper_after_lower = false;
  char last_shape = 0;
  uint64_t hash = kEmpty, shape = kEmpty;
  for (size_t at = 0; at < text.size();) {
    UChar32 c = 0;
    U8_NEXT_UNSAFE(text.data(), at, c);
    const Character character = look_at_character(c);
    hash = add(hash, character.lower);
    if (count < kAffixes) word.prefix[count] = mix(hash, count);
    if (character.shape == 'X') {
      if (uppers + lowers == 0) first_upper = true;
      upper_after_lower |= lowers > 0;
      ++uppers;
    } else if (character.shape == 'x') {
      ++lowers;
    }
    word.cyrillic |= c >= 0x400 && c < 0x530;
    // Repeated kinds count once: "Xx" stands for every capitalised word.
    if (character.shape != last_shape) shape = add(shape, static_cast<uint32_t>(character.shape));
    last_shape = character.shape;
    if (count < kCharactersMax) lower[count] = character.lower;
    ++count;
  }
  word.lower = mix(hash, 1);
  word.shape = static_cast<uint32_t>(mix(shape, 2));
  word.letters = letters_of(first_upper, uppers, lowers, upper_after_lower);
  word.first_capital = first_upper;
  word.initial = lower[0];
  if (word.letters == Case::All && count <= 12)
    for (size_t i = 0; i < count; ++i)
      if (lower[i] != '.') word.initials = mix(word.initials, lower[i]);
  const size_t kept = std::min(count, kCharactersMax);
  uint64_t tail = kEmpty;
  for (size_t i = 0; i < kAffixes; ++i) {
    if (i < kept) tail = add(tail, lower[kept - 1 - i]);
    // An affix says something only where the word is longer than it.
    word.suffix[i] = i + 1 < kept ? mix(tail, 16 + i) : 0;
    if (i + 1 >= kept) word.prefix[i] = 0;
  }
  if (const uint8_t* row = lexicon.clusters.find(word_key(word.lower)))
    std::memcpy(word.clusters.data(), row, kClusterWidth);
  return word;
}

}  // namespace wiremill::entities
