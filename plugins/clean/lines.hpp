// Lines of text: how one is tidied, and the few figures by which furniture is told from prose.
// Used by every part of the clean stage. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace wiremill::clean {

// Decodes the character at `at` of valid UTF-8, which may be cut at its end, and moves `at` past it.
char32_t next_wide_character(std::string_view text, size_t& at);
inline char32_t next_character(std::string_view text, size_t& at) {
  const auto byte = [&](size_t i) -> char32_t { return static_cast<unsigned char>(text[at + i]); };
  const char32_t first = byte(0);
  if (first < 0x80) {
    ++at;
    return first;
  }
  if (first >= 0xc2 && first < 0xe0 && at + 1 < text.size()) {
    const char32_t character = (first & 0x1f) << 6 | (byte(1) & 0x3f);
    at += 2;
    return character;
  }
  if (first >= 0xe0 && first < 0xf0 && at + 2 < text.size()) {
    const char32_t character = (first & 0x0f) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f);
    at += 3;
    return character;
  }
  return next_wide_character(text, at);
}

// Whether a character is white space (Unicode White_Space, and the invisible U+200B, U+FEFF).
bool is_wide_space(char32_t character);
inline bool is_space(char32_t character) {
  return character < 0x80 ? character == ' ' || (character >= 9 && character <= 13)
                          : is_wide_space(character);
}
// Controls and what is not seen: soft hyphen, word joiner.
inline bool is_left_out(char32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0xad || c == 0x2060;
}
// Han, kana, hangul and the like: scripts in which one character says what two or three letters
// say.
inline bool is_wide(char32_t c) {
  return c >= 0x2e80 &&
         (c <= 0xa4cf || (c >= 0xac00 && c <= 0xd7af) || (c >= 0xf900 && c <= 0xfaff) ||
          (c >= 0xff00 && c <= 0xffef) || c >= 0x20000);
}

// One line: runs of white space become one blank, ends are trimmed, soft hyphens and control
// characters vanish, the rest is NFC. `text` is valid UTF-8.
std::string tidy(std::string_view text);

// Without the ASCII white space at its ends.
std::string_view trimmed(std::string_view text);
// The line that begins at `at`, trimmed; moves `at` behind it. A line of more than 1 MiB is handed
// out in parts, cut between characters. `at` is inside `text`, which is valid UTF-8.
std::string_view take_line(std::string_view text, size_t& at);

// ASCII lower case; other bytes stay.
std::string lower_ascii(std::string_view text);
// Full Unicode lower case of valid UTF-8.
std::string lower(std::string_view text);
bool starts_with_ignoring_case(std::string_view text, std::string_view ascii_prefix);

// What a line looks like. Lengths are in characters, a wide character counting 2.5.
struct Shape {
  uint32_t length = 0;
  uint32_t words = 0;     // runs of letters or digits; wide characters count as half a word each
  uint32_t capitals = 0;  // words that begin with an upper-case letter
  uint32_t cased = 0;     // words that begin with a letter of a script that has case
  uint32_t digits = 0;
  uint32_t commas = 0;
  uint32_t stops = 0;          // sentence ends, inner ones included
  uint32_t symbols = 0;        // | > » · • / and the like
  bool ends_sentence = false;  // by a stop, a closing quotation after one, or an ellipsis
  bool ends_colon = false;
};
Shape shape_of(std::string_view line);

enum class LineKind : uint8_t { kParagraph, kHeading, kListItem, kOther };

// One line of a page or of a flattened page, as the classifiers see it.
struct Line {
  std::string text;  // tidied, not empty
  Shape shape;
  LineKind kind = LineKind::kOther;
  float link_share = 0;                   // of its letters, those inside links
  uint32_t body_begin = 0, body_end = 0;  // of text mode: where it stood in the decoded body
};

// Whether a line reads like running text.
bool is_prose(const Line& line);

// Letters and digits only, in lower case: by which two lines are called the same.
std::string fold(std::string_view line);

}  // namespace wiremill::clean
