// The language of plain, mixed and meaningless texts.
#include <gtest/gtest.h>

#include <string>

#include "plugins/language/cld2_voice.hpp"
#include "plugins/language/language_core.hpp"

namespace wiremill::language {
namespace {

const Detector& detector() {
  static const Detector kDetector = [] {
    auto opened = Detector::open(LANGUAGE_MODEL);
    if (!opened) throw std::runtime_error(opened.error().message);
    return std::move(*opened);
  }();
  return kDetector;
}

Detection detect(std::string_view text, const Settings& settings) {
  return detector().detect(text, settings);
}

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

TEST(Language, ControlCharactersHideNothing) {
  const std::string text = "Statsministeren St";
  const Detection plain = detect(text, {}), marked = detect("\x10" + text, {});
  EXPECT_EQ(marked.code, plain.code);
  EXPECT_NEAR(marked.confidence, plain.confidence, 0.1);
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
  const auto first = [](double nats, uint32_t symbols, bool cld2) {
    Evidence evidence;
    evidence.symbols = symbols;
    evidence.cld2_asked = evidence.cld2_reliable = cld2;
    evidence.candidates = {{"en", 0, cld2}, {"de", -nats, false}};
    return ranked(evidence, kCalibration).front().probability;
  };
  EXPECT_GT(first(0.5, 8, false), 0);
  EXPECT_LT(first(0.5, 8, false), first(5, 8, false));
  EXPECT_LT(first(5, 8, false), first(5, 8, true));
  EXPECT_LE(first(500, 8, true), 1);
}

TEST(Language, SistersThatCannotBeToldApartHaveTheirMacroLanguage) {
  const Detection found = detect("Predsjednik je danas razgovarao s ministrima.", {});
  EXPECT_EQ(macro_of(found.code), "hbs") << found.code;
  ASSERT_FALSE(found.alternatives.empty());
  EXPECT_EQ(found.alternatives.front().code, "hbs");
  EXPECT_GE(found.alternatives.front().confidence, found.confidence);
}

TEST(Language, CandidatesReachLanguagesThatAreNotTheFirstThree) {
  EXPECT_EQ(detect("Statsministeren taler i morgen", {.languages = {"nn", "is"}}).code, "nn");
}

TEST(Language, LanguagesThatOnlyTheSecondVoiceKnows) {
  EXPECT_EQ(detect("O presidente da Xunta de Galicia anunciou onte que o goberno aprobará novas "
                   "axudas para as familias galegas.",
                   {})
                .code,
            "gl");
}

// Everything that is valid UTF-8 has an answer whose spans lie within it, on character boundaries.
TEST(Language, AnyTextHasASoundAnswer) {
  std::string long_word(20000, 'a');
  std::string cjk;
  for (int i = 0; i < 3000; ++i) cjk += "語";
  std::string mixed;
  for (int i = 0; i < 300; ++i) mixed += i % 2 == 0 ? "слово " : "word 言葉 ";
  for (const std::string& text :
       {long_word, cjk, mixed, std::string("a\0b\x01", 4), std::string("\xef\xbf\xbd word"),
        std::string("𐐷𐐷𐐷 𝕬𝖇𝖈"), std::string("ﻻ ﷺ"), std::string(5000, '.'),
        std::string("العربية שלום עולם مرحبا بالعالم")}) {
    const Detection found = detect(text, {});
    EXPECT_FALSE(found.code.empty());
    EXPECT_GE(found.confidence, 0);
    EXPECT_LE(found.confidence, 1);
    uint32_t from = 0;
    for (const Span& span : found.spans) {
      EXPECT_GE(span.begin, from);
      EXPECT_LT(span.begin, span.end);
      EXPECT_LE(span.end, text.size());
      from = span.end;
    }
  }
}

// Rows of the least weight there is, in a word that fills many blocks, beside a list of one.
TEST(LanguageModel, SumsAreExact) {
  ModelParts parts;
  std::vector<Weight> least;
  for (uint8_t l = 0; l < 79; ++l) {
    parts.languages.push_back({std::string{'a', static_cast<char>('a' + l % 26)}, 1, {25}});
    if (l < 40) least.push_back({l, -128});
  }
  uint64_t sum = 0;
  for (const uint64_t factor : kPlaceFactors)
    parts.grams.push_back({mixed(sum += 'a' * factor), least});
  parts.grams.push_back({mixed(kEdge * kPlaceFactors[0]), {{39, 100}, {40, 7}}});
  const auto model = Model::decode(encode_model(parts));
  ASSERT_TRUE(model) << model.error().message;
  Scorer scorer(*model);
  Scores scores;
  scorer.add(std::string(1000, 'a'), scores);
  EXPECT_EQ(scores.symbols, 1001U);
  const int32_t rows = -128 * (1000 + 999 + 998 + 997 + 996);
  EXPECT_EQ(scores.sums[0], rows);
  EXPECT_EQ(scores.sums[38], rows);
  EXPECT_EQ(scores.sums[39], rows + 100);
  EXPECT_EQ(scores.sums[40], 7);
  EXPECT_EQ(scores.sums[41], 0);
}

// Text is looked at in blocks: where in one it stands changes nothing.
TEST(LanguageLetters, PlaceChangesNothing) {
  const std::string text =
      "See https://a.example/b?c=d, mail ada@example.org or x_y. In 1984 iPhone aBcDe "
      "A1b2C3 [a]^ Ünïcode слово 1,5 語 C:\\dir end.";
  const std::string stripped = strip(text);
  EXPECT_EQ(stripped,
            "See                          mail                 or      In      iPhone       "
            "       [a]^ Ünïcode слово  ,  語        end.");
  const Letters letters = count_letters(text);
  for (size_t blanks = 1; blanks < 16; ++blanks) {
    const std::string before(blanks, ' ');
    EXPECT_EQ(strip(before + text), before + stripped) << blanks;
    EXPECT_EQ(strip(text + before), stripped + before) << blanks;
    const Letters moved = count_letters(before + text + before);
    EXPECT_EQ(moved.count, letters.count) << blanks;
    EXPECT_EQ(moved.code_signs, letters.code_signs) << blanks;
    EXPECT_EQ(moved.second_share, letters.second_share) << blanks;
  }
}

TEST(LanguageModel, DamageIsAnError) {
  EXPECT_NE(Detector::open("/nowhere/language.model").error().message.find("/nowhere"),
            std::string::npos);
  ModelParts parts;
  parts.languages = {{"en", 1, {25}}, {"de", 1, {25}}};
  parts.grams = {{mixed(1), {{0, 5}, {1, -3}}}, {mixed(2), std::vector<Weight>(20, Weight{1, 7})}};
  const std::string bytes = encode_model(parts);
  const auto model = Model::decode(bytes);
  ASSERT_TRUE(model) << model.error().message;
  const Model::Found found = model->find(mixed(1));
  ASSERT_EQ(found.count, 2U);
  EXPECT_EQ(found.row, nullptr);
  EXPECT_EQ(std::vector<uint8_t>(found.pairs, found.pairs + 4),
            (std::vector<uint8_t>{0, 5, 1, static_cast<uint8_t>(-3)}));
  EXPECT_EQ(model->find(mixed(2)).count, 20U);
  EXPECT_EQ(model->find(mixed(3)).count, 0U);
  for (size_t size = 0; size < bytes.size(); size += 7)
    EXPECT_FALSE(Model::decode(bytes.substr(0, size)));
  for (size_t at = 0; at < bytes.size(); at += 5) {
    std::string flipped = bytes;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x40);
    EXPECT_FALSE(Model::decode(flipped)) << at;
  }
}

}  // namespace
}  // namespace wiremill::language
