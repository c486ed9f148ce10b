// See stage_times.hpp.
#include "bench/stage_times.hpp"

#include <algorithm>
#include <chrono>
#include <stdexcept>

#include "daemon/base/thread.hpp"
#include "daemon/pipeline/line.hpp"
#include "daemon/pipeline/pipeline.hpp"
#include "daemon/pipeline/topics.hpp"
#include "daemon/plugin/state_store.hpp"
#include "wiremill/v1/record.pb.h"

namespace wiremill {
namespace {

using Clock = std::chrono::steady_clock;

std::string intake_record(size_t number, const std::string& document) {
  v1::IntakeRecord record;
  record.set_id(fmt::format("bench-{}", number));
  record.set_document(document);
  return record.SerializeAsString();
}

void add(const v1::Result& result, StageTimes& times) {
  for (const v1::Timing& timing : result.timings()) {
    auto stage = std::find_if(times.stages.begin(), times.stages.end(),
                              [&](const auto& other) { return other.first == timing.stage(); });
    if (stage == times.stages.end()) stage = times.stages.insert(stage, {timing.stage(), 0.0});
    stage->second += timing.process_us() + timing.settle_us();
  }
}

}  // namespace

StageTimes measure_stages(const std::vector<StageConfig>& stages,
                          std::span<const std::string> documents) {
  auto line = Line::build(stages, plugin_directories(""), {});
  if (!line) throw std::runtime_error(line.error().front().message);
  const auto state = StateStore::open("", Pipeline::spaces(**line));
  if (!state) throw std::runtime_error(state.error().message);

  StageTimes times;
  Mutex mutex;
  Condition condition;
  bool done = false;
  std::string failure;
  std::unique_ptr<Pipeline> pipeline;
  size_t next = 0;
  const auto finish = [&](const std::string& why) {
    const MutexLock lock(mutex);
    done = true;
    failure = why;
    condition.notify_one();
  };
  PipelinePorts ports;
  ports.read = [&](size_t documents_max, size_t, std::vector<LogRecord>& records) -> Status {
    for (; next < documents.size() && records.size() < documents_max; ++next)
      records.push_back({next + 1, false, intake_record(next + 1, documents[next])});
    return {};
  };
  ports.emit = [&](uint64_t sequence, std::string bytes) -> Status {
    v1::ResultRecord record;
    v1::Result result;
    if (!record.ParseFromString(bytes) || !result.ParseFromString(record.result()) ||
        result.status() != v1::Result::PROCESSED)
      return fail(ErrorCode::Internal, "document {} was not processed", sequence);
    add(result, times);
    WM_TRY((*state)->commit(sequence));
    pipeline->release(sequence);
    if (sequence == documents.size()) finish("");
    return {};
  };
  ports.failed = [&](const Error& error) { finish(error.message); };
  auto made = Pipeline::make(std::move(*line), **state, {.timings = true}, std::move(ports));
  if (!made) throw std::runtime_error(made.error().message);
  pipeline = std::move(*made);
  const auto began = Clock::now();
  pipeline->start();
  {
    const MutexLock lock(mutex);
    while (!done) condition.wait(mutex);
  }
  const std::chrono::duration<double, std::micro> spent = Clock::now() - began;
  pipeline->stop();
  if (!failure.empty()) throw std::runtime_error(failure);
  const auto count = static_cast<double>(documents.size());
  for (auto& [name, us] : times.stages) us /= count;
  times.document_us = spent.count() / count;
  return times;
}

}  // namespace wiremill
