// Measures language detection, beside plain CLD2 in the same run.
//
//   language_quality MODEL lid-dev.tsv noise.tsv     prints the quality lines
//   language_quality MODEL lid-dev.tsv --fit         prints the calibration's weights
//
// lid-dev.tsv holds rows of "class <tab> code <tab> text". Its even rows serve to fit the
// calibration, its odd rows are measured. A line "quality <tab> measure <tab> value <tab> must <tab>
// aim" stands for each measure; other lines explain.
#include <cstdio>
// clang-format off
#include <cld2/public/compact_lang_det.h>
#include <cld2/public/encodings.h>
// clang-format on

#include <algorithm>
#include <cmath>
#include <ctime>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "plugins/language/cld2_voice.hpp"
#include "plugins/language/language_core.hpp"
#include "plugins/language/measure/noise.hpp"

namespace {

using namespace wiremill::language;  // NOLINT

struct Row {
  std::string kind, code, text;
};

const std::set<std::string> kNewsLanguages = {"en", "zh", "es", "fr", "de", "ru", "ar",
                                              "pt", "ja", "it", "tr", "fa", "id", "nl",
                                              "pl", "ko", "vi", "hi", "uk", "sv"};

std::vector<Row> read(const char* path) {
  std::vector<Row> rows;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find('\t');
    const size_t second = first == std::string::npos ? first : line.find('\t', first + 1);
    if (second == std::string::npos) continue;
    rows.push_back({line.substr(0, first), line.substr(first + 1, second - first - 1),
                    line.substr(second + 1)});
  }
  return rows;
}

bool same(std::string_view wanted, std::string_view found) {
  return wanted == found || (wanted == "nb" && found == "no");
}

bool is_short(const Row& row) {
  return row.kind == "word" || row.kind == "pair" || row.kind == "sent";
}

std::string plain_cld2(const std::string& text) {
  CLD2::Language languages[3];
  int percents[3], bytes = 0, valid = 0;
  double scores[3];
  bool reliable = false;
  CLD2::CLDHints hints = {nullptr, nullptr, CLD2::UNKNOWN_ENCODING, CLD2::UNKNOWN_LANGUAGE};
  CLD2::ExtDetectLanguageSummaryCheckUTF8(text.data(), static_cast<int>(text.size()), true, &hints,
                                          CLD2::kCLDFlagBestEffort, languages, percents, scores,
                                          nullptr, &bytes, &reliable, &valid);
  return normal_code(CLD2::LanguageCode(languages[0]));
}

void quality(const char* measure, double value, double must, double aim) {
  printf("quality\tlanguage, %s\t%.4g\t%.4g\t%.4g\n", measure, value, must, aim);
}

struct Tally {
  int rows = 0, right = 0, plain = 0, silent = 0;
  double percent() const { return 100.0 * right / std::max(rows, 1); }
};

struct Bins {
  struct Bin {
    int count = 0, right = 0;
    double confidence = 0;
  };
  std::array<Bin, 10> bins;
  int rows = 0;

  void add(double confidence, bool right) {
    Bin& bin = bins[static_cast<size_t>(std::clamp(confidence * 10, 0.0, 9.0))];
    ++bin.count;
    bin.right += right;
    bin.confidence += confidence;
    ++rows;
  }
  double error() const {
    double sum = 0;
    for (const Bin& bin : bins) sum += std::fabs(bin.confidence - bin.right);
    return sum / std::max(rows, 1);
  }
};

