#include "daemon/service/trial.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <utility>

#include "daemon/base/thread.hpp"
#include "daemon/pipeline/pipeline.hpp"
#include "daemon/plugin/state_store.hpp"
#include "wiremill/v1/record.pb.h"

namespace wiremill {
namespace {

constexpr size_t kCanaries = 32;
constexpr size_t kCanaryBytesMax = 16 << 20;
constexpr uint64_t kLookedAtMax = 64;  // newest results
constexpr size_t kReadBytesMax = 64 << 20;
constexpr int64_t kDeadlineMs = 10'000;
constexpr int64_t kMemoryBytesMax = 1LL << 40;
constexpr uint32_t kDeathsMax = 2;         // the second names the document where the first did not
constexpr uint32_t kSkippedDeathsMax = 8;  // of a stage with on_error: skip
constexpr int64_t kDeathsWithinMs = 3'600'000;  // longer than a trial takes

constexpr const char* kBuiltIn[] = {
    "The council of the port town voted on Monday to repair the northern bridge. Work begins in "
    "April, Maria Lindqvist said, and will cost four million crowns.",
    "Der Stadtrat hat am Montag beschlossen, die alte Brücke am Hafen zu erneuern.\nDie Arbeiten "
    "beginnen im April.",
    "<html><head><title>Bridge</title></head><body><nav>Home | News</nav><article><h1>Bridge to be "
    "repaired</h1><p>The council voted on Monday to repair the northern bridge.</p><p>Work begins "
    "in April and ends in autumn.</p></article></body></html>",
    "short",
};

Canaries built_in() {
  Canaries canaries;
  for (const char* body : kBuiltIn) {
    const uint64_t sequence = canaries.records.size() + 1;
    v1::Document document;
    document.set_source("trial.invalid");
    document.set_body(body);
    v1::IntakeRecord record;
    record.set_id(fmt::format("trial-{}", sequence));
    record.set_accepted_at_us(static_cast<int64_t>(sequence));
    record.set_document(document.SerializeAsString());
    canaries.records.push_back({sequence, false, record.SerializeAsString()});
  }
  return canaries;
}

// Records [from, up to], as far as the log holds them and they are not too many bytes.
Result<std::vector<LogRecord>> read_records(const Log& log, uint64_t from, uint64_t up_to) {
  std::vector<LogRecord> records;
  const auto reader = log.reader(from);
  size_t bytes = 0;
  while (reader->position() <= up_to && bytes < kReadBytesMax) {
    const size_t before = records.size();
    const auto wanted = static_cast<size_t>(up_to - reader->position() + 1);
    WM_TRY(reader->read(wanted, kCanaryBytesMax, records));
    if (records.size() == before) break;
    for (size_t i = before; i < records.size(); ++i) bytes += records[i].payload.size();
  }
  return records;
}

// What became of the canaries.
class Verdict {
 public:
  void note(const v1::Result& result) {
    if (result.status() != v1::Result::DEAD) {
      ++good_;
      return;
    }
    const v1::Failure& failure = result.failure();
    ++dead_[failure.stage()];
    if (!failure_) failure_ = failure;
  }

  // Of a line that was built of these stages.
  ConfigErrors errors(const std::vector<StageConfig>& configs, const Line& line,
                      const Canaries& canaries) const {
    const size_t count = canaries.records.size();
    ConfigErrors fatal, skipped;
    size_t good = good_;
    for (size_t i = 0; i < configs.size(); ++i) {
      const StageConfig& config = configs[i];
      const Stage::Losses losses = line.stages()[i].stage->losses();
      const bool may_be_left_out = config.on_error == StageConfig::OnError::Skip;
      const auto dead = dead_.find(config.name);
      if (may_be_left_out && dead != dead_.end())
        good += dead->second - std::min<size_t>(dead->second, losses.documents);
      if (losses.documents > 0)
        (may_be_left_out ? skipped : fatal)
            .push_back(error(
                config,
                fmt::format("died in the trial on {} of {} documents", losses.documents, count),
                losses.first));
    }
    if (!fatal.empty()) return fatal;
    if (good > 0 || !failure_) return {};
    if (!skipped.empty()) return skipped;
    const auto stage = std::ranges::find(configs, failure_->stage(), &StageConfig::name);
    if (!canaries.processed || stage == configs.end()) return {};
    return {
        error(*stage,
              fmt::format("failed in the trial on each of {} documents that the running line has "
                          "processed",
                          count),
              fmt::format("{}: {}", failure_->code(), failure_->message()))};
  }

 private:
  static ConfigError error(const StageConfig& config, std::string_view what, std::string_view why) {
    return {config.where, fmt::format("stage '{}' {}: {}", config.name, what, why)};
  }

