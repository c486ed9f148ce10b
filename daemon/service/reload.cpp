#include "daemon/service/reload.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "daemon/base/clock.hpp"
#include "daemon/base/logging.hpp"
#include "daemon/base/thread.hpp"
#include "daemon/pipeline/line.hpp"
#include "daemon/pipeline/pipeline.hpp"
#include "daemon/plugin/state_store.hpp"
#include "daemon/service/config_changes.hpp"
#include "daemon/service/trial.hpp"

namespace wiremill {
namespace {

// Well behind the line's workers: what is tried must not hold up what runs.
constexpr int kTrialNice = kLineNice + 9;

ReloadOutcome stopping() { return {.errors = {{"daemon", "it is stopping"}}}; }

}  // namespace

Reload::Reload(Config running, ConfigLoader load, ReloadPorts ports)
    : load_(std::move(load)),
      ports_(std::move(ports)),
      running_(std::move(running)),
      configured_at_us_(now_us()),
      thread_([this] {
        set_thread_name("reload");
        serve();
      }) {}

Reload::~Reload() { stop(); }

void Reload::request(ReloadWaiter waiter) {
  {
    const MutexLock lock(mutex_);
    if (!stopping_.stop_requested()) {
      waiting_.push_back(std::move(waiter));
      condition_.notify_one();
      return;
    }
  }
  waiter.told(stopping());
}

void Reload::request() {
  const MutexLock lock(mutex_);
  is_signalled_ = true;
  condition_.notify_one();
}

void Reload::cancel() {
  std::vector<ReloadWaiter> waiting;
  {
    const MutexLock lock(mutex_);
    stopping_.request_stop();
    waiting.swap(waiting_);
    condition_.notify_one();
  }
  for (const ReloadWaiter& each : waiting) each.told(stopping());
}

bool Reload::is_idle() const {
  const MutexLock lock(mutex_);
  return !is_busy_;
}

void Reload::stop() {
  cancel();
  if (thread_.joinable()) thread_.join();
}

Reload::Report Reload::report() const { return {done_, refused_, configured_at_us_}; }

void Reload::serve() {
  for (;;) {
    std::vector<ReloadWaiter> waiters;
    bool is_wanted;
    {
      const MutexLock lock(mutex_);
      while (waiting_.empty() && !is_signalled_ && !stopping_.stop_requested())
        condition_.wait(mutex_);
      if (stopping_.stop_requested()) return;
      is_busy_ = true;
      is_wanted = std::exchange(is_signalled_, false);
      waiters.swap(waiting_);
    }
    is_wanted |= std::ranges::any_of(waiters, [](const auto& each) { return each.is_there(); });
    ReloadOutcome outcome;
    if (is_wanted)
      outcome = reload_and_tell(waiters);
    else
      log_info("reload: not begun, as nobody waits for it any more");
    waiters.clear();
    {
      const MutexLock lock(mutex_);
      is_busy_ = false;
    }
    // Its processes end here, where nobody waits for them.
    if (is_wanted && outcome.errors.empty()) ports_.pipeline.take_replaced();
  }
}

ReloadOutcome Reload::reload_and_tell(const std::vector<ReloadWaiter>& waiters) {
  ports_.began();
  ReloadOutcome outcome;
  try {
    outcome = reload();
  } catch (const std::exception& error) {  // no thread, no memory
    outcome.errors = {{"reload", error.what()}};
  }
  // Whatever was found wrong may come of the trial's end.
  if (!outcome.errors.empty() && stopping_.stop_requested()) outcome = stopping();
  conclude(outcome);
  ports_.ended();
  for (const ReloadWaiter& each : waiters) each.told(outcome);
  return outcome;
}

ReloadOutcome Reload::reload() {
  if (!load_)
    return {.errors = {{"default configuration",
                        "the daemon runs on its embedded default, not on a file: there is nothing "
                        "to reload"}}};
  auto wanted = load_();
  if (!wanted) {
    ConfigFailure failure = std::move(wanted).error();
    failure.read.stages = isolated(std::move(failure.read.stages));
    return {.errors = all_errors(std::move(failure), stopping_.get_token())};
  }
  ConfigErrors errors;
  std::thread trial([&] {
    set_thread_name("trial");
    give_way(kTrialNice);  // and all that it starts
    try {
      errors = check(*wanted);
    } catch (const std::exception& error) {
      errors = {{"trial", error.what()}};
    }
  });
  trial.join();
  if (!errors.empty()) return {.errors = std::move(errors)};
  auto line = Line::build(wanted->stages, plugin_directories(wanted->plugin_dir), ports_.stage_log);
  if (!line) return {.errors = std::move(line).error()};
  const auto first = switch_to(std::move(*line));
  if (!first) return {.errors = {{"pipeline", first.error().message}}};
  set_log_level(wanted->log.level);
  running_ = std::move(*wanted);
  ReloadOutcome outcome{.first_sequence = *first};
  for (const StageConfig& stage : running_.stages) outcome.stages.push_back(stage.name);
  return outcome;
}

// All that speaks against it, found without touching what runs.
ConfigErrors Reload::check(const Config& wanted) const {
  ConfigErrors errors;
  if (running_.lists_stages && !wanted.lists_stages)
    errors.push_back({"stages",
                      "are not there any more, as in a file that is being written; for none "
                      "write `stages: []`"});
  for (const std::string& key : keys_for_a_restart(running_, wanted))
    errors.push_back({key, "is not what the daemon was started with: that needs a restart"});
  const std::stop_token stop = stopping_.get_token();
  auto line = Line::build(isolated(wanted.stages), plugin_directories(wanted.plugin_dir), {}, stop);
  if (!line) {
    errors.insert(errors.end(), line.error().begin(), line.error().end());
    return errors;
  }
  const auto refused = ports_.pipeline.refusals(**line);
  if (!refused) return {{"state", refused.error().message}};
  for (const StateVersions::Mismatch& mismatch : *refused) {
    const auto stage = std::ranges::find(wanted.stages, mismatch.stage, &StageConfig::name);
    errors.push_back({stage->where, mismatch.message});
  }
  if (!errors.empty()) return errors;
  const auto canaries = choose_canaries(ports_.intake_log, ports_.results);
  if (!canaries) return {{"trial", canaries.error().message}};
  return try_out(std::move(*line), wanted, *canaries, stop);
}

Result<uint64_t> Reload::switch_to(std::unique_ptr<Line> line) {
  for (const std::string& space : line->spaces())
    if (const auto added = ports_.state.add_space(space); !added)
      return tl::unexpected(added.error());
  return ports_.pipeline.replace(std::move(line));
}

void Reload::conclude(const ReloadOutcome& outcome) {
  if (outcome.errors.empty()) {
    ++done_;
    configured_at_us_ = now_us();
    log_info("reload: done; from sequence {} on documents go through {} stages",
             outcome.first_sequence, outcome.stages.size());
    return;
  }
  ++refused_;
  for (const ConfigError& error : outcome.errors)
    log_error("reload: {}: {}", error.where, error.message);
  log_error("reload: refused, {} error{}; the line before goes on", outcome.errors.size(),
            outcome.errors.size() == 1 ? "" : "s");
}

}  // namespace wiremill
