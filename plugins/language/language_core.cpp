// Language detection.
//
// 1. Strip what is no language, with offsets kept (letters.hpp). A text of which no letters are
//    left, or in which the signs of code or broken bytes outweigh the words, is zxx.
// 2. The script of most letters decides which of the model's languages stand for choice.
// 3. The n-gram scorer reads the first kHeadBytesMax bytes in steps and stops once the best
//    language leads by kSureNats: 100 letters are enough for most texts.
// 4. Where it does not lead so far, and where the text fits its language badly (it may be one that
//    the model does not know), CLD2 gives the second voice.
// 5. Both voices together give each candidate's probability (calibration.hpp). Less than
//    kConfidenceMin is und; so is a text that looks like none of the languages.
// 6. Samples of the whole text tell whether it mixes languages; only then the whole is scored by
//    the word (mixed.cpp).
#include "plugins/language/language_core.hpp"

#include <unicode/uscript.h>

#include <algorithm>
#include <cmath>

#include "plugins/language/cld2_voice.hpp"

namespace wiremill::language {
namespace {

constexpr double kConfidenceMin = 0.12;
constexpr double kCodeSignsMax = 0.3;      // per letter
constexpr double kReplacementsMax = 0.15;  // per letter
constexpr size_t kHeadBytesMax = 1024, kStepBytes = 64;
constexpr double kSureNats = 30, kClearNats = 30;
constexpr uint32_t kSureSymbolsMin = 60;
constexpr size_t kCandidatesMax = 8;
constexpr double kFitMin = 0.45;         // below it a text is in no language of the model
constexpr double kFitAlone = 0.84;       // below it one voice alone is not believed
constexpr double kFitGood = 0.95;        // above it CLD2 need not be asked
constexpr uint32_t kFitSymbolsMin = 24;  // shorter texts may fit as they like
constexpr double kOutsideNatsMax = 20;   // by which a language that is no candidate may lead
constexpr double kStrangerShare = 0.9, kStrangerConfidence = 0.9;
constexpr double kHanOnlyNats = 1.5;  // by which each letter speaks against Japanese without Kana

struct Macro {
  std::string_view fine, macro;
};
constexpr Macro kMacros[] = {{"bs", "hbs"}, {"hr", "hbs"}, {"sr", "hbs"}, {"id", "msa"},
                             {"ms", "msa"}, {"nb", "no"},  {"nn", "no"}};

bool listed(const std::vector<std::string>& codes, std::string_view code) {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

// Norwegian is one candidate by any of its names, but nn where only nn is asked for.
bool admits(const std::vector<std::string>& codes, std::string_view code) {
  if (codes.empty() || listed(codes, code)) return true;
  if (code == "nb" || code == "nn") return listed(codes, "no");
  return code == "no" && listed(codes, "nb");
}

// The model's Bokmål is told as Norwegian, unless the candidates name it.
std::string spelled(const std::string& code, const std::vector<std::string>& codes) {
  if (code != "nb" && code != "no") return code;
  return listed(codes, "nb") && !listed(codes, "no") ? "nb" : "no";
}

std::string hint_of(const std::vector<std::string>& codes) {
  std::string hint;
  for (const std::string& code : codes) hint += (hint.empty() ? "" : ",") + code;
  return hint;
}

// Up to two others; before them the macro-language where the answer and a sister share the
// probability that neither has alone.
std::vector<Alternative> alternatives_of(const Evidence& evidence, const std::vector<Ranked>& ranks,
                                         const Settings& settings) {
  constexpr double kToldApart = 0.75, kAlternativeMin = 0.01;
  std::vector<Alternative> alternatives;
  const auto code = [&](const Ranked& rank) { return evidence.candidates[rank.candidate].code; };
  const std::string_view macro = macro_of(code(ranks.front()));
  double shared = 0;
  for (const Ranked& rank : ranks)
    if (!macro.empty() && macro_of(code(rank)) == macro) shared += rank.probability;
  const double first = ranks.front().probability;
  if (macro.size() == 3 && first < kToldApart * shared)
    alternatives.push_back({std::string(macro), std::min(shared, 1.0)});
  for (size_t i = 1; i < std::min<size_t>(ranks.size(), 3); ++i)
    if (ranks[i].probability >= kAlternativeMin)
      alternatives.push_back({spelled(code(ranks[i]), settings.languages), ranks[i].probability});
  return alternatives;
}

}  // namespace

std::string_view macro_of(std::string_view code) {
  for (const Macro& one : kMacros)
    if (one.fine == code) return one.macro;
  return {};
}

size_t piece_end(std::string_view text, size_t begin, size_t bytes) {
  size_t end = std::min(begin + bytes, text.size());
  const size_t limit = std::min(end + 48, text.size());
  size_t blank = end;
  while (blank < limit && !is_blank(text[blank])) ++blank;
  if (blank < limit) return blank;
  while (end < text.size() && (text[end] & 0xc0) == 0x80) ++end;
  return end;
}

Result<Detector> Detector::open(const std::string& model_path) {
  auto model = Model::open(model_path);
  if (!model) return tl::unexpected(std::move(model).error());
  return Detector(std::move(*model));
}

Detector::Detector(Model model) : model_(std::move(model)) {
  for (size_t l = 0; l < model_.languages().size(); ++l) {
    const ModelLanguage& language = model_.languages()[l];
    for (const uint8_t script : language.scripts) admitted_[script][l] = true;
    if (language.code == "ja") japanese_ = l;
  }
  admitted_[USCRIPT_JAPANESE] = admitted_[USCRIPT_HIRAGANA];
  admitted_[USCRIPT_KOREAN] = admitted_[USCRIPT_HANGUL];
}

Detector::Admitted Detector::admitted_in(uint8_t script, const Settings& settings) const {
  Admitted admitted = admitted_[script];
  if (!settings.languages.empty())
    for (size_t l = 0; l < model_.languages().size(); ++l)
      admitted[l] = admitted[l] && admits(settings.languages, model_.languages()[l].code);
  return admitted;
}

Evidence Detector::weigh(std::string_view text, const Letters& letters,
                         const Settings& settings) const {
  const Admitted admitted = admitted_in(letters.script, settings);
  const double unit = static_cast<double>(model_.unit());
  Scorer scorer(model_);
  Scores scores;
  std::vector<size_t> order;
  for (size_t l = 0; l < model_.languages().size(); ++l)
    if (admitted[l]) order.push_back(l);
  const auto lead = [&] {
    const size_t top = std::min(kCandidatesMax, order.size());
    std::partial_sort(
        order.begin(), order.begin() + static_cast<std::ptrdiff_t>(top), order.end(),
        [&](size_t a, size_t b) {
          return scores.sums[a] != scores.sums[b] ? (scores.sums[a]) > (scores.sums[b]) : (a) < (b);
        });
    return order.size() < 2 ? HUGE_VAL : unit * (scores.sums[order[0]] - scores.sums[order[1]]);
  };
  size_t at = 0;
  double leads = 0;
  while (at < std::min(text.size(), kHeadBytesMax)) {
    const size_t end = piece_end(text, at, kStepBytes);
    const uint32_t before = scores.symbols;
    scorer.add(text.substr(at, end - at), scores);
    at = end;
    if (letters.script == USCRIPT_HAN && japanese_)
      scores.sums[*japanese_] -=
          static_cast<int32_t>(kHanOnlyNats / unit) * static_cast<int32_t>(scores.symbols - before);
    leads = lead();
    if (leads > kSureNats && scores.symbols > kSureSymbolsMin) break;
  }

  Evidence evidence;
  evidence.symbols = scores.symbols;
  if (!order.empty() && scores.symbols > 0) {
    const double fit = static_cast<double>(model_.languages()[order[0]].fit);
    evidence.fit = fit > 0 ? scores.sums[order[0]] / (fit * scores.symbols) : 0;
  }
  for (size_t i = 0; i < std::min(kCandidatesMax, order.size()); ++i)
    evidence.candidates.push_back({model_.languages()[order[i]].code,
                                   unit * (scores.sums[order[i]] - scores.sums[order[0]])});
  const Admitted& written = admitted_[letters.script];
  for (size_t l = 0; l < model_.languages().size() && !order.empty(); ++l)
    if (written[l])
      evidence.outside_nats =
          std::max(evidence.outside_nats, unit * (scores.sums[l] - scores.sums[order[0]]));
  if (leads > kClearNats && evidence.fit > kFitGood) return evidence;

  const Opinion opinion = ask_cld2(text.substr(0, std::max(at, piece_end(text, 0, kHeadBytesMax))),
                                   hint_of(settings.languages));
  evidence.cld2_asked = true;
  evidence.cld2_reliable = opinion.reliable;
  evidence.cld2_share = opinion.share;
  evidence.cld2_code = opinion.code;
  for (Candidate& candidate : evidence.candidates)
    candidate.is_cld2s =
        candidate.code == opinion.code || (candidate.code == "nb" && opinion.code == "no");
  return evidence;
}

Detection Detector::identify(std::string_view text, const Letters& letters,
                             const Settings& settings, Evidence* evidence_out) const {
  Detection found;
  const Evidence evidence = weigh(text, letters, settings);
  if (evidence_out) *evidence_out = evidence;
  const bool is_known =
      evidence.cld2_code == "no" ||
      std::any_of(model_.languages().begin(), model_.languages().end(),
                  [&](const auto& language) { return language.code == evidence.cld2_code; });
  const bool fits_stranger = evidence.candidates.empty() ||
                             (evidence.cld2_share >= kStrangerShare &&
                              evidence.symbols >= kFitSymbolsMin && evidence.fit < kFitGood);
  if (!evidence.cld2_code.empty() && !is_known && evidence.cld2_reliable && fits_stranger &&
      admits(settings.languages, evidence.cld2_code)) {
    found.code = evidence.cld2_code;
    found.confidence = kStrangerConfidence * evidence.cld2_share;
    return found;
  }
  if (evidence.candidates.empty() || evidence.fit < kFitMin ||
      evidence.outside_nats > kOutsideNatsMax ||
      (evidence.symbols >= kFitSymbolsMin && evidence.fit < kFitAlone &&
       !evidence.candidates.front().is_cld2s))
    return found;

  const std::vector<Ranked> ranks = ranked(evidence, kCalibration);
  if (ranks.front().probability < kConfidenceMin) return found;
  found.code = spelled(evidence.candidates[ranks.front().candidate].code, settings.languages);
  found.confidence = ranks.front().probability;
  found.alternatives = alternatives_of(evidence, ranks, settings);
  return found;
}

Detection Detector::detect(std::string_view text, const Settings& settings,
                           Evidence* evidence) const {
  if (text.size() > settings.bytes_max) {
    size_t cut = settings.bytes_max;
    while (cut > 0 && (text[cut] & 0xc0) == 0x80) --cut;
    text = text.substr(0, cut);
  }
  const std::string stripped = strip(text);
  const Letters letters = count_letters(stripped);
  Detection found;
  // A letter of these scripts is worth about two of others.
  const bool is_dense = letters.script == USCRIPT_HAN || letters.script == USCRIPT_JAPANESE ||
                        letters.script == USCRIPT_KOREAN;
  const double code_signs_max = kCodeSignsMax * (is_dense ? 2 : 1);
  if (letters.count == 0 || letters.code_signs > code_signs_max * letters.count ||
      letters.replacements > kReplacementsMax * letters.count) {
    found.code = "zxx";
    found.confidence = 1;
  } else {
    found = identify(stripped, letters, settings, evidence);
    if (looks_mixed(stripped, settings, letters)) found.spans = mixed_spans(stripped, settings);
  }
  found.script = script_name(letters);
  return found;
}

}  // namespace wiremill::language
