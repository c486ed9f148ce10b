// The choice of sentences.
//
// News puts what matters first, so position is the strongest sign by far, and "the first three
// sentences" is the summary to beat. What beats it a little is a linear model over position,
// centrality (how much of a sentence's words the whole document is about), length, names, numbers
// and quotations, and then a choice that counts what a sentence repeats of those chosen before
// (maximal marginal relevance). The weights were fitted by least squares on half of a news set with
// human highlights, first against each sentence's own overlap with them, then coordinate by
// coordinate against the whole summary's ROUGE, which wants shorter sentences; figures: README.md.
// The title's weight is set by hand, since that set has no titles.
//
// Sentences that cannot stand alone are no candidates: too short, too long, quotation only, or
// without a full stop at their end (headlines, captions, datelines), unless nothing else is there.
#include "plugins/summary/summarizer.hpp"

#include <algorithm>
#include <cmath>

namespace wiremill::summary {
namespace {

constexpr size_t kWordsMin = 5, kWordsMax = 70;
constexpr double kRedundancyWeight = 0.1;
constexpr double kRepeatMax = 0.85;  // a sentence more like a chosen one adds nothing

enum Feature : size_t {
  First,       // 1 for the first candidate
  Early,       // 1 / (1 + position)
  Position,    // position / candidates
  Centrality,  // mean weight of its words in the document
  Coverage,    // cosine with the document
  Length,      // words / 30, at most 1
  Long,        // words over 30, / 30
  Names,       // share of words inside names, or with a capital
  Quotation,   // 1 where a quotation mark stands in it
  Title,       // share of the title's words in it
};

constexpr std::array<double, kFeatures> kWeights = {-0.0875, 0.3092,  -0.0653, 0.1158,  0.3882,
                                                    -0.1107, -0.1571, 0.0071,  -0.0076, 0.1500};

bool is_upper_ascii(char c) { return c >= 'A' && c <= 'Z'; }

bool is_quote(std::string_view sign) {
  return sign == "\"" || sign == "“" || sign == "”" || sign == "„" || sign == "«" || sign == "»" ||
         sign == "「" || sign == "」" || sign == "''" || sign == "``";
}

bool ends_sentence(std::string_view sentence) {
  for (const std::string_view end : {".", "!", "?", "…", "。", "！", "？", "।", "؟", "۔", "\"", "”",
                                     "»", "」", ")", "'", "’", "“"})
    if (sentence.ends_with(end)) return true;
  return false;
}

struct TokenRange {
  size_t begin = 0, end = 0;
};

// The tokens of each of the first sentences.
std::vector<TokenRange> token_ranges(const Input& input) {
  std::vector<TokenRange> ranges(std::min(input.sentences.size(), kSentencesMax));
  for (size_t i = 0; i < input.tokens.size() && i < kTokensMax; ++i) {
    const uint32_t sentence = input.tokens[i].sentence;
    if (sentence >= ranges.size()) break;
    if (ranges[sentence].end == 0) ranges[sentence].begin = i;
    ranges[sentence].end = i + 1;
  }
  return ranges;
}

std::string_view slice(const Input& input, uint32_t begin, uint32_t end) {
  return input.text.substr(begin, end - begin);
}

// Names ascend and do not overlap.
bool stands_in_name(const std::vector<wm_span>& names, const wm_token& token) {
  const auto after =
      std::upper_bound(names.begin(), names.end(), token.begin,
                       [](uint32_t begin, const wm_span& name) { return begin < name.begin; });
  return after != names.begin() && token.end <= std::prev(after)->end;
}

struct Shape {
  size_t words = 0, capitals = 0, quotes = 0;
  bool only_quotation = false;
};

Shape shape_of(const Input& input, TokenRange range) {
  Shape shape;
  size_t quoted = 0;
  bool inside = false;
  for (size_t i = range.begin; i < range.end; ++i) {
    const wm_token& token = input.tokens[i];
    const std::string_view word = slice(input, token.begin, token.end);
    if (token.kind == WM_TOKEN_WORD || token.kind == WM_TOKEN_NUMBER) {
      ++shape.words;
      quoted += inside;
      const bool named = stands_in_name(input.names, token);
      shape.capitals += named || (i > range.begin && is_upper_ascii(word[0]));
    } else if (is_quote(word)) {
      ++shape.quotes;
      inside = !inside;
    }
  }
  shape.only_quotation = shape.quotes > 0 && quoted + 2 >= shape.words;
  return shape;
}

double cosine(const std::vector<uint32_t>& a, const std::vector<uint32_t>& b) {
  if (a.empty() || b.empty()) return 0;
  size_t common = 0;
  for (auto i = a.begin(), j = b.begin(); i != a.end() && j != b.end();) {
    if (*i == *j) {
      ++common, ++i, ++j;
    } else if (*i < *j) {
      ++i;
    } else {
      ++j;
    }
  }
  return static_cast<double>(common) / std::sqrt(static_cast<double>(a.size() * b.size()));
}

size_t characters(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

// The best candidates, each against what it repeats of those before it; at most `settings` allows.
std::vector<uint32_t> choose(const Input& input, const std::vector<Candidate>& candidates,
                             const Settings& settings, std::string_view separator) {
  std::vector<double> scores, repeats(candidates.size(), 0);
  for (const Candidate& candidate : candidates) scores.push_back(score(candidate));
  std::vector<bool> taken(candidates.size(), false);
  std::vector<uint32_t> chosen;
  size_t used = 0;
  while (chosen.size() < settings.sentences) {
    size_t best = candidates.size();
    for (size_t i = 0; i < candidates.size(); ++i) {
      if (taken[i] || repeats[i] > kRepeatMax) continue;
      const auto worth = [&](size_t at) { return scores[at] - kRedundancyWeight * repeats[at]; };
      if (best == candidates.size() || worth(i) > worth(best)) best = i;
    }
    if (best == candidates.size()) break;
    taken[best] = true;
    const wm_span span = input.sentences[candidates[best].sentence];
    const size_t length =
        characters(slice(input, span.begin, span.end)) + (chosen.empty() ? 0 : separator.size());
    if (settings.characters_max > 0 && used + length > settings.characters_max) continue;
    used += length;
    chosen.push_back(candidates[best].sentence);
    for (size_t i = 0; i < candidates.size(); ++i)
      if (!taken[i])
        repeats[i] = std::max(repeats[i], cosine(candidates[i].words, candidates[best].words));
  }
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

}  // namespace

std::vector<Candidate> candidates_of(const Input& input, const Words& words) {
  const std::vector<TokenRange> ranges = token_ranges(input);
  std::vector<Shape> shapes;
  std::vector<uint32_t> fit, rest;
  for (uint32_t i = 0; i < ranges.size(); ++i) {
    shapes.push_back(shape_of(input, ranges[i]));
    const wm_span span = input.sentences[i];
    const Shape& shape = shapes.back();
    if (shape.words == 0) continue;
    const bool stands_alone = shape.words >= kWordsMin && shape.words <= kWordsMax &&
                              !shape.only_quotation &&
                              ends_sentence(slice(input, span.begin, span.end));
    (stands_alone ? fit : rest).push_back(i);
  }
  if (fit.empty()) fit = std::move(rest);

  double norm = 0;
  for (const uint32_t count : words.count) norm += static_cast<double>(count) * count;
  norm = std::sqrt(norm);
  std::vector<Candidate> candidates;
  for (const uint32_t sentence : fit) {
    Candidate candidate;
    candidate.sentence = sentence;
    for (size_t i = ranges[sentence].begin; i < ranges[sentence].end; ++i)
      if (words.of_token[i] != kNoWord) candidate.words.push_back(words.of_token[i]);
    std::sort(candidate.words.begin(), candidate.words.end());
    candidate.words.erase(std::unique(candidate.words.begin(), candidate.words.end()),
                          candidate.words.end());
    double weight = 0, product = 0, titled = 0;
    for (const uint32_t word : candidate.words) {
      weight += std::log(static_cast<double>(words.count[word]));
      product += words.count[word];
      titled += words.in_title[word];
    }
    const Shape& shape = shapes[sentence];
    const auto size = static_cast<double>(candidate.words.size());
    const auto length = static_cast<double>(shape.words);
    const auto position = static_cast<double>(candidates.size());
    auto& features = candidate.features;
    features[First] = candidates.empty();
    features[Early] = 1 / (1 + position);
    features[Position] = position / static_cast<double>(fit.size());
    features[Centrality] = weight / (size + 2);
    features[Coverage] = size > 0 ? product / (norm * std::sqrt(size)) : 0;
    features[Length] = std::min(length / 30, 1.0);
    features[Long] = std::max(length / 30 - 1, 0.0);
    features[Names] = static_cast<double>(shape.capitals) / length;
    features[Quotation] = shape.quotes > 0;
    features[Title] = words.title_words ? titled / static_cast<double>(words.title_words) : 0;
    candidates.push_back(std::move(candidate));
  }
  return candidates;
}

double score(const Candidate& candidate) {
  double sum = 0;
  for (size_t i = 0; i < kFeatures; ++i) sum += kWeights[i] * candidate.features[i];
  return sum;
}

Summary summarize(const Input& input, const Settings& settings) {
  Summary summary;
  if (input.language == "zxx" || input.tokens.empty()) return summary;
  const Words words = words_of(input, kTokensMax);
  const std::vector<Candidate> candidates = candidates_of(input, words);
  const bool blanks = input.language != "zh" && input.language != "ja" && input.language != "th";
  const std::string_view separator = blanks ? " " : "";
  for (const uint32_t sentence : choose(input, candidates, settings, separator)) {
    const wm_span span = input.sentences[sentence];
    if (!summary.text.empty()) summary.text += separator;
    summary.text += slice(input, span.begin, span.end);
    summary.sentences.push_back(span);
  }
  summary.keywords = keywords_of(input, words);
  return summary;
}

}  // namespace wiremill::summary
