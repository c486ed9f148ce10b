#include "daemon/service/room_options.hpp"

#include <algorithm>
#include <thread>

namespace wiremill {
namespace {

LogOptions log_options(const Config& config, const std::string& state_dir,
                       const std::string& name) {
  LogOptions options;
  options.directory = state_dir + "/" + name;
  options.name = name;
  options.segment_bytes = config.storage.segment_bytes;
  options.sync_interval_ms = config.storage.sync_interval_ms;
  switch (config.storage.durability) {
    case Config::Durability::Always: options.durability = Durability::Always; break;
    case Config::Durability::Interval: options.durability = Durability::Interval; break;
    case Config::Durability::None: options.durability = Durability::None; break;
  }
  return options;
}

}  // namespace

LogOptions intake_log_options(const Config& config, const std::string& state_dir) {
  LogOptions options = log_options(config, state_dir, "intake");
  options.queue_bytes_max = config.intake.queue_bytes_max;
  return options;
}

LogOptions result_log_options(const Config& config, const std::string& state_dir) {
  LogOptions options = log_options(config, state_dir, "result");
  options.queue_bytes_max = INT64_MAX;  // the pipeline's window bounds what waits
  return options;
}

IntakeOptions intake_options(const Config& config, const std::string& state_dir) {
  IntakeOptions options;
  options.endpoint = config.intake.endpoint;
  options.firehose_endpoint = config.firehose.endpoint;
  options.ledger_directory = state_dir + "/ledger";
  options.document_bytes_max = config.intake.document_bytes_max;
  options.credit = config.intake.credit;
  options.clients_max = config.intake.clients_max;
  options.idempotency_window_ms = config.intake.idempotency_window_ms;
  options.idempotency_documents_max = static_cast<uint64_t>(config.intake.idempotency_entries_max);
  return options;
}

FeedOptions feed_options(const Config& config, const std::string& state_dir) {
  FeedOptions options;
  options.endpoint = config.feed.endpoint;
  options.replay_endpoint = config.replay.endpoint;
  options.heartbeat_ms = config.feed.heartbeat_ms;
  options.subscribers_max = config.replay.subscribers_max;
  options.cursors_directory = state_dir + "/cursors";
  options.cursors_max = config.replay.cursors_max;
  return options;
}

PipelineOptions pipeline_options(const Config& config, const std::string& state_dir) {
  PipelineOptions options;
  options.threads = config.pipeline.threads != 0
                        ? config.pipeline.threads
                        : std::max(1U, std::thread::hardware_concurrency());
  options.batch_documents_max = config.pipeline.batch_documents_max;
  options.batch_bytes_max = config.pipeline.batch_bytes_max;
  options.window_documents = config.pipeline.window_documents;
  options.window_bytes = config.pipeline.window_bytes;
  options.topics_max = config.feed.topics_max;
  options.marker_path = state_dir + "/marker";
  return options;
}

DeadLetterLimits dead_letter_limits(const Config& config) {
  DeadLetterLimits limits;
  limits.age_max_ms = config.dead.age_max_ms;
  limits.documents_max = static_cast<uint64_t>(config.dead.documents_max);
  limits.bytes_max = static_cast<uint64_t>(config.dead.bytes_max);
  return limits;
}

HousekeeperOptions housekeeper_options(const Config& config, const std::string& state_dir) {
  HousekeeperOptions options;
  options.state_dir = state_dir;
  options.free_bytes_min = config.storage.free_bytes_min;
  options.results.age_max_ms = config.storage.result_age_max_ms;
  options.results.bytes_max = config.storage.result_bytes_max;
  options.scrub_bytes_per_second = config.storage.scrub_bytes_per_second;
  return options;
}

AdminOptions admin_options(const Config& config) {
  AdminOptions options;
  options.endpoint = config.admin.endpoint;
  return options;
}

}  // namespace wiremill
