#include "daemon/pipeline/condition.hpp"

#include <gtest/gtest.h>

#include <memory>

#include "daemon/base/clock.hpp"

namespace wiremill {
namespace {

// A document behind the default stages.
Flight article() {
  Flight flight;
  flight.document.set_content_type("text/html; charset=utf-8");
  (*flight.document.mutable_attributes())["desk"] = "sport";
  (*flight.document.mutable_attributes())["feed-2.lang"] = "de";
  v1::Result& result = flight.result;
  result.set_id("a-17");
  result.set_source("www.example.org");
  result.set_uri("https://www.example.org/2024/tore");
  result.set_title("Tore, Tränen und ein \"Wunder\" \\o/");
  result.set_published_us(*parse_time("2024-05-01T08:30:00Z"));
  result.set_byline("Von Ana Öz");
  result.set_text("Erster Satz. Zweiter Satz.");
  result.mutable_language()->set_code("de");
  result.mutable_language()->set_confidence(0.94961);
  result.mutable_language()->set_script("Latn");
  for (int i = 0; i < 2; ++i) result.add_sentences();
  for (int i = 0; i < 3; ++i) result.add_entities();
  result.mutable_duplicate()->set_kind(v1::Duplicate::NEAR);
  result.mutable_duplicate()->set_similarity(0.5);
  result.mutable_duplicate()->set_containment(1.0);
  result.mutable_summary()->set_text("Zweiter Satz.");
  result.set_retries(12);
  flight.provided = kByline | kText | kSentences | kLanguage | kEntities | kDuplicate | kSummary;
  return flight;
}

bool holds(std::string_view text, const Flight& flight) {
  const auto condition = StageCondition::parse(text);
  if (!condition) {
    ADD_FAILURE() << text << "\ncharacter " << condition.error().character << ": "
                  << condition.error().message;
    return false;
  }
  return condition->holds(flight);
}

TEST(StageCondition, IsTrueOrFalse) {
  const Flight flight = article();
  const struct {
    const char* text;
    bool expected;
  } kCases[] = {
      {"true", true},
      {"false", false},
      {R"(language == "de")", true},
      {R"(language == "en")", false},
      {R"(language != "en")", true},
      {R"(language == "de" and source != "test")", true},
      {R"(id == "a-17")", true},
      {R"(source ends_with ".example.org")", true},
      {R"(source ends_with "org.")", false},
      {R"(uri starts_with "https://www.example.org/2024/")", true},
      {R"(uri starts_with "http:")", false},
      {R"(content_type contains "html")", true},
      {R"(title contains "Tränen")", true},
      {R"(title contains "tränen")", false},
      {R"(title contains "\"Wunder\" \\o/")", true},
      {R"(byline == "Von Ana Öz")", true},
      {R"(dateline == "")", true},
      {R"(text contains "Zweiter")", true},
      {R"(text contains "")", true},
      {"text.bytes == 26", true},
      {"text.bytes < 26", false},
      {"text.bytes <= 26", true},
      {"text.bytes > 25", true},
      {"text.bytes >= 27", false},
      {"text.bytes in [1, 26]", true},
      {"language.confidence == 0.95", true},
      {"language.confidence > 0.95", false},
      {R"(language.script == "Latn")", true},
      {"sentences.count == 2", true},
      {"entities.count != 3", false},
      {R"(duplicate == "NEAR")", true},
      {R"(duplicate in ["EXACT", "REWRITE"])", false},
      {"duplicate.similarity >= 0.5 and duplicate.containment == 1", true},
      {R"(summary.text != "")", true},
      {"retries == 12 and revises == 0", true},
      {R"(published > "2024-05-01")", true},
      {R"(published < "2024-05-01T10:30:00.000001+02:00")", true},
      {R"(published == "2024-05-01T10:30:00+02:00")", true},
      {R"(published in ["2024-05-01", "2024-05-02"])", false},
      {R"(published != "")", true},
      {R"(attributes.desk == "sport")", true},
      {R"(attributes.feed-2.lang == "de")", true},
      {R"(attributes.absent == "")", true},
      {R"(attributes.absent starts_with "")", true},
      {R"(language in ["fr", "de"])", true},
      {R"(language in ["fr"])", false},
  };
  for (const auto& each : kCases) EXPECT_EQ(holds(each.text, flight), each.expected) << each.text;
}

TEST(StageCondition, BindsAsWritten) {
  const Flight flight = article();
  const struct {
    const char* text;
    bool expected;
  } kCases[] = {
      {"true or false and false", true},
      {"(true or false) and false", false},
      {"false and false or true", true},
      {"false and (false or true)", false},
      {"not false and false", false},
      {"not (false and false)", true},
      {"not true or true", true},
      {"not (true or true)", false},
      {"not not true", true},
      {"not not not true", false},
      {"true and true and false or false or true", true},
      {"true and not (false or not true) and true", true},
      {"false or false or false", false},
      {R"(not language == "de" or not source == "x")", true},
      {R"(  (((language=="de"))and	not(source=="x")))", true},
      {"true\nand\r\nfalse", false},
  };
  for (const auto& each : kCases) EXPECT_EQ(holds(each.text, flight), each.expected) << each.text;
}

TEST(StageCondition, WhatNoStageProvidedIsEmpty) {
  Flight flight;
  EXPECT_TRUE(holds(R"(language == "" and duplicate == "" and byline == "")", flight));
  EXPECT_TRUE(
      holds("language.confidence == 0 and entities.count == 0 and text.bytes == 0", flight));
  EXPECT_TRUE(holds(R"(published == "")", flight));
  for (const char* order : {"<", "<=", ">", ">="})
    EXPECT_FALSE(holds(std::string("published ") + order + R"( "2024-05-01")", flight)) << order;
  // A stage that ran and found nothing says so.
  flight.provided = kLanguage | kDuplicate;
  EXPECT_TRUE(holds(R"(language == "und" and duplicate == "NONE")", flight));
}

TEST(StageCondition, ErrorsNameTheirPlace) {
  const struct {
    const char* text;
    size_t character;
    const char* message;
  } kCases[] = {
      {"", 1, "expected a field such as language, not the end"},
      {"   ", 4, "expected a field such as language, not the end"},
      {"yes", 1,
       R"('yes' is no condition; write a comparison such as language == "en", or true or false)"},
      {R"(langage == "en")", 1, "unknown field 'langage'; did you mean 'language'?"},
      {R"(attributes. == "en")", 1, "unknown field 'attributes.'; known: "},
      {"language", 9, "expected a comparison with 'language', such as == or in, not the end"},
      {R"(language is "en")", 10,
       "expected a comparison with 'language', such as == or in, not 'is'"},
      {R"("en" == language)", 1, R"(expected a field such as language, not "en")"},
      {"language == en", 13, "expected a value, not 'en'; text stands in double quotes"},
      {"language == 'en'", 13, "' has no meaning here; text stands in double quotes"},
      {"language = \"en\"", 10, "= has no meaning here; write == to compare"},
      {R"(language == "en" && true)", 18, "&& has no meaning here; write and"},
      {R"(language == "en" || true)", 18, "|| has no meaning here; write or"},
      {"!true", 1, "! has no meaning here; write not"},
      {"true €", 6, "'€' has no meaning here"},
      {"language ==", 12, "expected a value, not the end"},
      {"language == 5", 13, "'language' is text and cannot be compared with 5, a number"},
      {"language == true", 13, "'language' is text and cannot be compared with true, a boolean"},
      {R"(text.bytes > "5")", 14,
       R"('text.bytes' is a number and cannot be compared with "5", a text)"},
      {"entities.count == false", 19,
       "'entities.count' is a number and cannot be compared with false, a boolean"},
      {"published > 2024", 13, "'published' is a time and cannot be compared with 2024, a number"},
      {R"(published > "today")", 13,
       R"(published is a time, and "today" is none; write "2024-05-01" or "2024-05-01T08:30:00Z")"},
      {R"(published > "")", 13, R"(published is a time, and "" is none; write )"},
      {R"(title < "b")", 7, "'title' is text, and < is for numbers and times"},
      {R"(text.bytes contains "b")", 12, "'text.bytes' is a number, and contains is for text"},
      {R"(duplicate == "NEER")", 14, R"(duplicate is NONE, EXACT, NEAR or REWRITE, never "NEER")"},
      {"text.bytes > 64KiB", 14, "'64KiB' is no number; write it as 1000 or 0.95"},
      {"text.bytes > 1e9", 14, "'1e9' is no number; write it as 1000 or 0.95"},
      {"text.bytes > 1-1", 14, "'1-1' is no number; write it as 1000 or 0.95"},
      {"text.bytes > -1", 14, "'-' has no meaning here"},
      {R"(language in "en")", 13, R"(expected '[' and the values, not "en")"},
      {"language in []", 14, "expected a value, not ']'"},
      {R"(language in ["en", 5])", 20,
       "'language' is text and cannot be compared with 5, a number"},
      {R"(language in ["en" "de"])", 19, R"(expected ',' or ']', not "de")"},
      {R"(language in ["en")", 18, "expected ',' or ']', not the end"},
      {R"(language == "en)", 13, "this text has no closing \""},
      {R"(language == "en\)", 13, "this text has no closing \""},
      {R"(language == "e\n")", 15, R"(a backslash stands only before " and \)"},
      {R"((language == "en")", 18, "expected ')' for the '(' at character 1, not the end"},
      {R"(title == "ÄÖÜ" and (true or true")", 33, "this text has no closing \""},
      {R"(title == "ÄÖÜ" and (true or true)", 33,
       "expected ')' for the '(' at character 20, not the end"},
      {"true)", 5, "expected 'and', 'or' or the end, not ')'"},
      {"true AND false", 6, "expected 'and', 'or' or the end, not 'AND'"},
      {"true and", 9, "expected a field such as language, not the end"},
      {"not", 4, "expected a field such as language, not the end"},
      {"and true", 1, "unknown field 'and'; known: "},
      {"true and language == \"\xff\"", 23, "not UTF-8"},
  };
  for (const auto& each : kCases) {
    const auto condition = StageCondition::parse(each.text);
    ASSERT_FALSE(condition.has_value()) << each.text;
    EXPECT_EQ(condition.error().character, each.character) << each.text;
    EXPECT_EQ(condition.error().message.substr(0, std::string_view(each.message).size()),
              each.message)
        << each.text;
  }
}

