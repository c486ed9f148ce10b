// The fingerprint of a text: what settle compares instead of texts. Made by process, carried to
// settle, kept with the document's record. Any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace wiremill::duplicates {

constexpr size_t kBands = 42, kRows = 3;
constexpr size_t kHashes = kBands * kRows;
constexpr size_t kGramCharacters = 7;
constexpr size_t kNearCharactersMin = 50;  // shorter folded texts are only compared exactly

using Signature = std::array<uint16_t, kHashes>;

struct Fingerprint {
  std::array<char, 16> exact{};  // XXH3-128 of the folded text, canonical (big-endian) form
  uint32_t grams = 0;            // distinct 7-grams, estimated to about 1 %
  bool has_signature = false;
  Signature signature{};
  friend bool operator==(const Fingerprint&, const Fingerprint&) = default;
};

// NFKC case folding (Unicode's toNFKC_Casefold), then every run of characters that are neither
// letter, mark nor number becomes one blank, none at the ends. Empty where nothing is left. `text`
// is valid UTF-8. Throws std::runtime_error where ICU's data is missing.
std::string fold(std::string_view text);

// nullopt for a text of which folding leaves nothing.
std::optional<Fingerprint> make_fingerprint(std::string_view text);

// The estimated share of 7-grams, of those in either text, that stand in both.
double similarity(const Signature& a, const Signature& b);

// The share of the first text's 7-grams that stand in the second, from their similarity and sizes.
double containment(double similarity, uint32_t grams, uint32_t other_grams);

std::string encode(const Fingerprint& fingerprint);
std::optional<Fingerprint> decode(std::string_view bytes);

}  // namespace wiremill::duplicates
