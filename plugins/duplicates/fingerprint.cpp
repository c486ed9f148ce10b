// Two texts are near copies of each other when they share many runs of seven characters: a changed
// word costs some fourteen of them, a cut paragraph its own length, a moved one next to nothing.
// The measure is Jaccard's: |A ∩ B| / |A ∪ B| of the sets of 7-grams of the folded texts.
//
// MinHash (Broder 1997) keeps of each set 126 numbers: under 126 random orders of all 7-grams, the
// smallest one. Two sets agree in each number with just the probability of their similarity, so the
// share of equal numbers estimates it (standard error at 0.4: 0.044). To find candidates without
// comparing everything, the numbers are cut into 42 bands of 3; texts that agree in a whole band
// meet in a bucket. At similarity s that happens with probability 1 - (1 - s³)^42: 0.999 at 0.55,
// 0.93 at 0.4, 0.68 at 0.3, 0.04 at 0.1.
//
// An order is x → a·x + b modulo 2³² with odd a over a well mixed 32-bit hash of the 7-gram: one
// multiplication, one addition and one minimum in 16 vectors of 8 lanes (AVX2; the same numbers
// without it). Of each minimum the low 16 bits are kept: the three of a band are its bucket's key
// as they stand, and an unequal minimum looks equal once in 65,536 times.
//
// Blanks do not enter the 7-grams: scanned and rewrapped texts lose and gain them.
#include "plugins/duplicates/fingerprint.hpp"

#include <unicode/bytestream.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <span>
#include <stdexcept>
#include <vector>

namespace wiremill::duplicates {
namespace {

constexpr size_t kLanes = 128;  // kHashes, filled up to whole vectors

uint64_t mix(uint64_t x) {  // splitmix64's finisher (Steele, Lea, Flood 2014)
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
  return x ^ (x >> 31);
}

struct Orders {
  alignas(64) std::array<uint32_t, kLanes> factor, offset;
};

Orders make_orders() {
  Orders orders{};
  for (uint64_t i = 0; i < kLanes; ++i) {
    const uint64_t random = mix((i + 1) * 0x9e3779b97f4a7c15U);
    orders.factor[i] = static_cast<uint32_t>(random) | 1U;
    orders.offset[i] = static_cast<uint32_t>(random >> 32);
  }
  return orders;
}
const Orders kOrders = make_orders();

void lower_minima_portably(std::span<const uint32_t> grams, uint32_t* minima) {
  for (size_t i = 0; i < kLanes; ++i)
    for (const uint32_t gram : grams)
      minima[i] = std::min(minima[i], gram * kOrders.factor[i] + kOrders.offset[i]);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) void lower_minima_by_avx2(std::span<const uint32_t> grams,
                                                          uint32_t* minima) {
  // A block of lanes stays in registers while all grams go by.
  constexpr size_t kVectors = 4, kVectorLanes = sizeof(__m256i) / sizeof(uint32_t);
  for (size_t base = 0; base < kLanes; base += kVectors * kVectorLanes) {
    __m256i least[kVectors], factor[kVectors], offset[kVectors];
    std::memcpy(least, minima + base, sizeof least);
    std::memcpy(factor, kOrders.factor.data() + base, sizeof factor);
    std::memcpy(offset, kOrders.offset.data() + base, sizeof offset);
    for (const uint32_t gram : grams) {
      const __m256i all = _mm256_set1_epi32(static_cast<int32_t>(gram));
      for (size_t i = 0; i < kVectors; ++i)
        least[i] = _mm256_min_epu32(
            least[i], _mm256_add_epi32(_mm256_mullo_epi32(all, factor[i]), offset[i]));
    }
    std::memcpy(minima + base, least, sizeof least);
  }
}
#endif

// Lowers each lane's minimum to the smallest value that a gram has in the lane's order.
void lower_minima(std::span<const uint32_t> grams, uint32_t* minima) {
#if defined(__x86_64__)
  static const bool has_avx2 = __builtin_cpu_supports("avx2") != 0;
  if (has_avx2) return lower_minima_by_avx2(grams, minima);
#endif
  lower_minima_portably(grams, minima);
}

// Of each 7 characters in a row, blanks left out, a 32-bit hash.
std::vector<uint32_t> hash_grams(std::string_view folded) {
  constexpr uint64_t kBase = 0x9e3779b97f4a7c15U;
  uint64_t last_power = 1;  // what a character weighs when it leaves the window
  for (size_t i = 0; i < kGramCharacters; ++i) last_power *= kBase;
  std::vector<uint32_t> grams;
  grams.reserve(folded.size());
  std::array<uint32_t, kGramCharacters> window{};
  uint64_t rolling = 0;
  size_t characters = 0;
  for (size_t i = 0; i < folded.size();) {
    UChar32 character = static_cast<unsigned char>(folded[i]);
    if (character < 0x80)
      ++i;
    else
      U8_NEXT_UNSAFE(folded.data(), i, character);
    if (character == ' ') continue;
    uint32_t& slot = window[characters++ % kGramCharacters];
    rolling = rolling * kBase + static_cast<uint32_t>(character) + 1 - slot * last_power;
    slot = static_cast<uint32_t>(character) + 1;
    if (characters >= kGramCharacters) grams.push_back(static_cast<uint32_t>(mix(rolling)));
  }
  return grams;
}

// Linear counting (Whang 1990): of `bits` bits, one set for each gram, the share still clear tells
// how many distinct ones there were.
uint32_t count_distinct(std::span<const uint32_t> grams) {
  const size_t bits = std::bit_ceil(std::clamp<size_t>(grams.size() * 4, 1 << 12, 1 << 26));
  const int shift = 32 - std::countr_zero(bits);
  std::vector<uint64_t> seen(bits / 64);
  for (const uint32_t gram : grams) {
    const uint32_t bit = gram >> shift;
    seen[bit / 64] |= uint64_t{1} << (bit % 64);
  }
  size_t set = 0;
  for (const uint64_t word : seen) set += static_cast<size_t>(std::popcount(word));
  const auto all = static_cast<double>(bits);
  const double clear = std::max(1.0, all - static_cast<double>(set));
  return static_cast<uint32_t>(std::lround(-all * std::log(clear / all)));
}

constexpr uint32_t kKeptTypes = U_GC_L_MASK | U_GC_M_MASK | U_GC_N_MASK;

bool is_kept(UChar32 character) {
  if (character < 0x80)
    return (character >= 'a' && character <= 'z') || (character >= '0' && character <= '9');
  return (U_GET_GC_MASK(character) & kKeptTypes) != 0;
}

std::string fold_case(std::string_view text) {
  std::string folded;
  if (std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; })) {
    folded = text;
    for (char& c : folded)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
    return folded;
  }
  UErrorCode error = U_ZERO_ERROR;
  const icu::Normalizer2* normalizer = icu::Normalizer2::getNFKCCasefoldInstance(error);
  if (U_SUCCESS(error)) {
    icu::StringByteSink<std::string> sink(&folded, static_cast<int32_t>(text.size()));
    normalizer->normalizeUTF8(0, {text.data(), static_cast<int32_t>(text.size())}, sink, nullptr,
                              error);
  }
  if (U_FAILURE(error))
    throw std::runtime_error(std::string("ICU cannot fold the text: ") + u_errorName(error));
  return folded;
}

}  // namespace

