// The language of plain, mixed and meaningless texts.
#include <gtest/gtest.h>

#include "plugins/language/language_core.hpp"

namespace wiremill::language {
namespace {

TEST(Language, PlainSentences) {
  const std::pair<const char*, const char*> cases[] = {
      {"en", "The ministers met on Tuesday to discuss trade and transport in the region."},
      {"de", "Die Minister trafen sich am Dienstag, um über Handel und Verkehr zu sprechen."},
      {"fr", "Les ministres se sont réunis mardi pour discuter du commerce et des transports."},
      {"es", "Los ministros se reunieron el martes para hablar del comercio y del transporte."},
      {"ru", "Министры встретились во вторник, чтобы обсудить торговлю и транспорт."},
      {"zh", "部长们星期二举行会议，讨论该地区的贸易和交通问题。"},
      {"zh", "部長們星期二舉行會議，討論該地區的貿易和交通問題。"},
      {"ja", "閣僚らは火曜日に会談し、貿易と輸送について話し合った。"},
      {"he", "השרים נפגשו ביום שלישי כדי לדון בסחר ובתחבורה באזור."},
      {"id", "Para menteri bertemu pada hari Selasa untuk membahas perdagangan dan transportasi."},
      {"no", "Ministrene møttes tirsdag for å snakke om handel og transport i regionen, sier han."},
      {"ar", "اجتمع الوزراء يوم الثلاثاء لمناقشة التجارة والنقل في المنطقة."}};
  for (const auto& [code, text] : cases) {
    const Detection found = detect(text, {});
    EXPECT_EQ(found.code, code) << text;
    EXPECT_GT(found.confidence, 0.7) << text;
    EXPECT_LE(found.confidence, 1.0);
    EXPECT_TRUE(found.spans.empty()) << text;
    for (const Alternative& alternative : found.alternatives) EXPECT_NE(alternative.code, code);
  }
}

TEST(Language, Scripts) {
  EXPECT_EQ(detect("The ministers met on Tuesday.", {}).script, "Latn");
  EXPECT_EQ(detect("Министры встретились во вторник.", {}).script, "Cyrl");
  EXPECT_EQ(detect("閣僚らは火曜日に会談した。", {}).script, "Jpan");
  EXPECT_EQ(detect("部长们星期二举行会议。", {}).script, "Hani");
  EXPECT_EQ(detect("장관들이 화요일에 만났다.", {}).script, "Kore");
  EXPECT_EQ(detect("12345", {}).script, "Zyyy");
}

TEST(Language, NoLanguage) {
  for (const char* text :
       {"", " \n ", "12345 67890 2021-01-02 10:30", "... !!! ---", "🎈🎈🚲 🌞",
        "https://example.org/a/b?c=d http://example.org/x", "someone@example.org",
        "for (int k = 0; k < m; ++k) { sum[k] += f(k); } x = {1: \"a\"};",
        "{\"key\": [1, 2, {\"k\": null}], \"x\": \"y\"}",
        "d2lyZW1pbGwgZG9jdW1lbnRzIGFuZCBzdGFnZXM5OTg3NjU0MzIx"}) {
    const Detection found = detect(text, {});
    EXPECT_EQ(found.code, "zxx") << text;
    EXPECT_TRUE(found.spans.empty());
  }
}

TEST(Language, MixedTextHasSpans) {
  const std::string english =
      "The harvest was good this year and the farmers were pleased with it.";
  const std::string russian =
      "Министры договорились о торговле и транспорте между странами региона.";
  const std::string text = english + "\n" + russian;
  const Detection found = detect(text, {});
  ASSERT_EQ(found.spans.size(), 2U);
  EXPECT_EQ(found.spans[0].code, "en");
  EXPECT_EQ(found.spans[1].code, "ru");
  EXPECT_EQ(found.spans[0].begin, 0U);
  EXPECT_EQ(found.spans[0].end, english.size());
  EXPECT_EQ(found.spans[1].end, text.size());
}

TEST(Language, CandidatesRestrict) {
  const std::string norwegian =
      "Ministrene møttes tirsdag for å snakke om handel og transport i regionen, sier han.";
  EXPECT_EQ(detect(norwegian, {.languages = {"no", "sv"}}).code, "no");
  EXPECT_EQ(detect(norwegian, {.languages = {"nb", "nn"}}).code, "nb");
  EXPECT_EQ(detect("Die Minister trafen sich am Dienstag.", {.languages = {"fr", "ru"}}).code,
            "und");
}

TEST(Language, StripKeepsLengthAndWords) {
  EXPECT_EQ(strip("see http://a.b/c now 12 é a@b.cd!"), "see              now    é        ");
}

TEST(Language, LooksAtNoMoreThanAsked) {
  std::string text;
  while (text.size() < 4096) text += "The ministers met on Tuesday to discuss trade. ";
  text += std::string(8192, ' ');
  while (text.size() < 40960) text += "Министры встретились во вторник. ";
  EXPECT_EQ(detect(text, {.languages = {}, .bytes_max = 4096}).code, "en");
  const std::string cyrillic = "министры встретились во вторник";
  for (size_t bytes = 1; bytes < 20; ++bytes)  // the cut falls inside characters
    detect(cyrillic, {.languages = {}, .bytes_max = bytes});
}

TEST(Language, Codes) {
  EXPECT_EQ(normal_code("iw"), "he");
  EXPECT_EQ(normal_code("zh-Hant"), "zh");
  EXPECT_EQ(normal_code("sr-ME"), "sr");
  EXPECT_EQ(normal_code("un"), "");
  EXPECT_EQ(normal_code("xx-Egyp"), "");
}

TEST(Language, CalibrationIsAProbabilityThatGrowsWithEvidence) {
  const double weak = calibrated({10, 60, 300, false}), strong = calibrated({900, 99, 900, true});
  EXPECT_GT(weak, 0);
  EXPECT_LT(strong, 1);
  EXPECT_LT(weak, strong);
}

}  // namespace
}  // namespace wiremill::language
