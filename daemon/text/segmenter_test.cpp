// Sentences and tokens as later stages rely on them.
#include "daemon/text/segmenter.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <string>

namespace wiremill::text {
namespace {

using Strings = std::vector<std::string>;

class SegmenterTest : public testing::Test {
 protected:
  Strings sentences(const std::string& text, const std::string& language = "en") {
    segmenter_.segment(text, language, found_);
    check(text);
    Strings out;
    for (const wm_span span : found_.sentences)
      out.push_back(text.substr(span.begin, span.end - span.begin));
    return out;
  }
  Strings tokens(const std::string& text, const std::string& language = "en") {
    segmenter_.segment(text, language, found_);
    check(text);
    Strings out;
    for (const wm_token& token : found_.tokens)
      out.push_back(text.substr(token.begin, token.end - token.begin));
    return out;
  }

  // What the contract promises for any text.
  void check(std::string_view text) {
    uint32_t last = 0;
    for (const wm_span span : found_.sentences) {
      ASSERT_LT(span.begin, span.end);
      ASSERT_LE(last, span.begin);
      ASSERT_LE(span.end, text.size());
      ASSERT_EQ(text.substr(span.begin, span.end - span.begin).find_first_of("\r\n"),
                std::string_view::npos);
      last = span.end;
    }
    last = 0;
    uint32_t sentence = 0;
    for (const wm_token& token : found_.tokens) {
      ASSERT_LT(token.begin, token.end);
      ASSERT_LE(last, token.begin);
      ASSERT_TRUE(token.sentence == sentence || token.sentence == sentence + 1 || last == 0);
      ASSERT_LT(token.sentence, found_.sentences.size());
      const wm_span span = found_.sentences[token.sentence];
      ASSERT_LE(span.begin, token.begin);
      ASSERT_GE(span.end, token.end);
      ASSERT_EQ(text.substr(token.begin, token.end - token.begin).find_first_of(" \t\r\n"),
                std::string_view::npos);
      ASSERT_LE(token.kind, WM_TOKEN_SYMBOL);
      for (const uint32_t edge : {token.begin, token.end})
        ASSERT_TRUE(edge == text.size() || (static_cast<unsigned char>(text[edge]) & 0xc0) != 0x80);
      last = token.end;
      sentence = token.sentence;
    }
  }

