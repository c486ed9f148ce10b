#include "daemon/document/result_json.hpp"

#include <gtest/gtest.h>
#include <rapidjson/document.h>

#include <clocale>
#include <limits>
#include <random>

#include "daemon/base/clock.hpp"
#include "daemon/text/utf8.hpp"

namespace wiremill {
namespace {

std::string print(const v1::Result& result, bool timings = false) {
  std::string json;
  append_result_json(result, {.timings = timings}, json);
  return json;
}

std::string literal(std::string_view text) {
  std::string json;
  append_json_string(text, json);
  return json;
}

v1::Result full_result() {
  v1::Result result;
  result.set_sequence(17);
  result.set_id("a-1");
  result.set_status(v1::Result::PROCESSED);
  result.set_source("reuters.com");
  result.set_uri("https://reuters.com/1");
  result.set_title("Qin \"Gang\"");
  result.set_published_us(parse_time("2023-04-28T15:20:00Z").value());
  result.set_byline("By A");
  result.set_dateline("BEIJING");
  result.set_text("one\ntwo");
  auto& language = *result.mutable_language();
  language.set_code("en");
  language.set_confidence(0.99812);
  language.set_script("Latn");
  auto& alternative = *language.add_alternatives();
  alternative.set_code("fr");
  alternative.set_confidence(0.001);
  auto& coded = *language.add_spans();
  coded.set_end(80);
  coded.set_code("fr");
  result.add_sentences()->set_end(3);
  auto& second = *result.add_sentences();
  second.set_begin(4);
  second.set_end(7);
  auto& entity = *result.add_entities();
  entity.set_type("PER");
  entity.set_name("Qin Gang");
  entity.set_confidence(1);
  auto& mention = *entity.add_mentions();
  mention.set_begin(41);
  mention.set_end(49);
  mention.set_confidence(0.9);
  auto& duplicate = *result.mutable_duplicate();
  duplicate.set_kind(v1::Duplicate::REWRITE);
  duplicate.set_of("a-0");
  duplicate.set_similarity(0.9349);
  duplicate.set_containment(0.97);
  duplicate.set_cluster("c");
  duplicate.set_story("s");
  duplicate.set_follows("f");
  auto& summary = *result.mutable_summary();
  summary.set_text("one");
  summary.add_sentences()->set_end(3);
  summary.add_keywords("uno");
  summary.add_keywords("due");
  auto& z = *result.add_extensions();
  z.set_name("org.z");
  z.set_json("[1,\n 2]");
  auto& a = *result.add_extensions();
  a.set_name("org.a");
  a.set_json("{\"n\":1e5}");
  result.set_revises(16);
  result.set_retries(12);
  auto& paragraph = *result.add_paragraphs();
  paragraph.set_end(3);
  paragraph.set_body_begin(2);
  paragraph.set_body_end(5);
  auto& timing = *result.add_timings();
  timing.set_stage("clean");
  timing.set_process_us(12);
  for (int i = v1::Result::BYLINE; i <= v1::Result::PARAGRAPHS; ++i)
    result.add_provided(static_cast<v1::Result::Annotation>(i));
  return result;
}

TEST(ResultJson, PrintsEveryKeyInItsPlace) {
  EXPECT_EQ(
      print(full_result(), true),
      R"({"sequence":17,"id":"a-1","status":"PROCESSED","source":"reuters.com",)"
      R"("uri":"https://reuters.com/1","title":"Qin \"Gang\"","published":"2023-04-28T15:20:00Z",)"
      R"("byline":"By A","dateline":"BEIJING","text":"one\ntwo",)"
      R"("language":{"code":"en","confidence":0.998,"script":"Latn",)"
      R"("alternatives":[{"code":"fr","confidence":0.001}],)"
      R"("spans":[{"begin":0,"end":80,"code":"fr"}]},)"
      R"("sentences":[{"begin":0,"end":3},{"begin":4,"end":7}],)"
      R"("entities":[{"type":"PER","name":"Qin Gang","confidence":1,)"
      R"("mentions":[{"begin":41,"end":49,"confidence":0.9}]}],)"
      R"("duplicate":{"kind":"REWRITE","of":"a-0","similarity":0.935,"containment":0.97,)"
      R"("cluster":"c","story":"s","follows":"f"},)"
      R"("summary":{"text":"one","sentences":[{"begin":0,"end":3}],"keywords":["uno","due"]},)"
      R"("extensions":{"org.a":{"n":1e5},"org.z":[1,  2]},)"
      R"("revises":16,"retries":12,)"
      R"("paragraphs":[{"begin":0,"end":3,"body_begin":2,"body_end":5}],)"
      R"("timings":[{"stage":"clean","process_us":12,"settle_us":0}]})");
}

TEST(ResultJson, AFieldOfAStageThatRanIsPresentEvenWhenEmpty) {
  v1::Result result;
  result.set_status(v1::Result::PROCESSED);
  for (int i = v1::Result::PARAGRAPHS; i >= v1::Result::BYLINE; --i)  // the order does not matter
    result.add_provided(static_cast<v1::Result::Annotation>(i));
  EXPECT_EQ(
      print(result),
      R"({"sequence":0,"id":"","status":"PROCESSED","source":"","uri":"","title":"","published":"",)"
      R"("byline":"","dateline":"","text":"",)"
      R"("language":{"code":"und","confidence":0,"script":"","alternatives":[],"spans":[]},)"
      R"("sentences":[],"entities":[],)"
      R"("duplicate":{"kind":"NONE","of":"","similarity":0,"containment":0,"cluster":"",)"
      R"("story":"","follows":""},)"
      R"("summary":{"text":"","sentences":[],"keywords":[]},"extensions":{},"paragraphs":[]})");
}

TEST(ResultJson, AFieldOfAStageThatDidNotRunIsAbsent) {
  v1::Result result = full_result();
  result.clear_provided();
  result.clear_revises();
  result.clear_retries();
  result.add_provided(v1::Result::SENTENCES);
  EXPECT_EQ(print(result),
            R"({"sequence":17,"id":"a-1","status":"PROCESSED","source":"reuters.com",)"
            R"("uri":"https://reuters.com/1","title":"Qin \"Gang\"",)"
            R"("published":"2023-04-28T15:20:00Z",)"
            R"("sentences":[{"begin":0,"end":3},{"begin":4,"end":7}]})");
}

TEST(ResultJson, OnlyDroppedAndDeadHaveAFailure) {
  v1::Result result;
  result.set_id("x");
  result.mutable_failure()->set_stage("clean");
  result.mutable_failure()->set_code("DEADLINE");
  result.mutable_failure()->set_message("took 10 s");
  result.mutable_failure()->set_attempts(3);
  result.set_status(v1::Result::PROCESSED);
  EXPECT_EQ(print(result).find("failure"), std::string::npos);
  const std::string failure =
      R"("failure":{"stage":"clean","code":"DEADLINE","message":"took 10 s","attempts":3}})";
  result.set_status(v1::Result::DEAD);
  EXPECT_EQ(print(result),
            R"({"sequence":0,"id":"x","status":"DEAD","source":"","uri":"","title":"",)"
            R"("published":"",)" +
                failure);
  result.set_status(v1::Result::DROPPED);
  EXPECT_NE(print(result).find("\"DROPPED\""), std::string::npos);
  EXPECT_NE(print(result).find(failure), std::string::npos);
}

std::string confidence(double value) {
  v1::Result result;
  result.add_provided(v1::Result::LANGUAGE);
  result.mutable_language()->set_confidence(value);
  const std::string json = print(result);
  const size_t begin = json.find("\"confidence\":") + 13;
  return json.substr(begin, json.find(',', begin) - begin);
}

TEST(ResultJson, FractionsHaveAtMostThreeDecimals) {
  EXPECT_EQ(confidence(0.998), "0.998");
  EXPECT_EQ(confidence(0.9984), "0.998");
  EXPECT_EQ(confidence(0.9996), "1");
  EXPECT_EQ(confidence(1), "1");
  EXPECT_EQ(confidence(0.5), "0.5");
  EXPECT_EQ(confidence(0.05), "0.05");
  EXPECT_EQ(confidence(0.001), "0.001");
  EXPECT_EQ(confidence(0.0004), "0");
  EXPECT_EQ(confidence(0), "0");
  EXPECT_EQ(confidence(-0.0), "0");
  EXPECT_EQ(confidence(-3), "0");
  EXPECT_EQ(confidence(1e300), "1");
  EXPECT_EQ(confidence(1e-300), "0");
  EXPECT_EQ(confidence(std::numeric_limits<double>::infinity()), "1");
  EXPECT_EQ(confidence(std::numeric_limits<double>::quiet_NaN()), "0");
  for (int i = 0; i <= 1000; ++i) {
    const std::string shown = confidence(i / 1000.0);
    EXPECT_EQ(std::stod(shown), i / 1000.0);
    if (shown.size() > 1) {
      EXPECT_NE(shown.back(), '0');
    }
  }
}

TEST(ResultJson, TimesOutsideRfc3339AreEmpty) {
  v1::Result result;
  for (const int64_t time_us :
       {std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max(),
        int64_t{253'402'300'800'000'000}, int64_t{-62'135'596'800'000'001}}) {
    result.set_published_us(time_us);
    EXPECT_NE(print(result).find("\"published\":\"\""), std::string::npos);
  }
  result.set_published_us(253'402'300'799'999'999);
  EXPECT_NE(print(result).find("\"published\":\"9999-12-31T23:59:59.999999Z\""), std::string::npos);
  result.set_published_us(-62'135'596'800'000'000);
  EXPECT_NE(print(result).find("\"published\":\"0001-01-01T00:00:00Z\""), std::string::npos);
  result.set_published_us(0);
  EXPECT_NE(print(result).find("\"published\":\"1970-01-01T00:00:00Z\""), std::string::npos);
}

TEST(ResultJson, StringLiteralsAreEscapedAndRepaired) {
  EXPECT_EQ(literal(""), "\"\"");
  EXPECT_EQ(literal("a\"b\\c/d"), R"("a\"b\\c/d")");
  EXPECT_EQ(literal("\b\f\n\r\t"), R"("\b\f\n\r\t")");
  EXPECT_EQ(literal(std::string_view("\0\x01\x1f\x7f", 4)), "\"\\u0000\\u0001\\u001f\x7f\"");
  EXPECT_EQ(literal("\xe4\xb8\xad\xf0\x9f\x98\x80"), "\"\xe4\xb8\xad\xf0\x9f\x98\x80\"");
  EXPECT_EQ(literal("a\xff z"), "\"a\xef\xbf\xbd z\"");
}

TEST(ResultJson, RandomTextsComeBackThroughAParser) {
  std::mt19937 random(7);
  const std::string_view pieces[] = {
      "a",    "\"",          "\\",           "\n",       "\x01",
      "/",    "u",           "\xe2\x80\xa8", "\xc3\xa9", "\xf0\x9f\x98\x80",
      "\xff", "\xed\xa0\x80"};
  for (int round = 0; round < 5000; ++round) {
    std::string text;
    for (size_t i = random() % 12; i > 0; --i) text += pieces[random() % std::size(pieces)];
    v1::Result result = full_result();
    result.set_title(text);
    result.set_text(text);
    const std::string json = print(result, true);
    ASSERT_TRUE(text::is_valid(json));
    ASSERT_EQ(json.find('\n'), std::string::npos);
    rapidjson::Document parsed;
    parsed.Parse<rapidjson::kParseValidateEncodingFlag>(json.data(), json.size());
    ASSERT_FALSE(parsed.HasParseError()) << json;
    const auto& title = parsed["title"];
    ASSERT_EQ(std::string_view(title.GetString(), title.GetStringLength()), text::repair(text));
  }
}

TEST(ResultJson, KnowsAJsonValue) {
  for (const std::string_view text :
       {"{}", "[1,2]", "\"x\"", "null", " 1.5e300 ", "{\"a\":{\"b\":[true,false]}}"})
    EXPECT_TRUE(is_json_value(text)) << text;
  for (const std::string_view text : {"", " ", "{", "{}{}", "nul", "{'a':1}", "[1,]", "\"\xff\"",
                                      "\"a\nb\"", "NaN", "01", "1e400"})
    EXPECT_FALSE(is_json_value(text)) << text;
  EXPECT_FALSE(is_json_value(std::string_view("{}\0{}", 5)));
  EXPECT_TRUE(is_json_value(std::string(kJsonDepthMax, '[') + std::string(kJsonDepthMax, ']')));
  EXPECT_FALSE(
      is_json_value(std::string(kJsonDepthMax + 1, '[') + std::string(kJsonDepthMax + 1, ']')));
  EXPECT_FALSE(is_json_value(std::string(10'000'000, '[')));
}

}  // namespace
}  // namespace wiremill
