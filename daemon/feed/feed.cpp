// See feed.hpp.
//
// New records are read once, into the tail, which holds the log's last few megabytes; the XPUB and
// every stream near the head are served from it, and the bytes of a result are shared by all the
// pipes that they wait in. A stream further back has a reader of its own until it comes to the
// tail. A stream without credit, or whose pipe is full, simply keeps its position.
//
// Work per turn is bounded in records and bytes, for one stream and for all together; streams take
// turns in being first. A fetch by time is a binary search over the log, one probe a turn:
// accepted_at never descends.
#include "daemon/feed/feed.hpp"

#include <algorithm>
#include <chrono>
#include <deque>
#include <limits>
#include <list>
#include <optional>
#include <unordered_map>
#include <vector>

#include "daemon/feed/feed_record.hpp"
#include "daemon/sockets/socket_loop.hpp"

namespace wiremill {
namespace {

constexpr std::string_view kMagic = "WM1";
constexpr std::string_view kHeartbeatTopic = "!heartbeat";
constexpr size_t kReadRecords = 256, kReadBytes = 1 << 20;  // at once
constexpr size_t kTailRecords = 4096, kTailBytes = 16 << 20;
constexpr size_t kStreamRecords = 256, kTurnRecords = 2048;  // looked at in a turn
constexpr size_t kTurnReads = 8;                             // by streams that are further back
constexpr int kPrefixesMax = 64;
constexpr size_t kPrefixBytesMax = 1024;
constexpr int64_t kRequestBytesMax = 128 << 10;
constexpr size_t kProbeRecords = 16;  // so that a damaged record does not end the search
constexpr std::chrono::milliseconds kFullRetry{10};

zmq::message_t frame_of(std::string_view bytes) {
  return zmq::message_t(bytes.data(), bytes.size());
}

// The first of these with at least this sequence; null where there is none.
FeedRecord* find_record(std::deque<FeedRecord>& records, uint64_t sequence) {
  const auto found = std::lower_bound(
      records.begin(), records.end(), sequence,
      [](const FeedRecord& record, uint64_t wanted) { return record.sequence() < wanted; });
  return found == records.end() ? nullptr : &*found;
}

struct Search {
  int64_t time_us = 0;
  uint64_t low = 1, high = 1;  // the answer is in [low, high]
};

struct Stream {
  std::string routing_id;
  uint64_t number = 0;
  std::vector<std::string> prefixes;
  uint64_t credit = 0;
  bool follow = false;
  std::optional<Search> search;
  uint64_t position = 1;              // the next sequence
  uint64_t head = 0;                  // the newest when it was fetched: it goes at least that far
  std::unique_ptr<LogReader> reader;  // while it is behind the tail
  std::deque<FeedRecord> records;     // from the reader, not yet sent
  bool at_head = false;               // and told so
  bool full = false;                  // its pipe, when last tried

  bool wants(const FeedRecord& record) const {
    return prefixes.empty() || record.damaged ||
           std::any_of(prefixes.begin(), prefixes.end(),
                       [&](const std::string& prefix) { return record.topic.starts_with(prefix); });
  }
};

}  // namespace

class Feed::Impl {
 public:
  Impl(const FeedOptions& options, SocketLoop& loop, const Log& log)
      : options_(options), loop_(loop), log_(log), epoch_(log.statistics().epoch) {}

  Status bind();

  const FeedOptions options_;
  FeedCounters counters_;
  std::string endpoint_, replay_endpoint_;

 private:
  enum class Served { Done, More, Over };
  // What is left of a turn's bounds.
  struct Budget {
    size_t records = kTurnRecords;
    size_t reads = kTurnReads;
  };

  void handle_subscription(const Frames& frames);
  void handle_request(Frames& frames);
  void handle_fetch(std::string_view routing_id, const v1::Fetch& fetch);
  void refuse(std::string_view routing_id, uint64_t stream, const char* code, std::string message);

  bool turn();
  bool read_tail();
  void publish(FeedRecord& record);
  Served serve(Stream& stream, Budget& budget);
  Served say_head(Stream& stream);
  FeedRecord* next_record(Stream& stream, Budget& budget, bool& exhausted);
  void probe(Stream& stream);
  void heartbeat();
  void retry_full();

  Sent send(Stream& stream, v1::ReplayReply& reply, zmq::message_t* result = nullptr);
  void forget(std::list<Stream>::iterator stream);

  SocketLoop& loop_;
  const Log& log_;
  const uint64_t epoch_;
  zmq::socket_t publisher_, router_;

