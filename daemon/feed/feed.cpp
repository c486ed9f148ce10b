// See feed.hpp.
//
// New records are read once, into the tail; the XPUB and every stream of replay near the head are
// served from it.
#include "daemon/feed/feed.hpp"

#include <chrono>
#include <utility>

#include "daemon/base/clock.hpp"
#include "daemon/feed/cursor_store.hpp"
#include "daemon/feed/replay.hpp"
#include "daemon/feed/tail.hpp"
#include "daemon/sockets/socket_loop.hpp"

namespace wiremill {
namespace {

constexpr std::string_view kHeartbeatTopic = "!heartbeat";
constexpr size_t kSubscriptionBytesMax = 1024;
constexpr std::chrono::milliseconds kFullRetry{10};

zmq::message_t frame_of(std::string_view bytes) {
  return zmq::message_t(bytes.data(), bytes.size());
}

}  // namespace

class Feed::Impl {
 public:
  Impl(const FeedOptions& options, SocketLoop& loop, const Log& log,
       std::unique_ptr<CursorStore> cursors)
      : options_(options),
        loop_(loop),
        log_(log),
        epoch_(log.statistics().epoch),
        cursors_(std::move(cursors)) {}

  Status bind();
  Status set_cursor(const std::string& name, uint64_t sequence);

  const FeedOptions options_;
  SocketLoop& loop_;
  const Log& log_;
  const uint64_t epoch_;
  const std::unique_ptr<CursorStore> cursors_;
  FeedCounters counters_;
  std::string endpoint_, replay_endpoint_;
  Tail tail_{log_, epoch_, [this](const FeedRecord& record) { publish(record); }};
  Replay replay_{options_, log_, epoch_, tail_, *cursors_, counters_};

 private:
  void handle_subscription(const Frames& frames);
  bool turn();
  void publish(const FeedRecord& record);
  void heartbeat();

  zmq::socket_t publisher_;
  uint64_t subscriptions_ = 0;
  BytesHeld held_ = std::make_shared<std::atomic<int64_t>>(0);
};

Status Feed::Impl::bind() {
  auto publisher = bind_socket(loop_.context(), zmq::socket_type::xpub,
                               {.endpoint = options_.endpoint,
                                .frame_bytes_max = static_cast<int64_t>(kSubscriptionBytesMax),
                                .send_messages_max = options_.feed_messages_max});
  const Status replay = replay_.bind(loop_.context());
  if (!publisher && !replay)
    return fail(publisher.error().code, "{}; {}", publisher.error().message,
                replay.error().message);
  if (!publisher) return tl::unexpected(std::move(publisher).error());
  WM_TRY(replay);
  publisher_ = std::move(*publisher);
  endpoint_ = bound_endpoint(publisher_);
  replay_endpoint_ = bound_endpoint(replay_.socket());
  loop_.add_socket(publisher_, [this](Frames& frames) { handle_subscription(frames); });
  loop_.add_socket(replay_.socket(), [this](Frames& frames) { replay_.handle(frames); });
  loop_.add_tick(std::chrono::milliseconds(options_.heartbeat_ms), [this] { heartbeat(); });
  loop_.add_tick(kFullRetry, [this] { replay_.retry_full(); });
  loop_.add_turn([this] { return turn(); });
  return {};
}

// XPUB reports a topic with its first subscriber and with the end of its last.
void Feed::Impl::handle_subscription(const Frames& frames) {
  const std::string_view message = frames[0].to_string_view();
  if (message.starts_with('\1')) ++subscriptions_;
  if (message.starts_with('\0') && subscriptions_ > 0) --subscriptions_;
  counters_.subscriptions = subscriptions_;
}

bool Feed::Impl::turn() {
  const auto news = tail_.read(replay_.has_streams() || subscriptions_ > 0);
  if (!news) ++counters_.read_errors;
  const bool more = replay_.turn(news.value_or(false));
  return more || tail_.is_behind();
}

void Feed::Impl::publish(const FeedRecord& record) {
  if (subscriptions_ == 0) return;
  if (*held_ >= options_.feed_bytes_max) {
    ++counters_.unpublished;
    return;
  }
  Frames frames(3);
  frames[0] = frame_of(record.topic);
  frames[1] = frame_of(record.header.SerializeAsString());
  frames[2] = result_frame(record, held_);
  send_message(publisher_, frames);
  ++counters_.published;
}

void Feed::Impl::heartbeat() {
  if (subscriptions_ > 0) {
    v1::Head head;
    head.set_sequence(tail_.next() - 1);
    head.set_epoch(epoch_);
    Frames frames(2);
    frames[0] = frame_of(kHeartbeatTopic);
    frames[1] = frame_of(head.SerializeAsString());
    send_message(publisher_, frames);
  }
  replay_.heartbeat();
}

Status Feed::Impl::set_cursor(const std::string& name, uint64_t sequence) {
  if (!is_cursor_name(name))
    return fail(ErrorCode::Malformed,
                "a cursor's name has 1 to 128 bytes of letters, digits and ._-");
  if (const uint64_t newest = log_.durable(); sequence > newest)
    return fail(ErrorCode::Malformed, "cursor {} cannot stand at {}: the newest result is {}", name,
                sequence, newest);
  return cursors_->set(name, {epoch_, sequence, now_us()});
}

Result<std::unique_ptr<Feed>> Feed::open(const FeedOptions& options, SocketLoop& loop,
                                         const Log& results) {
  auto cursors =
      CursorStore::open(options.cursors_directory, options.cursors_max, [&loop] { loop.wake(); });
  if (!cursors) return tl::unexpected(std::move(cursors).error());
  const LogStatistics log = results.statistics();
  WM_TRY((*cursors)->begin_epoch(log.epoch, log.epoch_first));
  auto impl = std::make_unique<Impl>(options, loop, results, std::move(*cursors));
  WM_TRY(impl->bind());
  return std::unique_ptr<Feed>(new Feed(std::move(impl)));
}

Feed::Feed(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Feed::~Feed() = default;

std::string Feed::endpoint() const { return impl_->endpoint_; }
std::string Feed::replay_endpoint() const { return impl_->replay_endpoint_; }
const FeedCounters& Feed::counters() const { return impl_->counters_; }

std::vector<Feed::Cursor> Feed::cursors() const {
  std::vector<Cursor> cursors;
  for (const auto& [name, place] : impl_->cursors_->all())
    cursors.push_back({name, place.epoch, place.sequence, place.committed_at_us});
  return cursors;
}

Status Feed::set_cursor(const std::string& name, uint64_t sequence) {
  return impl_->set_cursor(name, sequence);
}

Status Feed::remove_cursor(const std::string& name) { return impl_->cursors_->remove(name); }

std::vector<Feed::Subscriber> Feed::subscribers() const { return impl_->replay_.subscribers(); }

}  // namespace wiremill
