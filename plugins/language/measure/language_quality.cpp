// Measures language detection on rows of "class <tab> code <tab> text", beside plain CLD2 in the
// same run: accuracy by class and calibration on every second row (the formula's weights were
// fitted on the others), and the speed on 4 KiB texts. With a second argument it writes the
// evidence of the fitting half as TSV instead.
//
//   language_quality lid-dev.tsv [evidence.tsv]
#include <cstdio>
// clang-format off
#include <cld2/public/compact_lang_det.h>
#include <cld2/public/encodings.h>
// clang-format on

#include <cmath>
#include <ctime>
#include <fstream>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include "plugins/language/language_core.hpp"

namespace {

using wiremill::language::Detection;
using wiremill::language::Evidence;

struct Row {
  std::string kind, code, text;
};

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

std::string plain_cld2(const std::string& text) {
  CLD2::Language languages[3];
  int percents[3], bytes = 0, valid = 0;
  double scores[3];
  bool reliable = false;
  CLD2::CLDHints hints = {nullptr, nullptr, CLD2::UNKNOWN_ENCODING, CLD2::UNKNOWN_LANGUAGE};
  CLD2::ExtDetectLanguageSummaryCheckUTF8(text.data(), static_cast<int>(text.size()), true, &hints,
                                          CLD2::kCLDFlagBestEffort, languages, percents, scores,
                                          nullptr, &bytes, &reliable, &valid);
  return wiremill::language::normal_code(CLD2::LanguageCode(languages[0]));
}

// Processor seconds, so that other work on the machine does not count.
double seconds(const std::vector<Row>& rows, const char* kind, bool plain) {
  const std::clock_t begin = std::clock();
  size_t answers = 0;
  for (const Row& row : rows) {
    if (row.kind != kind) continue;
    answers +=
        plain ? plain_cld2(row.text).size() : wiremill::language::detect(row.text, {}).code.size();
  }
  if (answers == 0) std::cerr << "no answers\n";
  return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
}

struct Score {
  int rows = 0, right = 0, plain = 0, undetermined = 0;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 64;
  const std::vector<Row> rows = read(argv[1]);
  std::ofstream evidence_file;
  if (argc > 2) evidence_file.open(argv[2]);
  std::map<std::string, Score> scores;
  double bytes = 0;
  struct Bin {
    int count = 0, right = 0;
    double confidence = 0;
  };
  std::vector<Bin> bins(10);
  int measured = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    const Row& row = rows[i];
    if (row.kind == "doc4k") bytes += static_cast<double>(row.text.size());
    if ((i % 2 == 0) != (argc > 2)) continue;
    Evidence evidence;
    const Detection found = wiremill::language::detect(row.text, {}, &evidence);
    const bool right = same(row.code, found.code) ||
                       (argc > 2 && !found.alternatives.empty() && found.code == "und" &&
                        same(row.code, found.alternatives.front().code));
    if (argc > 2) {
      evidence_file << row.kind << '\t' << right << '\t' << evidence.scored_bytes << '\t'
                    << evidence.percent << '\t' << evidence.score << '\t' << evidence.reliable
                    << '\n';
      continue;
    }
    Score& score = scores[row.kind];
    ++score.rows;
    score.right += right;
    score.plain += same(row.code, plain_cld2(row.text));
    score.undetermined += found.code == "und" || found.code == "zxx";
    if (found.code != "und" && (row.kind == "word" || row.kind == "pair" || row.kind == "sent")) {
      ++measured;
      Bin& bin = bins[static_cast<size_t>(std::min(found.confidence * 10, 9.0))];
      ++bin.count;
      bin.right += right;
      bin.confidence += found.confidence;
    }
  }
  if (argc > 2) return 0;
  for (const auto& [kind, score] : scores)
    printf("%-6s %6d rows  right %5.2f %%  plain CLD2 %5.2f %%  und or zxx %5.2f %%\n",
           kind.c_str(), score.rows, 100.0 * score.right / score.rows,
           100.0 * score.plain / score.rows, 100.0 * score.undetermined / score.rows);
  double error = 0;
  for (const Bin& bin : bins) error += std::fabs(bin.confidence - bin.right) / measured;
  printf("calibration error (word, pair, sent; 10 bins) %.4f\n", error);
  const double own = seconds(rows, "doc4k", false), plain = seconds(rows, "doc4k", true);
  printf("doc4k: %.1f MB/s, plain CLD2 %.1f MB/s\n", bytes / own / 1e6, bytes / plain / 1e6);
  return 0;
}
