// See hosted_stage.hpp.
//
// One call, seen from here: the documents are laid into the child's memory, the child is woken, and
// what comes back is a stream of events, handed over whenever the outbox is full, when the stage asks
// for state, and at the end. While the child works this thread sleeps, until it is woken, the child
// ends, or the document that it is at has had its time.
#include "daemon/host/hosted_stage.hpp"

#include <google/protobuf/io/coded_stream.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <filesystem>
#include <numeric>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "daemon/host/child_pool.hpp"
#include "daemon/host/flat_documents.hpp"
#include "daemon/host/replay.hpp"

namespace wiremill {
namespace {

constexpr int64_t kMillisecond = 1'000'000;
constexpr int64_t kStartTimeoutNs = 60'000 * kMillisecond;  // a stage may read large models
constexpr int64_t kMemoryWatchNs = 10 * kMillisecond;
constexpr size_t kUnreadBytesMax = 64 << 20;  // of one event

// A descriptor that came as a message, with its strings.
class DescriptorCopy {
 public:
  explicit DescriptorCopy(v1::StageDescriptor message) : message_(std::move(message)) {
    for (const std::string& name : message_.required()) required_.push_back(name.c_str());
    for (const std::string& name : message_.used()) used_.push_back(name.c_str());
    for (const std::string& name : message_.provided()) provided_.push_back(name.c_str());
    for (auto* list : {&required_, &used_, &provided_}) list->push_back(nullptr);
    for (const auto& option : message_.options())
      options_.push_back({option.name().c_str(), option.type(), 0,
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

// How a call ended where the child did not.
struct Death {
  std::optional<uint32_t> document;  // the guilty one, as index in the call
  std::string code, message;
};
using CallEnd = tl::expected<int32_t, Death>;

// What the child handed over, copied: nothing is looked at twice where the child may write.
std::string outbox(Child& child) {
  const Channel& channel = child.channel();
  const size_t bytes = std::min<size_t>(channel.control().bytes, kOutboxBytes);
  return {channel.outbox(), bytes};
}

void hand_over(Child& child, Handover what, std::string_view inbox = {}) {
  const Channel& channel = child.channel();
  WM_INVARIANT(inbox.size() <= kInboxBytes);
  std::copy(inbox.begin(), inbox.end(), channel.inbox());
  channel.control().bytes = static_cast<uint32_t>(inbox.size());
  channel.control().handover = static_cast<uint32_t>(what);
  wake(channel.to_child_fd());
}

Handover handed_over(Child& child) {
  return static_cast<Handover>(child.channel().control().handover.load());
}

// Waits for the child's word while it starts.
Result<std::string> await_start(Child& child, Handover wanted) {
  switch (child.wait(kStartTimeoutNs)) {
    case Child::Wait::Woken: break;
    case Child::Wait::TimedOut:
      return fail(ErrorCode::Unavailable, "it did not start within {} s",
                  kStartTimeoutNs / kMillisecond / 1000);
    case Child::Wait::Ended: {
      const std::string words = child.last_words();
      return fail(ErrorCode::Config, "its process {} while it started{}{}", child.cause(),
                  words.empty() ? "" : ": ", words);
    }
  }
  if (handed_over(child) == wanted) return outbox(child);
  return fail(ErrorCode::Config, "{}", outbox(child));
}

// The events of one call as they arrive.
class EventStream {
 public:
  EventStream(Child& child, Replay& replay) : child_(child), replay_(replay) {}

  // Takes what the child handed over, which shall end with a whole event where it is `whole`. False:
  // the child does not keep to the rules.
  template <class OtherEvent>
  bool read(bool whole, const OtherEvent& other) {
    unread_ += outbox(child_);
    google::protobuf::io::CodedInputStream input(reinterpret_cast<const uint8_t*>(unread_.data()),
                                                 static_cast<int>(unread_.size()));
    int done = 0;
    asked_.Clear();
    for (uint32_t size = 0; input.ReadVarint32(&size);) {
      const int begin = input.CurrentPosition();
      if (size > unread_.size() - static_cast<size_t>(begin)) break;
      v1::StageEvent event;
      if (!event.ParseFromArray(unread_.data() + begin, static_cast<int>(size))) return false;
      input.Skip(static_cast<int>(size));
      done = input.CurrentPosition();
      if (event.has_get() || event.has_scan())
        asked_ = std::move(event);
      else if (!other(event) && !replay_.take(event))
        return false;
    }
    unread_.erase(0, static_cast<size_t>(done));
    return unread_.size() <= kUnreadBytesMax && (!whole || unread_.empty());
  }
  const v1::StageEvent& asked() const { return asked_; }

 private:
  Child& child_;
  Replay& replay_;
  std::string unread_;
  v1::StageEvent asked_;
};

// Watches the time and the memory of one call.
class Watch {
 public:
  Watch(Child& child, const StageConfig& limits, size_t documents)
      : child_(child), limits_(limits), documents_(documents), began_ns_(monotonic_ns()) {}

  // Until the child hands something over; what killed it otherwise.
  std::optional<Death> wait() {
    for (;;) {
      int64_t left_ns = due_ns() - monotonic_ns();
      if (limits_.memory_bytes_max > 0) left_ns = std::min(left_ns, kMemoryWatchNs);
      switch (child_.wait(left_ns)) {
        case Child::Wait::Woken: return std::nullopt;
        case Child::Wait::Ended: return blame("CRASHED", child_.cause());
        case Child::Wait::TimedOut: break;
      }
      const int64_t held = limits_.memory_bytes_max > 0 ? child_.memory_bytes() : 0;
      if (held > limits_.memory_bytes_max)
        return stop("MEMORY", fmt::format("held {} MiB of memory, over its limit of {} MiB",
                                          held >> 20, limits_.memory_bytes_max >> 20));
      if (monotonic_ns() >= due_ns())
        return stop("DEADLINE", fmt::format("ran for more than {} ms", limits_.deadline_ms));
    }
  }
  // Time in which the child waited for the daemon is not its own.
  void pause() { paused_at_ns_ = monotonic_ns(); }
  void go_on() { served_ns_ += monotonic_ns() - paused_at_ns_; }

  Death blame(std::string code, std::string message) const {
    Death death{document(), std::move(code), "the stage's process " + std::move(message)};
    if (const std::string words = child_.last_words(); !words.empty())
      death.message += "; its last words: " + words;
    return death;
  }
  Death stop(std::string code, std::string message) const {
    const std::optional<uint32_t> guilty = document();
    child_.kill();
    Death death = blame(std::move(code), std::move(message));
    death.document = guilty;
    return death;
  }

 private:
  std::optional<uint32_t> document() const {
    const uint32_t document = child_.channel().control().document;
    if (document < documents_) return document;
    if (documents_ == 1) return 0;
    return std::nullopt;
  }
  // When the time is over: of the document that it is at, else of all of them.
  int64_t due_ns() {
    const ChannelControl& control = child_.channel().control();
    const uint32_t document = control.document;
    if (document != document_) {
      document_ = document;
      served_before_ns_ = served_ns_;
    }
    const int64_t deadline_ns = limits_.deadline_ms * kMillisecond;
    // Whatever the child says, all of them together have no longer.
    const int64_t all_due_ns =
        began_ns_ + deadline_ns * static_cast<int64_t>(documents_) + served_ns_;
    if (document >= documents_) return all_due_ns;
    const int64_t began_ns = std::max(control.began_ns.load(), began_ns_);
    return std::min(all_due_ns, std::min(began_ns, monotonic_ns()) + deadline_ns + served_ns_ -
                                    served_before_ns_);
  }

  Child& child_;
  const StageConfig& limits_;
  const size_t documents_;
  const int64_t began_ns_;
  uint32_t document_ = kNoDocument;
  int64_t paused_at_ns_ = 0;
  int64_t served_ns_ = 0, served_before_ns_ = 0;  // in the call; before the document
};

class ProcessStage final : public HostedStage {
 public:
  ProcessStage(const StageConfig& limits, const std::string& program,
               const std::string& plugin_file, StageLog log)
      : HostedStage(limits.name, std::move(log)),
        program_(program),
        plugin_file_(plugin_file),
        limits_(limits),
        pool_(
            Stage::name(), [this] { return make_child(); },
            [this](const Error& error) {
              if (is_started()) Stage::log(WM_LOG_ERROR, "cannot be started: " + error.message);
            }) {}

  Status load() {
    auto child = pool_.take();
    if (!child) return tl::unexpected(std::move(child).error());
    first_ = std::move(*child);
    v1::StageDescriptor message;
    if (!message.ParseFromString(outbox(*first_)))
      return fail(ErrorCode::Config, "its descriptor cannot be read");
    descriptor_ = std::make_unique<DescriptorCopy>(std::move(message));
    return {};
  }

  Status start(const wm_option_value* values, size_t values_count) override {
    v1::StageStart start;
    start.set_stage(name());
    for (size_t i = 0; i < values_count; ++i) add_value(values[i], *start.add_options());
    {
      const MutexLock lock(mutex_);
      start_ = start.SerializeAsString();
    }
    WM_TRY(start_instance(*first_));
    pool_.give_back(std::move(first_));
    return {};
  }

  const wm_descriptor& descriptor() const override { return descriptor_->get(); }

  int32_t process(const wm_batch& batch) const override {
    return run(
        Handover::Process, batch, [this] { return pool_.take(); },
        [this](std::unique_ptr<Child> child) { pool_.give_back(std::move(child)); });
  }
  int32_t settle(const wm_batch& batch) const override {
    return run(
        Handover::Settle, batch,
        [this]() -> Result<std::unique_ptr<Child>> {
          if (settler_ != nullptr) return std::move(settler_);
          return pool_.take();
        },
        [this](std::unique_ptr<Child> child) { settler_ = std::move(child); });
  }

 private:
  static void add_value(const wm_option_value& from, v1::StageStart::Value& to) {
    to.set_name(from.name.data, from.name.size);
    to.set_type(from.type);
    to.set_integer(from.integer);
    to.set_number(from.number);
    to.set_text(from.text.data, from.text.size);
    for (size_t i = 0; i < from.texts_count; ++i)
      to.add_texts(from.texts[i].data, from.texts[i].size);
  }

  bool is_started() const {
    const MutexLock lock(mutex_);
    return !start_.empty();
  }

  Result<std::unique_ptr<Child>> make_child() const {
    auto child = Child::start(program_, plugin_file_);
    if (!child) return tl::unexpected(std::move(child).error());
    auto made = std::make_unique<Child>(std::move(*child));
    if (auto loaded = await_start(*made, Handover::Loaded); !loaded)
      return tl::unexpected(std::move(loaded).error());
    if (is_started()) WM_TRY(start_instance(*made));
    return made;
  }

  Status start_instance(Child& child) const {
    std::string start;
    {
      const MutexLock lock(mutex_);
      start = start_;
    }
    if (start.size() > kInboxBytes)
      return fail(ErrorCode::Config, "its options have {} bytes, over the limit of {}",
                  start.size(), kInboxBytes);
    hand_over(child, Handover::Start, start);
    if (auto started = await_start(child, Handover::Started); !started)
      return tl::unexpected(std::move(started).error());
    return {};
  }

  template <class Take, class GiveBack>
  int32_t run(Handover what, const wm_batch& batch, const Take& take,
              const GiveBack& give_back) const {
    std::vector<uint32_t> waiting(batch.count);
    std::iota(waiting.begin(), waiting.end(), 0U);
    bool one_by_one = false;
    while (!waiting.empty()) {
      if (is_broken()) return give_up(batch, waiting);
      auto child = take();
      if (!child) {
        for (const uint32_t document : waiting)
          say(batch, document, WM_FAILED, "UNAVAILABLE", child.error().message);
        return 0;
      }
      const std::span part(waiting.data(), one_by_one ? 1 : waiting.size());
      const CallEnd end = call(**child, what, batch, part);
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
      say(batch, guilty, WM_BAD_DOCUMENT, death.code, death.message);
      waiting.erase(waiting.begin() + *death.document);
    }
    return 0;
  }

  bool is_broken() const {
    const MutexLock lock(mutex_);
    return broken_;
  }

  void note_death() const {
    pool_.note_death();
    const auto now = std::chrono::steady_clock::now();
    {
      const MutexLock lock(mutex_);
      deaths_.push_back(now);
      while (deaths_.front() < now - std::chrono::milliseconds(limits_.crash_window_ms))
        deaths_.pop_front();
      if (deaths_.size() < limits_.crashes_max || broken_) return;
      broken_ = true;
    }
    Stage::log(
        WM_LOG_ERROR,
        fmt::format("broken: its process ended {} times within {} s; until the daemon is "
                    "started again {}",
                    limits_.crashes_max, limits_.crash_window_ms / 1000,
                    limits_.on_broken == StageConfig::OnBroken::Stop ? "the line stands still"
                    : limits_.on_broken == StageConfig::OnBroken::Skip
                        ? "documents go on without it"
                        : "documents are dead letters"));
  }

  // What a broken stage says of documents.
  int32_t give_up(const wm_batch& batch, std::span<const uint32_t> documents) const {
    if (limits_.on_broken == StageConfig::OnBroken::Stop) return kStageBroken;
    const bool skips = limits_.on_broken == StageConfig::OnBroken::Skip;
    for (const uint32_t document : documents)
      say(batch, document, skips ? WM_SKIP : WM_BAD_DOCUMENT, skips ? "" : "BROKEN",
          skips ? "" : "the stage's process ended too often");
    return 0;
  }

  static void say(const wm_batch& batch, uint32_t document, uint32_t verdict, std::string_view code,
                  std::string_view message) {
    batch.output->verdict(&batch, document, verdict, {code.data(), code.size()},
                          {message.data(), message.size()});
  }

  // Takes a line for the log or a count.
  auto own_event() const {
    return [this](const v1::StageEvent& event) {
      if (event.has_log())
        Stage::log(event.log().level(), event.log().message());
      else if (event.has_count())
        count(event.count().name(), event.count().add());
      else
        return false;
      return true;
    };
  }

  CallEnd call(Child& child, Handover what, const wm_batch& batch,
               std::span<const uint32_t> documents) const {
    std::vector<const wm_document*> list;
    for (const uint32_t document : documents) list.push_back(batch.documents[document]);
    const size_t bytes = flat_bytes(list);
    const auto block = child.channel().documents(bytes);
    ChannelControl& control = child.channel().control();
    Watch watch(child, limits_, documents.size());
    if (!block) return tl::unexpected(watch.stop("CRASHED", block.error().message));
    flatten(list, *block);
    control.documents_count = static_cast<uint32_t>(list.size());
    control.documents_bytes = bytes;
    control.document = kNoDocument;
    control.cancelled = 0;
    Replay replay(batch, documents);
    EventStream events(child, replay);
    hand_over(child, what);
    for (;;) {
      if (auto death = watch.wait()) return tl::unexpected(std::move(*death));
      watch.pause();
      const Handover got = handed_over(child);
      if (!events.read(got != Handover::Events, own_event()))
        return tl::unexpected(watch.stop("CRASHED", "said what cannot be read"));
      v1::StageReply reply;
      switch (got) {
        case Handover::Done: return plugin_code(control.code);
        case Handover::Events: break;
        case Handover::Asked:
          if (replay.answer(events.asked(), reply)) break;
          [[fallthrough]];
        default: return tl::unexpected(watch.stop("CRASHED", "spoke out of turn"));
      }
      watch.go_on();
      hand_over(child, got == Handover::Asked ? Handover::Reply : Handover::GoOn,
                reply.SerializeAsString());
    }
  }

  const std::string program_, plugin_file_;
  const StageConfig limits_;
  std::unique_ptr<DescriptorCopy> descriptor_;
  std::unique_ptr<Child> first_;  // between load and start
  mutable Mutex mutex_;
  std::string start_ WM_GUARDED_BY(mutex_);
  mutable std::deque<std::chrono::steady_clock::time_point> deaths_ WM_GUARDED_BY(mutex_);
  mutable bool broken_ WM_GUARDED_BY(mutex_) = false;
  mutable std::unique_ptr<Child> settler_;  // one settle at a time
  mutable ChildPool pool_;                  // the last member: its thread uses the others
};

}  // namespace

Result<std::unique_ptr<HostedStage>> HostedStage::load(const StageConfig& config,
                                                       const std::string& program,
                                                       const std::string& plugin_file,
                                                       StageLog log) {
  auto stage = std::make_unique<ProcessStage>(config, program, plugin_file, std::move(log));
  WM_TRY(stage->load());
  return stage;
}

std::string stagehost_program() {
  std::error_code ignored;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", ignored);
  return (program.parent_path().parent_path() / "bin/wiremill-stagehost").string();
}

}  // namespace wiremill
