// Replacing the line while documents are in it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "daemon/pipeline/pipeline.hpp"
#include "daemon/pipeline/pipeline_test_runs.hpp"

namespace wiremill {
namespace {

using testing::HasSubstr;

// A pipeline over documents that the test hands over bit by bit.
class Belt {
 public:
  Belt(const std::vector<StageConfig>& stages, StateStore& state, PipelineOptions options = {})
      : state_(state) {
    PipelinePorts ports;
    ports.read = [this](size_t documents_max, size_t, std::vector<LogRecord>& records) -> Status {
      const std::unique_lock lock(mutex_);
      for (; next_ < given_.size() && records.size() < documents_max; ++next_) {
        v1::Document document;
        document.set_source(given_[next_].source);
        document.set_body(given_[next_].body);
        v1::IntakeRecord record;
        record.set_id("document-" + std::to_string(next_ + 1));
        record.set_accepted_at_us(static_cast<int64_t>(next_ + 1) * 1'000'000);
        record.set_document(document.SerializeAsString());
        records.push_back({next_ + 1, false, record.SerializeAsString()});
      }
      return {};
    };
    ports.emit = [this](uint64_t sequence, const std::string& bytes) -> Status {
      v1::ResultRecord record;
      EXPECT_TRUE(record.ParseFromString(bytes));
      EXPECT_TRUE(state_.commit(sequence));
      pipeline_->release(sequence);
      const std::unique_lock open(gate_);
      const std::unique_lock lock(mutex_);
      EXPECT_EQ(sequence, records_.size() + 1);
      records_.push_back(std::move(record));
      emitted_.notify_all();
      return {};
    };
    options.batch_documents_max = 3;
    pipeline_ = std::move(Pipeline::make(build(stages), state, options, std::move(ports)).value());
    pipeline_->start();
  }

  void give(const std::vector<Submitted>& documents) {
    {
      const std::unique_lock lock(mutex_);
      given_.insert(given_.end(), documents.begin(), documents.end());
    }
    pipeline_->wake();
  }
  void wait_for_results(size_t count) {
    std::unique_lock lock(mutex_);
    emitted_.wait(lock, [&] { return records_.size() >= count; });
  }
  void wait_until_read(uint64_t documents) {
    while (pipeline_->counters().read < documents) std::this_thread::yield();
  }
  Result<uint64_t> replace(const std::vector<StageConfig>& stages) {
    auto line = build(stages);
    for (const std::string& space : line->spaces()) EXPECT_TRUE(state_.add_space(space));
    return pipeline_->replace(std::move(line));
  }

  Pipeline& pipeline() { return *pipeline_; }
  // While it is locked no document leaves the belt.
  std::mutex& gate() { return gate_; }
  std::vector<v1::ResultRecord> end() {
    pipeline_->stop();
    return std::move(records_);
  }

