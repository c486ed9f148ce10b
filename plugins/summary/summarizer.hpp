// Extractive summaries and keywords. Called by the stage and by the measuring program. Pure and
// deterministic; any thread. Cost: linear in the tokens, of which at most kTokensMax are looked at.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "plugins/summary/words.hpp"

namespace wiremill::summary {

constexpr size_t kTokensMax = 60'000;
constexpr size_t kSentencesMax = 1'000;  // of a document, that can be chosen
constexpr size_t kKeywordsMax = 8;

struct Settings {
  size_t sentences = 3;
  size_t characters_max = 0;  // of the summary's text; 0 for no bound
};

struct Summary {
  std::string text;
  std::vector<wm_span> sentences;  // ascending
  std::vector<std::string> keywords;
};

// What a sentence is judged by.
constexpr size_t kFeatures = 10;
struct Candidate {
  uint32_t sentence = 0;
  std::array<double, kFeatures> features{};
  std::vector<uint32_t> words;  // distinct, ascending
};

// The sentences that may stand in a summary, in order.
std::vector<Candidate> candidates_of(const Input& input, const Words& words);
double score(const Candidate& candidate);

// Empty for a text without words, and for the language zxx.
Summary summarize(const Input& input, const Settings& settings);

// At most kKeywordsMax words and phrases as they stand in the text, the weightiest first.
std::vector<std::string> keywords_of(const Input& input, const Words& words);

}  // namespace wiremill::summary
