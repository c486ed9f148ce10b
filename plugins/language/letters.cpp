// See letters.hpp. `strip` looks closely only at words that hold something suspect; `count_letters`
// has the scripts of the Basic Multilingual Plane in a table, and takes ASCII eight at a time.
#include "plugins/language/letters.hpp"

#include <unicode/uchar.h>
#include <unicode/uscript.h>

#include <algorithm>
#include <numeric>

#include "daemon/base/eight_bytes.hpp"

namespace wiremill::language {
namespace {

constexpr size_t kCodeWordBytesMin = 16;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
bool is_latin(char c) { return is_lower(c) || is_upper(c); }

// What a character is, beside the scripts of letters.
constexpr uint8_t kNoLetter8 = USCRIPT_COMMON;
constexpr uint8_t kCodeSign = USCRIPT_INHERITED;
constexpr uint8_t kReplacement = 255;
static_assert(USCRIPT_CODE_LIMIT < kReplacement);

uint8_t script_of(char32_t c) {
  const auto value = static_cast<UChar32>(c);
  UErrorCode status = U_ZERO_ERROR;
  const UScriptCode script = uscript_getScript(value, &status);
  return u_isalpha(value) && U_SUCCESS(status) && script > USCRIPT_INHERITED
             ? static_cast<uint8_t>(script)
             : kNoLetter8;
}

const std::array<uint8_t, 0x10000>& scripts_of_bmp() {
  static const auto kScripts = [] {
    std::array<uint8_t, 0x10000> scripts{};
    for (char32_t c = 0; c < 0x10000; ++c) scripts[c] = script_of(c);
    for (const char c : std::string_view("{}[]<>=+*/\\|&%$#^~_\"();:`"))
      scripts[static_cast<size_t>(c)] = kCodeSign;
    for (size_t c = 0; c < 0xa0; ++c)
      if ((c < 0x20 && !is_blank(static_cast<char>(c))) || c >= 0x7f) scripts[c] = kReplacement;
    scripts[0xfffd] = kReplacement;
    return scripts;
  }();
  return kScripts;
}

struct Word {
  size_t signs = 0;  // @ / \ _
  size_t digits = 0;
};

// Where from `at` on something stands that written words seldom hold: a digit, a full stop, one of
// @ / \ _ or of their neighbours ] and ^, a capital behind a small letter.
size_t next_suspect(std::string_view text, size_t at) {
  for (; at < text.size(); at += 8) {
    const uint64_t bytes = load_eight(text, at), next_bytes = load_eight(text, at + 1);
    const uint64_t suspects = bytes_within(bytes, '.', '9') | bytes_within(bytes, '@', '@') |
                              bytes_within(bytes, '\\', '_') |
                              (bytes_within(bytes, 'a', 'z') & bytes_within(next_bytes, 'A', 'Z'));
    if (suspects != 0) return at + bytes_before(suspects);
  }
  return at;
}

// URLs, addresses, handles, paths; ASCII words that change between cases, digits and signs as no
// written word does.
bool is_no_language(std::string_view word, const Word& found) {
  if (found.signs > 0) {
    if (word.find("://") != std::string_view::npos) return true;
    const size_t at_sign = word.find('@');
    if (at_sign != std::string_view::npos &&
        (at_sign == 0 || word.find('.', at_sign) != std::string_view::npos))
      return true;
    if (word[0] == '/' || word.find('_') != std::string_view::npos ||
        word.find('\\') != std::string_view::npos || std::count(word.begin(), word.end(), '/') > 1)
      return true;
  }
  if (word.starts_with("www.")) return true;
  size_t letters = 0, humps = 0, turns = 0;
  for (size_t i = 0; i < word.size(); ++i) {
    if (static_cast<signed char>(word[i]) < 0) return false;
    letters += is_latin(word[i]);
    if (i == 0) continue;
    humps += is_lower(word[i - 1]) && is_upper(word[i]);
    turns += is_latin(word[i]) && is_digit(word[i - 1]);
    turns += is_digit(word[i]) && is_latin(word[i - 1]);
  }
  if (letters == 0) return false;
  if (humps >= 2 || turns >= 2 || (turns > 0 && 2 * found.digits >= letters)) return true;
  return word.size() >= kCodeWordBytesMin && humps + found.digits >= 4 &&
         (humps + found.digits) * 12 >= word.size();
}

// Overwrites the word, or its digits, with blanks.
void strip_word(char* word, size_t size) {
  Word found;
  for (size_t i = 0; i < size; ++i) {
    const char c = word[i];
    found.signs += c == '@' || c == '/' || c == '_' || c == '\\';
    found.digits += is_digit(c);
  }
  if (is_no_language({word, size}, found))
    std::fill_n(word, size, ' ');
  else if (found.digits > 0)
    std::replace_if(word, word + size, is_digit, ' ');
}

}  // namespace

std::string strip(std::string_view text) {
  std::string out(text);
  for (size_t at = 0; (at = next_suspect(text, at)) < text.size();) {
    size_t begin = at;
    while (begin > 0 && !is_blank(text[begin - 1])) --begin;
    while (at < text.size() && !is_blank(text[at])) ++at;
    strip_word(out.data() + begin, at - begin);
  }
  return out;
}

Letters count_letters(std::string_view text) {
  const auto& bmp = scripts_of_bmp();
  std::array<uint32_t, 256> scripts{};
  for (size_t at = 0; at < text.size();) {
    const uint64_t bytes = load_eight(text, at);
    const size_t end = std::min(at + 8, text.size());
    if ((bytes & kEachTop) == 0 && end == at + 8) {
      const uint64_t latin = letters_within(bytes);
      scripts[USCRIPT_LATIN] += bytes_in(latin);
      for (uint64_t others = ~latin & kEachTop; others != 0; others &= others - 1)
        ++scripts[bmp[static_cast<size_t>(text[at + bytes_before(others)])]];
      at = end;
      continue;
    }
    while (at < end) {
      const CodePoint c = code_point_at(text, at);
      at = c.next;
      ++scripts[c.value < 0x10000 ? bmp[c.value] : script_of(c.value)];
    }
  }
  Letters letters;
  letters.code_signs = scripts[kCodeSign];
  letters.replacements = scripts[kReplacement];
  scripts[kNoLetter8] = scripts[kCodeSign] = scripts[kReplacement] = 0;
  letters.count = std::accumulate(scripts.begin(), scripts.end(), 0U);
  if (letters.count == 0) return letters;
  if (scripts[USCRIPT_LATIN] == letters.count) {
    letters.script = USCRIPT_LATIN;
    return letters;
  }

  // Han beside Kana is Japanese writing, Han beside Hangul Korean.
  const uint32_t kana = scripts[USCRIPT_HIRAGANA] + scripts[USCRIPT_KATAKANA];
  letters.has_kana = kana > 0 && kana * 10 > scripts[USCRIPT_HAN];
  if (letters.has_kana) {
    scripts[USCRIPT_JAPANESE] = kana + scripts[USCRIPT_HAN];
    scripts[USCRIPT_HAN] = scripts[USCRIPT_HIRAGANA] = scripts[USCRIPT_KATAKANA] = 0;
  }
  if (scripts[USCRIPT_HANGUL] > scripts[USCRIPT_HAN]) {
    scripts[USCRIPT_KOREAN] = scripts[USCRIPT_HANGUL] + scripts[USCRIPT_HAN];
    scripts[USCRIPT_HANGUL] = scripts[USCRIPT_HAN] = 0;
  }
  const auto most = std::max_element(scripts.begin(), scripts.end());
  letters.script = static_cast<uint8_t>(most - scripts.begin());
  *most = 0;
  letters.second_share =
      *std::max_element(scripts.begin(), scripts.end()) / static_cast<double>(letters.count);
  return letters;
}

std::string script_name(const Letters& letters) {
  if (letters.count == 0) return "Zyyy";
  return uscript_getShortName(static_cast<UScriptCode>(letters.script));
}

}  // namespace wiremill::language