std::string fold(std::string_view text) {
  std::string folded = fold_case(text);
  size_t end = 0;  // what is kept moves down in place
  bool blank_due = false;
  for (size_t i = 0; i < folded.size();) {
    const size_t begin = i;
    UChar32 character = static_cast<unsigned char>(folded[i]);
    if (character < 0x80)
      ++i;
    else
      U8_NEXT_UNSAFE(folded.data(), i, character);
    if (!is_kept(character)) {
      blank_due = end > 0;
      continue;
    }
    if (blank_due) folded[end++] = ' ';
    blank_due = false;
    for (size_t j = begin; j < i; ++j) folded[end++] = folded[j];
  }
  folded.resize(end);
  return folded;
}

std::optional<Fingerprint> make_fingerprint(std::string_view text) {
  const std::string folded = fold(text);
  if (folded.empty()) return std::nullopt;
  Fingerprint fingerprint;
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits(folded.data(), folded.size()));
  std::memcpy(fingerprint.exact.data(), canonical.digest, fingerprint.exact.size());

  const auto characters =
      std::count_if(folded.begin(), folded.end(), [](char c) { return (c & 0xc0) != 0x80; });
  if (static_cast<size_t>(characters) < kNearCharactersMin) return fingerprint;
  const std::vector<uint32_t> grams = hash_grams(folded);
  if (grams.empty()) return fingerprint;
  std::array<uint32_t, kLanes> minima;
  minima.fill(UINT32_MAX);
  lower_minima(grams, minima.data());
  for (size_t i = 0; i < kHashes; ++i) fingerprint.signature[i] = static_cast<uint16_t>(minima[i]);
  fingerprint.has_signature = true;
  fingerprint.grams = count_distinct(grams);
  return fingerprint;
}

double similarity(const Signature& a, const Signature& b) {
  size_t equal = 0;
  for (size_t i = 0; i < kHashes; ++i) equal += a[i] == b[i];
  return static_cast<double>(equal) / kHashes;
}

double containment(double similarity, uint32_t grams, uint32_t other_grams) {
  if (grams == 0) return 0;
  // s = shared / (a + b - shared)
  const double shared = similarity / (1 + similarity) * (double{} + grams + other_grams);
  return std::min(1.0, shared / grams);
}

std::string encode(const Fingerprint& fingerprint) {
  std::string bytes(fingerprint.exact.begin(), fingerprint.exact.end());
  if (!fingerprint.has_signature) return bytes;
  for (int shift = 0; shift < 32; shift += 8)
    bytes += static_cast<char>(fingerprint.grams >> shift);
  for (const uint16_t value : fingerprint.signature) {
    bytes += static_cast<char>(value);
    bytes += static_cast<char>(value >> 8);
  }
  return bytes;
}

std::optional<Fingerprint> decode(std::string_view bytes) {
  constexpr size_t kExactBytes = 16, kAllBytes = kExactBytes + 4 + 2 * kHashes;
  if (bytes.size() != kExactBytes && bytes.size() != kAllBytes) return std::nullopt;
  Fingerprint fingerprint;
  std::copy_n(bytes.begin(), kExactBytes, fingerprint.exact.begin());
  if (bytes.size() == kExactBytes) return fingerprint;
  fingerprint.has_signature = true;
  const auto byte = [&](size_t i) {
    return static_cast<uint32_t>(static_cast<unsigned char>(bytes[i]));
  };
  for (size_t i = 0; i < 4; ++i) fingerprint.grams |= byte(kExactBytes + i) << (8 * i);
  for (size_t i = 0; i < kHashes; ++i) {
    const size_t at = kExactBytes + 4 + 2 * i;
    fingerprint.signature[i] = static_cast<uint16_t>(byte(at) | byte(at + 1) << 8);
  }
  return fingerprint;
}

}  // namespace wiremill::duplicates
