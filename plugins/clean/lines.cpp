// Lines of text; see lines.hpp. Runs over every character of every document, hence the ASCII paths.
#include "plugins/clean/lines.hpp"

#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/utf8.h>

#include <algorithm>

#include "daemon/text/utf8.hpp"

namespace wiremill::clean {
namespace {

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

// Below U+0300 nothing combines, so text of such characters alone is NFC already.
bool is_surely_nfc(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0xcc; });
}

std::string to_nfc(std::string text) {
  if (is_surely_nfc(text)) return text;
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* nfc = icu::Normalizer2::getNFCInstance(error);
  if (U_FAILURE(error)) return text;
  const icu::StringPiece piece(text.data(), static_cast<int32_t>(text.size()));
  if (nfc->isNormalizedUTF8(piece, error) && U_SUCCESS(error)) return text;
  error = U_ZERO_ERROR;
  std::string out;
  icu::StringByteSink<std::string> sink(&out);
  nfc->normalizeUTF8(0, piece, sink, nullptr, error);
  return U_SUCCESS(error) ? out : text;
}

bool is_stop(char32_t c) {
  switch (c) {
    case '.':
    case '!':
    case '?':
    case 0x2026:  // ellipsis
    case 0x3002:  // ideographic full stop
    case 0xff01:
    case 0xff1f:
    case 0xff0e:
    case 0x061f:  // Arabic question mark
    case 0x06d4:  // Urdu full stop
    case 0x0964:  // danda
    case 0x0589:  // Armenian full stop
    case 0x1362:  // Ethiopic full stop
      return true;
    default: return false;
  }
}

bool is_closer(char32_t c) {
  return c == '"' || c == '\'' || c == ')' || c == ']' || c == 0x2019 || c == 0x201d ||
         c == 0x00bb || c == 0x300d || c == 0x300f || c == 0xff09 || c == 0x201c || c == 0x203a;
}

}  // namespace

char32_t next_wide_character(std::string_view text, size_t& at) {
  UChar32 character = 0;
  U8_NEXT_OR_FFFD(reinterpret_cast<const uint8_t*>(text.data()), at, text.size(), character);
  return static_cast<char32_t>(character);
}

bool is_space(char32_t c) {
  if (c < 0x80) return c == ' ' || (c >= 9 && c <= 13);
  return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200b) || c == 0x2028 ||
         c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000 || c == 0xfeff;
}

bool is_wide(char32_t c) {
  return (c >= 0x2e80 && c <= 0xa4cf) || (c >= 0xac00 && c <= 0xd7af) ||
         (c >= 0xf900 && c <= 0xfaff) || (c >= 0xff00 && c <= 0xffef) || c >= 0x20000;
}

std::string tidy(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool pending = false;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    while (at < text.size() && text[at] > ' ' && text[at] < 0x7f) ++at;
    if (at > begin) {
      if (pending) out.push_back(' ');
      pending = false;
      out.append(text.substr(begin, at - begin));
      continue;
    }
    const char32_t c = next_character(text, at);
    if (is_space(c)) {
      pending = !out.empty();
      continue;
    }
    if (c < 0x20 || c == 0x7f || (c >= 0x80 && c < 0xa0) || c == 0xad || c == 0x2060) continue;
    if (pending) out.push_back(' ');
    pending = false;
    out.append(text.substr(begin, at - begin));
  }
  return to_nfc(std::move(out));
}

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t\r\f\v");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r\f\v") - begin + 1);
}

std::string_view take_line(std::string_view text, size_t& at) {
  constexpr size_t kLineBytesMax = 1 << 20;
  const size_t begin = at;
  size_t end = std::min(text.find('\n', begin), text.size());
  at = end + 1;
  if (end - begin > kLineBytesMax) {
    end = begin + kLineBytesMax;
    while (!text::is_boundary(text, end)) --end;
    at = end;
  }
  return trimmed(text.substr(begin, end - begin));
}