TEST(StageCondition, LongTextIsShownShortened) {
  std::string accents;
  for (int i = 0; i < 60; ++i) accents += "é";
  const auto condition = StageCondition::parse("text.bytes == \"" + accents + "\"");
  ASSERT_FALSE(condition.has_value());
  EXPECT_EQ(condition.error().message, "'text.bytes' is a number and cannot be compared with \"" +
                                           accents.substr(0, 38) + "…, a text");
}

TEST(StageCondition, HasLimits) {
  const auto nested = [](size_t depth) {
    return std::string(depth, '(') + "true" + std::string(depth, ')');
  };
  EXPECT_TRUE(StageCondition::parse(nested(StageCondition::kDepthMax)).has_value());
  const auto deeper = StageCondition::parse(nested(StageCondition::kDepthMax + 1));
  ASSERT_FALSE(deeper.has_value());
  EXPECT_EQ(deeper.error().message, "nested deeper than 32 levels");
  EXPECT_EQ(deeper.error().character, 33U);

  // Depth is that of parentheses: long chains do not nest.
  std::string chain = "not not true";
  while (chain.size() + 20 < StageCondition::kBytesMax) chain += " and (true or true)";
  EXPECT_TRUE(holds(chain, Flight()));
  chain.append(StageCondition::kBytesMax - chain.size(), ' ');
  EXPECT_TRUE(holds(chain, Flight()));
  const auto longer = StageCondition::parse(chain + " ");
  ASSERT_FALSE(longer.has_value());
  EXPECT_EQ(longer.error().message, "longer than 4096 bytes");

  const auto list = [](size_t values) {
    std::string text = "retries in [0";
    for (size_t i = 1; i < values; ++i) text += ",1";
    return text + "]";
  };
  EXPECT_TRUE(holds(list(StageCondition::kListMax), Flight()));
  const auto more = StageCondition::parse(list(StageCondition::kListMax + 1));
  ASSERT_FALSE(more.has_value());
  EXPECT_EQ(more.error().message, "more than 256 values");
}

TEST(StageCondition, SaysWhatItReads) {
  const auto condition =
      StageCondition::parse(R"(title == "Ä" and (language == "en" or attributes.x == "y"))");
  ASSERT_TRUE(condition.has_value());
  ASSERT_EQ(condition->reads().size(), 3U);
  EXPECT_EQ(condition->reads()[0].needed, kTitle);
  EXPECT_EQ(condition->reads()[1].field, "language");
  EXPECT_EQ(condition->reads()[1].needed, kLanguage);
  EXPECT_EQ(condition->reads()[1].character, 19U);
  EXPECT_EQ(condition->reads()[2].field, "attributes.x");
  EXPECT_EQ(condition->reads()[2].needed, 0U);
}

}  // namespace
}  // namespace wiremill
