// Measures the language stage through its contract on rows "class <tab> code <tab> text" (classes word,
// pair, sent, para, doc4k), of which every second is used; the others may serve for fitting.
//
//   gzip -dc lid-dev.tsv.gz | language_measure [--list]
//
// Rows: accuracy by class; the same over the 20 languages in which most news is written; calibration
// (ten bins over words, pairs and sentences; `und` makes no claim); texts in no language, made here
// (noise.hpp); and documents of two paragraphs in different languages: how far the stage's share of
// each is off, in points. A language that is not among the spans has the share 0. `nb` counts as
// right where `no` is found. --list prints the noise and the mixed documents that were misjudged. The
// lines that begin with `quality` are for tests/quality/quality.py: measure, value, must, aim.
#include <wiremill/testing.hpp>

#include <cmath>
#include <cstdio>
#include <ctime>
#include <iostream>
#include <set>
#include <string>
#include <vector>

#include "plugins/language/measure/noise.hpp"

namespace {

using wiremill::testing::MockHost;
using wiremill::testing::TestLanguage;

struct Row {
  std::string kind, code, text;
};

const std::set<std::string> kNews = {"en", "zh", "es", "ar", "fr", "de", "ru", "pt", "ja", "ko",
                                     "it", "tr", "fa", "hi", "id", "vi", "pl", "uk", "nl", "bn"};

std::vector<Row> read(std::istream& in) {
  std::vector<Row> rows;
  bool used = false;
  for (std::string line; std::getline(in, line); used = !used) {
    const size_t first = line.find('\t'), second = line.find('\t', first + 1);
    if (used && second != std::string::npos)
      rows.push_back({line.substr(0, first), line.substr(first + 1, second - first - 1),
                      line.substr(second + 1)});
  }
  return rows;
}

class Stage {
 public:
  TestLanguage operator()(const std::string& text) {
    return host_.run({{.text = text}})[0].language.value();
  }

 private:
  MockHost host_{wiremill_plugin, {}};
};

bool same(const std::string& wanted, const std::string& found) {
  return wanted == found || (wanted == "nb" && found == "no");
}

struct Count {
  int rows = 0, right = 0;
  double percent() const { return rows == 0 ? 0 : 100.0 * right / rows; }
  void add(bool is_right) {
    ++rows;
    right += is_right;
  }
};

struct Bin {
  int count = 0, right = 0;
  double confidence = 0;
};

void quality(const std::string& measure, double value, const char* goals) {
  std::printf("quality\tlanguage, %s\t%.3f\t%s\n", measure.c_str(), value, goals);
}

// The bytes that the stage gave a language, of a text without further spans: all to the first one.
double share(const TestLanguage& found, const std::string& code, size_t bytes) {
  double own = 0;
  for (const auto& [span, span_code] : found.spans)
    if (same(code, span_code)) own += span.end - span.begin;
  if (found.spans.empty() && same(code, found.code)) own = static_cast<double>(bytes);
  return 100 * own / static_cast<double>(bytes);
}

// Two paragraphs each, of the next language down the list that is written otherwise or not: the rows
// of `para` stand by language.
double mixed(Stage& stage, const std::vector<Row>& rows, bool list) {
  std::vector<const Row*> paragraphs;
  for (const Row& row : rows)
    if (row.kind == "para" && kNews.count(row.code) > 0 && row.text.size() > 200)
      paragraphs.push_back(&row);
  double off = 0;
  int documents = 0, both = 0;
  for (size_t i = 0; i < paragraphs.size(); i += 4) {
    const Row& first = *paragraphs[i];
    const Row& second = *paragraphs[(i + paragraphs.size() / 3) % paragraphs.size()];
    if (first.code == second.code) continue;
    const std::string text = first.text + "\n" + second.text;
    const TestLanguage found = stage(text);
    const double shares[] = {share(found, first.code, text.size()),
                             share(found, second.code, text.size())};
    const double wanted =
        100 * static_cast<double>(first.text.size()) / static_cast<double>(text.size());
    const double error =
        (std::fabs(shares[0] - wanted) + std::fabs(shares[1] - (100 - wanted))) / 2;
    off += error;
    both += shares[0] > 0 && shares[1] > 0;
    ++documents;
    if (list && error > 15)
      std::printf("mixed %s+%s: %.0f + %.0f, wanted %.0f\n", first.code.c_str(),
                  second.code.c_str(), shares[0], shares[1], wanted);
  }
  std::printf("mixed: %d documents, both languages found in %.1f %%\n", documents,
              documents ? 100.0 * both / documents : 0);
  return documents ? off / documents : 100;
}

double noise(Stage& stage, bool list) {
  Count count;
  for (const std::string& text : wiremill::language::noise_rows()) {
    const TestLanguage found = stage(text);
    const bool right = found.code == "und" || found.code == "zxx";
    count.add(right);
    if (list && !right) std::printf("noise as %s: %s\n", found.code.c_str(), text.c_str());
  }
  std::printf("noise: %d rows\n", count.rows);
  return count.percent();
}

}  // namespace

int main(int argc, char** argv) {
  const bool list = argc > 1 && std::string_view(argv[1]) == "--list";
  const std::vector<Row> rows = read(std::cin);
  if (rows.empty()) {
    std::fprintf(stderr, "language_measure: no rows\n");
    return 65;
  }
  Stage stage;
  std::map<std::string, Count> all, news;
  std::vector<Bin> bins(10);
  int claims = 0;
  double bytes = 0;
  std::clock_t spent = 0;
  for (const Row& row : rows) {
    const std::clock_t begin = std::clock();
    const TestLanguage found = stage(row.text);
    if (row.kind == "doc4k") {
      spent += std::clock() - begin;
      bytes += static_cast<double>(row.text.size());
    }
    const bool right = same(row.code, found.code);
    all[row.kind].add(right);
    if (kNews.count(row.code) > 0) news[row.kind].add(right);
    if (found.code == "und" || row.kind == "para" || row.kind == "doc4k") continue;
    Bin& bin = bins[static_cast<size_t>(std::min(found.confidence * 10, 9.0))];
    ++claims;
    ++bin.count;
    bin.right += right;
    bin.confidence += found.confidence;
  }
  for (const auto& [kind, count] : all)
    std::printf("%-6s %6d rows, %6.2f %% right; news languages %5d rows, %6.2f %%\n", kind.c_str(),
                count.rows, count.percent(), news[kind].rows, news[kind].percent());
  double error = 0;
  for (const Bin& bin : bins) error += std::fabs(bin.confidence - bin.right) / claims;
  const double off = mixed(stage, rows, list), silent = noise(stage, list);
  quality("word %", all["word"].percent(), "74\t80");
  quality("pair %", all["pair"].percent(), "89\t93");
  quality("sentence %", all["sent"].percent(), "96\t97.5");
  quality("top-20 news languages, sentence %", news["sent"].percent(), "99.0\t99.6");
  quality("top-20 news languages, paragraph %", news["para"].percent(), "99.9\t100");
  quality("top-20 news languages, 4 KB %", news["doc4k"].percent(), "100\t100");
  quality("calibration error", error, ".03\t.01");
  quality("noise rows und or zxx %", silent, "90\t100");
  quality("mixed documents, points off", off, "15\t5");
  std::printf("4 KB: %.1f MB/s through the contract\n",
              bytes * CLOCKS_PER_SEC / static_cast<double>(spent) / 1e6);
  return 0;
}