 private:
  StateStore& state_;
  std::mutex gate_, mutex_;
  std::condition_variable emitted_;
  std::vector<Submitted> given_;
  size_t next_ = 0;
  std::vector<v1::ResultRecord> records_;
  std::unique_ptr<Pipeline> pipeline_;
};

std::unique_ptr<StateStore> state_for(const std::vector<StageConfig>& stages) {
  return std::move(StateStore::open("", spaces_of(*build(stages))).value());
}

std::string extension_of(const v1::ResultRecord& record) {
  return result_of(record).extensions(0).json();
}

bool went_through(const v1::ResultRecord& record, const std::string& stage) {
  return std::find(record.spaces().begin(), record.spaces().end(), "stage/" + stage) !=
         record.spaces().end();
}

// Order, outcomes, totals, topics and all that the stages remember are in the records.
TEST(Replace, RecordsAreTheSameHoweverOftenTheLineIsReplaced) {
  const std::vector<StageConfig> stages = {probe_stage("first"), probe_stage("second")};
  const auto documents = mixed_documents(900);
  const auto expected = run(*build(stages), documents, {.batch_documents_max = 3});
  for (const uint32_t threads : {1U, 4U}) {
    const auto state = state_for(stages);
    Belt belt(stages, *state, {.threads = threads, .window_documents = 64});
    belt.give(documents);
    uint64_t first = 0;
    for (size_t replaced = 0; replaced < 40; ++replaced) {
      const auto answered = belt.replace(stages);
      ASSERT_TRUE(answered) << answered.error().message;
      EXPECT_GE(*answered, first);
      first = *answered;
      EXPECT_NE(belt.pipeline().take_replaced(), nullptr);
      belt.wait_for_results(std::min<size_t>(replaced * 20, documents.size()));
    }
    belt.wait_for_results(documents.size());
    const auto records = belt.end();
    ASSERT_EQ(records.size(), expected.size());
    for (size_t i = 0; i < records.size(); ++i)
      ASSERT_EQ(records[i].SerializeAsString(), expected[i].SerializeAsString()) << i + 1;
  }
}

TEST(Replace, TheAnswerIsTheFirstDocumentOfTheNewLine) {
  const auto state = state_for({probe_stage("old")});
  Belt belt({probe_stage("old")}, *state, {.threads = 4});
  belt.give(std::vector<Submitted>(200, {"s", "plain"}));
  belt.wait_until_read(50);
  const auto first = belt.replace({probe_stage("new")});
  ASSERT_TRUE(first);
  belt.give(std::vector<Submitted>(200, {"s", "plain"}));
  belt.wait_for_results(400);
  EXPECT_GT(*first, 50U);
  EXPECT_LE(*first, 201U);
  const auto records = belt.end();
  for (size_t i = 0; i < records.size(); ++i) {
    EXPECT_EQ(went_through(records[i], "old"), i + 1 < *first) << i + 1;
    EXPECT_EQ(went_through(records[i], "new"), i + 1 >= *first) << i + 1;
  }
}

TEST(Replace, ANewSettleWaitsForTheOldLinesLast) {
  const auto state = state_for({probe_stage("probe")});
  Belt belt({probe_stage("probe")}, *state, {.threads = 4});
  belt.give({{"s", "slow"}});
  belt.wait_until_read(1);
  ASSERT_TRUE(belt.replace({probe_stage("probe")}));
  belt.give(std::vector<Submitted>(30, {"s", "plain"}));
  belt.wait_until_read(31);  // they are ready long before the slow one
  EXPECT_NE(belt.pipeline().take_replaced(), nullptr);
  belt.wait_for_results(31);
  const auto records = belt.end();
  for (size_t i = 0; i < records.size(); ++i)
    EXPECT_THAT(extension_of(records[i]), HasSubstr("\"count\":" + std::to_string(i + 1) + ","));
}

TEST(Replace, AnIdleLineIsReplacedAtOnceAndOneAtATime) {
  const auto state = state_for({probe_stage("probe")});
  Belt belt({probe_stage("probe")}, *state);
  EXPECT_EQ(belt.replace({}).value(), 1U);
  const auto second = belt.replace({probe_stage("probe")});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::Busy);
  const auto old = belt.pipeline().take_replaced();
  ASSERT_NE(old, nullptr);
  EXPECT_EQ(old->stages().size(), 1U);
  EXPECT_EQ(old.use_count(), 1) << "it ends where it was taken";
  EXPECT_TRUE(belt.replace({probe_stage("probe")}));
  EXPECT_NE(belt.pipeline().take_replaced(), nullptr);
}

TEST(Replace, APipelineThatStopsKeepsTheLine) {
  const auto state = state_for({probe_stage("probe")});
  Belt belt({probe_stage("probe")}, *state);
  std::unique_lock gate(belt.gate());
  belt.give({{"s", "plain"}});
  belt.wait_until_read(1);
  ASSERT_TRUE(belt.replace({probe_stage("probe")}));
  std::thread stopper([&] { belt.pipeline().stop(); });
  const auto taken = belt.pipeline().take_replaced();
  gate.unlock();
  stopper.join();
  EXPECT_EQ(taken, nullptr);
  const auto again = belt.replace({probe_stage("probe")});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::Unavailable);
}

TEST(Replace, WhatStagesCountedGoesOn) {
  const auto state = state_for({probe_stage("probe")});
  Belt belt({probe_stage("probe")}, *state);
  const auto processed = [&] {
    const auto stages = belt.pipeline().stages();
    EXPECT_EQ(stages.size(), 1U);
    return stages[0].metrics.counters().at("processed");
  };
  for (uint64_t round = 1; round <= 3; ++round) {
    belt.give({{"s", "plain"}, {"s", "plain"}});
    belt.wait_for_results(2 * round);
    EXPECT_EQ(processed(), 2 * round);
    ASSERT_TRUE(belt.replace({probe_stage("probe")}));
    EXPECT_EQ(processed(), 2 * round);
    EXPECT_NE(belt.pipeline().take_replaced(), nullptr);
    EXPECT_EQ(processed(), 2 * round);
  }
}

StageConfig newer_probe(const std::string& name) {
  StageConfig config = probe_stage(name);
  config.plugin = NEWER_PROBE_PLUGIN;
  return config;
}

TEST(StateVersions, AnotherVersionIsRefusedByARunningLine) {
  const auto state = state_for({probe_stage("probe")});
  Belt belt({probe_stage("probe")}, *state);
  const auto refused = belt.replace({newer_probe("probe")});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::Config);
  EXPECT_EQ(refused.error().message,
            "stage 'probe' keeps its state in version 2, but what is stored under its name has "
            "version 1: give the stage another name, and it begins with nothing stored, or keep "
            "the plugin of version 1");
  belt.give({{"s", "plain"}});
  belt.wait_for_results(1);
  ASSERT_TRUE(belt.replace({newer_probe("other")}));
  EXPECT_NE(belt.pipeline().take_replaced(), nullptr);
  EXPECT_FALSE(belt.replace({newer_probe("probe"), newer_probe("other")}))
      << "the stage is gone, its state is not";
  EXPECT_TRUE(belt.replace({probe_stage("probe"), newer_probe("other")}));
}

TEST(StateVersions, AnotherVersionIsRefusedAtTheStart) {
  const auto state = state_for({probe_stage("probe"), probe_stage("unused")});
  (void)run(*build({probe_stage("probe")}), *state, {{"s", "plain"}}, {});
  const auto make = [&](const StageConfig& stage) {
    return Pipeline::make(build({stage}), *state, {}, {});
  };
  const auto refused = make(newer_probe("probe"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::Config);
  EXPECT_THAT(refused.error().message, HasSubstr("stage 'probe' keeps its state in version 2"));
  EXPECT_TRUE(make(newer_probe("unused"))) << "nobody wrote there yet";
  EXPECT_TRUE(make(probe_stage("probe")));
}

}  // namespace
}  // namespace wiremill