  // The io thread's own.
  std::list<Stream> streams_;
  std::unordered_map<std::string, std::list<Stream>::iterator> by_peer_;
  uint64_t subscriptions_ = 0;
  bool work_left_ = false;                  // a request came, or a turn ended early
  std::unique_ptr<LogReader> tail_reader_;  // null while nobody listens
  std::deque<FeedRecord> tail_;
  size_t tail_bytes_ = 0;
  uint64_t tail_next_ = 1;  // the first sequence that was not yet read
};

Status Feed::Impl::bind() {
  auto publisher = bind_socket(loop_.context(), zmq::socket_type::xpub,
                               {.endpoint = options_.endpoint,
                                .frame_bytes_max = static_cast<int64_t>(kPrefixBytesMax),
                                .send_messages_max = options_.feed_messages_max});
  auto router = bind_socket(loop_.context(), zmq::socket_type::router,
                            {.endpoint = options_.replay_endpoint,
                             .frame_bytes_max = kRequestBytesMax,
                             .send_messages_max = options_.replay_messages_max});
  if (!publisher && !router)
    return fail(publisher.error().code, "{}; {}", publisher.error().message,
                router.error().message);
  if (!publisher) return tl::unexpected<Error>(publisher.error());
  if (!router) return tl::unexpected<Error>(router.error());
  publisher_ = std::move(*publisher);
  router_ = std::move(*router);
  endpoint_ = bound_endpoint(publisher_);
  replay_endpoint_ = bound_endpoint(router_);
  tail_next_ = log_.durable() + 1;
  loop_.add_socket(publisher_, [this](Frames& frames) { handle_subscription(frames); });
  loop_.add_socket(router_, [this](Frames& frames) { handle_request(frames); });
  loop_.add_tick(std::chrono::milliseconds(options_.heartbeat_ms), [this] { heartbeat(); });
  loop_.add_tick(kFullRetry, [this] { retry_full(); });
  loop_.add_turn([this] { return turn(); });
  return {};
}

// ---- Requests
// ------------------------------------------------------------------------------------

// XPUB reports a topic with its first subscriber and with the end of its last.
void Feed::Impl::handle_subscription(const Frames& frames) {
  const std::string_view message = frames[0].to_string_view();
  if (message.starts_with('\1')) ++subscriptions_;
  if (message.starts_with('\0') && subscriptions_ > 0) --subscriptions_;
  counters_.subscriptions = subscriptions_;
}

void Feed::Impl::handle_request(Frames& frames) {
  const std::string routing_id = frames[0].to_string();
  v1::ReplayRequest request;
  if (frames.size() != 3 || frames[1].to_string_view() != kMagic ||
      !request.ParseFromArray(frames[2].data(), static_cast<int>(frames[2].size())) ||
      request.kind_case() == v1::ReplayRequest::KIND_NOT_SET)
    return refuse(routing_id, 0, "MALFORMED", "two frames are needed: WM1, ReplayRequest");
  work_left_ = true;
  if (request.has_fetch()) return handle_fetch(routing_id, request.fetch());
  if (const auto found = by_peer_.find(routing_id); found != by_peer_.end())
    found->second->credit += request.credit().more();
}

void Feed::Impl::handle_fetch(std::string_view routing_id, const v1::Fetch& fetch) {
  if (const auto found = by_peer_.find(std::string(routing_id)); found != by_peer_.end())
    forget(found->second);
  if (streams_.size() >= options_.subscribers_max)
    return refuse(routing_id, fetch.stream(), "TOO_MANY",
                  fmt::format("{} subscribers are allowed", options_.subscribers_max));
  const auto& prefixes = fetch.topic_prefixes();
  if (prefixes.size() > kPrefixesMax ||
      std::any_of(prefixes.begin(), prefixes.end(),
                  [](const std::string& prefix) { return prefix.size() > kPrefixBytesMax; }))
    return refuse(routing_id, fetch.stream(), "MALFORMED",
                  fmt::format("at most {} topic prefixes of {} bytes are allowed", kPrefixesMax,
                              kPrefixBytesMax));
  Stream stream;
  stream.routing_id = routing_id;
  stream.number = fetch.stream();
  stream.prefixes.assign(prefixes.begin(), prefixes.end());
  stream.credit = fetch.credit();
  stream.follow = fetch.follow();
  const uint64_t head = stream.head = log_.durable();
  switch (fetch.from_case()) {
    case v1::Fetch::kTimeUs:
      stream.search = Search{fetch.time_us(), log_.statistics().first, head + 1};
      break;
    case v1::Fetch::kLive: stream.position = head + 1; break;
    default: stream.position = std::max<uint64_t>(1, fetch.sequence());
  }
  streams_.push_back(std::move(stream));
  by_peer_.emplace(routing_id, std::prev(streams_.end()));
  counters_.subscribers = streams_.size();
}

void Feed::Impl::refuse(std::string_view routing_id, uint64_t stream, const char* code,
                        std::string message) {
  ++counters_.refused;
  Stream nobody;
  nobody.routing_id = routing_id;
  nobody.number = stream;
  v1::ReplayReply reply;
  reply.mutable_error()->set_code(code);
  reply.mutable_error()->set_message(std::move(message));
  send(nobody, reply);
}

void Feed::Impl::forget(std::list<Stream>::iterator stream) {
  by_peer_.erase(stream->routing_id);
  streams_.erase(stream);
  counters_.subscribers = streams_.size();
}

// ---- Results out
// ---------------------------------------------------------------------------------

bool Feed::Impl::turn() {
  const bool news = read_tail();
  if (!news && !work_left_) return false;
  work_left_ = false;
  if (!streams_.empty()) streams_.splice(streams_.end(), streams_, streams_.begin());
  Budget budget;
  for (auto stream = streams_.begin(); stream != streams_.end();) {
    const auto current = stream++;
    switch (serve(*current, budget)) {
      case Served::Done: break;
      case Served::More: work_left_ = true; break;
      case Served::Over: forget(current);
    }
  }
  return work_left_ || (tail_reader_ && tail_next_ <= log_.durable());
}

// Answers whether the tail grew.
bool Feed::Impl::read_tail() {
  if (streams_.empty() && subscriptions_ == 0) {
    tail_reader_.reset();
    tail_.clear();
    tail_bytes_ = 0;
    tail_next_ = log_.durable() + 1;
    return false;
  }
  if (log_.durable() < tail_next_) return false;
  if (!tail_reader_) tail_reader_ = log_.reader(tail_next_);
  const size_t before = tail_.size();
  const Result<size_t> bytes =
      read_feed_records(*tail_reader_, kReadRecords, kReadBytes, epoch_, tail_);
  if (!bytes) {
    ++counters_.read_errors;
    tail_reader_.reset();
    return false;
  }
  for (size_t i = before; i < tail_.size(); ++i) publish(tail_[i]);
  tail_bytes_ += *bytes;
  if (tail_.size() == before) return false;
  tail_next_ = tail_.back().sequence() + 1;
  while (tail_.size() > kTailRecords || (tail_bytes_ > kTailBytes && tail_.size() > 1)) {
    tail_bytes_ -= std::min(tail_bytes_, tail_.front().result.size());
    tail_.pop_front();
  }
  return true;
}

void Feed::Impl::publish(FeedRecord& record) {
  if (subscriptions_ == 0) return;
  Frames frames(3);
  frames[0] = frame_of(record.topic);
  frames[1] = frame_of(record.header.SerializeAsString());
  frames[2].copy(record.result);
  send_message(publisher_, frames);
  ++counters_.published;
}

Feed::Impl::Served Feed::Impl::serve(Stream& stream, Budget& budget) {
  if (stream.full) return Served::Done;
  if (stream.search) {
    probe(stream);
    return Served::More;
  }
  for (size_t records = 0; records < kStreamRecords && budget.records > 0; ++records) {
    bool exhausted = false;
    FeedRecord* record = next_record(stream, budget, exhausted);
    if (exhausted) return Served::More;
    if (record == nullptr) return say_head(stream);
    v1::ReplayReply reply;
    if (record->sequence() > stream.position) {
      reply.mutable_lagged()->set_from(stream.position);
      reply.mutable_lagged()->set_to(record->sequence() - 1);
      if (const Sent sent = send(stream, reply); sent != Sent::Ok)
        return sent == Sent::Full ? Served::Done : Served::Over;
      stream.position = record->sequence();
    }
    if (stream.wants(*record)) {
      if (stream.credit == 0) return Served::Done;
      *reply.mutable_item()->mutable_header() = record->header;
      reply.mutable_item()->set_topic(record->topic);
      if (const Sent sent = send(stream, reply, &record->result); sent != Sent::Ok)
        return sent == Sent::Full ? Served::Done : Served::Over;
      --stream.credit;
      ++counters_.replayed;
    }
    --budget.records;
    stream.position = record->sequence() + 1;
    stream.at_head = false;
    while (!stream.records.empty() && stream.records.front().sequence() < stream.position)
      stream.records.pop_front();
  }
  return Served::More;
}

Feed::Impl::Served Feed::Impl::say_head(Stream& stream) {
  if (tail_next_ <= stream.head) return Served::More;  // the tail is still being read
  if (stream.at_head) return Served::Done;
  v1::ReplayReply reply;
  reply.mutable_head()->set_sequence(tail_next_ - 1);
  reply.mutable_head()->set_epoch(epoch_);
  switch (send(stream, reply)) {
    case Sent::Full: return Served::Done;
    case Sent::Gone: return Served::Over;
    case Sent::Ok: break;
  }
  stream.at_head = true;
  return stream.follow ? Served::Done : Served::Over;
}

// Null at the head; `exhausted`: not to be had within this turn.
FeedRecord* Feed::Impl::next_record(Stream& stream, Budget& budget, bool& exhausted) {
  if (!stream.records.empty()) return &stream.records.front();
  if (stream.position >= tail_next_ ||
      (!tail_.empty() && tail_.front().sequence() <= stream.position)) {
    stream.reader.reset();
    return find_record(tail_, stream.position);
  }
  if (budget.reads == 0) {
    exhausted = true;
    return nullptr;
  }
  --budget.reads;
  if (!stream.reader) stream.reader = log_.reader(stream.position);
  if (!read_feed_records(*stream.reader, kReadRecords, kReadBytes, epoch_, stream.records)) {
    ++counters_.read_errors;
    stream.reader.reset();
    exhausted = true;
    return nullptr;
  }
  return stream.records.empty() ? find_record(tail_, stream.position) : &stream.records.front();
}

// One step of the binary search for the first record at or after the time.
void Feed::Impl::probe(Stream& stream) {
  Search& search = *stream.search;
  if (search.low >= search.high) {
    stream.position = search.high;
    stream.search.reset();
    return;
  }
  const uint64_t middle = search.low + (search.high - search.low) / 2;
  std::deque<FeedRecord> records;
  if (const auto read =
          read_feed_records(*log_.reader(middle), kProbeRecords, kReadBytes, epoch_, records);
      !read)
    ++counters_.read_errors;
  const auto sound = std::find_if(records.begin(), records.end(),
                                  [](const FeedRecord& record) { return !record.damaged; });
  if (sound == records.end() || sound->accepted_at_us >= search.time_us)
    search.high = middle;
  else
    search.low = sound->sequence() + 1;
}

// ---- From time to time
// ---------------------------------------------------------------------------

void Feed::Impl::heartbeat() {
  v1::Head head;
  head.set_sequence(tail_next_ - 1);
  head.set_epoch(epoch_);
  if (subscriptions_ > 0) {
    Frames frames(2);
    frames[0] = frame_of(kHeartbeatTopic);
    frames[1] = frame_of(head.SerializeAsString());
    send_message(publisher_, frames);
  }
  v1::ReplayReply lives;
  v1::ReplayReply at_head;
  *at_head.mutable_head() = head;
  for (auto stream = streams_.begin(); stream != streams_.end();) {
    const auto current = stream++;
    if (current->full) continue;  // retry_full() finds out whether it is still there
    const bool caught_up = current->at_head && current->position >= tail_next_;
    if (send(*current, caught_up ? at_head : lives) == Sent::Gone) forget(current);
  }
}

void Feed::Impl::retry_full() {
  for (Stream& stream : streams_)
    if (std::exchange(stream.full, false)) work_left_ = true;
}

Sent Feed::Impl::send(Stream& stream, v1::ReplayReply& reply, zmq::message_t* result) {
  reply.set_stream(stream.number);
  Frames frames(result == nullptr ? 3 : 4);
  frames[0] = frame_of(stream.routing_id);
  frames[1] = frame_of(kMagic);
  frames[2] = frame_of(reply.SerializeAsString());
  if (result != nullptr) frames[3].copy(*result);
  const Sent sent = send_message(router_, frames);
  stream.full = sent == Sent::Full;
  if (sent == Sent::Gone) ++counters_.vanished;
  return sent;
}

// ---- The face
// ------------------------------------------------------------------------------------

Result<std::unique_ptr<Feed>> Feed::open(const FeedOptions& options, SocketLoop& loop,
                                         const Log& results) {
  auto impl = std::make_unique<Impl>(options, loop, results);
  WM_TRY(impl->bind());
  return std::unique_ptr<Feed>(new Feed(std::move(impl)));
}

Feed::Feed(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Feed::~Feed() = default;

std::string Feed::endpoint() const { return impl_->endpoint_; }
std::string Feed::replay_endpoint() const { return impl_->replay_endpoint_; }
const FeedCounters& Feed::counters() const { return impl_->counters_; }

}  // namespace wiremill
