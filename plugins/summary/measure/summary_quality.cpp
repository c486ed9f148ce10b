// Measures summaries against human ones: reads CSV rows "article,highlights,id" with a heading from
// standard input and prints ROUGE-1, -2 and -L F1 (words in lower case, no stemming) of the summary
// and of the article's first three sentences, over every second row; the weights were fitted on the
// others. With an argument it writes the features and the worth of each sentence of the fitting
// half there instead.
//
//   xzcat cnn-dev.csv.xz | summary_quality [features.tsv]
//
// The line that begins with `quality` is for tests/quality/quality.py: measure, value, must, aim.
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "daemon/text/segmenter.hpp"
#include "plugins/summary/summarizer.hpp"

namespace {

using wiremill::summary::Input;
using Tokens = std::vector<std::string>;

std::vector<std::vector<std::string>> read_csv(std::istream& in) {
  std::vector<std::vector<std::string>> rows(1);
  std::string field;
  bool quoted = false;
  const std::string all{std::istreambuf_iterator<char>(in), {}};
  for (size_t i = 0; i < all.size(); ++i) {
    const char c = all[i];
    if (quoted && c == '"' && i + 1 < all.size() && all[i + 1] == '"') {
      field += c;
      ++i;
    } else if (c == '"') {
      quoted = !quoted;
    } else if (!quoted && (c == ',' || c == '\n')) {
      rows.back().push_back(std::move(field));
      field.clear();
      if (c == '\n') rows.emplace_back();
    } else {
      field += c;
    }
  }
  return rows;
}

Tokens words(std::string_view text) {
  Tokens out(1);
  for (const char c : text) {
    const bool letter = std::isalnum(static_cast<unsigned char>(c)) || (c & 0x80) != 0;
    if (letter) {
      out.back() += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    } else if (!out.back().empty()) {
      out.emplace_back();
    }
  }
  if (out.back().empty()) out.pop_back();
  return out;
}

double f1(double common, size_t found, size_t wanted) {
  return common == 0 ? 0 : 2 * common / static_cast<double>(found + wanted);
}

double rouge_n(const Tokens& found, const Tokens& wanted, size_t n) {
  if (found.size() < n || wanted.size() < n) return 0;
  std::map<Tokens, int> left;
  const auto gram = [n](const Tokens& tokens, size_t at) {
    return Tokens(tokens.begin() + static_cast<ptrdiff_t>(at),
                  tokens.begin() + static_cast<ptrdiff_t>(at + n));
  };
  for (size_t i = 0; i + n <= wanted.size(); ++i) ++left[gram(wanted, i)];
  int common = 0;
  for (size_t i = 0; i + n <= found.size(); ++i)
    if (const auto at = left.find(gram(found, i)); at != left.end() && at->second > 0) {
      --at->second;
      ++common;
    }
  return f1(common, found.size() - n + 1, wanted.size() - n + 1);
}

double rouge_l(const Tokens& found, const Tokens& wanted) {
  std::vector<int> row(wanted.size() + 1, 0);
  for (const std::string& word : found) {
    int diagonal = 0;
    for (size_t j = 1; j <= wanted.size(); ++j) {
      const int above = row[j];
      row[j] = word == wanted[j - 1] ? diagonal + 1 : std::max(above, row[j - 1]);
      diagonal = above;
    }
  }
  return f1(row.back(), found.size(), wanted.size());
}

struct Scores {
  double one = 0, two = 0, l = 0;
  size_t words = 0;
  void add(const std::string& found, const Tokens& wanted) {
    const Tokens tokens = words_of(found);
    one += rouge_n(tokens, wanted, 1);
    two += rouge_n(tokens, wanted, 2);
    l += rouge_l(tokens, wanted);
    words += tokens.size();
  }
  void print(const char* name, int rows) const {
    printf("%-8s ROUGE-1 %.2f  ROUGE-2 %.2f  ROUGE-L %.2f  words %.1f\n", name, 100 * one / rows,
           100 * two / rows, 100 * l / rows, static_cast<double>(words) / rows);
  }

 private:
  static Tokens words_of(const std::string& text) { return ::words(text); }
};

}  // namespace

int main(int argc, char** argv) {
  const auto rows = read_csv(std::cin);
  std::ofstream features;
  if (argc > 1) features.open(argv[1]);
  wiremill::text::Segmenter segmenter;
  wiremill::text::Segmentation cut;
  Scores own, lead;
  int measured = 0;
  std::clock_t used = 0;
  for (size_t row = 1; row < rows.size(); ++row) {
    if (rows[row].size() < 2 || (row % 2 == 0) != (argc > 1)) continue;
    const std::string& article = rows[row][0];
    const Tokens wanted = words(rows[row][1]);
    segmenter.segment(article, "en", cut);
    const Input input{article, "en", "", cut.sentences, cut.tokens, {}};
    ++measured;
    if (argc > 1) {
      const auto candidates = wiremill::summary::candidates_of(
          input, wiremill::summary::words_of(input, wiremill::summary::kTokensMax));
      for (const auto& candidate : candidates) {
        const wm_span span = cut.sentences[candidate.sentence];
        const Tokens sentence = words(article.substr(span.begin, span.end - span.begin));
        features << row << '\t' << rouge_n(sentence, wanted, 1) + rouge_n(sentence, wanted, 2);
        for (const double feature : candidate.features) features << '\t' << feature;
        features << '\n';
      }
      continue;
    }
    const std::clock_t begin = std::clock();
    own.add(wiremill::summary::summarize(input, {}).text, wanted);
    used += std::clock() - begin;
    std::string first;
    for (size_t i = 0; i < cut.sentences.size() && i < 3; ++i)
      first +=
          article.substr(cut.sentences[i].begin, cut.sentences[i].end - cut.sentences[i].begin) +
          " ";
    lead.add(first, wanted);
  }
  if (argc > 1 || measured == 0) return 0;
  own.print("summary", measured);
  lead.print("lead-3", measured);
  printf("quality\tcnn-dev, ROUGE-1 F1 %%\t%.2f\t29.7\t29.7\n", 100 * own.one / measured);
  printf("%d articles, %.2f ms each (with the scoring)\n", measured,
         1000.0 * static_cast<double>(used) / CLOCKS_PER_SEC / measured);
  return 0;
}
