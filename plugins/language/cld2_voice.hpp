// The second voice: CLD2's full tables, which know more languages than the model and other texts.
// Pure, any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace wiremill::language {

struct Opinion {
  std::string code;       // Wiremill's name of the first language; "" where CLD2 knows none
  double share = 0;       // of the text
  bool reliable = false;  // CLD2's own word
};

// `hint` names languages, "en,de", or is empty.
Opinion ask_cld2(std::string_view text, const std::string& hint);

// CLD2's name of a language as Wiremill writes it: "iw" -> "he", "zh-Hant" -> "zh"; "" for codes
// that stand for no language.
std::string normal_code(std::string_view code);

}  // namespace wiremill::language
