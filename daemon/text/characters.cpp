// The table of character classes: filled from ICU's properties at the first use.
#include "daemon/text/characters.hpp"

#include <unicode/uchar.h>
#include <unicode/uscript.h>

#include <array>

namespace wiremill::text {
namespace {

constexpr uint32_t kTableSize = 0x10000;

bool is_dictionary_script(UChar32 c) {
  if (c == 0x30fc || c == 0xff70 || c == 0x3005) return true;  // ー ｰ 々 belong to several scripts
  UErrorCode status = U_ZERO_ERROR;
  switch (uscript_getScript(c, &status)) {
    case USCRIPT_HAN:
    case USCRIPT_HIRAGANA:
    case USCRIPT_KATAKANA:
    case USCRIPT_THAI:
    case USCRIPT_LAO:
    case USCRIPT_KHMER:
    case USCRIPT_MYANMAR: return true;
    default: return false;
  }
}

bool is_bullet(UChar32 c) {
  switch (c) {
    case 0x2022:
    case 0x2023:
    case 0x2043:
    case 0x204c:
    case 0x204d:
    case 0x2219:
    case 0x25aa:
    case 0x25cf:
    case 0x25e6:
    case 0x25a0:
    case 0x2756: return true;
    default: return false;
  }
}

Character classify(UChar32 c) {
  switch (c) {
    case '\n':
    case '\r':
    case 0x0b:
    case 0x0c:
    case 0x85:
    case 0x2028:
    case 0x2029: return Character::LineBreak;
    case '.':
    case 0xff0e: return Character::Dot;
    case '!':
    case '?':
    case 0x203c:
    case 0x203d:
    case 0x2047:
    case 0x2048:
    case 0x2049: return Character::Bang;
    case 0x2026: return Character::Ellipsis;
    case '\'':
    case 0x2019:
    case 0x02bc:
    case 0xff07: return Character::Apostrophe;
    case ',':
    case ';':
    case ':':
    case 0x060c:
    case 0x061b:
    case 0x3001:
    case 0xff0c:
    case 0xff1a:
    case 0xff1b: return Character::Comma;
    case '_': return Character::Mark;
    default: break;
  }
  if (is_bullet(c)) return Character::Bullet;
  const auto category = static_cast<UCharCategory>(u_charType(c));
  switch (category) {
    case U_UPPERCASE_LETTER:
    case U_TITLECASE_LETTER:
      // Georgian's capitals are for headlines; its ordinary letters have no case.
      return Character::Upper;
    case U_LOWERCASE_LETTER:
      return u_hasBinaryProperty(c, UCHAR_CHANGES_WHEN_TITLECASED) ||
                     uscript_hasScript(c, USCRIPT_LATIN)
                 ? Character::Lower
                 : Character::Letter;
    case U_OTHER_LETTER:
    case U_MODIFIER_LETTER:
    case U_LETTER_NUMBER:
      return is_dictionary_script(c) ? Character::Dictionary : Character::Letter;
    case U_NON_SPACING_MARK:
    case U_COMBINING_SPACING_MARK:
    case U_ENCLOSING_MARK: return is_dictionary_script(c) ? Character::Dictionary : Character::Mark;
    case U_FORMAT_CHAR: return c == 0x200b || c == 0xfeff ? Character::Space : Character::Mark;
    case U_DECIMAL_DIGIT_NUMBER: return Character::Digit;
    case U_OTHER_NUMBER: return Character::Symbol;
    case U_SPACE_SEPARATOR: return Character::Space;
    case U_CONTROL_CHAR: return Character::Space;
    default: break;
  }
  if (u_getIntPropertyValue(c, UCHAR_SENTENCE_BREAK) == U_SB_STERM) return Character::FullStop;
  switch (category) {
    case U_START_PUNCTUATION: return Character::Open;
    case U_END_PUNCTUATION: return Character::Close;
    case U_INITIAL_PUNCTUATION:
    case U_FINAL_PUNCTUATION: return Character::Quote;
    case U_DASH_PUNCTUATION: return Character::Dash;
    case U_CONNECTOR_PUNCTUATION: return Character::Punctuation;
    case U_OTHER_PUNCTUATION:
      return u_hasBinaryProperty(c, UCHAR_QUOTATION_MARK) ? Character::Quote
                                                          : Character::Punctuation;
    default: return Character::Symbol;
  }
}

struct Table {
  std::array<Character, kTableSize> classes{};
  Table() {
    for (uint32_t c = 0; c < kTableSize; ++c) classes[c] = classify(static_cast<UChar32>(c));
  }
};

const Table& table() {
  static const Table kTable;
  return kTable;
}

std::array<Character, 128> ascii_characters() {
  std::array<Character, 128> classes{};
  for (size_t c = 0; c < classes.size(); ++c) classes[c] = classify(static_cast<UChar32>(c));
  return classes;
}

}  // namespace

const std::array<Character, 128> kAsciiCharacters = ascii_characters();

Character character_of(uint32_t code_point) {
  return code_point < kTableSize ? table().classes[code_point]
                                 : classify(static_cast<UChar32>(code_point));
}

Decoded decode_long(std::string_view text, size_t offset) {
  const auto lead = static_cast<unsigned char>(text[offset]);
  const uint32_t length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  uint32_t code_point = lead & (0x7fU >> length);
  uint32_t at = static_cast<uint32_t>(offset) + 1;
  for (uint32_t i = 1; i < length; ++i, ++at) {
    const unsigned char trail = at < text.size() ? static_cast<unsigned char>(text[at]) : 0;
    if ((trail & 0xc0) != 0x80) return {Character::Symbol, at};
    code_point = code_point << 6 | (trail & 0x3fU);
  }
  return {character_of(code_point), at};
}

}  // namespace wiremill::text
