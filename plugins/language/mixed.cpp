// The spans of texts that mix languages.
//
// Most texts do not, so a few pieces of the text are asked first, each alone: only where two of
// them are surely in different languages, or a second script has its share, is the whole looked at.
// Then every piece votes, the languages with a share become the states of a Viterbi search over
// the words, and a change of language costs kChangeNats, at a sentence's end less. A word counts
// for at most kWordNatsMax, so that a foreign name does not turn the path. The spans that come of it
// are named by both voices, as a text of their own would be.
//
// Example: an English sentence and its Russian translation give two spans that meet at the blank
// between them.
#include <unicode/uscript.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "plugins/language/language_core.hpp"

namespace wiremill::language {
namespace {

constexpr size_t kPieceLetters = 40;
constexpr size_t kLongBytes = 2048;
constexpr size_t kSamples = 8, kLongSamples = 5, kLongSampleLetters = 26;
constexpr double kSurePieceNats = 14, kVotingPieceNats = 8;
constexpr double kScriptShareMin = 0.03;
constexpr size_t kStatesMax = 6;
constexpr double kVotesMin = 0.04;  // of the sure pieces' bytes
constexpr double kWordNatsMax = 9, kChangeNats = 18, kChangeAtEndNats = 8;
constexpr size_t kWordBytesMax = 36;
constexpr uint32_t kSpanBytesMin = 20;
constexpr double kSpanShareMin = 0.05;  // of the text, for a language to count as mixed in

struct Word {
  size_t begin, end;
  bool after_end;  // the first of a sentence or line
};

bool ends_sentence(std::string_view before) {
  if (before.empty()) return false;
  if (before.back() == '.' || before.back() == '!' || before.back() == '?') return true;
  for (const std::string_view sign : {"。", "！", "？", "।", "۔", "؟", "።", "։"})
    if (before.ends_with(sign)) return true;
  return false;
}

// Runs between blanks, cut where they are longer than a word is: scripts without blanks.
std::vector<Word> words_of(std::string_view text) {
  std::vector<Word> words;
  bool new_line = true;
  for (size_t at = 0; at < text.size();) {
    if (is_blank(text[at])) {
      new_line |= text[at] == '\n';
      ++at;
      continue;
    }
    const size_t begin = at;
    bool ended = false;
    while (at < text.size() && !is_blank(text[at]) && at - begin < kWordBytesMax && !ended) {
      at = code_point_at(text, at).next;
      ended = static_cast<signed char>(text[at - 1]) < 0 &&
              ends_sentence(text.substr(begin, at - begin));
    }
    const bool after_end =
        new_line ||
        (!words.empty() &&
         ends_sentence(text.substr(words.back().begin, words.back().end - words.back().begin)));
    words.push_back({begin, at, after_end});
    new_line = false;
  }
  return words;
}

// The bytes of a piece: letters take up to three, and marks between them as many.
size_t piece_bytes(std::string_view text, const Letters& letters, size_t wanted) {
  return std::clamp(text.size() * wanted / std::max<size_t>(letters.count, 1), wanted, 5 * wanted);
}

// The state of each word along the best path; costs[word][state] in nats.
std::vector<size_t> best_path(const std::vector<Word>& words,
                              const std::vector<std::array<double, kStatesMax>>& costs,
                              size_t states) {
  std::vector<std::array<uint8_t, kStatesMax>> from(words.size());
  std::array<double, kStatesMax> total{};
  for (size_t i = 0; i < words.size(); ++i) {
    const size_t cheapest = static_cast<size_t>(
        std::min_element(total.begin(), total.begin() + static_cast<std::ptrdiff_t>(states)) -
        total.begin());
    const double change = i == 0 ? 0 : words[i].after_end ? kChangeAtEndNats : kChangeNats;
    const double changed = total[cheapest] + change;
    for (size_t s = 0; s < states; ++s) {
      const bool stays = total[s] <= changed;
      from[i][s] = static_cast<uint8_t>(stays ? s : cheapest);
      total[s] = (stays ? total[s] : changed) + costs[i][s];
    }
  }
  std::vector<size_t> path(words.size());
  size_t state = static_cast<size_t>(
      std::min_element(total.begin(), total.begin() + static_cast<std::ptrdiff_t>(states)) -
      total.begin());
  for (size_t i = words.size(); i-- > 0;) {
    path[i] = state;
    state = from[i][state];
  }
  return path;
}

// Languages with less than kSpanShareMin of the text and spans too short to be one are taken in by
// their neighbours. None where one language is left.
std::vector<Span> without_small(const std::vector<Span>& all, size_t size) {
  std::map<std::string_view, uint32_t> bytes;
  for (const Span& span : all) bytes[span.code] += span.end - span.begin;
  std::vector<Span> spans;
  for (const Span& span : all) {
    const bool is_small = span.end - span.begin < kSpanBytesMin || span.code == "und" ||
                          bytes[span.code] < kSpanShareMin * static_cast<double>(size);
    if (!spans.empty() && (is_small || span.code == spans.back().code))
      spans.back().end = span.end;
    else if (!is_small)
      spans.push_back(span);
  }
  if (spans.size() < 2) spans.clear();
  return spans;
}

}  // namespace

// The language of a piece that leads so far that a piece in another language could not.
std::optional<size_t> Detector::sure_language(std::string_view piece, const Settings& settings,
                                              double nats) const {
  const Letters letters = count_letters(piece);
  if (letters.count == 0) return std::nullopt;
  const Admitted admitted = admitted_in(letters.script, settings);
  std::vector<size_t> written;  // the languages of the script
  for (size_t l = 0; l < model_.languages().size(); ++l)
    if (admitted[l]) written.push_back(l);
  if (written.empty()) return std::nullopt;
  if (written.size() == 1) return written.front();
  Scores scores;
  Scorer(model_).add(piece, scores);
  const size_t best = *std::max_element(written.begin(), written.end(), [&](size_t a, size_t b) {
    return scores.sums[a] < scores.sums[b];
  });
  const std::string_view macro = macro_of(model_.languages()[best].code);
  const double nearest = scores.sums[best] - nats / static_cast<double>(model_.unit());
  for (const size_t l : written) {
    if (l == best || scores.sums[l] <= nearest) continue;
    const bool sister = !macro.empty() && macro_of(model_.languages()[l].code) == macro;
    if (!sister) return std::nullopt;
  }
  return best;
}

bool Detector::looks_mixed(std::string_view text, const Settings& settings,
                           const Letters& letters) const {
  if (letters.second_share > kScriptShareMin) return true;
  if (text.size() < 2 * kSpanBytesMin) return false;
  const bool is_long = text.size() > kLongBytes;  // where time counts
  const size_t bytes = piece_bytes(text, letters, is_long ? kLongSampleLetters : kPieceLetters);
  const size_t pieces =
      std::min(is_long ? kLongSamples : kSamples, (text.size() + bytes - 1) / bytes);
  std::optional<size_t> first;
  for (size_t i = 0; i < pieces; ++i) {
    const size_t begin = i == 0 ? 0 : piece_end(text, i * text.size() / pieces, 0);
    const size_t end = piece_end(text, begin, bytes);
    const auto language = sure_language(text.substr(begin, end - begin), settings, kSurePieceNats);
    if (!language) continue;
    const auto& code = model_.languages()[*language].code;
    if (!first) {
      first = language;
    } else if (*first != *language) {
      const std::string_view macro = macro_of(code);
      if (macro.empty() || macro != macro_of(model_.languages()[*first].code)) return true;
    }
  }
  return false;
}

// The languages with a share among the text's pieces, the largest first; of a macro-language only
// one.
std::vector<size_t> Detector::languages_in(std::string_view text, const Settings& settings) const {
  const size_t bytes = piece_bytes(text, count_letters(text), kPieceLetters);
  std::map<size_t, size_t> votes;
  size_t all = 0;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = piece_end(text, begin, bytes);
    if (const auto language =
            sure_language(text.substr(begin, end - begin), settings, kVotingPieceNats)) {
      votes[*language] += end - begin;
      all += end - begin;
    }
    begin = end;
  }
  std::vector<std::pair<size_t, size_t>> order;
  for (const auto& [language, voted] : votes) order.push_back({voted, language});
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return (a.first) > (b.first); });
  std::vector<size_t> languages;
  for (const auto& [voted, language] : order) {
    if (static_cast<double>(voted) < kVotesMin * static_cast<double>(all)) break;
    const std::string_view macro = macro_of(model_.languages()[language].code);
    const bool has_sister = std::any_of(languages.begin(), languages.end(), [&](size_t other) {
      return !macro.empty() && macro_of(model_.languages()[other].code) == macro;
    });
    if (!has_sister && languages.size() < kStatesMax) languages.push_back(language);
  }
  return languages;
}