void measure_accuracy(const Detector& detector, const std::vector<Row>& rows) {
  std::map<std::string, Tally> all, news;
  std::map<std::string, std::map<std::string, Tally>> by_language;
  std::map<std::string, int> confused;
  Bins bins;
  int spans = 0, long_rows = 0;
  for (size_t i = 1; i < rows.size(); i += 2) {
    const Row& row = rows[i];
    const Detection found = detector.detect(row.text, {});
    const bool right = same(row.code, found.code);
    std::vector<Tally*> tallies = {&all[row.kind], &by_language[row.kind][row.code]};
    if (kNewsLanguages.count(row.code)) tallies.push_back(&news[row.kind]);
    for (Tally* tally : tallies) {
      ++tally->rows;
      tally->right += right;
      tally->silent += found.code == "und" || found.code == "zxx";
    }
    all[row.kind].plain += same(row.code, plain_cld2(row.text));
    if (is_short(row) && found.code != "und" && found.code != "zxx")
      bins.add(found.confidence, right);
    if (row.kind == "sent" && !right) ++confused[row.code + ">" + found.code];
    if (!is_short(row)) {
      ++long_rows;
      spans += !found.spans.empty();
    }
  }
  for (const auto& [kind, tally] : all) {
    printf("%s: %d rows, right %.2f %%, plain CLD2 %.2f %%, und or zxx %.2f %%; weakest:",
           kind.c_str(), tally.rows, tally.percent(), 100.0 * tally.plain / tally.rows,
           100.0 * tally.silent / tally.rows);
    std::vector<std::pair<double, std::string>> weakest;
    for (const auto& [code, own] : by_language[kind]) weakest.push_back({own.percent(), code});
    std::sort(weakest.begin(), weakest.end());
    for (size_t i = 0; i < std::min<size_t>(12, weakest.size()); ++i)
      printf(" %s %.0f", weakest[i].second.c_str(), weakest[i].first);
    printf("\n");
  }
  std::vector<std::pair<int, std::string>> order;
  for (const auto& [pair, count] : confused) order.push_back({count, pair});
  std::sort(order.rbegin(), order.rend());
  printf("sentences confused:");
  for (size_t i = 0; i < std::min<size_t>(15, order.size()); ++i)
    printf(" %s %d", order[i].second.c_str(), order[i].first);
  printf("\nparagraphs and 4 KiB texts, of one language each, with spans: %d of %d\n", spans,
         long_rows);
  quality("word %", all["word"].percent(), 74, 80);
  quality("pair %", all["pair"].percent(), 89, 93);
  quality("sentence %", all["sent"].percent(), 96, 97.5);
  quality("top-20 sentence %", news["sent"].percent(), 99.0, 99.6);
  quality("top-20 paragraph %", news["para"].percent(), 99.9, 100);
  quality("top-20 4 KB %", news["doc4k"].percent(), 100, 100);
  quality("calibration error", bins.error(), .03, .01);
}

void measure_noise(const Detector& detector, const char* path) {
  const std::set<std::string> kinds = {"url", "code", "emoji", "digits", "empty", "json", "base64"};
  Tally given, own;
  std::map<std::string, int> named;
  for (const Row& row : read(path)) {
    if (!kinds.count(row.code)) continue;
    ++given.rows;
    const std::string code = detector.detect(row.text, {}).code;
    given.right += code == "und" || code == "zxx";
  }
  for (const NoiseRow& row : noise_rows(500)) {
    ++own.rows;
    const std::string code = detector.detect(row.text, {}).code;
    const bool right = code == "und" || code == "zxx";
    own.right += right;
    if (!right) ++named[row.kind];
  }
  printf("noise given a language:");
  for (const auto& [kind, count] : named) printf(" %s %d", kind.c_str(), count);
  printf("\n");
  quality("noise given und or zxx %", given.percent(), 90, 100);
  quality("500 noise rows of our own given und or zxx %", own.percent(), 90, 100);
}

// Documents of one to six sentences in each of two languages, of the measured half, either with at
// least a tenth of the bytes. Sisters under one macro-language stand for one another.
void measure_mixed(const Detector& detector, const std::vector<Row>& rows) {
  std::map<std::string, std::vector<const Row*>> sentences;
  for (size_t i = 1; i < rows.size(); i += 2)
    if (rows[i].kind == "sent") sentences[rows[i].code].push_back(&rows[i]);
  std::vector<std::string> codes;
  for (const auto& [code, own] : sentences) codes.push_back(code);
  std::mt19937_64 random(4);
  const auto below = [&](size_t limit) { return random() % limit; };
  constexpr int kDocuments = 1000;
  std::vector<double> errors;
  int found_both = 0, within15 = 0, within5 = 0;
  while (errors.size() < kDocuments) {
    const std::string pair[2] = {codes[below(codes.size())], codes[below(codes.size())]};
    const std::string_view macro = macro_of(pair[0]);
    if (pair[0] == pair[1] || (!macro.empty() && macro == macro_of(pair[1]))) continue;
    std::string text;
    double bytes[2] = {};
    for (size_t side = 0; side < 2; ++side) {
      const auto& own = sentences[pair[side]];
      for (size_t n = 1 + below(6); n > 0; --n) {
        if (!text.empty()) text += below(4) == 0 ? "\n" : " ";
        const std::string& sentence = own[below(own.size())]->text;
        text += sentence;
        bytes[side] += static_cast<double>(sentence.size());
      }
    }
    if (std::min(bytes[0], bytes[1]) < 0.1 * (bytes[0] + bytes[1])) continue;
    const Detection found = detector.detect(text, {});
    double spans[2] = {}, all = 0;
    for (const Span& span : found.spans) {
      all += span.end - span.begin;
      for (size_t side = 0; side < 2; ++side)
        if (same(pair[side], span.code) ||
            (!macro_of(span.code).empty() && macro_of(span.code) == macro_of(pair[side])))
          spans[side] += span.end - span.begin;
    }
    double error = 100;
    if (spans[0] > 0 && spans[1] > 0) {
      ++found_both;
      error = 0;
      for (size_t side = 0; side < 2; ++side)
        error = std::max(error,
                         100 * std::fabs(spans[side] / all - bytes[side] / (bytes[0] + bytes[1])));
    }
    within15 += error <= 15;
    within5 += error <= 5;
    errors.push_back(error);
  }
  std::sort(errors.begin(), errors.end());
  printf(
      "mixed documents: %d, both languages found %.1f %%, shares within 15 points %.1f %%, within "
      "5 points %.1f %%\n",
      kDocuments, 100.0 * found_both / kDocuments, 100.0 * within15 / kDocuments,
      100.0 * within5 / kDocuments);
  quality("mixed, share error in points, of nine documents in ten", errors[kDocuments * 9 / 10], 15,
          5);
}

