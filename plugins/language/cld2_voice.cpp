// See cld2_voice.hpp. The only file that knows CLD2's headers.
#include "plugins/language/cld2_voice.hpp"

#include <algorithm>
#include <cstdio>  // CLD2's header needs FILE
// clang-format off
#include <cld2/public/compact_lang_det.h>
#include <cld2/public/encodings.h>
// clang-format on

namespace wiremill::language {
namespace {

bool is_control(char c) { return (c >= 0 && c < ' ' && c != '\n') || c == 0x7f; }

}  // namespace

Opinion ask_cld2(std::string_view text, const std::string& hint) {
  // CLD2 says nothing about a text that holds a control character, not even in these.
  std::string readable(text);
  std::replace_if(readable.begin(), readable.end(), is_control, ' ');
  CLD2::Language languages[3] = {CLD2::UNKNOWN_LANGUAGE, CLD2::UNKNOWN_LANGUAGE,
                                 CLD2::UNKNOWN_LANGUAGE};
  int percents[3] = {}, scored_bytes = 0, valid_bytes = 0;
  double scores[3] = {};
  bool reliable = false;
  const char* const languages_hint = hint.empty() ? nullptr : hint.c_str();
  CLD2::CLDHints hints = {languages_hint, nullptr, CLD2::UNKNOWN_ENCODING, CLD2::UNKNOWN_LANGUAGE};
  CLD2::ExtDetectLanguageSummaryCheckUTF8(readable.data(), static_cast<int>(readable.size()), true,
                                          &hints, CLD2::kCLDFlagBestEffort, languages, percents,
                                          scores, nullptr, &scored_bytes, &reliable, &valid_bytes);
  return {normal_code(CLD2::LanguageCode(languages[0])), percents[0] / 100.0, reliable};
}

std::string normal_code(std::string_view code) {
  if (code.starts_with("xx") || code.starts_with("zz") || code == "un" || code == "ut" ||
      code == "tlh")
    return {};
  code = code.substr(0, code.find('-'));
  if (code == "iw") return "he";
  if (code == "jw") return "jv";
  if (code == "in") return "id";
  if (code == "ji") return "yi";
  if (code == "mo") return "ro";
  if (code == "sh") return "sr";
  if (code == "fil") return "tl";
  if (code == "bh") return "bho";
  return std::string(code);
}

}  // namespace wiremill::language
