// The charset of a body: see charset.hpp. iso-8859-1, us-ascii and iso-8859-9 are read as the
// Windows code pages that contain them, shift_jis as windows-31j, gb2312 as gb18030, as every
// browser does (WHATWG Encoding, "Names and labels").
#include "plugins/clean/charset.hpp"

#include <uchardet/uchardet.h>
#include <unicode/uchar.h>
#include <unicode/ucnv.h>

#include <algorithm>
#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "daemon/text/utf8.hpp"
#include "plugins/clean/lines.hpp"

namespace wiremill::clean {
namespace {

constexpr size_t kMetaBytesMax = 4096;        // a <meta charset> further on is not looked for
constexpr size_t kGuessBytesMax = 64 * 1024;  // what uchardet is shown

std::string canonical(std::string_view label) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 18> kAliases = {{
      {"iso-8859-1", "windows-1252"},
      {"iso8859-1", "windows-1252"},
      {"latin1", "windows-1252"},
      {"latin-1", "windows-1252"},
      {"ascii", "windows-1252"},
      {"us-ascii", "windows-1252"},
      {"iso-8859-15", "iso-8859-15"},
      {"iso-8859-9", "windows-1254"},
      {"shift_jis", "windows-31j"},
      {"shift-jis", "windows-31j"},
      {"sjis", "windows-31j"},
      {"x-sjis", "windows-31j"},
      {"gb2312", "gb18030"},
      {"gbk", "gb18030"},
      {"euc-kr", "windows-949"},
      {"ks_c_5601-1987", "windows-949"},
      {"utf8", "utf-8"},
      {"iso-8859-11", "windows-874"},
  }};
  const std::string name = lower_ascii(label);
  for (const auto& [alias, charset] : kAliases)
    if (name == alias) return std::string(charset);
  return name;
}

// The value after "charset=" in `text`, or empty.
std::string charset_in(std::string_view text) {
  const std::string lowered = lower_ascii(text);
  const size_t found = lowered.find("charset");
  if (found == std::string::npos) return {};
  size_t at = lowered.find_first_not_of(" \t\r\n", found + 7);
  if (at == std::string::npos || lowered[at] != '=') return {};
  at = lowered.find_first_not_of(" \t\r\n\"'", at + 1);
  if (at == std::string::npos) return {};
  const size_t end = lowered.find_first_of(" \t\r\n\"'>;/", at);
  return lowered.substr(at, end == std::string::npos ? end : end - at);
}

std::string charset_in_meta(std::string_view body) {
  const std::string head = lower_ascii(body.substr(0, kMetaBytesMax));
  for (size_t at = 0; (at = head.find("<meta", at)) != std::string::npos; at += 5) {
    const size_t end = std::min(head.find('>', at), head.size());
    if (std::string name = charset_in(std::string_view(head).substr(at, end - at)); !name.empty())
      return name;
  }
  return {};
}

// Whether pairs of bytes read as text: characters that Unicode knows, no controls.
bool reads_as_utf16(std::string_view bytes, bool is_big_endian) {
  size_t units = 0, wrong = 0;
  for (size_t i = 0; i + 1 < bytes.size(); i += 2, ++units) {
    const auto first = static_cast<unsigned char>(bytes[i]);
    const auto second = static_cast<unsigned char>(bytes[i + 1]);
    const UChar32 unit = is_big_endian ? first << 8 | second : second << 8 | first;
    const int8_t category = u_charType(unit);
    const bool is_blank = unit == '\t' || unit == '\n' || unit == '\r';
    if (!is_blank &&
        (category == U_UNASSIGNED || category == U_CONTROL_CHAR || category == U_PRIVATE_USE_CHAR))
      ++wrong;
  }
  return wrong * 20 <= units;
}

// Whether bytes, zeros left out, read as text one by one: valid UTF-8 without controls, or mostly
// ASCII letters.
bool reads_bytewise(std::string_view bytes) {
  std::string rest;
  size_t controls = 0, letters = 0;
  for (const char c : bytes) {
    if (c == '\0') continue;
    rest += c;
    if (c > 0 && c < 0x20 && c != '\t' && c != '\n' && c != '\r') ++controls;
    const auto lowered = static_cast<unsigned char>(c | 0x20);
    if (c == ' ' || (lowered >= 'a' && lowered <= 'z')) ++letters;
  }
  if (letters * 10 > rest.size() * 7) return true;
  while (!rest.empty() && static_cast<signed char>(rest.back()) < 0) rest.pop_back();  // may be cut
  return controls * 20 < rest.size() && text::is_valid(rest);
}

// UTF-16 without a byte order mark: text of mostly Latin letters has a zero in every second byte,
// other text at least in its digits, blanks and markup. Where zeros only strayed in, the other
// bytes are text by themselves.
std::string utf16_by_zeros(std::string_view body) {
  const std::string_view head = body.substr(0, 2048);
  if (head.find('\0') == std::string_view::npos) return {};
  size_t even = 0, odd = 0;
  for (size_t i = 0; i < head.size(); ++i)
    if (head[i] == '\0') ++(i % 2 == 0 ? even : odd);
  const size_t half = head.size() / 2;
  if (half < 4) return {};
  if (odd * 10 >= half * 6 && even * 10 < half) return "utf-16le";
  if (even * 10 >= half * 6 && odd * 10 < half) return "utf-16be";
  if ((even + odd) * 100 < half || even + odd == 0 || reads_bytewise(head)) return {};
  for (const bool is_big_endian : {even > odd, even <= odd})
    if (reads_as_utf16(head, is_big_endian)) return is_big_endian ? "utf-16be" : "utf-16le";
  return {};
}

std::string guess(std::string_view body) {
  const std::unique_ptr<uchardet, decltype(&uchardet_delete)> detector(uchardet_new(),
                                                                       &uchardet_delete);
  if (!detector) return {};
  const std::string_view head = body.substr(0, kGuessBytesMax);
  if (uchardet_handle_data(detector.get(), head.data(), head.size()) != 0) return {};
  uchardet_data_end(detector.get());
  return lower_ascii(uchardet_get_charset(detector.get()));
}

// Converts by ICU; false where ICU does not know the charset.
bool convert(std::string_view bytes, const std::string& charset, std::string& out) {
  UErrorCode error = U_ZERO_ERROR;
  const std::unique_ptr<UConverter, decltype(&ucnv_close)> from(ucnv_open(charset.c_str(), &error),
                                                                &ucnv_close);
  if (U_FAILURE(error)) return false;
  const std::unique_ptr<UConverter, decltype(&ucnv_close)> to(ucnv_open("UTF-8", &error),
                                                              &ucnv_close);
  if (U_FAILURE(error)) return false;
  const char* source = bytes.data();
  const char* const source_end = source + bytes.size();
  std::vector<UChar> pivot(4096);
  std::vector<char> chunk(16384);
  UChar* pivot_source = pivot.data();
  UChar* pivot_target = pivot.data();
  out.clear();
  bool reset = true;
  do {
    error = U_ZERO_ERROR;
    char* target = chunk.data();
    ucnv_convertEx(to.get(), from.get(), &target, chunk.data() + chunk.size(), &source, source_end,
                   pivot.data(), &pivot_source, &pivot_target, pivot.data() + pivot.size(), reset,
                   true, &error);
    reset = false;
    out.append(chunk.data(), target);
  } while (error == U_BUFFER_OVERFLOW_ERROR);
  return U_SUCCESS(error);
}

bool holds_replacement(std::string_view text) {
  return text.find("\xef\xbf\xbd") != std::string_view::npos;
}

// Zeros say nothing in a text; whether there were any.
bool drop_zeros(std::string& text) {
  return text.find('\0') != std::string::npos && std::erase(text, '\0') > 0;
}

// `is_valid`: of the body without its first `skip` bytes, where that is known already.
Decoded as_utf8(std::string_view body, size_t skip, bool is_valid) {
  Decoded decoded;
  size_t repairs = 0;
  decoded.text = body.substr(skip);
  decoded.repaired = drop_zeros(decoded.text);
  if (!is_valid) decoded.text = text::repair(decoded.text, &repairs);
  decoded.charset = "utf-8";
  decoded.repaired = decoded.repaired || repairs > 0;
  if (!decoded.repaired) decoded.body_offset = skip;
  return decoded;
}

bool as_charset(std::string_view body, const std::string& charset, Decoded& decoded) {
  if (!convert(body, charset, decoded.text)) return false;
  decoded.charset = charset;
  const bool had_zeros = drop_zeros(decoded.text);
  decoded.repaired = had_zeros || holds_replacement(decoded.text);
  if (decoded.text.starts_with("\xef\xbb\xbf")) decoded.text.erase(0, 3);
  return true;
}

}  // namespace

