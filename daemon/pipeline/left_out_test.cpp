// Documents that go on without a stage: its condition leaves them out, or it may skip what it cannot take.
#include <gtest/gtest.h>

#include <algorithm>

#include "daemon/document/result_json.hpp"
#include "daemon/pipeline/pipeline_test_runs.hpp"

namespace wiremill {
namespace {

TEST(LeftOut, ByAConditionFromBothStepsOfAStage) {
  const auto line = build({probe_when("probe", R"(source == "in")")});
  ASSERT_NE(line, nullptr);
  const auto records =
      run(*line, {{"in", "plain"}, {"out", "plain"}, {"out", "throw"}, {"in", "plain"}});
  const auto json = [&](size_t i) {
    std::string text;
    append_result_json(result_of(records[i]), {}, text);
    return text;
  };
  EXPECT_EQ(result_of(records[3]).extensions(0).json(),
            R"({"count":2,"sources":"in=2 ","carried":true})");
  EXPECT_EQ(*line->stages()[0].left_out, 2U);
  EXPECT_EQ(records[1].spaces_size(), 1) << "topics alone";
  EXPECT_EQ(result_of(records[2]).status(), v1::Result::PROCESSED);
  // What a stage would have provided is missing, not empty: nobody looked.
  EXPECT_NE(json(0).find("byline"), std::string::npos);
  EXPECT_EQ(json(1).find("byline"), std::string::npos);
  EXPECT_EQ(json(1).find("extensions"), std::string::npos);
}

TEST(LeftOut, ByWhatEarlierStagesMadeOfTheDocument) {
  const auto line = build({probe_stage("first"), probe_when("second", R"(byline == "by x")")});
  ASSERT_NE(line, nullptr);
  const auto records = run(*line, {{"x", "plain"}, {"y", "plain"}, {"x", "skip"}});
  const auto spaces = [&](size_t i) { return records[i].spaces_size(); };
  EXPECT_EQ(spaces(0), 4) << "first, second, stages, topics";
  EXPECT_EQ(spaces(1), 2);
  EXPECT_EQ(spaces(2), 2);
}

// The stage's process writes what its condition reads; settle goes by the answer before that.
TEST(LeftOut, IsDecidedOnceForBothSteps) {
  auto first = probe_stage("first");
  first.on_error = StageConfig::OnError::Skip;
  first.attempts_max = 1;
  const auto line = build({first, probe_when("second", R"(byline == "")")});
  ASSERT_NE(line, nullptr);
  const auto records = run(*line, {{"x", "retry"}});
  EXPECT_EQ(result_of(records[0]).byline(), "by x");
  ASSERT_EQ(result_of(records[0]).extensions_size(), 1);
  EXPECT_EQ(result_of(records[0]).extensions(0).json(),
            R"({"count":1,"sources":"x=1 ","carried":true})");
}

// Nobody made text for these documents, so they have that of their body.
TEST(LeftOut, OfTheStageThatMakesTextADocumentHasItsBody) {
  StageConfig clean;
  clean.where = "test.yaml:2:1";
  clean.name = "clean";
  clean.plugin = CLEAN_PLUGIN;
  clean.when = R"(source != "raw")";
  const std::string body = "<p>Rain fell on Lisbon for the whole of the afternoon.</p>";
  for (const auto& stages : {std::vector{clean}, std::vector{clean, probe_stage("probe")}}) {
    const auto line = build(stages);
    ASSERT_NE(line, nullptr);
    const auto records = run(*line, {{"raw", body}, {"other", body}});
    EXPECT_EQ(result_of(records[0]).text(), body);
    EXPECT_EQ(result_of(records[1]).text(), body.substr(3, body.size() - 7));
    for (const auto& record : records) EXPECT_EQ(result_of(record).sentences_size(), 1);
  }
}

std::vector<Submitted> with_sources(const std::vector<const char*>& bodies) {
  std::vector<Submitted> documents;
  for (const char* body : bodies) documents.push_back({"s", body});
  return documents;
}

TEST(LeftOut, OnAnErrorThatIsSkipped) {
  auto skipping = probe_stage("probe");
  skipping.on_error = StageConfig::OnError::Skip;
  skipping.attempts_max = 2;
  std::vector<std::string> logged;
  const auto log = [&](std::string_view stage, uint32_t level, std::string_view message) {
    logged.push_back(fmt::format("{} {} {}", stage, level, message));
  };
  auto only = Line::build({skipping}, {}, log);
  ASSERT_TRUE(only.has_value());
  PipelineOptions options;
  options.timings = true;
  const auto records = run(**only,
                           with_sources({"plain", "bad", "throw", "throw in settle", "bad span",
                                         "drop", "damaged", "plain"}),
                           options);
  for (const size_t failed : {1, 2, 3, 4}) {
    const v1::Result result = result_of(records[failed]);
    EXPECT_EQ(result.status(), v1::Result::PROCESSED) << failed;
    EXPECT_FALSE(result.has_failure());
    EXPECT_EQ(result.byline(), "") << failed;
    EXPECT_EQ(result.extensions_size(), 0) << failed;
    EXPECT_EQ(std::ranges::count(result.provided(), v1::Result::BYLINE), 0) << failed;
    EXPECT_EQ(result.timings_size(), 1) << failed;
  }
  EXPECT_EQ(result_of(records[5]).status(), v1::Result::DROPPED) << "a drop is no error";
  EXPECT_EQ(result_of(records[6]).failure().code(), "LOG_DAMAGED");
  // The one that failed in settle left nothing in the state.
  EXPECT_EQ(result_of(records[7]).extensions(0).json(),
            R"({"count":2,"sources":"s=2 ","carried":true})");
  EXPECT_EQ((*only)->stages()[0].skipped_errors->count(), 4U);
  // One line a minute, however many there are.
  EXPECT_EQ(logged, std::vector<std::string>{"probe 2 skipped for document 2: "
                                             "UNREADABLE: the body says so; 1 since the start"});
}

}  // namespace
}  // namespace wiremill
