// UTF-8 by the well-formedness table of the Unicode standard (15.0, table 3-7). A character's
// second byte has a range of its own for the four leads E0, ED, F0 and F4; that alone excludes
// overlong forms, surrogates and code points above U+10FFFF, and it makes "how far does this begin
// like a character" (the maximal subpart) the same walk as "is this a character". Most text that
// arrives is ASCII in the main, so 16 bytes at a time are looked at for a high bit first.
#include "daemon/text/utf8.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace wiremill::text {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

struct Part {
  size_t size;  // at least 1
  bool valid;   // a whole character; else the maximal subpart of one, or a byte that begins none
};

// `bytes` is not empty.
Part first_part(std::string_view bytes) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {1, true};
  if (lead < 0xc2 || lead > 0xf4) return {1, false};
  const size_t size = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  unsigned char low = 0x80, high = 0xbf;  // of the second byte
  switch (lead) {
    case 0xe0: low = 0xa0; break;
    case 0xed: high = 0x9f; break;
    case 0xf0: low = 0x90; break;
    case 0xf4: high = 0x8f; break;
    default: break;
  }
  for (size_t i = 1; i < size; ++i, low = 0x80, high = 0xbf)
    if (i == bytes.size() || byte(i) < low || byte(i) > high) return {i, false};
  return {size, true};
}

bool is_ascii_block(const char* data) {
  uint64_t words[2];
  std::memcpy(words, data, sizeof words);
  return ((words[0] | words[1]) & 0x8080808080808080U) == 0;
}

}  // namespace

size_t valid_prefix(std::string_view bytes) {
  size_t at = 0;
  while (at < bytes.size()) {
    while (bytes.size() - at >= 16 && is_ascii_block(bytes.data() + at)) at += 16;
    // The rest of the block before the next look, so that other scripts pay for it rarely.
    for (const size_t stop = std::min(at + 16, bytes.size()); at < stop;) {
      const Part part = first_part(bytes.substr(at));
      if (!part.valid) return at;
      at += part.size;
    }
  }
  return at;
}

std::string repair(std::string_view bytes, size_t* repaired) {
  std::string text;
  text.reserve(bytes.size());
  size_t replaced = 0;
  while (!bytes.empty()) {
    std::string_view good = bytes.substr(0, valid_prefix(bytes));
    bytes.remove_prefix(good.size());
    for (size_t nul; (nul = good.find('\0')) != good.npos; ++replaced) {
      text.append(good.substr(0, nul)).append(kReplacement);
      good.remove_prefix(nul + 1);
    }
    text.append(good);
    if (bytes.empty()) break;
    text.append(kReplacement);
    bytes.remove_prefix(first_part(bytes).size);
    ++replaced;
  }
  if (repaired != nullptr) *repaired = replaced;
  return text;
}

}  // namespace wiremill::text
