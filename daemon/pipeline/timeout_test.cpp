// The time that a document may be in a stage (`timeout`), in the daemon and in a process of its own, and
// what becomes of calls that are under way when the line stops.
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>

#include "daemon/pipeline/pipeline_test_runs.hpp"

namespace wiremill {
namespace {

StageConfig probe(bool own_process, int64_t timeout_ms) {
  StageConfig config = probe_stage("probe");
  config.own_process = own_process;
  config.timeout_ms = timeout_ms;
  config.deadline_ms = 600'000;
  return config;
}

// Never says which document it is at, and waits at "wait" until it is cancelled.
StageConfig silent(bool own_process, int64_t timeout_ms) {
  StageConfig config = probe(own_process, timeout_ms);
  config.name = "silent";
  config.plugin = SILENT_PLUGIN;
  return config;
}

std::vector<std::string> outcomes(const std::vector<v1::ResultRecord>& records) {
  std::vector<std::string> list;
  std::transform(records.begin(), records.end(), std::back_inserter(list),
                 [](const v1::ResultRecord& record) {
                   const v1::Result result = result_of(record);
                   return v1::Result::Status_Name(result.status()) + " " + result.failure().code();
                 });
  return list;
}

TEST(Timeout, ADocumentThatTakesTooLongIsDeadAndNoOther) {
  for (const bool own_process : {false, true}) {
    const auto line = build({probe(own_process, 600)});  // the slow one takes 2 s
    ASSERT_NE(line, nullptr);
    const auto records = run(*line, {{"s", "plain"}, {"s", "very slow"}, {"s", "plain"}});
    EXPECT_EQ(outcomes(records),
              (std::vector<std::string>{"PROCESSED ", "DEAD TIMEOUT", "PROCESSED "}));
    const v1::Result dead = result_of(records[1]);
    EXPECT_EQ(dead.failure().stage(), "probe");
    EXPECT_EQ(dead.failure().message(), "was in the stage for more than 600 ms");
    EXPECT_EQ(dead.failure().attempts(), 1U);
    EXPECT_EQ(dead.byline(), "");  // although the stage came back and had said one
    EXPECT_EQ(result_of(records[2]).byline(), "by s");
    EXPECT_EQ(result_of(records[2]).extensions(0).json(),
              R"({"count":2,"sources":"s=2 ","carried":true})");
  }
}

TEST(Timeout, IsForAllAttemptsTogether) {
  for (const bool own_process : {false, true}) {
    StageConfig config = probe(own_process, 700);
    config.attempts_max = 100;  // of 200 ms each
    const auto records = run(*build({config}), {{"s", "slow throw"}, {"s", "plain"}});
    EXPECT_EQ(outcomes(records), (std::vector<std::string>{"DEAD TIMEOUT", "PROCESSED "}));
    EXPECT_LE(result_of(records[0]).failure().attempts(), 4U);
  }
}

TEST(Timeout, ManyShortDocumentsAreNoLongOne) {
  const std::vector<Submitted> documents(10, {"s", "slow"});  // 2 s in one batch
  for (const bool own_process : {false, true}) {
    const auto records = run(*build({probe(own_process, 1500)}), documents, {.threads = 1});
    EXPECT_EQ(outcomes(records), std::vector<std::string>(10, "PROCESSED "));
  }
}

TEST(Timeout, FindsTheGuiltyOneOfAStageThatNeverSaysWhereItIs) {
  for (const bool own_process : {false, true}) {
    const auto records = run(*build({silent(own_process, 500)}),
                             {{"s", "a"}, {"s", "wait"}, {"s", "b"}, {"s", "wait"}});
    EXPECT_EQ(outcomes(records), (std::vector<std::string>{"PROCESSED ", "DEAD TIMEOUT",
                                                           "PROCESSED ", "DEAD TIMEOUT"}));
    EXPECT_EQ(result_of(records[2]).byline(), "b");
  }
}

// The flag crosses into the process: one that heeds it goes on living.
TEST(Timeout, AProcessThatHeedsItIsNotEnded) {
  std::vector<std::string> lines;
  const auto line = Line::build(
      {silent(true, 500)}, {},
      [&](std::string_view, uint32_t, std::string_view said) { lines.emplace_back(said); });
  ASSERT_TRUE(line);
  const auto records = run(**line, {{"s", "wait"}, {"s", "b"}}, {.threads = 1});
  EXPECT_EQ(outcomes(records), (std::vector<std::string>{"DEAD TIMEOUT", "PROCESSED "}));
  EXPECT_EQ(lines, std::vector<std::string>{});
}

TEST(Timeout, AStageOfOneDocumentAtATimeSeesIt) {
  for (const bool own_process : {false, true}) {
    std::vector<std::string> lines;
    const auto line = Line::build(
        {probe(own_process, 500)}, {},
        [&](std::string_view, uint32_t, std::string_view said) { lines.emplace_back(said); });
    ASSERT_TRUE(line);
    const auto records = run(**line, {{"s", "until cancelled"}, {"s", "b"}}, {.threads = 1});
    EXPECT_EQ(outcomes(records), (std::vector<std::string>{"DEAD TIMEOUT", "PROCESSED "}));
    EXPECT_EQ(lines, std::vector<std::string>{});
  }
}

TEST(Timeout, AProcessThatDoesNotIsEndedLongBeforeItsDeadline) {
  const auto records =
      run(*build({probe(true, 500)}), {{"s", "plain"}, {"s", "die by a loop"}, {"s", "plain"}});
  EXPECT_EQ(outcomes(records),
            (std::vector<std::string>{"PROCESSED ", "DEAD TIMEOUT", "PROCESSED "}));
}

TEST(Timeout, IsPassedOverWhereErrorsAre) {
  StageConfig config = probe(false, 600);
  config.on_error = StageConfig::OnError::Skip;
  const auto records = run(*build({config}), {{"s", "very slow"}});
  EXPECT_EQ(outcomes(records), std::vector<std::string>{"PROCESSED "});
  EXPECT_EQ(result_of(records[0]).byline(), "");
}

TEST(Timeout, TheHoldUpOfALineIsThatOfItsStages) {
  StageConfig hosted = probe(true, 0);
  hosted.deadline_ms = 2000;
  StageConfig limited = silent(true, 500);
  limited.deadline_ms = 2000;
  const auto line = build({hosted, limited});
  ASSERT_NE(line, nullptr);
  EXPECT_EQ(hold_up_max_ms(line->stages()[0]), 3 * 2000 + 2000);  // process and settle
  EXPECT_EQ(hold_up_max_ms(line->stages()[1]), 500 + 1000);       // and a second to heed it
  EXPECT_EQ(hold_up_max_ms(line->stages()), 9500);
  EXPECT_EQ(hold_up_max_ms(build({silent(false, 500)})->stages()), 500);
  EXPECT_EQ(hold_up_max_ms(build({hosted, silent(false, 0)})->stages()), std::nullopt);
  EXPECT_EQ(hold_up_max_ms(build({probe(false, 500)})->stages()), std::nullopt);  // it settles
}

// Stops a line with one document in it that would never end; how many results it made.
int results_when_stopped_in(const StageConfig& config, const char* body) {
  const auto line = build({config});
  const auto state = StateStore::open("", Pipeline::spaces(*line));
  PipelinePorts ports;
  ports.read = [body, given = false](size_t, size_t,
                                     std::vector<LogRecord>& out) mutable -> Status {
    if (std::exchange(given, true)) return {};
    v1::Document document;
    document.set_body(body);
    v1::IntakeRecord record;
    record.set_document(document.SerializeAsString());
    out.push_back({1, false, record.SerializeAsString()});
    return {};
  };
  int results = 0;
  ports.emit = [&results](uint64_t, std::string) -> Status {
    ++results;
    return {};
  };
  const auto pipeline = Pipeline::make(borrowed(*line), **state, {.threads = 1}, ports);
  (*pipeline)->start();
  while ((*pipeline)->counters().in_line == 0) std::this_thread::yield();
  (*pipeline)->stop();
  return results;
}

TEST(Timeout, CallsAreToldWhenTheLineStops) {
  EXPECT_EQ(results_when_stopped_in(silent(false, 0), "wait"), 0);
  EXPECT_EQ(results_when_stopped_in(silent(true, 0), "wait"), 0);
  EXPECT_EQ(results_when_stopped_in(probe(true, 0), "die by a loop"), 0);
  EXPECT_EQ(results_when_stopped_in(probe(true, 0), "in settle: die by a loop"), 0);
}

}  // namespace
}  // namespace wiremill