std::string lower_ascii(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return out;
}

std::string lower(std::string_view text) {
  if (is_ascii(text)) return lower_ascii(text);
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const UChar32 c = u_tolower(static_cast<UChar32>(next_character(text, at)));
    char buffer[4];
    int32_t size = 0;
    U8_APPEND_UNSAFE(buffer, size, c);
    out.append(buffer, static_cast<size_t>(size));
  }
  return out;
}

bool starts_with_ignoring_case(std::string_view text, std::string_view ascii_prefix) {
  return text.size() >= ascii_prefix.size() &&
         lower_ascii(text.substr(0, ascii_prefix.size())) == ascii_prefix;
}

Shape shape_of(std::string_view line) {
  Shape shape;
  uint32_t half_lengths = 0;
  uint32_t wide = 0;
  bool in_word = false;
  bool stop_before = false;
  for (size_t at = 0; at < line.size();) {
    const char32_t c = next_character(line, at);
    half_lengths += 2;
    bool is_letter = false, is_digit = false, is_upper = false, is_cased = false;
    if (c < 0x80) {
      is_upper = c >= 'A' && c <= 'Z';
      is_cased = is_upper || (c >= 'a' && c <= 'z');
      is_letter = is_cased;
      is_digit = c >= '0' && c <= '9';
    } else if (is_wide(c)) {
      half_lengths += 3;
      if (u_isalpha(static_cast<UChar32>(c))) ++wide;
    } else {
      const auto code = static_cast<UChar32>(c);
      is_letter = u_isalpha(code) || u_getCombiningClass(code) != 0;
      is_digit = u_isdigit(code);
      is_upper = u_isupper(code);
      is_cased = is_upper || u_islower(code);
    }
    if (is_letter || is_digit) {
      if (is_digit) ++shape.digits;
      if (!in_word) {
        ++shape.words;
        if (is_cased) ++shape.cased;
        if (is_upper) ++shape.capitals;
      }
      in_word = true;
      stop_before = false;
      shape.ends_sentence = shape.ends_colon = false;
      continue;
    }
    if (c != '\'' && c != 0x2019 && c != 0x200c && c != 0x200d) in_word = false;
    if (is_stop(c)) {
      // A stop inside a word or a number ("3.5", "example.com") ends nothing.
      const bool inner = c == '.' && at < line.size() && line[at] != ' ' && line[at] != '"' &&
                         static_cast<unsigned char>(line[at]) < 0x80;
      if (!inner && !stop_before) ++shape.stops;
      stop_before = shape.ends_sentence = !inner;
      shape.ends_colon = false;
      continue;
    }
    if (c == ',' || c == 0x3001 || c == 0xff0c || c == 0x060c) ++shape.commas;
    if (c == '|' || c == '>' || c == 0xbb || c == 0xb7 || c == 0x2022 || c == '/' || c == 0x203a)
      ++shape.symbols;
    if (c == ' ' || is_closer(c)) continue;
    stop_before = false;
    shape.ends_sentence = false;
    shape.ends_colon = c == ':' || c == 0xff1a;
  }
  shape.length = half_lengths / 2;
  shape.words += wide / 2;
  return shape;
}

bool is_prose(const Line& line) {
  const Shape& shape = line.shape;
  return line.link_share < 0.4F && ((shape.length >= 80 && (shape.stops > 0 || shape.commas > 1)) ||
                                    (shape.length >= 40 && shape.ends_sentence));
}

std::string fold(std::string_view line) {
  std::string out;
  out.reserve(line.size());
  for (size_t at = 0; at < line.size();) {
    const size_t begin = at;
    const char32_t c = next_character(line, at);
    const bool keep =
        c < 0x80 ? (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z')
                 : static_cast<bool>(u_isalnum(static_cast<UChar32>(c)));
    if (keep) out.append(line.substr(begin, at - begin));
  }
  return lower(out);
}

}  // namespace wiremill::clean
