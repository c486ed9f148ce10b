// UTF-8 by the well-formedness table of the Unicode standard (15.0, table 3-7). A character's
// second byte has a range of its own for the four leads E0, ED, F0 and F4; that alone excludes
// overlong forms, surrogates and code points above U+10FFFF, and it makes "how far does this begin
// like a character" (the maximal subpart) the same walk as "is this a character". Most text that
// arrives is ASCII in the main, so 16 bytes at a time are looked at for a high bit first.
#include "daemon/text/utf8.hpp"

#include <array>
#include <cstdint>
#include <cstring>

namespace wiremill::text {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

// What a lead byte asks of its character: how many bytes, and the range of the second.
struct Lead {
  unsigned char size = 0;  // 0: begins no character
  unsigned char low = 0x80, high = 0xbf;
};

constexpr std::array<Lead, 256> make_leads() {
  std::array<Lead, 256> leads{};
  for (size_t byte = 0; byte < 0xf5; ++byte)
    leads[byte].size = byte < 0x80 ? 1 : byte < 0xc2 ? 0 : byte < 0xe0 ? 2 : byte < 0xf0 ? 3 : 4;
  leads[0xe0].low = 0xa0;
  leads[0xed].high = 0x9f;
  leads[0xf0].low = 0x90;
  leads[0xf4].high = 0x8f;
  return leads;
}
constexpr std::array<Lead, 256> kLeads = make_leads();

struct Part {
  size_t size;  // at least 1
  bool valid;   // a whole character; else the maximal subpart of one, or a byte that begins none
};

// `at` is before `end`.
inline Part first_part(const unsigned char* at, const unsigned char* end) {
  const Lead lead = kLeads[*at];
  if (lead.size <= 1) return {1, lead.size == 1};
  const auto available = static_cast<size_t>(end - at);
  if (available < 2 || at[1] < lead.low || at[1] > lead.high) return {1, false};
  for (size_t i = 2; i < lead.size; ++i)
    if (i == available || (at[i] & 0xc0) != 0x80) return {i, false};
  return {lead.size, true};
}

bool is_ascii_block(const unsigned char* data) {
  uint64_t words[2];
  std::memcpy(words, data, sizeof words);
  return ((words[0] | words[1]) & 0x8080808080808080U) == 0;
}

const unsigned char* begin_of(std::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

}  // namespace

size_t valid_prefix(std::string_view bytes) {
  const unsigned char* const begin = begin_of(bytes);
  const unsigned char* const end = begin + bytes.size();
  const unsigned char* at = begin;
  while (at < end) {
    while (end - at >= 16 && is_ascii_block(at)) at += 16;
    // A block's worth of characters before the next look, so that other scripts pay for it rarely.
    const unsigned char* const stop = end - at > 16 ? at + 16 : end;
    while (at < stop) {
      if (*at < 0x80) {
        ++at;
        continue;
      }
      const Part part = first_part(at, end);
      if (!part.valid) return static_cast<size_t>(at - begin);
      at += part.size;
    }
  }
  return bytes.size();
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
    bytes.remove_prefix(first_part(begin_of(bytes), begin_of(bytes) + bytes.size()).size);
    ++replaced;
  }
  if (repaired != nullptr) *repaired = replaced;
  return text;
}

}  // namespace wiremill::text
