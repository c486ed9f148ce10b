// One call, seen from here: the documents are laid into the child's memory, the child is woken, and
// what comes back is a stream of events, handed over whenever the outbox is full, when the stage asks
// for state, and at the end. While the child works this thread sleeps, until it is woken, the child
// ends, or the document that it is at has had its time.
#include "daemon/host/plugin_child.hpp"

#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "daemon/host/answer_checks.hpp"
#include "daemon/host/channel.hpp"
#include "daemon/host/event_stream.hpp"
#include "daemon/host/flat_documents.hpp"
#include "daemon/host/frames.hpp"
#include "daemon/host/process.hpp"
#include "daemon/host/wakes_here.hpp"
#include "daemon/host/watch.hpp"
#include "daemon/plugin/plugin.hpp"

namespace wiremill {
namespace {

// What the child handed over, and may still write to.
std::string_view outbox(const Channel& channel) {
  return {channel.outbox(), std::min<size_t>(channel.control().bytes, kOutboxBytes)};
}

Handover handed_over(const Channel& channel) {
  return static_cast<Handover>(channel.control().handover.load());
}

// What the state holds, as frames.
class FrameAnswer final : public StateAnswer {
 public:
  void value(bool is_found, wm_view value) override {
    add({is_found ? Frame::Kind::Found : Frame::Kind::Missing, 0, {}, as_string_view(value)});
  }
  void entry(wm_view key, wm_view value) override {
    add({Frame::Kind::Entry, 0, as_string_view(key), as_string_view(value)});
  }
  void more() override { add({Frame::Kind::More, 0, {}, {}}); }
  void refused(int32_t error) override {
    add({Frame::Kind::Refused, 0, {}, std::to_string(error)});
  }
  const std::string& frames() const { return frames_; }

 private:
  void add(const Frame& frame) { append_frame(frame, frames_); }
  std::string frames_;
};

class PluginChild final : public Child {
 public:
  PluginChild(Channel channel, Process process, const StageConfig& limits,
              const std::stop_token& stop)
      : channel_(std::move(channel)),
        process_(std::move(process)),
        limits_(limits),
        end_(stop, [this] { process_.kill(); }) {}

  Status load() {
    auto loaded = await_start(Handover::Loaded);
    if (!loaded) return tl::unexpected(std::move(loaded).error());
    if (!descriptor_.ParseFromString(*loaded))
      return fail(ErrorCode::Config, "its descriptor cannot be read");
    return {};
  }

  Status start(const v1::StageStart& start) override {
    const std::string bytes = start.SerializeAsString();
    if (bytes.size() > kInboxBytes)
      return fail(ErrorCode::Config, "its options have {} bytes, over the limit of {}",
                  bytes.size(), kInboxBytes);
    hand_over(Handover::Start, bytes);
    if (auto started = await_start(Handover::Started); !started)
      return tl::unexpected(std::move(started).error());
    return {};
  }

