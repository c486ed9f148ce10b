// Lines of text; see lines.hpp. Runs over every character of every document, hence the ASCII paths.
#include "plugins/clean/lines.hpp"

#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>

#include "daemon/text/utf8.hpp"
#include "plugins/clean/letters.hpp"

namespace wiremill::clean {
namespace {

std::string to_nfc(std::string text) {
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

constexpr uint8_t kAsciiLetter = 1, kAsciiCapital = 2, kAsciiDigit = 4;

constexpr std::array<uint8_t, 256> kAsciiWords = [] {
  std::array<uint8_t, 256> table{};
  for (size_t c = 'a'; c <= 'z'; ++c) table[c] = kAsciiLetter;
  for (size_t c = 'A'; c <= 'Z'; ++c) table[c] = kAsciiLetter | kAsciiCapital;
  for (size_t c = '0'; c <= '9'; ++c) table[c] = kAsciiDigit;
  return table;
}();

uint8_t ascii_word(char c) { return kAsciiWords[static_cast<unsigned char>(c)]; }

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

bool is_wide_space(char32_t c) {
  return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200b) || c == 0x2028 ||
         c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000 || c == 0xfeff;
}

// ASCII that is neither blank nor control character.
inline bool is_plain(char c) { return c > ' ' && c < 0x7f; }

std::string tidy(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  bool pending = false, surely_nfc = true;
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    // Words with one blank between them stay as they are.
    while (at < text.size() &&
           (is_plain(text[at]) ||
            (text[at] == ' ' && at > begin && at + 1 < text.size() && is_plain(text[at + 1]))))
      ++at;
    if (at > begin) {
      if (pending) out.push_back(' ');
      pending = false;
      out.append(text.data() + begin, at - begin);
      continue;
    }
    const char32_t c = next_character(text, at);
    if (is_space(c)) {
      pending = !out.empty();
      continue;
    }
    if (c < 0x20 || c == 0x7f || (c >= 0x80 && c < 0xa0) || c == 0xad || c == 0x2060) continue;
    surely_nfc = surely_nfc && (traits_of(c) & kSurelyNfc) != 0;
    if (pending) out.push_back(' ');
    pending = false;
    out.append(text.data() + begin, at - begin);
  }
  return surely_nfc ? out : to_nfc(std::move(out));
}

std::string_view trimmed(std::string_view text) {
  const auto is_blank = [](char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\v';
  };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
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
  std::string out(text);
  unsigned char bits = 0;
  for (char& c : out) {
    bits |= static_cast<unsigned char>(c);
    c = static_cast<char>(c + (c >= 'A' && c <= 'Z' ? 32 : 0));
  }
  if (bits < 0x80) return out;
  out.clear();
  for (size_t at = 0; at < text.size();) {
    const size_t begin = at;
    const char32_t c = next_character(text, at);
    if (c < 0x80) {
      out.push_back(static_cast<char>(lowered(c)));
    } else if ((traits_of(c) & kLowers) == 0 && c != 0xfffd) {
      out.append(text.data() + begin, at - begin);
    } else {
      char buffer[4];
      int32_t size = 0;
      U8_APPEND_UNSAFE(buffer, size, find_lowered(c));
      out.append(buffer, static_cast<size_t>(size));
    }
  }
  return out;
}

bool starts_with_ignoring_case(std::string_view text, std::string_view ascii_prefix) {
  if (text.size() < ascii_prefix.size()) return false;
  for (size_t i = 0; i < ascii_prefix.size(); ++i)
    if ((ascii_word(text[i]) & kAsciiCapital ? text[i] + 32 : text[i]) != ascii_prefix[i])
      return false;
  return true;
}

Shape shape_of(std::string_view line) {
  Shape shape;
  uint32_t half_lengths = 0;
  uint32_t wide = 0;
  bool in_word = false;
  bool stop_before = false;
  for (size_t at = 0; at < line.size();) {
    const size_t begin = at;
    if (const uint8_t first = ascii_word(line[at]); first != 0) {
      if (!in_word) {
        ++shape.words;
        if (first & kAsciiLetter) ++shape.cased;
        if (first & kAsciiCapital) ++shape.capitals;
      }
      for (uint8_t word = first; word != 0; word = at < line.size() ? ascii_word(line[at]) : 0) {
        if (word == kAsciiDigit) ++shape.digits;
        ++at;
      }
      half_lengths += 2 * static_cast<uint32_t>(at - begin);
      in_word = true;
      stop_before = shape.ends_sentence = shape.ends_colon = false;
      continue;
    }
    half_lengths += 2;
    const char32_t c = next_character(line, at);
    if (c == ' ') {
      in_word = false;
      continue;
    }
    if (is_wide(c)) {
      half_lengths += 3;
      if (traits_of(c) & kAlpha) ++wide;
    } else if (const uint8_t traits = c < 0x80 ? 0 : traits_of(c);
               traits & (kAlpha | kCombining | kDigit)) {
      if (traits & kDigit) ++shape.digits;
      if (!in_word) {
        ++shape.words;
        if (traits & (kUpper | kLower)) ++shape.cased;
        if (traits & kUpper) ++shape.capitals;
      }
      in_word = true;
      stop_before = shape.ends_sentence = shape.ends_colon = false;
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
    if (is_closer(c)) continue;
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
    if (c >= 0x80) {
      if (traits_of(c) & (kAlpha | kDigit)) out += lower(line.substr(begin, at - begin));
    } else if (const uint8_t word = ascii_word(line[begin]); word != 0) {
      out.push_back(static_cast<char>((word & kAsciiCapital) ? c + 32 : c));
    }
  }
  return out;
}

}  // namespace wiremill::clean
