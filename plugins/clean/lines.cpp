// Lines of text; see lines.hpp. Runs over every character of every document, hence the ASCII paths.
#include "plugins/clean/lines.hpp"

#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>
#include <unicode/utf8.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "daemon/base/eight_bytes.hpp"
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

bool is_beyond_ascii(char c) { return static_cast<unsigned char>(c) >= 0x80; }
uint8_t ascii_word(char c) { return kAsciiWords[static_cast<unsigned char>(c)]; }

void append_character(char32_t c, std::string& text) {
  char buffer[4];
  int32_t size = 0;
  U8_APPEND_UNSAFE(buffer, size, c);
  text.append(buffer, static_cast<size_t>(size));
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

bool is_wide_space(char32_t c) {
  return c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200b) || c == 0x2028 ||
         c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000 || c == 0xfeff;
}

// How far the text goes on from `at` as it is to stay: printable, with one blank at most between two
// words and none at the end. No blank stands at `at`.
inline size_t tidy_run(std::string_view text, size_t at) {
  constexpr uint64_t kBlanks = ' ' * kEachByte;
  size_t end = at;
  while (true) {
    for (size_t plain = 8; plain == 8; end += plain) {
      const uint64_t bytes = load_eight(text, end), next_bytes = load_eight(text, end + 1);
      // The lowest byte that either finds is right; those above it may not be.
      const uint64_t unprintable = (bytes - kBlanks) | bytes | (bytes + kEachByte);
      const uint64_t marks = (bytes ^ kBlanks) | (next_bytes ^ kBlanks);  // 0 for two blanks
      const uint64_t two_blanks = (marks - kEachByte) & ~marks;
      plain = bytes_before((unprintable | two_blanks) & kEachTop);
    }
    const size_t ascii_end = end;
    while (end < text.size()) {
      // Words beyond ASCII, and the blanks between them.
      if (end > ascii_end && text[end] == ' ' && end + 1 < text.size() &&
          is_beyond_ascii(text[end + 1]))
        ++end;
      if (!is_beyond_ascii(text[end])) break;
      size_t next = end;
      if ((traits_of(next_character(text, next)) & kStays) == 0) break;
      end = next;
    }
    if (end == ascii_end || end == text.size() || is_beyond_ascii(text[end])) break;
  }
  return end - at - (end > at && text[end - 1] == ' ' ? 1 : 0);
}

std::string tidy(std::string_view text) {
  std::string out;
  bool pending = false, surely_nfc = true;
  size_t begin = 0, end = 0;  // of what was last found to stay as it is
  const auto keep = [&](size_t from, size_t to) {
    const bool adjoins = from == end || (pending && from == end + 1 && text[end] == ' ');
    if (begin == end || !adjoins) {
      out.append(text, begin, end - begin);
      if (pending) out.push_back(' ');
      begin = from;
    }
    end = to;
    pending = false;
  };
  for (size_t at = 0; at < text.size();) {
    const size_t from = at;
    if (text[at] == ' ' || text[at] == '\n') {
      pending = end > 0;
      ++at;
      continue;
    }
    if (const size_t run = tidy_run(text, at); run > 0) {
      keep(from, at += run);
      continue;
    }
    const char32_t c = next_character(text, at);
    if (is_space(c)) {
      pending = end > 0;
      continue;
    }
    if (is_left_out(c)) continue;
    surely_nfc = false;
    keep(from, at);
  }
  out.append(text, begin, end - begin);
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
  uint64_t all = 0;
  for (size_t at = 0; at < out.size(); at += 8) {
    uint64_t bytes = load_eight(text, at);
    all |= bytes;
    bytes += bytes_within(bytes, 'A', 'Z') >> 2;  // the top bit becomes the 32 between the cases
    std::memcpy(out.data() + at, &bytes, std::min<size_t>(8, out.size() - at));
  }
  if ((all & kEachTop) == 0) return out;
  std::string lowered;
  size_t begin = 0;  // of what is lowered but not yet copied
  for (size_t at = 0; at < out.size();) {
    const size_t from = at;
    const char32_t c = next_character(out, at);
    if ((traits_of(c) & kLowers) == 0 && c != 0xfffd) continue;
    lowered.append(out, begin, from - begin);
    append_character(find_lowered(c), lowered);
    begin = at;
  }
  if (begin == 0) return out;
  return lowered.append(out, begin);
}

bool starts_with_ignoring_case(std::string_view text, std::string_view ascii_prefix) {
  if (text.size() < ascii_prefix.size()) return false;
  for (size_t i = 0; i < ascii_prefix.size(); ++i)
    if ((ascii_word(text[i]) & kAsciiCapital ? text[i] + 32 : text[i]) != ascii_prefix[i])
      return false;
  return true;
}