  Segmenter segmenter_;
  Segmentation found_;
};

TEST_F(SegmenterTest, EmptyAndBlankTextsHaveNothing) {
  EXPECT_EQ(sentences(""), Strings{});
  EXPECT_EQ(sentences(" \n\t\r\n  "), Strings{});
  EXPECT_TRUE(found_.tokens.empty());
}

TEST_F(SegmenterTest, ALineBreakEndsASentence) {
  EXPECT_EQ(sentences("A headline\n\nFirst line,\r\nsecond line."),
            (Strings{"A headline", "First line,", "second line."}));
}

TEST_F(SegmenterTest, AbbreviationsBeforeCapitals) {
  for (const char* one :
       {"The aide met Gen. Park and Dr. Lee on Jan. 9 near St. Mary.",
        "It was Mr. Smith vs. Mrs. Jones.", "See No. 5 on p. 12 of the report.",
        "He praised J. K. Rowling and J.R.R. Tolkien warmly.",
        "Some fruit, e.g. Apples or i.e. Pears.", "The U.S. Senate and Acme Inc. Chairman agreed.",
        "She holds a Ph.D. Degree from there.", "It rose 4.5 percent to $3.2 billion."})
    EXPECT_EQ(sentences(one), Strings{one});
  EXPECT_EQ(sentences("He lives in the U.S. They do not."),
            (Strings{"He lives in the U.S.", "They do not."}));
  EXPECT_EQ(sentences("They work at Acme Corp. The firm grew."),
            (Strings{"They work at Acme Corp.", "The firm grew."}));
  EXPECT_EQ(sentences("They met at 5 p.m. The talks failed."),
            (Strings{"They met at 5 p.m.", "The talks failed."}));
  EXPECT_EQ(sentences("He said no. Nobody spoke."), (Strings{"He said no.", "Nobody spoke."}));
  EXPECT_EQ(sentences("We sat in the sun. Mary slept."),
            (Strings{"We sat in the sun.", "Mary slept."}));
}

TEST_F(SegmenterTest, QuotationsAndBracketsStayWithTheirSentence) {
  EXPECT_EQ(sentences("\"It is late.\" He left. (They stayed.) \"Why?\" she asked."),
            (Strings{"\"It is late.\"", "He left.", "(They stayed.)", "\"Why?\" she asked."}));
  EXPECT_EQ(sentences("“Enough!” Then silence."), (Strings{"“Enough!”", "Then silence."}));
  EXPECT_EQ(sentences("Il a dit « Bonjour. » Elle part.", "fr"),
            (Strings{"Il a dit « Bonjour. »", "Elle part."}));
}

TEST_F(SegmenterTest, EllipsesAndListsAndLostBlanks) {
  EXPECT_EQ(sentences("Well ... maybe. Then... Nothing."),
            (Strings{"Well ... maybe.", "Then...", "Nothing."}));
  EXPECT_EQ(sentences("It was over. . . . The practice went on. . . . Nobody knew. ..."),
            (Strings{"It was over.", ". . . The practice went on.", ". . . Nobody knew. ..."}));
  EXPECT_EQ(sentences("Well. . . Then it rained."), (Strings{"Well. . .", "Then it rained."}));
  EXPECT_EQ(sentences("It is gone. ...and so am I."), (Strings{"It is gone.", "...and so am I."}));
  EXPECT_EQ(sentences("1. Buy milk\n2. Sell eggs. Rest."),
            (Strings{"1. Buy milk", "2. Sell eggs.", "Rest."}));
  EXPECT_EQ(sentences("1) Alpha 2) Beta"), (Strings{"1) Alpha", "2) Beta"}));
  EXPECT_EQ(sentences("That is the end.Next came rain."),
            (Strings{"That is the end.", "Next came rain."}));
  EXPECT_EQ(sentences("Visit example.com now. Or write to a.b@example.org."),
            (Strings{"Visit example.com now.", "Or write to a.b@example.org."}));
}

TEST_F(SegmenterTest, OtherLanguages) {
  EXPECT_EQ(sentences("Am 3. Oktober kam Hr. Maier, z. B. mit Dr. Kuhn. Er blieb.", "de"),
            (Strings{"Am 3. Oktober kam Hr. Maier, z. B. mit Dr. Kuhn.", "Er blieb."}));
  EXPECT_EQ(sentences("В 2010 г. Иванов жил на ул. Ленина. Потом уехал.", "ru"),
            (Strings{"В 2010 г. Иванов жил на ул. Ленина.", "Потом уехал."}));
  EXPECT_EQ(sentences("La Sra. Gil llegó. ¿Quién es?", "es"),
            (Strings{"La Sra. Gil llegó.", "¿Quién es?"}));
  EXPECT_EQ(sentences("हम गए। वे आए।", "hi"), (Strings{"हम गए।", "वे आए।"}));
  EXPECT_EQ(sentences("هل هذا صحيح؟ نعم.", "ar"), (Strings{"هل هذا صحيح؟", "نعم."}));
  EXPECT_EQ(sentences("یہ کتاب ہے۔ وہ قلم ہے۔", "ur"), (Strings{"یہ کتاب ہے۔", "وہ قلم ہے۔"}));
}

TEST_F(SegmenterTest, FullStopsWithoutBlanks) {
  EXPECT_EQ(sentences("会议在北京举行。双方都很高兴！你呢？", "zh"),
            (Strings{"会议在北京举行。", "双方都很高兴！", "你呢？"}));
  EXPECT_EQ(sentences("他说：“好。”然后走了。", "zh"), (Strings{"他说：“好。”", "然后走了。"}));
  EXPECT_EQ(sentences("「行きます。」と言った。終わり。", "ja"),
            (Strings{"「行きます。」と言った。", "終わり。"}));
  for (const char* language : {"en", "de", ""})
    EXPECT_EQ(sentences("参加No。下一句。", language), (Strings{"参加No。", "下一句。"}));
}

TEST_F(SegmenterTest, TokensOfEnglish) {
  EXPECT_EQ(tokens("China's don't-know: Dr. Wu (U.S.) paid $4,250.5 at 15:20."),
            (Strings{"China", "'s", "do", "n't", "-", "know", ":", "Dr.", "Wu", "(", "U.S.", ")",
                     "paid", "$", "4,250.5", "at", "15:20", "."}));
  EXPECT_EQ(found_.tokens[1].kind, WM_TOKEN_WORD);
  EXPECT_EQ(found_.tokens[4].kind, WM_TOKEN_PUNCTUATION);
  EXPECT_EQ(found_.tokens[13].kind, WM_TOKEN_SYMBOL);
  EXPECT_EQ(found_.tokens[14].kind, WM_TOKEN_NUMBER);
  EXPECT_EQ(tokens("China-Central Ministers' talks in Xi'an, O’Brien’s we'll"),
            (Strings{"China", "-", "Central", "Ministers", "'", "talks", "in", "Xi'an", ",",
                     "O’Brien", "’s", "we", "'ll"}));
  EXPECT_EQ(tokens("See https://example.org/a?b=c. Jr.'s"),
            (Strings{"See", "https://example.org/a?b=c", ".", "Jr.", "'s"}));
}

TEST_F(SegmenterTest, TokensOfOtherLanguages) {
  EXPECT_EQ(tokens("L'homme d'Emmanuel, aujourd'hui", "fr"),
            (Strings{"L'", "homme", "d'", "Emmanuel", ",", "aujourd'hui"}));
  EXPECT_EQ(tokens("中国外交部长秦刚。", "zh").back(), "。");
  EXPECT_GE(tokens("中国外交部长秦刚访问了西安。", "zh").size(), 6U);
  EXPECT_GE(tokens("สวัสดีครับผมชื่อสมชาย", "th").size(), 4U);
  EXPECT_EQ(tokens("İstanbul'da 3.5 milyon", "tr"), (Strings{"İstanbul'da", "3.5", "milyon"}));
  EXPECT_EQ(tokens("👍🏽 ok ❤️"), (Strings{"👍", "🏽", "ok", "❤️"}));
}

TEST_F(SegmenterTest, AnyValidTextKeepsTheContract) {
  const Strings parts = {".",      "..",     " ",      "\n",     "\u2028", "A",  "b",  "Dr", "U.S",
                         "1",      "12",     "3,4",    "'",      "’",      "s",  "t",  "n",  "\"",
                         "«",      "»",      "(",      ")",      "[",      "…",  "。", "「", "」",
                         "中",     "文",     "ก",      "ี",       "한",     "ا",  "؟",  "𝒳",  "😀",
                         "\u200d", "\u0301", "@",      "://",    "www.",   "-",  "—",  "•",  "_",
                         "&",      "I",      "z. B. ", "\u00a0", "¿",      "《", "》", ")"};
  std::mt19937 random(7);
  for (const char* language : {"en", "de", "fr", "zh", "ru", "xx", ""}) {
    for (int round = 0; round < 3000; ++round) {
      std::string text;
      for (auto left = random() % 30; left > 0; --left) text += parts[random() % parts.size()];
      sentences(text, language);
      if (HasFatalFailure()) FAIL() << text;
    }
  }
}

// Ten megabytes without a blank or a full stop, and other texts that tempt a look ahead. A
// quadratic step would take hours: the time limit of the test run ends it.
TEST_F(SegmenterTest, EndlessRunsStayLinear) {
  for (const std::string& unit :
       {std::string("a"), std::string("中"), std::string("ไ"), std::string("."), std::string("a."),
        std::string("A."), std::string("a'"), std::string("(\""), std::string(".\""),
        std::string("1."), std::string("1) "), std::string("• "), std::string("x@."),
        std::string("! "), std::string("p. "), std::string("\u0301")}) {
    std::string text;
    while (text.size() < 10'000'000) text += unit;
    segmenter_.segment(text, "en", found_);
    EXPECT_FALSE(found_.tokens.empty()) << unit;
  }
}

}  // namespace
}  // namespace wiremill::text
