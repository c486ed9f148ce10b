#include "daemon/service/config_changes.hpp"

namespace wiremill {
namespace {

// Gathers the keys of one section that differ.
template <class Section>
class Differences {
 public:
  Differences(const Section& running, const Section& wanted, std::string name)
      : running_(running), wanted_(wanted), name_(std::move(name)) {}

  template <class Value>
  Differences& key(const char* key, Value Section::*field) {
    if (running_.*field != wanted_.*field) keys_.push_back(name_ + "." + key);
    return *this;
  }

  // A section that differs in something without a line here is named as a whole.
  void into(std::vector<std::string>& keys) {
    if (keys_.empty() && !(running_ == wanted_)) keys_.push_back(name_);
    keys.insert(keys.end(), keys_.begin(), keys_.end());
  }

 private:
  const Section& running_;
  const Section& wanted_;
  const std::string name_;
  std::vector<std::string> keys_;
};

}  // namespace

std::vector<std::string> keys_for_a_restart(const Config& running, const Config& wanted) {
  std::vector<std::string> keys;
  if (running.allow_unencrypted != wanted.allow_unencrypted) keys.emplace_back("allow_unencrypted");
  if (running.drain_timeout_ms != wanted.drain_timeout_ms) keys.emplace_back("drain_timeout");
  if (running.plugin_dir != wanted.plugin_dir) keys.emplace_back("plugin_dir");
  const auto section = [&]<class Section>(Section Config::*part, const char* name) {
    return Differences<Section>(running.*part, wanted.*part, name);
  };
  using Intake = Config::Intake;
  section(&Config::intake, "intake")
      .key("endpoint", &Intake::endpoint)
      .key("document_bytes_max", &Intake::document_bytes_max)
      .key("credit", &Intake::credit)
      .key("queue_bytes_max", &Intake::queue_bytes_max)
      .key("idempotency_window", &Intake::idempotency_window_ms)
      .key("idempotency_entries_max", &Intake::idempotency_entries_max)
      .key("clients_max", &Intake::clients_max)
      .into(keys);
  section(&Config::firehose, "firehose").key("endpoint", &Config::Firehose::endpoint).into(keys);
  section(&Config::feed, "feed")
      .key("endpoint", &Config::Feed::endpoint)
      .key("topics_max", &Config::Feed::topics_max)
      .key("heartbeat", &Config::Feed::heartbeat_ms)
      .into(keys);
  section(&Config::replay, "replay")
      .key("endpoint", &Config::Replay::endpoint)
      .key("subscribers_max", &Config::Replay::subscribers_max)
      .key("cursors_max", &Config::Replay::cursors_max)
      .into(keys);
  section(&Config::admin, "admin").key("endpoint", &Config::Admin::endpoint).into(keys);
  using Storage = Config::Storage;
  section(&Config::storage, "storage")
      .key("state_dir", &Storage::state_dir)
      .key("durability", &Storage::durability)
      .key("sync_interval", &Storage::sync_interval_ms)
      .key("segment_bytes", &Storage::segment_bytes)
      .key("free_bytes_min", &Storage::free_bytes_min)
      .key("result_age_max", &Storage::result_age_max_ms)
      .key("result_bytes_max", &Storage::result_bytes_max)
      .key("scrub_bytes_per_second", &Storage::scrub_bytes_per_second)
      .into(keys);
  section(&Config::dead, "dead")
      .key("age_max", &Config::Dead::age_max_ms)
      .key("documents_max", &Config::Dead::documents_max)
      .key("bytes_max", &Config::Dead::bytes_max)
      .into(keys);
  using Pipeline = Config::Pipeline;
  section(&Config::pipeline, "pipeline")
      .key("threads", &Pipeline::threads)
      .key("batch_documents_max", &Pipeline::batch_documents_max)
      .key("batch_bytes_max", &Pipeline::batch_bytes_max)
      .key("window_documents", &Pipeline::window_documents)
      .key("window_bytes", &Pipeline::window_bytes)
      .into(keys);
  if (running.log.format != wanted.log.format) keys.emplace_back("log.format");
  return keys;
}

}  // namespace wiremill
