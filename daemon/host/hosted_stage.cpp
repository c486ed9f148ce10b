// See hosted_stage.hpp.
//
// Here is whom a call goes to, and what becomes of its documents where the process does not come back;
// the call itself is the child's (plugin_child.cpp, program_child.cpp).
#include "daemon/host/hosted_stage.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <deque>
#include <filesystem>
#include <numeric>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "daemon/host/child_pool.hpp"
#include "daemon/host/plugin_child.hpp"
#include "daemon/host/program_child.hpp"
#include "daemon/host/watch.hpp"

namespace wiremill {
namespace {

// A descriptor that came as a message, with its strings.
class DescriptorCopy {
 public:
  explicit DescriptorCopy(v1::StageDescriptor message) : message_(std::move(message)) {
    for (const std::string& name : message_.required()) required_.push_back(name.c_str());
    for (const std::string& name : message_.used()) used_.push_back(name.c_str());
    for (const std::string& name : message_.provided()) provided_.push_back(name.c_str());
    for (auto* list : {&required_, &used_, &provided_}) list->push_back(nullptr);
    for (const auto& option : message_.options())
      options_.push_back({option.name().c_str(), static_cast<uint32_t>(option.type()), 0,
                          option.has_default_value() ? option.default_value().c_str() : nullptr,
                          option.help().c_str(), option.minimum(), option.maximum()});
    options_.push_back({});
    const auto never = [](void*, const wm_batch*) -> int32_t { return 1; };
    descriptor_ = {
        sizeof(wm_descriptor),
        message_.state_version(),
        message_.id().c_str(),
        message_.version().c_str(),
        message_.summary().c_str(),
        required_.data(),
        used_.data(),
        provided_.data(),
        options_.data(),
        nullptr,
        nullptr,
        never,
        message_.settles() ? static_cast<decltype(wm_descriptor::settle)>(never) : nullptr};
  }
  DescriptorCopy(const DescriptorCopy&) = delete;
  DescriptorCopy& operator=(const DescriptorCopy&) = delete;
  const wm_descriptor& get() const { return descriptor_; }

 private:
  const v1::StageDescriptor message_;
  std::vector<const char*> required_, used_, provided_;
  std::vector<wm_option> options_;
  wm_descriptor descriptor_{};
};

class ProcessStage final : public HostedStage {
 public:
  ProcessStage(const StageConfig& config, const std::string& stagehost,
               const std::string& plugin_file, StageLog log, std::stop_token stop)
      : HostedStage(config.name, std::move(log)),
        stagehost_(stagehost),
        plugin_file_(plugin_file),
        config_(config),
        stop_(std::move(stop)),
        pool_(
            Stage::name(), [this] { return make_child(); },
            [this](const Error& error) {
              if (started()) Stage::log(WM_LOG_ERROR, "cannot be started: " + error.message);
            }) {}

  Status load() {
    auto child = pool_.take();
    if (!child) return tl::unexpected(std::move(child).error());
    first_ = std::move(*child);
    descriptor_ = std::make_unique<DescriptorCopy>(first_->descriptor());
    return {};
  }

  Status start(const wm_option_value* values, size_t values_count) override {
    v1::StageStart start;
    start.set_stage(name());
    start.set_deadline_us(config_.deadline_ms * 1000);
    for (size_t i = 0; i < values_count; ++i) add_value(values[i], *start.add_options());
    {
      const MutexLock lock(mutex_);
      start_ = start;
    }
    WM_TRY(first_->start(start));
    pool_.give_back(std::move(first_));
    return {};
  }

  const wm_descriptor& descriptor() const override { return descriptor_->get(); }
  uint32_t calls_outside() const override { return calls_; }
  std::string trouble() const override {
    const MutexLock lock(mutex_);
    return broken_;
  }

  Losses losses() const override {
    const MutexLock lock(mutex_);
    return losses_;
  }

  int32_t process(const wm_batch& batch) const override {
    return run(
        Child::What::Process, batch, [this] { return pool_.take(); },
        [this](std::unique_ptr<Child> child) { pool_.give_back(std::move(child)); });
  }
  int32_t settle(const wm_batch& batch) const override {
    return run(
        Child::What::Settle, batch,
        [this]() -> Result<std::unique_ptr<Child>> {
          if (settler_ != nullptr) return std::move(settler_);
          return pool_.take();
        },
        [this](std::unique_ptr<Child> child) { settler_ = std::move(child); });
  }