Decoded decode(std::string_view body, std::string_view content_type, bool is_html) {
  Decoded decoded;
  if (body.starts_with("\xef\xbb\xbf")) return as_utf8(body, 3, text::is_valid(body.substr(3)));
  if (body.starts_with("\xff\xfe") && as_charset(body.substr(2), "utf-16le", decoded))
    return decoded;
  if (body.starts_with("\xfe\xff") && as_charset(body.substr(2), "utf-16be", decoded))
    return decoded;

  const bool valid = text::is_valid(body);
  std::vector<std::string> declared = {canonical(charset_in(content_type))};
  // A page that says UTF-16 in a <meta> that could be read as ASCII is not UTF-16 (WHATWG HTML).
  if (std::string meta = is_html ? canonical(charset_in_meta(body)) : std::string();
      !meta.starts_with("utf-16"))
    declared.push_back(std::move(meta));
  const std::string zeros = utf16_by_zeros(body);
  if (!zeros.empty()) declared.insert(declared.begin(), zeros);
  for (const std::string& name : declared) {
    if (name.empty()) continue;
    if (name == "utf-8") {
      if (valid) return as_utf8(body, 0, true);
      continue;
    }
    // Text that is valid UTF-8 beyond ASCII is hardly ever meant as a one-byte charset.
    if (valid && name.starts_with("windows-125")) continue;
    if (as_charset(body, name, decoded)) return decoded;
  }
  if (valid) return as_utf8(body, 0, true);

  // Well-formed sequences of several bytes hardly ever come about by chance, so what holds enough
  // of them is UTF-8 with broken bytes, the more so where it says UTF-8.
  Decoded repaired = as_utf8(body, 0, false);
  size_t broken = 0, high = 0;
  for (size_t at = 0; (at = repaired.text.find("\xef\xbf\xbd", at)) != std::string::npos; at += 3)
    ++broken;
  for (const char c : body)
    if (static_cast<unsigned char>(c) >= 0xc2) ++high;
  const bool says_utf8 = std::find(declared.begin(), declared.end(), "utf-8") != declared.end();
  if (broken * (says_utf8 ? 2 : 3) <= high) return repaired;
  const std::string guessed = canonical(guess(body));
  if (!guessed.empty() && guessed != "utf-8" && as_charset(body, guessed, decoded)) return decoded;
  if (as_charset(body, "windows-1252", decoded) && !decoded.repaired) return decoded;
  return repaired;
}

}  // namespace wiremill::clean
