// From relative frequencies back to counts, and from counts to word edges.
//
// A table gives each n-gram's share of the n-grams that begin with the same n-1 letters, as a
// reduced fraction. The unigrams' denominators have the number of letters as least common multiple
// (or a divisor of it, which serves as well); each longer n-gram's count is its fraction of its
// beginning's count, exactly.
//
// An n-gram g within words that no letter follows ended a word, so the count of "g_" is
// count(g) - sum over c of count(gc). Likewise "_g" is count(g) - sum over c of count(cg), and
// "_g_" is count(g) less both sums plus the sum over c and d of count(cgd). Word edges tell
// languages apart better than most letters: with them exact tables name 80.1 % of the words in the
// development set, without them 77.8 %.
#include "plugins/language/train/tables.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>
#include <unordered_map>

#include "plugins/language/grams.hpp"

namespace wiremill::language {
namespace {

struct KeyHash {
  size_t operator()(GramKey key) const {
    return mixed(static_cast<uint64_t>(key) ^
                 static_cast<uint64_t>(key >> 64) * kPlaceFactors.front());
  }
};
using Counts = std::unordered_map<GramKey, uint64_t, KeyHash>;

struct Fraction {
  uint64_t numerator = 0, denominator = 1;
};

constexpr std::array<const char*, kGramMax> kFiles = {"unigrams", "bigrams", "trigrams",
                                                      "quadrigrams", "fivegrams"};

Result<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail_errno(errno, "open the table", path);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// Calls each(Fraction, n-gram) for {"language":"…","ngrams":{"a/b":"x y z",…}}.
template <class Each>
Status each_gram(std::string_view json, const std::string& path, Each each) {
  const auto damaged = [&](size_t at) {
    return fail(ErrorCode::Malformed, "{}: not a table of n-grams at byte {}", path, at);
  };
  constexpr std::string_view kBegin = "\"ngrams\":{";
  size_t at = json.find(kBegin);
  if (at == json.npos) return damaged(0);
  for (at += kBegin.size(); at < json.size() && json[at] != '}';) {
    if (json[at] == ',') ++at;
    const size_t key_end = json.find("\":\"", at);
    const size_t end = key_end == json.npos ? key_end : json.find('"', key_end + 3);
    if (end == json.npos || json[at] != '"') return damaged(at);
    Fraction fraction;
    const char* const last = json.data() + key_end;
    const auto slash = std::from_chars(json.data() + at + 1, last, fraction.numerator);
    if (slash.ptr == last || *slash.ptr != '/') return damaged(at);
    const auto done = std::from_chars(slash.ptr + 1, last, fraction.denominator);
    if (done.ptr != last || fraction.denominator == 0) return damaged(at);
    for (size_t begin = key_end + 3; begin < end;) {
      const size_t stop = std::min(json.find(' ', begin), end);
      each(fraction, json.substr(begin, stop - begin));
      begin = stop + 1;
    }
    at = end + 1;
  }
  return {};
}

GramKey key_of(std::string_view gram, size_t& length) {
  GramKey key = 0;
  length = 0;
  for (size_t at = 0; at < gram.size(); ++length) {
    const CodePoint c = code_point_at(gram, at);
    key = key << kSymbolBits | c.value;
    at = c.next;
  }
  return key;
}

uint64_t times(uint64_t count, const Fraction& fraction) {
  return static_cast<uint64_t>(static_cast<GramKey>(count) * fraction.numerator /
                               fraction.denominator);
}

Status read_length(const std::string& path, size_t length, std::vector<Counts>& counts) {
  const auto json = read_file(path);
  WM_TRY(json);
  uint64_t letters = 1;
  if (length == 1) {
    WM_TRY(each_gram(*json, path, [&](const Fraction& fraction, std::string_view) {
      letters = std::lcm(letters, fraction.denominator);
    }));
  }
  bool whole = true;
  WM_TRY(each_gram(*json, path, [&](const Fraction& fraction, std::string_view gram) {
    size_t found = 0;
    const GramKey key = key_of(gram, found);
    const auto beginning =
        length == 1 ? counts[0].end() : counts[length - 1].find(key >> kSymbolBits);
    whole &= found == length && (length == 1 || beginning != counts[length - 1].end());
    if (whole) counts[length][key] = times(length == 1 ? letters : beginning->second, fraction);
  }));
  if (!whole) return fail(ErrorCode::Malformed, "{}: n-grams of another length or origin", path);
  return {};
}

// The strings with word edges, as the essay above counts them.
void add_edges(std::vector<Counts>& counts) {
  std::vector<Counts> edged(kGramMax + 1);
  uint64_t words = 0;
  for (size_t n = 1; n < kGramMax && !counts[n + 1].empty(); ++n) {
    const bool has_both = n + 2 <= kGramMax && !counts[n + 2].empty();
    Counts followed, preceded, enclosed;
    for (const auto& [key, count] : counts[n + 1]) {
      followed[without_last(key)] += count;
      preceded[without_first(key, n + 1)] += count;
    }
    if (has_both)
      for (const auto& [key, count] : counts[n + 2])
        enclosed[without_first(without_last(key), n + 1)] += count;
    const auto at = [](const Counts& sums, GramKey key) {
      const auto found = sums.find(key);
      return found == sums.end() ? uint64_t{0} : found->second;
    };
    const GramKey front = GramKey{kEdge} << (kSymbolBits * static_cast<int>(n));
    for (const auto& [key, count] : counts[n]) {
      const uint64_t after = at(followed, key), before = at(preceded, key);
      if (n == 1) words += count - std::min(count, after);
      if (count > after) edged[n + 1][key << kSymbolBits | kEdge] = count - after;
      if (count > before) edged[n + 1][front | key] = count - before;
      const uint64_t open = after + before, alone = count + at(enclosed, key);
      if (has_both && alone > open)
        edged[n + 2][(front | key) << kSymbolBits | kEdge] = alone - open;
    }
  }
  for (size_t n = 1; n <= kGramMax; ++n) counts[n].merge(edged[n]);
  if (words > 0) counts[1][kEdge] = words;
}

}  // namespace

Result<LanguageTables> read_tables(const std::string& folder, const std::string& code) {
  std::vector<Counts> counts(kGramMax + 1);
  for (size_t n = 1; n <= kGramMax; ++n) {
    const std::string path = folder + "/" + code + "/" + kFiles[n - 1] + ".json";
    if (n > 1 && !std::filesystem::exists(path)) break;
    WM_TRY(read_length(path, n, counts));
  }
  add_edges(counts);

  LanguageTables tables;
  tables.code = code;
  tables.grams.resize(kGramMax + 1);
  for (const auto& [key, count] : counts[1]) tables.symbols += count;
  Counts kinds;
  for (size_t n = kGramMax; n > 0; --n) {
    for (const auto& [key, count] : counts[n]) {
      const auto followers = kinds.find(key);
      tables.grams[n].push_back(
          {key, static_cast<uint32_t>(std::min<uint64_t>(count, UINT32_MAX)),
           followers == kinds.end() ? 0 : static_cast<uint32_t>(followers->second)});
    }
    kinds.clear();
    for (const auto& [key, count] : counts[n]) ++kinds[without_last(key)];
    std::sort(tables.grams[n].begin(), tables.grams[n].end(),
              [](const GramCount& a, const GramCount& b) { return (a.key) < (b.key); });
  }
  return tables;
}

}  // namespace wiremill::language