 private:
  static void add_value(const wm_option_value& from, v1::StageStart::Value& to) {
    to.set_name(from.name.data, from.name.size);
    to.set_type(static_cast<v1::StageDescriptor::Option::Type>(from.type));
    to.set_integer(from.integer);
    to.set_number(from.number);
    to.set_text(from.text.data, from.text.size);
    for (size_t i = 0; i < from.texts_count; ++i)
      to.add_texts(from.texts[i].data, from.texts[i].size);
  }

  std::optional<v1::StageStart> started() const {
    const MutexLock lock(mutex_);
    return start_;
  }

  Result<std::unique_ptr<Child>> make_child() const {
    if (stop_.stop_requested()) return fail(ErrorCode::Config, "nobody waits for it any more");
    auto child = config_.command.empty()
                     ? start_plugin_child(stagehost_, plugin_file_, config_, stop_)
                     : start_program_child(stagehost_, config_, stop_);
    const std::optional<v1::StageStart> start = started();
    if (!start) return child;
    const Status made = child ? (*child)->start(*start) : tl::unexpected(child.error());
    if (made) return child;
    // It started once, so what is wrong may pass.
    return fail(ErrorCode::Unavailable, "{}", made.error().message);
  }

  template <class Take, class GiveBack>
  int32_t run(Child::What what, const wm_batch& batch, const Take& take,
              const GiveBack& give_back) const {
    ++calls_;
    const int32_t code = call(what, batch, take, give_back);
    --calls_;
    return code;
  }

  template <class Take, class GiveBack>
  int32_t call(Child::What what, const wm_batch& batch, const Take& take,
               const GiveBack& give_back) const {
    std::vector<uint32_t> waiting(batch.count);
    std::iota(waiting.begin(), waiting.end(), 0U);
    bool one_by_one = false;
    while (!waiting.empty() && !is_set(batch.cancelled)) {
      if (is_broken()) return give_up(batch, waiting);
      auto child = take();
      if (!child) {
        note_broken("it cannot be started: " + child.error().message);
        continue;
      }
      if (const auto cause = (*child)->ended()) {
        Stage::log(WM_LOG_WARNING, "its process, between documents, " + *cause);
        note_death();
        continue;
      }
      const std::span part(waiting.data(), one_by_one ? 1 : waiting.size());
      const CallEnd end = (*child)->call(what, batch, part, own_event());
      if (end) {
        (*child)->trim_words();
        give_back(std::move(*child));
        if (*end != 0) return *end;
        waiting.erase(waiting.begin(), waiting.begin() + static_cast<ptrdiff_t>(part.size()));
        continue;
      }
      note_death();
      // What was said is forgotten with the first verdict; the second begins anew.
      for (const uint32_t document : part) {
        say(batch, document, WM_FAILED, "", "");
        say(batch, document, WM_OK, "", "");
      }
      const Death& death = end.error();
      one_by_one |= !death.document;
      if (!death.document) continue;
      const uint32_t guilty = part[*death.document];
      Stage::log(WM_LOG_WARNING,
                 fmt::format("document {}: {}", batch.documents[guilty]->sequence, death.message));
      lose(batch, guilty, death.code, death.message);
      waiting.erase(waiting.begin() + *death.document);
    }
    return 0;
  }

  bool is_broken() const {
    const MutexLock lock(mutex_);
    return !broken_.empty();
  }

  void note_death() const {
    pool_.note_death();
    const auto now = std::chrono::steady_clock::now();
    {
      const MutexLock lock(mutex_);
      deaths_.push_back(now);
      while (deaths_.front() < now - std::chrono::milliseconds(config_.crash_window_ms))
        deaths_.pop_front();
      if (deaths_.size() < config_.crashes_max) return;
    }
    note_broken(fmt::format("its process ended {} times within {} s", config_.crashes_max,
                            config_.crash_window_ms / 1000));
  }

