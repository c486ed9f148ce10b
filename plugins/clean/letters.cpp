// The table of traits; see letters.hpp. Made when the plugin is loaded, in some milliseconds.
#include "plugins/clean/letters.hpp"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>

#include "plugins/clean/lines.hpp"

namespace wiremill::clean {

uint8_t find_traits(char32_t character) {
  const auto code = static_cast<UChar32>(character);
  const bool combining = u_getCombiningClass(code) != 0;
  const bool nfc = u_getIntPropertyValue(code, UCHAR_NFC_QUICK_CHECK) == UNORM_YES;
  const bool stays = nfc && !combining && !is_space(character) && !is_left_out(character);
  return static_cast<uint8_t>((u_isalpha(code) ? kAlpha : 0) | (combining ? kCombining : 0) |
                              (u_isdigit(code) ? kDigit : 0) | (u_isupper(code) ? kUpper : 0) |
                              (u_islower(code) ? kLower : 0) |
                              (u_isUAlphabetic(code) ? kAlphabetic : 0) |
                              (u_tolower(code) != code ? kLowers : 0) | (stays ? kStays : 0));
}

char32_t find_lowered(char32_t character) {
  return static_cast<char32_t>(u_tolower(static_cast<UChar32>(character)));
}

const TraitTable kTraits = [] {
  TraitTable table{};
  for (char32_t character = 0; character < table.size(); ++character)
    table[character] = find_traits(character);
  return table;
}();

}  // namespace wiremill::clean