namespace {

// What an ASCII character adds to a line's shape, as the first of a word and inside one: six counts
// of ten bits in one number.
constexpr uint64_t kWordCount = 1, kCasedCount = 1 << 10, kCapitalCount = 1 << 20,
                   kDigitCount = 1 << 30, kCommaCount = uint64_t{1} << 40,
                   kSymbolCount = uint64_t{1} << 50;
constexpr size_t kCountedMax = 1023;  // characters until a count may be full

enum AsciiFlag : uint8_t {
  kInWord = 1,
  kGoesOn = 2,   // what stood before it ended nothing
  kSpecial = 4,  // is looked at by itself
};

struct AsciiShapes {
  std::array<std::array<uint64_t, 2>, 256> counts{};  // [character][is_inside_word]
  std::array<uint8_t, 256> flags{};
};

constexpr AsciiShapes kAsciiShapes = [] {
  AsciiShapes shapes;
  for (size_t c = 0; c < 256; ++c) {
    const uint8_t word = kAsciiWords[c];
    shapes.flags[c] = c >= 0x80 ? kSpecial : word != 0 ? kInWord | kGoesOn : kGoesOn;
    auto& [first, inside] = shapes.counts[c];
    if (word == kAsciiDigit) first = inside = kDigitCount;
    if (word != 0) first += kWordCount;
    if ((word & kAsciiLetter) != 0) first += kCasedCount;
    if ((word & kAsciiCapital) != 0) first += kCapitalCount;
  }
  for (const char c : {'.', '!', '?', ':', '\''}) shapes.flags[static_cast<size_t>(c)] = kSpecial;
  for (const char c : {' ', '"', ')', ']'}) shapes.flags[static_cast<size_t>(c)] = 0;
  shapes.counts[','].fill(kCommaCount);
  for (const char c : {'|', '>', '/'}) shapes.counts[static_cast<size_t>(c)].fill(kSymbolCount);
  return shapes;
}();

void add_counts(uint64_t counts, Shape& shape) {
  const auto count = [&](uint64_t one) {
    return static_cast<uint32_t>(counts / one % (kCountedMax + 1));
  };
  shape.words += count(kWordCount);
  shape.cased += count(kCasedCount);
  shape.capitals += count(kCapitalCount);
  shape.digits += count(kDigitCount);
  shape.commas += count(kCommaCount);
  shape.symbols += count(kSymbolCount);
}

}  // namespace

Shape shape_of(std::string_view line) {
  Shape shape;
  uint32_t half_lengths = 0;
  uint32_t wide = 0;
  bool stop_before = false;
  const auto goes_on = [&] { stop_before = shape.ends_sentence = shape.ends_colon = false; };
  uint64_t counts = 0;
  size_t room = kCountedMax;
  uint8_t flags = 0;  // of the character before
  for (size_t at = 0; at < line.size();) {
    const size_t begin = at, end = std::min(line.size(), at + room);
    uint8_t seen = 0;
    for (; at < end; ++at) {
      const auto c = static_cast<unsigned char>(line[at]);
      const uint8_t next = kAsciiShapes.flags[c];
      if ((next & kSpecial) != 0) break;
      counts += kAsciiShapes.counts[c][flags & kInWord];
      flags = next;
      seen |= next;
    }
    half_lengths += 2 * static_cast<uint32_t>(at - begin);
    if ((seen & kGoesOn) != 0) goes_on();
    room -= at - begin;
    if (room == 0) {
      add_counts(counts, shape);
      counts = 0;
      room = kCountedMax;
    }
    if (at == end) continue;
    half_lengths += 2;
    const char32_t c = next_character(line, at);
    if (is_wide(c)) {
      half_lengths += 3;
      if (traits_of(c) & kAlpha) {
        ++wide;
        flags = 0;
        goes_on();
        continue;
      }
    } else if (const uint8_t traits = c < 0x80 ? 0 : traits_of(c);
               traits & (kAlpha | kCombining | kDigit)) {
      if (traits & kDigit) ++shape.digits;
      if ((flags & kInWord) == 0) {
        ++shape.words;
        if (traits & (kUpper | kLower)) ++shape.cased;
        if (traits & kUpper) ++shape.capitals;
      }
      // The rest of the word, as far as it is beyond ASCII.
      for (size_t next = at; next < line.size() && is_beyond_ascii(line[next]); at = next) {
        const char32_t letter = next_character(line, next);
        const uint8_t kinds = traits_of(letter);
        if (is_wide(letter) || (kinds & (kAlpha | kCombining | kDigit)) == 0) break;
        half_lengths += 2;
        if (kinds & kDigit) ++shape.digits;
      }
      flags = kInWord;
      goes_on();
      continue;
    }
    if (c != '\'' && c != 0x2019 && c != 0x200c && c != 0x200d) flags = 0;
    if (is_stop(c)) {
      // A stop inside a word or a number ("3.5", "example.com") ends nothing.
      const bool inner = c == '.' && at < line.size() && line[at] != ' ' && line[at] != '"' &&
                         static_cast<unsigned char>(line[at]) < 0x80;
      if (!inner && !stop_before) ++shape.stops;
      stop_before = shape.ends_sentence = !inner;
      shape.ends_colon = false;
      continue;
    }
    if (c == 0x3001 || c == 0xff0c || c == 0x060c) ++shape.commas;
    if (c == 0xbb || c == 0xb7 || c == 0x2022 || c == 0x203a) ++shape.symbols;
    if (is_closer(c)) continue;
    goes_on();
    shape.ends_colon = c == ':' || c == 0xff1a;
  }
  add_counts(counts, shape);
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
  std::string out(line.size(), ' ');
  size_t at = 0, size = 0;
  for (; at < line.size() && static_cast<unsigned char>(line[at]) < 0x80; ++at) {
    const uint8_t word = ascii_word(line[at]);
    out[size] = static_cast<char>((word & kAsciiCapital) != 0 ? line[at] + 32 : line[at]);
    size += word != 0;
  }
  out.resize(size);
  while (at < line.size()) {
    const size_t begin = at;
    const char32_t c = next_character(line, at);
    if (c >= 0x80) {
      const uint8_t traits = traits_of(c);
      if ((traits & (kAlpha | kDigit)) == 0) continue;
      if ((traits & kLowers) != 0)
        append_character(find_lowered(c), out);
      else
        out.append(line, begin, at - begin);
    } else if (const uint8_t word = ascii_word(line[begin]); word != 0) {
      out.push_back(static_cast<char>((word & kAsciiCapital) ? c + 32 : c));
    }
  }
  return out;
}

}  // namespace wiremill::clean
