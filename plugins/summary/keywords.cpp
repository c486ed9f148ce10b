// Keywords: words that come often and early, and phrases of two or three of them that come at least
// twice and hardly ever apart. A name found by an earlier stage counts double. A word that stands
// in a phrase already chosen is not named again.
#include <algorithm>
#include <map>
#include <unordered_set>

#include "plugins/summary/summarizer.hpp"

namespace wiremill::summary {
namespace {

constexpr size_t kPhraseWordsMax = 3;
constexpr double kTogetherMin = 0.5;  // share of its rarest word's uses that a phrase must hold

struct Keyword {
  std::vector<uint32_t> words;
  uint32_t count = 0, first_token = 0, tokens = 1;
  double weight = 0;
};

size_t characters(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

std::string_view surface(const Input& input, const Keyword& keyword) {
  const wm_token& first = input.tokens[keyword.first_token];
  const wm_token& last = input.tokens[keyword.first_token + keyword.tokens - 1];
  return input.text.substr(first.begin, last.end - first.begin);
}

// Runs of two or three words in one sentence, nothing else between them.
std::vector<Keyword> phrases_of(const Input& input, const Words& words) {
  std::map<std::vector<uint32_t>, Keyword> phrases;
  const size_t tokens = std::min(input.tokens.size(), kTokensMax);
  for (size_t i = 0; i < tokens; ++i) {
    std::vector<uint32_t> run;
    for (size_t j = i; j < tokens && run.size() < kPhraseWordsMax; ++j) {
      const uint32_t word = words.of_token[j];
      if (word == kNoWord || words.count[word] < 2 ||
          input.tokens[j].sentence != input.tokens[i].sentence)
        break;
      run.push_back(word);
      if (run.size() < 2) continue;
      Keyword& phrase = phrases[run];
      if (phrase.count++ == 0) {
        phrase.words = run;
        phrase.first_token = static_cast<uint32_t>(i);
        phrase.tokens = static_cast<uint32_t>(run.size());
      }
    }
  }
  std::vector<Keyword> kept;
  for (auto& [run, phrase] : phrases) {
    uint32_t rarest = UINT32_MAX;
    for (const uint32_t word : run) rarest = std::min(rarest, words.count[word]);
    if (phrase.count >= 2 && phrase.count >= kTogetherMin * rarest) kept.push_back(phrase);
  }
  return kept;
}

}  // namespace

std::vector<std::string> keywords_of(const Input& input, const Words& words) {
  std::vector<Keyword> keywords = phrases_of(input, words);
  for (Keyword& phrase : keywords)
    phrase.weight = phrase.count * (1 + 0.5 * static_cast<double>(phrase.tokens));
  for (uint32_t word = 0; word < words.count.size(); ++word) {
    const wm_token& token = input.tokens[words.first_token[word]];
    if (characters(input.text.substr(token.begin, token.end - token.begin)) < 2) continue;
    keywords.push_back({{word},
                        words.count[word],
                        words.first_token[word],
                        1,
                        static_cast<double>(words.count[word])});
  }
  std::unordered_set<uint32_t> named;
  for (const wm_span name : input.names) {
    const auto first =
        std::lower_bound(input.tokens.begin(), input.tokens.end(), name.begin,
                         [](const wm_token& token, uint32_t begin) { return token.begin < begin; });
    for (auto token = first; token != input.tokens.end() && token->end <= name.end; ++token)
      named.insert(words.of_token[static_cast<size_t>(token - input.tokens.begin())]);
  }
  const auto tokens = static_cast<double>(input.tokens.size());
  for (Keyword& keyword : keywords) {
    keyword.weight *= 1.5 - 0.5 * keyword.first_token / tokens;
    if (named.contains(keyword.words.front())) keyword.weight *= 2;
    if (words.in_title[keyword.words.front()]) keyword.weight *= 1.5;
  }
  std::sort(keywords.begin(), keywords.end(), [](const Keyword& a, const Keyword& b) {
    if (a.weight != b.weight) return a.weight > b.weight;
    if (a.first_token != b.first_token) return a.first_token < b.first_token;
    return a.tokens > b.tokens;
  });
  std::vector<std::string> chosen;
  std::unordered_set<uint32_t> used;
  for (const Keyword& keyword : keywords) {
    if (chosen.size() == kKeywordsMax) break;
    if (std::any_of(keyword.words.begin(), keyword.words.end(),
                    [&](uint32_t word) { return used.contains(word); }))
      continue;
    used.insert(keyword.words.begin(), keyword.words.end());
    chosen.emplace_back(surface(input, keyword));
  }
  return chosen;
}

}  // namespace wiremill::summary
