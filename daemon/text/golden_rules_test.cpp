// Scores the sentences against the golden rules, a public collection of hard cases that does not
// stand in this repository: skipped where its file is absent. A case counts where every sentence of
// it is cut as asked. The lines that begin with `quality` are for tests/quality/quality.py: measure,
// value, must, aim. WIREMILL_GOLDEN_RULES names another place; with WIREMILL_GOLDEN_SHOW set, the
// cases that fail are printed.
#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "daemon/text/segmenter.hpp"

namespace wiremill::text {
namespace {

struct Goal {
  const char* set;
  const char* language;
  double must, aim;
};

std::string without_blanks(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i)
    if (static_cast<unsigned char>(text[i]) > ' ') out += text[i];
  return out;
}

TEST(GoldenRules, ScoreByLanguage) {
  const char* path = std::getenv("WIREMILL_GOLDEN_RULES");
  std::ifstream file(path ? path : GOLDEN_RULES);
  if (!file) GTEST_SKIP() << "the golden rules are not here";
  std::stringstream content;
  content << file.rdbuf();
  rapidjson::Document sets;
  ASSERT_FALSE(sets.Parse(content.str().c_str()).HasParseError());

  Segmenter segmenter;
  Segmentation found;
  std::map<std::string, double> scores;
  for (const auto& set : sets.GetObject()) {
    int right = 0, cases = 0;
    for (const auto& item : set.value["cases"].GetArray()) {
      const std::string text = item["text"].GetString();
      segmenter.segment(text, set.value["lang"].GetString(), found);
      std::string wanted, cut;
      for (const auto& sentence : item["sentences"].GetArray())
        wanted += without_blanks(sentence.GetString()) + "\n";
      for (const wm_span span : found.sentences)
        cut +=
            without_blanks(std::string_view(text).substr(span.begin, span.end - span.begin)) + "\n";
      ++cases;
      right += wanted == cut;
      if (wanted != cut && std::getenv("WIREMILL_GOLDEN_SHOW"))
        printf("%s wanted\n%sfound\n%s\n", set.name.GetString(), wanted.c_str(), cut.c_str());
    }
    const double percent = 100.0 * right / cases;
    scores[set.name.GetString()] = percent;
    printf("%-12s %3d of %3d  %5.1f %%\n", set.name.GetString(), right, cases, percent);
  }
  for (const Goal& goal : {Goal{"en-golden48", "en", 85, 94},
                           {"spanish", "es", 85, 95},
                           {"russian", "ru", 92, 97},
                           {"italian", "it", 85, 95},
                           {"danish", "da", 80, 90}}) {
    EXPECT_GE(scores[goal.set], goal.must) << goal.set;
    printf("quality\tgolden rules, %s %%\t%.1f\t%g\t%g\n", goal.language, scores[goal.set],
           goal.must, goal.aim);
  }
}

}  // namespace
}  // namespace wiremill::text
