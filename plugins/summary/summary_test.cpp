// Summaries and keywords of small documents, cut by the host's own segmenter.
#include <gtest/gtest.h>

#include <string>

#include "daemon/text/segmenter.hpp"
#include "plugins/summary/summarizer.hpp"

namespace wiremill::summary {
namespace {

class SummaryTest : public testing::Test {
 protected:
  Summary of(const std::string& text, const std::string& language = "en", Settings settings = {},
             const std::string& title = "") {
    text::Segmenter().segment(text, language, cut_);
    Input input{text, language, title, cut_.sentences, cut_.tokens, {}};
    return summarize(input, settings);
  }
  text::Segmentation cut_;
};

const std::string kArticle =
    "Harbour reopens after storm\n"
    "The harbour of Lindholm reopened on Monday after a storm had closed it for nine days. "
    "Ferries to the outer islands began to sail again at noon, the harbour office said. "
    "\"At last!\" "
    "Nearly forty ships had waited outside the harbour since the storm broke the northern pier. "
    "A baker in the old town sold more bread than usual. "
    "Engineers will repair the northern pier of the harbour until spring. "
    "The weather was mild. "
    "Ferries will run every two hours while the northern pier is under repair.\n"
    "Share this article\n";

TEST_F(SummaryTest, ChoosesSentencesInTheDocumentsOrder) {
  const Summary summary = of(kArticle);
  ASSERT_EQ(summary.sentences.size(), 3U);
  std::string joined;
  uint32_t last = 0;
  for (const wm_span span : summary.sentences) {
    EXPECT_GE(span.begin, last);
    last = span.end;
    if (!joined.empty()) joined += " ";
    joined += kArticle.substr(span.begin, span.end - span.begin);
  }
  EXPECT_EQ(summary.text, joined);
  EXPECT_TRUE(summary.text.starts_with("The harbour of Lindholm reopened"));
}

TEST_F(SummaryTest, LeavesOutWhatCannotStandAlone) {
  const Summary summary = of(kArticle, "en", {.sentences = 50});
  for (const char* part : {"At last", "Share this", "Harbour reopens", "The weather was mild"})
    EXPECT_EQ(summary.text.find(part), std::string::npos) << part;
  EXPECT_EQ(summary.sentences.size(), 6U);
}

TEST_F(SummaryTest, HeadlinesStandInWhereNothingElseIs) {
  EXPECT_EQ(of("Harbour reopens").text, "Harbour reopens");
}

TEST_F(SummaryTest, DoesNotRepeatItself) {
  const std::string first = "The harbour of Lindholm reopened on Monday after a long storm. ";
  const std::string text = first + first + first + "Ferries to the islands began to sail at noon.";
  const Summary summary = of(text, "en", {.sentences = 2});
  EXPECT_NE(summary.text.find("Ferries"), std::string::npos) << summary.text;
}

TEST_F(SummaryTest, KeepsToItsBounds) {
  for (const size_t bound : {1U, 60U, 90U, 150U, 400U}) {
    const Summary summary = of(kArticle, "en", {.sentences = 3, .characters_max = bound});
    EXPECT_LE(summary.text.size(), bound);
    EXPECT_EQ(summary.text.empty(), bound < 60);
  }
  EXPECT_EQ(of(kArticle, "en", {.sentences = 1}).sentences.size(), 1U);
}

TEST_F(SummaryTest, NothingFromNothing) {
  for (const auto& [text, language] :
       {std::pair{"", "en"}, {"  \n ", ""}, {"12 34", "zxx"}, {"!!! ...", "und"}}) {
    const Summary summary = of(text, language);
    EXPECT_EQ(summary.text, "");
    EXPECT_TRUE(summary.sentences.empty());
    EXPECT_TRUE(summary.keywords.empty());
  }
}

TEST_F(SummaryTest, KeywordsAreWhatTheTextIsAbout) {
  const Summary summary = of(kArticle);
  ASSERT_FALSE(summary.keywords.empty());
  EXPECT_LE(summary.keywords.size(), kKeywordsMax);
  const auto has = [&](std::string_view word) {
    return std::find(summary.keywords.begin(), summary.keywords.end(), word) !=
           summary.keywords.end();
  };
  EXPECT_TRUE(has("northern pier"));
  EXPECT_TRUE(has("Harbour") || has("harbour"));
  EXPECT_FALSE(has("the") || has("pier"));
}

TEST_F(SummaryTest, ChineseNeedsNoBlanks) {
  const std::string text =
      "林港周一重新开放，此前风暴使港口关闭九天。渡轮中午开始驶往外岛，港口办公室表示。"
      "面包店卖出了比平时更多的面包，店主很高兴。工程师将在春天之前修复港口北部码头。";
  const Summary summary = of(text, "zh", {.sentences = 2});
  ASSERT_EQ(summary.sentences.size(), 2U);
  EXPECT_EQ(summary.text.find(' '), std::string::npos);
  EXPECT_TRUE(summary.text.starts_with("林港周一重新开放"));
  EXPECT_NE(std::find(summary.keywords.begin(), summary.keywords.end(), "港口"),
            summary.keywords.end());
}

TEST_F(SummaryTest, TheSameTwice) {
  EXPECT_EQ(of(kArticle).text, of(kArticle).text);
  EXPECT_EQ(of(kArticle).keywords, of(kArticle).keywords);
}

TEST_F(SummaryTest, LongTextsAreBounded) {
  std::string text;
  for (int i = 0; i < 40'000; ++i)
    text += "Sentence number " + std::to_string(i) + " speaks of ship" + std::to_string(i) +
            " and of the harbour. ";
  EXPECT_EQ(of(text).sentences.size(), 3U);
  EXPECT_LE(of(text, "en", {.sentences = 50, .characters_max = 10}).sentences.size(), 0U);
}

}  // namespace
}  // namespace wiremill::summary
