// UTF-8: validity, repair and character boundaries. Any thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace wiremill::text {

// The length in bytes of the longest valid UTF-8 prefix (equal to the size where all is valid).
// Surrogates, overlong forms and code points above U+10FFFF are invalid (Unicode 15, table 3-7).
size_t valid_prefix(std::string_view bytes);
inline bool is_valid(std::string_view bytes) { return valid_prefix(bytes) == bytes.size(); }

// Replaces each maximal invalid part by U+FFFD ("substitution of maximal subparts", as WHATWG does)
// and NUL by U+FFFD. `repaired` counts the replacements.
std::string repair(std::string_view bytes, size_t* repaired = nullptr);

// Whether `offset` is the start of a character or the end of the text.
inline bool is_boundary(std::string_view text, size_t offset) {
  return offset == text.size() ||
         (offset < text.size() && (static_cast<unsigned char>(text[offset]) & 0xc0) != 0x80);
}

}  // namespace wiremill::text