  size_t good_ = 0;
  std::map<std::string, size_t> dead_;  // by stage
  std::optional<v1::Failure> failure_;  // the first
};

}  // namespace

std::vector<StageConfig> isolated(std::vector<StageConfig> stages) {
  for (StageConfig& stage : stages) {
    if (!std::exchange(stage.own_process, true)) stage.memory_bytes_max = kMemoryBytesMax;
    stage.deadline_ms = std::max(stage.deadline_ms, kDeadlineMs);
    const bool may_be_left_out = stage.on_error == StageConfig::OnError::Skip;
    stage.crashes_max = may_be_left_out ? kSkippedDeathsMax : kDeathsMax;
    stage.crash_window_ms = kDeathsWithinMs;
    stage.on_broken = StageConfig::OnBroken::DeadLetter;
    stage.on_error = StageConfig::OnError::DeadLetter;
  }
  return stages;
}

Result<Canaries> choose_canaries(const Log& intake, const Log& results) {
  const uint64_t newest = results.durable();
  if (newest == 0) return built_in();
  const uint64_t from = newest - std::min(newest, kLookedAtMax) + 1;
  const auto outcomes = read_records(results, from, newest);
  if (!outcomes) return tl::unexpected(outcomes.error());
  auto documents = read_records(intake, from, newest);
  if (!documents) return tl::unexpected(documents.error());
  std::vector<uint64_t> processed;
  for (const LogRecord& entry : *outcomes) {
    v1::ResultRecord record;
    if (!entry.damaged && record.ParseFromString(entry.payload) &&
        record.status() == v1::Result::PROCESSED)
      processed.push_back(entry.sequence);
  }
  Canaries canaries;
  canaries.processed = true;
  size_t bytes = 0;
  for (auto document = documents->rbegin(); document != documents->rend(); ++document) {
    if (document->damaged || !std::ranges::binary_search(processed, document->sequence)) continue;
    bytes += document->payload.size();
    if (canaries.records.size() == kCanaries || bytes > kCanaryBytesMax) break;
    canaries.records.push_back(std::move(*document));
  }
  if (canaries.records.empty()) return built_in();
  std::ranges::reverse(canaries.records);
  for (size_t i = 0; i < canaries.records.size(); ++i) canaries.records[i].sequence = i + 1;
  return canaries;
}

ConfigErrors try_out(std::shared_ptr<Line> line, const Config& config, const Canaries& canaries,
                     const std::stop_token& stop) {
  Mutex mutex;
  Condition changed;
  Verdict verdict;
  size_t emitted = 0;
  Status failed;
  std::unique_ptr<Pipeline> pipeline;
  const auto refuse = [](const Error& error) { return ConfigErrors{{"trial", error.message}}; };
  const auto state = StateStore::open("", Pipeline::spaces(*line));
  if (!state) return refuse(state.error());
  PipelinePorts ports;
  ports.read = [&, next = size_t{0}](size_t documents_max, size_t bytes_max,
                                     std::vector<LogRecord>& records) mutable -> Status {
    size_t bytes = 0;
    for (; next < canaries.records.size() && records.size() < documents_max && bytes < bytes_max;
         bytes += canaries.records[next++].payload.size())
      records.push_back(canaries.records[next]);
    return {};
  };
  ports.emit = [&](uint64_t sequence, const std::string& bytes) -> Status {
    v1::ResultRecord record;
    v1::Result result;
    if (!record.ParseFromString(bytes) || !result.ParseFromString(record.result()))
      return fail(ErrorCode::Internal, "a result that cannot be read");
    WM_TRY((*state)->commit(sequence));
    verdict.note(result);
    const MutexLock lock(mutex);
    ++emitted;
    changed.notify_one();
    return {};
  };
  ports.failed = [&](const Error& error) {
    const MutexLock lock(mutex);
    failed = tl::unexpected(error);
    changed.notify_one();
  };
  auto made = Pipeline::make(line, **state,
                             {.batch_documents_max = config.pipeline.batch_documents_max,
                              .batch_bytes_max = config.pipeline.batch_bytes_max},
                             std::move(ports));
  if (!made) return refuse(made.error());
  pipeline = std::move(*made);
  pipeline->start();
  {
    const std::stop_callback wake(stop, [&] {
      const MutexLock lock(mutex);
      changed.notify_one();
    });
    const MutexLock lock(mutex);
    while (failed && emitted < canaries.records.size() && !stop.stop_requested())
      changed.wait(mutex);
  }
  pipeline->stop();
  if (stop.stop_requested()) return {{"trial", "was ended before it had a verdict"}};
  return failed ? verdict.errors(config.stages, *line, canaries) : refuse(failed.error());
}

}  // namespace wiremill