  CallEnd call(What what, const wm_batch& batch, std::span<const uint32_t> documents,
               const OwnEvent& own_event) override {
    std::vector<const wm_document*> list;
    for (const uint32_t document : documents) list.push_back(batch.documents[document]);
    const size_t bytes = flat_bytes(list);
    const auto block = channel_.documents(bytes);
    ChannelControl& control = channel_.control();
    control.place = place_of(kNoDocument);
    uint32_t begun = kNoDocument;
    // Each look at the child's place tells it and the batch what they have to know of each other.
    const auto place = [&] {
      if (is_set(batch.cancelled)) control.cancelled = 1;
      const Watch::Place at{document_at(control.place), control.began_ns};
      if (at.document < documents.size() && at.document != std::exchange(begun, at.document))
        batch.output->begin(&batch, documents[at.document]);
      return at;
    };
    control.cancelled = 0;
    Watch watch(process_, limits_, documents.size(), static_cast<int64_t>(channel_.bytes()),
                batch.cancelled, place);
    if (!block) return tl::unexpected(watch.stop("CRASHED", block.error().message));
    flatten(list, *block);
    control.documents_count = static_cast<uint32_t>(list.size());
    control.documents_bytes = bytes;
    Replay replay(batch, documents);
    EventStream events(replay, own_event);
    hand_over(what == What::Settle ? Handover::Settle : Handover::Process);
    for (;;) {
      if (auto death = watch.wait({&woken_, 1})) return tl::unexpected(std::move(*death));
      wait_for_wake(channel_.to_daemon_fd());
      watch.pause();
      const Handover got = handed_over(channel_);
      if (!events.read(outbox(channel_), got != Handover::Events))
        return tl::unexpected(watch.stop("CRASHED", "said what cannot be read"));
      FrameAnswer answer;
      switch (got) {
        case Handover::Done: return plugin_code(control.code);
        case Handover::Events: break;
        case Handover::Asked:
          if (replay.answer(events.asked(), answer)) break;
          [[fallthrough]];
        default: return tl::unexpected(watch.stop("CRASHED", "spoke out of turn"));
      }
      watch.go_on();
      hand_over(got == Handover::Asked ? Handover::Reply : Handover::GoOn, answer.frames());
    }
  }

  std::optional<std::string> ended() override { return process_.ended(); }
  void trim_words() override { process_.trim_words(); }

 private:
  // The child's word while it starts.
  Result<std::string> await_start(Handover wanted) {
    switch (process_.wait({&woken_, 1}, kStartTimeoutNs)) {
      case Process::Wait::Ready: wait_for_wake(channel_.to_daemon_fd()); break;
      case Process::Wait::TimedOut:
        return fail(ErrorCode::Config, "it did not start within {} s",
                    kStartTimeoutNs / 1'000'000'000);
      case Process::Wait::Ended:
        return fail(ErrorCode::Config, "its process, while it {}, {}",
                    wanted == Handover::Loaded ? "loaded" : "started",
                    process_.ended().value_or(""));
    }
    const Handover got = handed_over(channel_);
    std::string said(outbox(channel_));
    if (got == wanted) return said;
    return fail(ErrorCode::Config, "{}", said);
  }

  void hand_over(Handover what, std::string_view inbox = {}) {
    WM_INVARIANT(inbox.size() <= kInboxBytes);
    std::copy(inbox.begin(), inbox.end(), channel_.inbox());
    channel_.control().bytes = static_cast<uint32_t>(inbox.size());
    channel_.control().handover = static_cast<uint32_t>(what);
    const WakesHere place(process_.id());
    wake(channel_.to_child_fd());
  }

  Channel channel_;
  Process process_;
  const StageConfig& limits_;
  const pollfd woken_{channel_.to_daemon_fd(), POLLIN, 0};
  const std::stop_callback<std::function<void()>> end_;
};

}  // namespace

Result<std::unique_ptr<Child>> start_plugin_child(const std::string& program,
                                                  const std::string& plugin_file,
                                                  const StageConfig& limits,
                                                  const std::stop_token& stop) {
  auto channel = Channel::make();
  if (!channel) return tl::unexpected(std::move(channel).error());
  auto group = control_groups().make(limits);
  if (!group) return tl::unexpected(std::move(group).error());
  const std::string entrance = *group ? (*group)->entrance() : "";
  auto process = Process::start(
      {{program, std::to_string(getpid()), std::to_string(limits.processes), entrance, plugin_file},
       {},
       {{channel->memory_fd(), kMemoryFd},
        {channel->to_child_fd(), kToChildFd},
        {channel->to_daemon_fd(), kToDaemonFd}}},
      std::move(*group));
  if (!process) return tl::unexpected(std::move(process).error());
  auto child =
      std::make_unique<PluginChild>(std::move(*channel), std::move(*process), limits, stop);
  WM_TRY(child->load());
  return child;
}

}  // namespace wiremill