std::vector<Span> Detector::mixed_spans(std::string_view text, const Settings& settings) const {
  const std::vector<size_t> languages = languages_in(text, settings);
  if (languages.size() < 2) return {};
  const std::vector<Word> words = words_of(text);
  std::vector<std::array<double, kStatesMax>> costs(words.size());
  Scorer scorer(model_);
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = text.substr(words[i].begin, words[i].end - words[i].begin);
    const Letters letters = count_letters(word);
    if (letters.count == 0) continue;
    const Admitted admitted = admitted_in(letters.script, settings);
    Scores scores;
    scorer.add(word, scores);
    double best = -HUGE_VAL;
    for (const size_t l : languages)
      if (admitted[l]) best = std::max(best, static_cast<double>(scores.sums[l]));
    for (size_t s = 0; s < languages.size(); ++s) {
      const size_t l = languages[s];
      const double behind = (best - scores.sums[l]) * static_cast<double>(model_.unit());
      costs[i][s] = std::isinf(best) ? 0
                    : admitted[l]    ? std::min(behind, kWordNatsMax)
                                     : kWordNatsMax;
    }
  }
  const std::vector<size_t> path = best_path(words, costs, languages.size());
  std::vector<Span> spans;
  for (size_t i = 0; i < words.size(); ++i) {
    const auto begin = static_cast<uint32_t>(words[i].begin);
    const auto end = static_cast<uint32_t>(words[i].end);
    if (i > 0 && path[i] == path[i - 1]) {
      spans.back().end = end;
    } else {
      spans.push_back({begin, end, model_.languages()[languages[path[i]]].code});
    }
  }
  spans = without_small(spans, text.size());
  for (Span& span : spans) {
    const std::string_view part = text.substr(span.begin, span.end - span.begin);
    const Detection found = identify(part, count_letters(part), settings, nullptr);
    if (found.code != "und") span.code = found.code;
  }
  return without_small(spans, text.size());
}

}  // namespace wiremill::language
