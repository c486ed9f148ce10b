// What of a text can tell its language: without URLs, addresses, numbers and code; and the scripts
// of what is left. Pure, any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "plugins/language/grams.hpp"

namespace wiremill::language {

// `text`, valid UTF-8, with URLs, addresses, numbers and words that look like code overwritten by
// blanks of the same length: offsets stay what they were.
std::string strip(std::string_view text);

inline bool is_blank(char c) { return c == ' ' || c == '\n' || c == '\t' || c == '\r'; }

struct Letters {
  uint32_t count = 0;
  uint32_t code_signs = 0;    // brackets, operators and the like
  uint32_t replacements = 0;  // U+FFFD and control characters
  uint8_t script = 0;         // ICU's UScriptCode of most of them; 0 where there are none
  bool has_kana = false;      // at least a tenth as many as Han
  double second_share = 0;    // of the letters, in the next script
};

Letters count_letters(std::string_view text);

// ISO 15924; "Jpan" and "Kore" for the mixed writing of Japanese and Korean, "Zyyy" without letters.
std::string script_name(const Letters& letters);

}  // namespace wiremill::language