// Processor seconds, so that other work on the machine does not count.
double seconds(const std::vector<const Row*>& rows, const std::function<size_t(const Row&)>& work) {
  const std::clock_t begin = std::clock();
  size_t answers = 0;
  for (const Row* row : rows) answers += work(*row);
  if (answers == 0) std::cerr << "no answers\n";
  return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
}

void measure_speed(const Detector& detector, const std::vector<Row>& rows) {
  std::vector<const Row*> documents;
  double bytes = 0;
  for (const Row& row : rows) {
    if (row.kind != "doc4k") continue;
    documents.push_back(&row);
    bytes += static_cast<double>(row.text.size());
  }
  if (documents.empty()) return;
  double own = HUGE_VAL, plain = HUGE_VAL;
  for (int round = 0; round < 5; ++round) {
    own = std::min(own, seconds(documents, [&](const Row& row) {
                     return detector.detect(row.text, {}).code.size();
                   }));
    plain = std::min(
        plain, seconds(documents, [](const Row& row) { return plain_cld2(row.text).size(); }));
  }
  printf("4 KiB texts, best of 5: %.1f MB/s, plain CLD2 %.1f MB/s\n", bytes / own / 1e6,
         bytes / plain / 1e6);
  quality("speed on 4 KB articles by CLD2's", plain / own, 1, 5);
}

// Fits the calibration by coordinate descent on the log loss of every fourth row, words,
// pairs, sentences, paragraphs and long texts counting alike.
void fit(const Detector& detector, const std::vector<Row>& rows) {
  struct Case {
    Evidence evidence;
    std::string code;
    double weight = 0;
  };
  std::map<std::string, double> rows_of_kind;
  for (size_t i = 0; i < rows.size(); i += 4) ++rows_of_kind[rows[i].kind];
  std::vector<Case> cases;
  for (size_t i = 0; i < rows.size(); i += 4) {
    Case one{{}, rows[i].code, 1 / rows_of_kind[rows[i].kind]};
    detector.detect(rows[i].text, {}, &one.evidence);
    if (!one.evidence.candidates.empty()) cases.push_back(std::move(one));
  }
  const auto loss = [&](const Calibration& calibration) {
    double sum = 0;
    for (const Case& one : cases) {
      const std::vector<Ranked> ranks = ranked(one.evidence, calibration);
      const bool right = one.evidence.candidates[ranks[0].candidate].code == one.code;
      const double first = std::clamp(ranks[0].probability, 1e-6, 1 - 1e-6);
      sum -= one.weight * std::log(right ? first : 1 - first);
      double own = 1e-4;
      for (const Ranked& rank : ranks)
        if (one.evidence.candidates[rank.candidate].code == one.code)
          own = std::max(own, rank.probability);
      sum -= one.weight * std::log(own);
    }
    return sum;
  };
  Calibration best = kCalibration;
  double* const weights[] = {
      &best.temperature, &best.temperature_power, &best.sisters,    &best.sisters_power,
      &best.cld2,        &best.cld2_reliable,     &best.cld2_share, &best.slope,
      &best.offset,      &best.per_log_symbol};
  double least = loss(best);
  printf("%zu rows, loss %.5f\n", cases.size(), least);
  for (double step = 0.4; step > 0.004; step /= 2) {
    for (bool better = true; better;) {
      better = false;
      for (double* const weight : weights) {
        for (const double sign : {1.0, -1.0}) {
          const double before = *weight;
          *weight += sign * step;
          const double now = best.temperature > 0.05 ? loss(best) : HUGE_VAL;
          if (now < least - 1e-6) {
            least = now;
            better = true;
          } else {
            *weight = before;
          }
        }
      }
    }
    printf("step %.4f loss %.5f:", step, least);
    for (const double* weight : weights) printf(" %.4f", *weight);
    printf("\n");
    fflush(stdout);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 64;
  const auto detector = Detector::open(argv[1]);
  if (!detector) {
    std::cerr << detector.error().message << "\n";
    return 66;
  }
  const std::vector<Row> rows = read(argv[2]);
  if (std::string_view(argv[3]) == "--fit") {
    fit(*detector, rows);
    return 0;
  }
  measure_accuracy(*detector, rows);
  measure_noise(*detector, argv[3]);
  measure_mixed(*detector, rows);
  measure_speed(*detector, rows);
  return 0;
}
