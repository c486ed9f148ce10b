// The trial of a line: what refuses it, what does not, and how it is ended from outside.
#include "daemon/service/trial.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "wiremill/v1/record.pb.h"

namespace wiremill {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

StageConfig canary_stage(const std::string& name) {
  StageConfig config;
  config.where = "test.yaml: " + name;
  config.name = name;
  config.plugin = CANARY_PLUGIN;
  return config;
}

StageConfig skipping(StageConfig config) {
  config.on_error = StageConfig::OnError::Skip;
  return config;
}

// Only for documents of the source that is called as the stage is.
StageConfig for_its_own(StageConfig config) {
  config.when = "source == \"" + config.name + "\"";
  return config;
}

struct Canary {
  std::string body, source = "s";
};

Canaries canaries_of(const std::vector<Canary>& list, bool processed) {
  Canaries canaries;
  canaries.processed = processed;
  for (const Canary& canary : list) {
    v1::Document document;
    document.set_source(canary.source);
    document.set_body(canary.body);
    v1::IntakeRecord record;
    record.set_id("canary");
    record.set_document(document.SerializeAsString());
    canaries.records.push_back({canaries.records.size() + 1, false, record.SerializeAsString()});
  }
  return canaries;
}

std::shared_ptr<Line> line_of(const Config& config) {
  auto line = Line::build(isolated(config.stages), {}, {});
  EXPECT_TRUE(line) << line.error().front().message;
  return std::move(*line);
}

// What speaks against the line, an error a line.
std::string refusal(const std::vector<StageConfig>& stages, const std::vector<Canary>& list,
                    bool processed = true) {
  Config config;
  config.stages = stages;
  std::string text;
  for (const ConfigError& error :
       try_out(line_of(config), config, canaries_of(list, processed), {}))
    text += error.where + ": " + error.message + "\n";
  return text;
}

TEST(Trial, WhatAStageSaysOfADocumentIsNoDeath) {
  const std::vector<Canary> list = {{"refuse MEMORY"},   {"refuse DEADLINE"}, {"refuse CRASHED"},
                                    {"refuse PROTOCOL"}, {"refuse BROKEN"},   {"plain"}};
  EXPECT_EQ(refusal({canary_stage("a")}, list), "");
  EXPECT_EQ(refusal({skipping(canary_stage("a"))}, {{"refuse CRASHED"}}), "")
      << "it goes on without the stage";
  EXPECT_EQ(refusal({canary_stage("a")}, {{"refuse CRASHED"}, {"refuse MEMORY"}}),
            "test.yaml: a: stage 'a' failed in the trial on each of 2 documents that the running "
            "line has processed: CRASHED: the body says so\n");
}

TEST(Trial, AProcessThatEndsRefusesTheLine) {
  EXPECT_EQ(refusal({canary_stage("a")}, {{"plain"}, {"refuse CRASHED"}, {"die"}, {"plain"}}),
            "test.yaml: a: stage 'a' died in the trial on 1 of 4 documents: CRASHED: the stage's "
            "process was killed by SIGABRT\n");
  // The second time it is broken, and what comes after is lost too.
  EXPECT_THAT(refusal({canary_stage("a")}, {{"die"}, {"die"}, {"plain"}}),
              HasSubstr("died in the trial on 3 of 3 documents: CRASHED"));
  EXPECT_EQ(refusal({for_its_own(canary_stage("a")), for_its_own(canary_stage("b"))},
                    {{"die", "b"}, {"plain"}, {"die", "a"}}),
            "test.yaml: a: stage 'a' died in the trial on 1 of 3 documents: CRASHED: the stage's "
            "process was killed by SIGABRT\n"
            "test.yaml: b: stage 'b' died in the trial on 1 of 3 documents: CRASHED: the stage's "
            "process was killed by SIGABRT\n");
}

TEST(Trial, WhereNothingComesThroughADeathCountsThatWouldBeSkipped) {
  const StageConfig a = for_its_own(canary_stage("a"));
  const StageConfig b = skipping(for_its_own(canary_stage("b")));
  const std::vector<Canary> none = {{"refuse IT", "a"}, {"die", "b"}, {"die", "b"}};
  for (const bool processed : {false, true})
    EXPECT_EQ(refusal({a, b}, none, processed),
              "test.yaml: b: stage 'b' died in the trial on 2 of 3 documents: CRASHED: the stage's "
              "process was killed by SIGABRT\n")
        << processed;
  std::vector<Canary> one = none;
  one.push_back({"refuse IT", "b"});
  EXPECT_EQ(refusal({a, b}, one), "") << "the last one goes on without the stage";
  // Built-in documents may be none that a stage takes.
  EXPECT_EQ(refusal({a, b}, {{"refuse IT", "a"}}, false), "");
}

TEST(Trial, BatchesAreAsLargeAsTheyAreConfigured) {
  Config config;
  config.stages = {canary_stage("a")};
  const auto try_with = [&](uint32_t documents_max, int64_t bytes_max) {
    config.pipeline.batch_documents_max = documents_max;
    config.pipeline.batch_bytes_max = bytes_max;
    const std::vector<Canary> list(6, Canary{"alone"});
    return try_out(line_of(config), config, canaries_of(list, true), {});
  };
  EXPECT_THAT(try_with(1, 4 << 20), IsEmpty());
  EXPECT_THAT(try_with(32, 1), IsEmpty());
  const ConfigErrors refused = try_with(32, 4 << 20);
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_THAT(refused[0].message, HasSubstr("TOO_MANY"));
}

// Without the stop these wait for an hour, and for the minute that a stage may take to be loaded.

TEST(Trial, EndsAtOnceWhereItIsToldTo) {
  Config config;
  config.stages = {canary_stage("a")};
  config.stages[0].deadline_ms = 3'600'000;
  std::stop_source stopping;
  auto built = Line::build(isolated(config.stages), {}, {}, stopping.get_token());
  ASSERT_TRUE(built);
  const std::shared_ptr<Line> line = std::move(*built);
  std::thread stopper([&] {
    while (line->stages()[0].stage->calls_outside() == 0) std::this_thread::yield();
    stopping.request_stop();
  });
  const ConfigErrors errors =
      try_out(line, config, canaries_of({{"plain"}, {"hang"}}, true), stopping.get_token());
  stopper.join();
  EXPECT_EQ(errors, (ConfigErrors{{"trial", "was ended before it had a verdict"}}));
}

bool has_child() {
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream children(task.path() / "children");
    if (std::istream_iterator<int>(children) != std::istream_iterator<int>()) return true;
  }
  return false;
}

TEST(Trial, EndsAtOnceWhileAStageIsLoaded) {
  Config config;
  config.stages = {canary_stage("a")};
  config.stages[0].plugin = HANGING_PLUGIN;
  std::stop_source stopping;
  std::thread stopper([&] {
    while (!has_child()) std::this_thread::yield();
    stopping.request_stop();
  });
  const auto line = Line::build(isolated(config.stages), {}, {}, stopping.get_token());
  stopper.join();
  ASSERT_FALSE(line);
  EXPECT_EQ(line.error()[0].message,
            "stage 'a': its process, while it loaded, was killed by SIGKILL");
}

}  // namespace
}  // namespace wiremill
