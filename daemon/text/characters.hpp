// What the tokenizer needs to know of a character, as one byte: ICU's properties folded into a
// table for the Basic Multilingual Plane, made once. Called by the tokenizer alone. Any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace wiremill::text {

enum class Character : uint8_t {
  Space,
  LineBreak,
  Upper,       // also title case
  Lower,       //
  Letter,      // of a script without case
  Dictionary,  // of a script without blanks: Han, Kana, Thai, Lao, Khmer, Myanmar
  Mark,        // combining marks and format characters: part of what stands before them
  Digit,
  Dot,         // . and its full-width and one-dot forms
  Bang,        // ! and ?
  FullStop,    // ends a sentence in its script: 。！？ danda, Arabic question mark …
  Ellipsis,    // …
  Comma,       // , ; : and what else goes on
  Apostrophe,  // ' and ’
  Quote,       // the other quotation marks
  Open,
  Close,
  Dash,
  Bullet,
  Punctuation,
  Symbol,
};

struct Decoded {
  Character character;
  uint32_t next;  // offset behind the character, at least one byte on
};

// The class of a code point.
Character character_of(uint32_t code_point);

// The classes of ASCII, without a look into the table.
extern const std::array<Character, 128> kAsciiCharacters;

Decoded decode_long(std::string_view text, size_t offset);

// The character at `offset` < text.size(). A byte that is no valid UTF-8 is a Symbol.
inline Decoded decode(std::string_view text, size_t offset) {
  const auto lead = static_cast<unsigned char>(text[offset]);
  if (lead < 0x80) return {kAsciiCharacters[lead], static_cast<uint32_t>(offset + 1)};
  return decode_long(text, offset);
}

}  // namespace wiremill::text
