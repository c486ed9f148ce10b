#include "daemon/pipeline/batch.hpp"
#include "daemon/pipeline/batch_size.hpp"
#include "daemon/pipeline/pipeline.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <utility>

#include "daemon/log/log.hpp"
#include "daemon/pipeline/pipeline_test_runs.hpp"
#include "daemon/pipeline/stage_marker.hpp"
#include "daemon/pipeline/topics.hpp"
#include "daemon/pipeline/totals.hpp"
#include "wiremill/v1/record.pb.h"

namespace wiremill {
namespace {

TEST(Pipeline, EveryVerdictBecomesItsOutcome) {
  const auto line = build({probe_stage("probe")});
  const auto records = run(*line, {{"s", "plain"},
                                   {"s", "drop"},
                                   {"s", "bad"},
                                   {"s", "throw"},
                                   {"s", "skip"},
                                   {"s", "throw in settle"},
                                   {"s", "bad span"},
                                   {"s", "damaged"},
                                   {"s", "plain"},
                                   {"s", "bad place"}});
  const auto outcome = [&](size_t i) {
    const v1::Result result = result_of(records[i]);
    return v1::Result::Status_Name(result.status()) + " " + result.failure().stage() + " " +
           result.failure().code() + " " + std::to_string(result.failure().attempts());
  };
  EXPECT_EQ(outcome(0), "PROCESSED   0");
  EXPECT_EQ(outcome(1), "DROPPED probe ASKED 1");
  EXPECT_EQ(outcome(2), "DEAD probe UNREADABLE 1");
  EXPECT_EQ(outcome(3), "DEAD probe EXCEPTION 3");
  EXPECT_EQ(outcome(4), "PROCESSED   0");
  EXPECT_EQ(outcome(5), "DEAD probe EXCEPTION 1");
  EXPECT_EQ(outcome(6), "DEAD probe EXCEPTION 3");
  EXPECT_EQ(outcome(7), "DEAD log LOG_DAMAGED 0");
  EXPECT_EQ(outcome(9), "DEAD probe EXCEPTION 3");
  EXPECT_EQ(result_of(records[3]).failure().message(), "thrown in process");
  EXPECT_EQ(result_of(records[1]).failure().message(), "the body says so");
  EXPECT_EQ(totals_of(records[1]), (Totals{1, 1, 0}));
  EXPECT_EQ(totals_of(records[8]), (Totals{3, 1, 5}));
  // The documents behind go on, and the one that failed in settle left nothing in the state.
  EXPECT_EQ(result_of(records[8]).extensions(0).json(),
            R"({"count":3,"sources":"s=3 ","carried":true})");
}

TEST(Pipeline, AFailedOrSkippedDocumentKeepsNoHalfOfItsAnnotations) {
  const auto line = build({probe_stage("probe")});
  const auto records = run(*line, {{"s", "skip"}, {"s", "throw"}, {"s", "plain"}});
  EXPECT_EQ(result_of(records[0]).byline(), "");
  EXPECT_EQ(result_of(records[1]).byline(), "");
  EXPECT_EQ(result_of(records[2]).byline(), "by s");
}

TEST(Pipeline, ARetryIsTriedUntilItSucceeds) {
  const auto line = build({probe_stage("probe")});
  const auto records = run(*line, {{"s", "retry"}});
  EXPECT_EQ(result_of(records[0]).status(), v1::Result::PROCESSED);
  auto impatient = probe_stage("probe");
  impatient.attempts_max = 2;
  const auto other = build({impatient});
  EXPECT_EQ(result_of(run(*other, {{"s", "retry"}})[0]).status(), v1::Result::DEAD);
}

TEST(Pipeline, RecordsAreTheSameForAnyThreadsAndBatches) {
  const auto documents = mixed_documents(300);
  std::vector<std::string> reference;
  for (const uint32_t threads : {1U, 2U, 8U})
    for (const uint32_t batch : {1U, 3U, 32U}) {
      auto third = probe_when("third", R"(byline == "" or source in ["source-1", "source-3"])");
      third.on_error = StageConfig::OnError::Skip;
      const auto line = build({probe_stage("first"), probe_stage("second"), third});
      PipelineOptions options;
      options.threads = threads;
      options.batch_documents_max = batch;
      options.window_documents = 64;
      std::vector<std::string> bytes;
      for (const auto& record : run(*line, documents, options))
        bytes.push_back(record.SerializeAsString());
      if (reference.empty()) reference = bytes;
      ASSERT_EQ(bytes, reference) << threads << " threads, batches of " << batch;
    }
}

// What recovery does: the recorded changes alone rebuild the state, and work goes on from there.
TEST(Pipeline, RecordedChangesRebuildTheState) {
  const auto documents = mixed_documents(100);
  const auto whole_line = build({probe_stage("probe")});
  const auto whole = run(*whole_line, documents);

  const auto line = build({probe_stage("probe")});
  auto state = StateStore::open("", spaces_of(*line));
  ASSERT_TRUE(state.has_value());
  constexpr size_t kCut = 57;
  for (size_t i = 0; i < kCut; ++i)
    for (const v1::StateChange& change : whole[i].changes())
      (*state)->write(
          (*state)->space(whole[i].spaces(static_cast<int>(change.space()))), change.key(),
          change.has_value() ? std::optional<std::string_view>(change.value()) : std::nullopt,
          i + 1);
  ASSERT_TRUE((*state)->commit(kCut));
  PipelineOptions options;
  options.totals = totals_of(whole[kCut - 1]);
  const auto rest =
      run(*line, **state, {documents.begin() + kCut, documents.end()}, options, kCut + 1);
  ASSERT_EQ(rest.size(), documents.size() - kCut);
  for (size_t i = 0; i < rest.size(); ++i)
    EXPECT_EQ(rest[i].SerializeAsString(), whole[kCut + i].SerializeAsString()) << i;
}

// At every instant each document that was read has its result or is in the line.
TEST(Pipeline, CountsWhatIsInTheLine) {
  const auto line = build({probe_stage("probe")});
  auto state = StateStore::open("", spaces_of(*line));
  std::unique_ptr<Pipeline> pipeline;
  std::atomic<uint64_t> read{0}, emitted{0};
  std::mutex mutex;
  std::condition_variable done;
  const auto expect_all_counted = [&] {
    const auto counters = pipeline->counters();
    EXPECT_EQ(counters.read + 9,
              counters.processed + counters.dropped + counters.dead + counters.in_line);
  };
  PipelinePorts ports;
  ports.read = [&](size_t, size_t, std::vector<LogRecord>& out) -> Status {
    expect_all_counted();
    if (read < 500) out.push_back({10 + read++, true, ""});
    return {};
  };
  ports.emit = [&](uint64_t sequence, const std::string&) -> Status {
    expect_all_counted();
    EXPECT_TRUE((*state)->commit(sequence));
    pipeline->release(sequence);
    const std::unique_lock lock(mutex);
    ++emitted;
    done.notify_one();
    return {};
  };
  PipelineOptions options;
  options.threads = 4;
  options.totals = {4, 3, 2};
  pipeline = std::move(Pipeline::make(borrowed(*line), **state, options, ports).value());
  pipeline->start();
  std::unique_lock lock(mutex);
  done.wait(lock, [&] { return emitted == 500; });
  lock.unlock();
  pipeline->stop();
  const auto counters = pipeline->counters();
  EXPECT_EQ(counters.dead, 502U);
  EXPECT_EQ(counters.processed, 4U);
  EXPECT_EQ(counters.in_line, 0U);
}

// A retry is the same document to a stage that remembers, whatever became of its earlier attempts.
TEST(Pipeline, ARetryIsNoDuplicateOfItself) {
  StageConfig duplicates;
  duplicates.where = "test.yaml:2:1";
  duplicates.name = "duplicates";
  duplicates.plugin = DUPLICATES_PLUGIN;
  const auto line = build({duplicates, probe_stage("probe")});
  ASSERT_NE(line, nullptr);
  const std::string text = "throw in settle";
  const auto records = run(*line, {{"s", text, "a"},
                                   {"s", text, "b"},
                                   {"s", text, "a", 1, 1},
                                   {"s", text, "a", 3, 1},
                                   {"s", text, "c"}});
  const auto answer = [&](size_t i) {
    const v1::Result result = result_of(records[i]);
    EXPECT_EQ(result.status(), v1::Result::DEAD);
    return v1::Duplicate::Kind_Name(result.duplicate().kind()) + " " + result.duplicate().of() +
           " " + std::to_string(result.retries());
  };
  EXPECT_EQ(answer(0), "NONE  0");
  EXPECT_EQ(answer(1), "EXACT a 0");
  EXPECT_EQ(answer(2), "NONE  1");
  EXPECT_EQ(answer(3), "NONE  3");
  EXPECT_EQ(answer(4), "EXACT a 0");
}

// A child dies in a stage as a worker would, with these documents.
void die_in_stage(const std::string& path, uint64_t first, uint64_t last, bool alone) {
  const pid_t child = fork();
  if (child == 0) {
    auto marker = StageMarker::open(path, 1);
    if (!marker) _exit(1);
    (*marker)->enter(0, "probe", first, last, alone);
    std::exit(0);
  }
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
}

TEST(Pipeline, SuspectsRunAloneAndAreCondemnedForDeathsOfTheirOwn) {
  const std::string path = testing::TempDir() + "pipeline_stages";
  std::filesystem::remove(path);
  die_in_stage(path, 3, 9, false);
  for (int i = 0; i < 2; ++i) die_in_stage(path, 5, 5, true);
  die_in_stage(path, 7, 7, true);
  auto stage = probe_stage("probe");
  stage.attempts_max = 2;
  stage.on_error = StageConfig::OnError::Skip;  // dying is more than an error
  const auto line = build({stage});
  PipelineOptions options;
  options.threads = 3;
  options.marker_path = path;
  const std::vector<Submitted> documents(40, Submitted{"s", "alone?"});
  const auto records = run(*line, documents, options);
  for (size_t i = 0; i < records.size(); ++i) {
    const v1::Result result = result_of(records[i]);
    if (i + 1 == 5) {
      EXPECT_EQ(result.status(), v1::Result::DEAD);
      EXPECT_EQ(result.failure().stage(), "probe");
      EXPECT_EQ(result.failure().code(), "CRASHED");
      EXPECT_EQ(result.failure().attempts(), 2U);
      EXPECT_NE(result.failure().message().find("exit()"), std::string::npos);
      continue;
    }
    EXPECT_EQ(result.status(), v1::Result::PROCESSED);
    if (i + 1 <= 9) {
      EXPECT_NE(result.extensions(0).json().find("\"alone\":true"), std::string::npos) << i + 1;
    }
  }
  EXPECT_TRUE((*StageMarker::open(path, 1))->suspects().empty()) << "all came through";
}

TEST(Pipeline, TopicsNameTheResultBefore) {
  const auto line = build({});
  const auto records = run(*line, {{"a b", "x"}, {"c", "x"}, {"a b", "x"}, {"c", "x"}});
  EXPECT_EQ(records[0].topic(), "und/a%20b/");
  EXPECT_EQ(records[0].previous(), 0U);
  EXPECT_EQ(records[2].previous(), 1U);
  EXPECT_EQ(records[3].previous(), 2U);
}

TEST(Pipeline, ForgetsTheTopicUsedLongestAgo) {
  const auto line = build({});
  PipelineOptions options;
  options.topics_max = 2;
  auto state = StateStore::open("", spaces_of(*line));
  const auto records = run(
      *line, **state, {{"a", ""}, {"b", ""}, {"a", ""}, {"c", ""}, {"b", ""}, {"a", ""}}, options);
  EXPECT_EQ(records[2].previous(), 1U);
  EXPECT_EQ(records[4].previous(), 0U) << "b was forgotten when c came";
  EXPECT_EQ(records[5].previous(), 0U) << "a was forgotten when b came again";
  std::vector<std::string> stored;
  const auto note = [&](std::string_view key, std::string_view) {
    stored.emplace_back(key);
    return true;
  };
  EXPECT_TRUE((*state)->scan((*state)->space(Topics::kSpace), "", "", note));
  EXPECT_EQ(stored, (std::vector<std::string>{"und/a/", "und/b/"})) << "in the store as well";
}

// So that results come out in small steps and not all after long (batch_size_test).
TEST(Pipeline, ReadsLessAtATimeWhereSettleIsSlow) {
  constexpr uint64_t kDocuments = 9;
  const auto line = build({probe_stage("probe")});
  auto state = StateStore::open("", spaces_of(*line));
  std::atomic<uint64_t> emitted{0};
  std::vector<size_t> wanted;
  PipelinePorts ports;
  ports.read = [&, read = uint64_t{0}](size_t documents_max, size_t,
                                       std::vector<LogRecord>& out) mutable -> Status {
    wanted.push_back(documents_max);
    for (; read < kDocuments && out.size() < 8; ++read)
      out.push_back(intake_record({"s", "settle slowly"}, read + 1));
    return {};
  };
  ports.emit = [&](uint64_t sequence, const std::string&) -> Status {
    emitted = sequence;
    emitted.notify_one();
    return {};
  };
  auto pipeline = std::move(Pipeline::make(borrowed(*line), **state, {}, ports).value());
  pipeline->start();
  for (uint64_t now = 0; now < kDocuments; now = emitted) emitted.wait(now);
  pipeline->stop();
  ASSERT_GE(wanted.size(), 2U);
  EXPECT_EQ(wanted[0], PipelineOptions().batch_documents_max);
  EXPECT_EQ(wanted[1], BatchSize::kLeast);
}

// A stage makes much of little, and the first document holds up the results of all the others.
TEST(Pipeline, ReadsNoMoreThanTheWindowHoldsOfWhatStagesSay) {
  constexpr size_t kDocuments = 100, kFit = 8;
  const auto line = build({probe_stage("probe")});
  auto state = StateStore::open("", spaces_of(*line));
  const std::string file = testing::TempDir() + "say-much-" + std::to_string(getpid());
  std::atomic<uint64_t> emitted{0};
  PipelinePorts ports;
  ports.read = [&, read = uint64_t{0}](size_t, size_t,
                                       std::vector<LogRecord>& out) mutable -> Status {
    if (read == kDocuments) return {};
    v1::IntakeRecord record;
    v1::Document document;
    document.set_body("say much");
    if (++read == 1) (*document.mutable_attributes())["wait_for"] = file;
    record.set_document(document.SerializeAsString());
    out.push_back({read, false, record.SerializeAsString()});
    return {};
  };
  std::unique_ptr<Pipeline> pipeline;
  ports.emit = [&](uint64_t sequence, const std::string&) -> Status {
    pipeline->release(sequence);
    emitted = sequence;
    emitted.notify_one();
    return {};
  };
  pipeline = std::move(
      Pipeline::make(borrowed(*line), **state,
                     {.threads = 2, .batch_documents_max = 1, .window_bytes = kFit * 1'000'000},
                     ports)
          .value());
  pipeline->start();
  while (pipeline->counters().read < kFit) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_LE(pipeline->counters().read, kFit + 2);  // the first one says nothing yet
  std::ofstream(file).put('x');
  for (uint64_t now = 0; now < kDocuments; now = emitted) emitted.wait(now);
  pipeline->stop();
  std::filesystem::remove(file);
}

// What was read and whose result is not released yet.
TEST(Pipeline, ReadsNoMoreThanTheWindowHolds) {
  constexpr uint64_t kDocuments = 50, kWindow = 3;
  constexpr int64_t kBytes = 100'000;  // of a document, and of its result where it has a text
  PipelineOptions by_documents, by_bytes, by_results;
  by_documents.window_documents = kWindow;
  by_bytes.window_bytes = kWindow * kBytes - kBytes / 2;
  by_results.window_bytes = kWindow * 2 * kBytes - kBytes;
  by_documents.threads = by_bytes.threads = 2;
  by_results.threads = 1;  // one after the other, so that all results but the next one's are known
  for (PipelineOptions options : {by_documents, by_bytes, by_results}) {
    const bool with_text = options.threads == 1;
    options.batch_documents_max = 1;
    const auto line = with_text ? build({probe_stage("probe")}) : build({});
    auto state = StateStore::open("", spaces_of(*line));
    std::atomic<uint64_t> read{0}, released{0};
    std::mutex mutex;
    std::condition_variable emitted_one;
    uint64_t emitted = 0;
    PipelinePorts ports;
    ports.read = [&](size_t, size_t, std::vector<LogRecord>& out) -> Status {
      EXPECT_LT(read - released, kWindow);
      if (read == kDocuments) return {};
      const std::string bytes(kBytes, 'x');
      if (const uint64_t sequence = ++read; with_text)
        out.push_back(intake_record({"s", bytes}, sequence));
      else
        out.push_back({sequence, true, bytes});
      return {};
    };
    ports.emit = [&](uint64_t sequence, const std::string&) -> Status {
      EXPECT_TRUE((*state)->commit(sequence));
      const std::unique_lock lock(mutex);
      emitted = sequence;
      emitted_one.notify_one();
      return {};
    };
    auto pipeline = std::move(Pipeline::make(borrowed(*line), **state, options, ports).value());
    pipeline->start();
    while (released < kDocuments) {
      std::unique_lock lock(mutex);
      emitted_one.wait(lock, [&] { return emitted == std::min(released + kWindow, kDocuments); });
      lock.unlock();
      pipeline->release(++released);
    }
    pipeline->stop();
    const auto counters = pipeline->counters();
    EXPECT_EQ(with_text ? counters.processed : counters.dead, kDocuments);
  }
}

TEST(Pipeline, AResultThatNoRecordCanHoldIsDead) {
  Batch batch;
  batch.flights.push_back(flight_from_record(7, false, intake_record({"s", "b"}, 7).payload));
  batch.flights.push_back(flight_from_record(8, false, intake_record({"s", "b"}, 8).payload));
  batch.flights[0].result.set_text(std::string(kResultBytesMax, 'x'));
  finish(batch);
  v1::Result dead, other;
  ASSERT_TRUE(dead.ParseFromString(batch.results[0]));
  ASSERT_TRUE(other.ParseFromString(batch.results[1]));
  EXPECT_EQ(dead.status(), v1::Result::DEAD);
  EXPECT_EQ(dead.failure().stage(), "pipeline");
  EXPECT_EQ(dead.failure().code(), "TOO_LARGE");
  EXPECT_EQ(dead.sequence(), 7U);
  EXPECT_EQ(dead.id(), "document-7");
  EXPECT_EQ(dead.source(), "s");
  EXPECT_EQ(dead.text(), "");
  EXPECT_EQ(batch.flights[0].result.status(), v1::Result::DEAD);  // what is counted and kept
  EXPECT_EQ(other.status(), v1::Result::PROCESSED);
}

TEST(Totals, AreThoseOfTheNewestRecordThatCanBeRead) {
  LogOptions options;
  options.directory = testing::TempDir() + "totals";
  options.name = "result";
  options.segment_bytes = 64 << 10;
  std::filesystem::remove_all(options.directory);
  const auto log = Log::open(options).value();
  EXPECT_EQ(read_totals(*log).value(), Totals{});
  v1::ResultRecord record;
  record.mutable_totals()->set_processed(1);
  ASSERT_TRUE(log->append(record.SerializeAsString()));
  record.mutable_totals()->set_dropped(1);
  ASSERT_TRUE(log->append(record.SerializeAsString()));
  ASSERT_TRUE(log->flush());
  EXPECT_EQ(read_totals(*log).value(), (Totals{1, 1, 0}));
  for (int i = 0; i < 70; ++i) ASSERT_TRUE(log->append("\xff no record"));
  ASSERT_TRUE(log->flush());
  EXPECT_EQ(read_totals(*log).value(), (Totals{1, 1, 70})) << "subscribers are told that they died";
}

TEST(Pipeline, StopsWhenAResultCannotBeKept) {
  const auto line = build({});
  auto state = StateStore::open("", spaces_of(*line));
  std::mutex mutex;
  std::condition_variable failed;
  std::string message;
  uint64_t read = 0;
  PipelinePorts ports;
  ports.read = [&](size_t, size_t, std::vector<LogRecord>& out) -> Status {
    out.push_back({++read, true, ""});
    return {};
  };
  ports.emit = [&](uint64_t sequence, std::string) -> Status {
    if (sequence < 3) return {};
    return fail(ErrorCode::Io, "no space left");
  };
  ports.failed = [&](const Error& error) {
    const std::unique_lock lock(mutex);
    message = error.message;
    failed.notify_one();
  };
  auto pipeline = Pipeline::make(borrowed(*line), **state, {}, ports);
  ASSERT_TRUE(pipeline.has_value());
  (*pipeline)->start();
  std::unique_lock lock(mutex);
  failed.wait(lock, [&] { return !message.empty(); });
  EXPECT_EQ(message, "no space left");
  lock.unlock();
  (*pipeline)->stop();
  EXPECT_EQ((*pipeline)->counters().dead, 2U);
}

TEST(Line, CollectsEveryError) {
  auto refused = probe_stage("refused");
  refused.options.emplace_back("refuse", OptionNode{"test.yaml:4:5", false, "not today", {}});
  auto unknown = probe_stage("unknown");
  unknown.options.emplace_back("colour", OptionNode{"test.yaml:6:5", false, "red", {}});
  auto missing = probe_stage("missing");
  missing.plugin = "no_such_plugin";
  auto foreign = probe_stage("foreign");
  foreign.plugin = FOREIGN_LIBRARY;
  const auto line = Line::build({refused, unknown, missing, foreign}, {"/nowhere"}, {});
  ASSERT_FALSE(line.has_value());
  ASSERT_EQ(line.error().size(), 4U);
  EXPECT_NE(line.error()[0].message.find("not today"), std::string::npos);
  EXPECT_EQ(line.error()[1].where, "test.yaml:6:5");
  EXPECT_NE(line.error()[2].message.find("no plugin 'no_such_plugin'"), std::string::npos);
  EXPECT_NE(line.error()[3].message.find("not a Wiremill plugin"), std::string::npos);
}

TEST(Line, RefusesAConditionOnWhatNobodyProvidesBefore) {
  const auto errors = [](const std::vector<StageConfig>& stages) {
    std::string text;
    const auto line = Line::build(stages, {}, {});
    if (line) return text;
    for (const ConfigError& error : line.error()) text += error.where + ": " + error.message + "\n";
    return text;
  };
  const auto probe = probe_stage("probe");
  EXPECT_EQ(errors({probe_when("a", R"(title == "" and text.bytes > 3)"), probe}), "");
  EXPECT_EQ(errors({probe, probe_when("a", "byline == \"\"")}), "");
  EXPECT_EQ(
      errors({probe, probe_when("a", R"(source == "Ä" and language == "en")")}),
      "test.yaml:2:11: stage 'a': when, character 19: 'language' is known only behind a stage "
      "that provides it, and none stands before this one\n");
  EXPECT_EQ(errors({probe_when("a", "byline == \"\""), probe}),
            "test.yaml:2:11: stage 'a': when, character 1: 'byline' is known only behind stage "
            "'probe', which stands later\n");
  EXPECT_EQ(errors({probe_when("a", "byline == \"\"")}),
            "test.yaml:2:11: stage 'a': when, character 1: 'byline' is known only behind a stage "
            "that provides it, and none stands before this one\n");
  EXPECT_EQ(errors({probe, probe_when("a", "language = \"en\"")}),
            "test.yaml:2:11: stage 'a': when, character 10: = has no meaning here; write == to "
            "compare\n");
}

}  // namespace
}  // namespace wiremill
