// The n-gram tables that the model is learnt from: relative frequencies of 1- to 5-grams within
// words, per language, as JSON. Called by the trainer; one thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "daemon/base/error.hpp"

namespace wiremill::language {

// Up to five symbols of 21 bits, the last in the lowest bits. Order of numbers is order of symbols
// for keys of one length.
__extension__ typedef unsigned __int128 GramKey;
inline constexpr int kSymbolBits = 21;

inline GramKey without_last(GramKey key) { return key >> kSymbolBits; }
inline GramKey without_first(GramKey key, size_t length) {
  return key & ((GramKey{1} << (kSymbolBits * (length - 1))) - 1);
}

struct GramCount {
  GramKey key = 0;
  uint32_t count = 0;  // how often it occurred
  uint32_t kinds = 0;  // how many different symbols followed it
};

struct LanguageTables {
  std::string code;
  uint64_t symbols = 0;                       // letters and word ends
  std::vector<std::vector<GramCount>> grams;  // [length], ascending by key; [0] is empty
};

// Reads FOLDER/<code>/{unigrams,bigrams,trigrams,quadrigrams,fivegrams}.json; lengths that are not
// there are left out from the first that is missing. The tables hold no word edges, but what
// follows from them is exact: see the .cpp.
Result<LanguageTables> read_tables(const std::string& folder, const std::string& code);

}  // namespace wiremill::language
