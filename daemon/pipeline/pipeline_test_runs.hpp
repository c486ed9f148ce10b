// What the tests of the pipeline share: a line of probe stages, and a run of documents through it.
#pragma once

#include <gtest/gtest.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "daemon/pipeline/pipeline.hpp"
#include "daemon/pipeline/totals.hpp"
#include "wiremill/v1/record.pb.h"

namespace wiremill {

struct Submitted {
  std::string source, body;
  std::string id{};      // empty: its place
  uint64_t retries = 0;  // a dead letter
  uint64_t first_sequence = 0;
};

inline StageConfig probe_stage(const std::string& name) {
  StageConfig config;
  config.where = "test.yaml:1:1";
  config.name = name;
  config.plugin = PROBE_PLUGIN;
  return config;
}

inline StageConfig probe_when(const std::string& name, const std::string& condition) {
  StageConfig config = probe_stage(name);
  config.when = condition;
  config.when_where = "test.yaml:2:11";
  return config;
}

inline std::unique_ptr<Line> build(const std::vector<StageConfig>& stages) {
  auto line = Line::build(stages, {}, {});
  if (!line) {
    for (const ConfigError& error : line.error()) ADD_FAILURE() << error.where << error.message;
    return nullptr;
  }
  return std::move(*line);
}

// For a pipeline that a line outlives.
inline std::shared_ptr<Line> borrowed(Line& line) { return {std::shared_ptr<Line>(), &line}; }

inline std::vector<std::string> spaces_of(const Line& line) { return Pipeline::spaces(line); }

inline LogRecord intake_record(const Submitted& submitted, uint64_t sequence) {
  v1::Document document;
  document.set_source(submitted.source);
  document.set_body(submitted.body);
  v1::IntakeRecord record;
  record.set_id(submitted.id.empty() ? "document-" + std::to_string(sequence) : submitted.id);
  record.set_accepted_at_us(static_cast<int64_t>(sequence) * 1'000'000);
  record.set_retries(submitted.retries);
  record.set_first_sequence(submitted.first_sequence);
  record.set_document(document.SerializeAsString());
  return {sequence, submitted.body == "damaged", record.SerializeAsString()};
}

// Takes the documents through the line and answers their records in the order of emission.
inline std::vector<v1::ResultRecord> run(Line& line, StateStore& state,
                                         const std::vector<Submitted>& documents,
                                         const PipelineOptions& options, uint64_t first = 1) {
  std::mutex mutex;
  std::condition_variable emitted;
  std::vector<v1::ResultRecord> records;
  std::unique_ptr<Pipeline> pipeline;
  size_t next = 0;
  PipelinePorts ports;
  ports.read = [&](size_t documents_max, size_t, std::vector<LogRecord>& out) -> Status {
    for (; next < documents.size() && out.size() < documents_max; ++next)
      out.push_back(intake_record(documents[next], first + next));
    return {};
  };
  ports.emit = [&](uint64_t sequence, std::string bytes) -> Status {
    v1::ResultRecord record;
    EXPECT_TRUE(record.ParseFromString(bytes));
    const std::unique_lock lock(mutex);
    EXPECT_EQ(sequence, first + records.size());
    EXPECT_TRUE(state.commit(sequence));
    records.push_back(std::move(record));
    pipeline->release(sequence);
    emitted.notify_one();
    return {};
  };
  auto made = Pipeline::make(borrowed(line), state, options, ports);
  if (!made) {
    ADD_FAILURE() << made.error().message;
    return records;
  }
  pipeline = std::move(*made);
  pipeline->start();
  std::unique_lock lock(mutex);
  emitted.wait(lock, [&] { return records.size() == documents.size(); });
  lock.unlock();
  pipeline->stop();
  return records;
}

inline std::vector<v1::ResultRecord> run(Line& line, const std::vector<Submitted>& documents,
                                         const PipelineOptions& options = {}) {
  auto state = StateStore::open("", spaces_of(line));
  EXPECT_TRUE(state.has_value());
  return run(line, **state, documents, options);
}

inline v1::Result result_of(const v1::ResultRecord& record) {
  v1::Result result;
  EXPECT_TRUE(result.ParseFromString(record.result()));
  return result;
}

inline Totals totals_of(const v1::ResultRecord& record) {
  return {record.totals().processed(), record.totals().dropped(), record.totals().dead()};
}

inline std::vector<Submitted> mixed_documents(size_t count) {
  const char* bodies[] = {"plain", "drop",   "a longer plain text", "throw",
                          "skip",  "forget", "throw in settle"};
  std::vector<Submitted> documents;
  for (size_t i = 0; i < count; ++i)
    documents.push_back({"source-" + std::to_string(i % 5), bodies[i * 7 % 11 % 7]});
  return documents;
}

}  // namespace wiremill