  void note_broken(const std::string& why) const {
    {
      const MutexLock lock(mutex_);
      if (!broken_.empty()) return;
      broken_ = why;
    }
    Stage::log(WM_LOG_ERROR,
               fmt::format("broken: {}; {}", why,
                           config_.on_broken == StageConfig::OnBroken::Stop
                               ? "the line stands still until the daemon is started again"
                           : config_.on_broken == StageConfig::OnBroken::Skip
                               ? "documents go on without it until the next start or reload"
                               : "documents are dead letters until the next start or reload"));
  }

  // What a broken stage says of documents.
  int32_t give_up(const wm_batch& batch, std::span<const uint32_t> documents) const {
    if (config_.on_broken == StageConfig::OnBroken::Stop) return kStageBroken;
    const bool skips = config_.on_broken == StageConfig::OnBroken::Skip;
    const std::string why = "the stage is broken: " + trouble();
    for (const uint32_t document : documents)
      if (skips)
        say(batch, document, WM_SKIP, "", "");
      else
        lose(batch, document, "BROKEN", why);
    return 0;
  }

  // The document ends here, whatever the stage said of it.
  void lose(const wm_batch& batch, uint32_t document, const std::string& code,
            const std::string& message) const {
    say(batch, document, WM_BAD_DOCUMENT, code, message);
    if (is_set(batch.cancelled)) return;  // nothing counts that such a call says
    const MutexLock lock(mutex_);
    if (losses_.documents++ == 0) losses_.first = fmt::format("{}: {}", code, message);
  }

  static void say(const wm_batch& batch, uint32_t document, uint32_t verdict, std::string_view code,
                  std::string_view message) {
    batch.output->verdict(&batch, document, verdict, {code.data(), code.size()},
                          {message.data(), message.size()});
  }

  // Takes a line for the log, or a metric.
  Child::OwnEvent own_event() const {
    return [this](const v1::StageEvent& event) {
      switch (event.what_case()) {
        case v1::StageEvent::kLog:
          Stage::log(static_cast<uint32_t>(event.log().level()), event.log().message());
          return true;
        case v1::StageEvent::kCount: count(event.count().name(), event.count().add()); return true;
        case v1::StageEvent::kGauge:
          gauge(event.gauge().name(), event.gauge().value());
          return true;
        case v1::StageEvent::kObserve: return take(event.observe());
        default: return false;
      }
    };
  }

  // False: its buckets are others.
  bool take(const v1::StageEvent::Observe& observed) const {
    if (observed.counts().empty()) {
      observe(observed.name(), observed.value());
      return true;
    }
    Histogram values{.sum = observed.value()};
    if (static_cast<size_t>(observed.counts_size()) != values.counts.size()) return false;
    std::copy(observed.counts().begin(), observed.counts().end(), values.counts.begin());
    observe(observed.name(), values);
    return true;
  }

  const std::string stagehost_, plugin_file_;
  const StageConfig config_;
  const std::stop_token stop_;
  std::unique_ptr<DescriptorCopy> descriptor_;
  std::unique_ptr<Child> first_;  // between load and start
  mutable std::atomic<uint32_t> calls_{0};
  mutable Mutex mutex_;
  std::optional<v1::StageStart> start_ WM_GUARDED_BY(mutex_);
  mutable std::deque<std::chrono::steady_clock::time_point> deaths_ WM_GUARDED_BY(mutex_);
  mutable std::string broken_ WM_GUARDED_BY(mutex_);  // why; empty: it is not
  mutable Losses losses_ WM_GUARDED_BY(mutex_);
  mutable std::unique_ptr<Child> settler_;  // one settle at a time
  mutable ChildPool pool_;                  // the last member: its thread uses the others
};

}  // namespace

Result<std::unique_ptr<HostedStage>> HostedStage::load(const StageConfig& config,
                                                       const std::string& stagehost,
                                                       const std::string& plugin_file, StageLog log,
                                                       std::stop_token stop) {
  auto stage = std::make_unique<ProcessStage>(config, stagehost, plugin_file, std::move(log),
                                              std::move(stop));
  WM_TRY(stage->load());
  return stage;
}

std::string stagehost_program() {
  std::error_code ignored;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", ignored);
  return (program.parent_path().parent_path() / "bin/wiremill-stagehost").string();
}

}  // namespace wiremill
