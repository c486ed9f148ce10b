// See replay.hpp.
//
// A stream near the head is served from the tail, and the bytes of a result are shared by all the
// pipes that they wait in. A stream further back has a reader of its own until it comes to the
// tail. A stream without credit, or whose pipe is full, simply keeps its position: what it does not
// take stands in the log.
//
// A pipe is full with replay_messages_max messages or replay_bytes_max bytes. ZeroMQ knows only the
// first; the second is counted in the frames themselves, from when they are sent until ZeroMQ lets
// go of them, which is when the kernel has them. So it needs nothing of the subscriber.
//
// Work per turn is bounded in records and bytes, for one stream and for all together; streams take
// turns in being first. A fetch by time is a binary search over the log, one probe a turn:
// accepted_at never descends.
#include "daemon/feed/replay.hpp"

#include <algorithm>

#include "daemon/base/clock.hpp"
#include "daemon/base/logging.hpp"

namespace wiremill {
namespace {

constexpr std::string_view kMagic = "WM1";
constexpr size_t kReadRecords = 256, kReadBytes = 256 << 10;  // at once, for one stream
constexpr size_t kStreamRecords = 256, kTurnRecords = 2048;   // looked at in a turn
constexpr size_t kTurnReads = 16;                             // by streams that are further back
constexpr size_t kProbeRecords = 16;  // so that a damaged record does not end the search
constexpr size_t kAnswersMax = 10'000;
constexpr int64_t kRequestBytesMax = 128 << 10;

zmq::message_t frame_of(std::string_view bytes) {
  return zmq::message_t(bytes.data(), bytes.size());
}

}  // namespace

Replay::Replay(const FeedOptions& options, const Log& log, uint64_t epoch, Tail& tail,
               CursorStore& cursors, FeedCounters& counters)
    : options_(options),
      log_(log),
      epoch_(epoch),
      tail_(tail),
      cursors_(cursors),
      counters_(counters) {}

Status Replay::bind(zmq::context_t& context) {
  auto router = bind_socket(context, zmq::socket_type::router,
                            {.endpoint = options_.replay_endpoint,
                             .frame_bytes_max = kRequestBytesMax,
                             .send_messages_max = options_.replay_messages_max});
  if (!router) return tl::unexpected(std::move(router).error());
  router_ = std::move(*router);
  return {};
}

// ---- Requests

void Replay::handle(Frames& frames) {
  const std::string routing_id = frames[0].to_string();
  v1::ReplayRequest request;
  if (frames.size() != 3 || frames[1].to_string_view() != kMagic ||
      !request.ParseFromArray(frames[2].data(), static_cast<int>(frames[2].size())) ||
      request.kind_case() == v1::ReplayRequest::KIND_NOT_SET)
    return refuse(routing_id, 0, "MALFORMED", "two frames are needed: WM1, ReplayRequest");
  work_left_ = true;
  if (request.has_fetch()) return handle_fetch(routing_id, request.fetch());
  if (request.has_commit()) return handle_commit(routing_id, request.commit());
  if (const auto found = by_peer_.find(routing_id); found != by_peer_.end())
    found->second->credit += request.credit().more();
}

void Replay::handle_fetch(const std::string& routing_id, const v1::Fetch& fetch) {
  if (const auto found = by_peer_.find(routing_id); found != by_peer_.end()) forget(found->second);
  if (streams_.size() >= options_.subscribers_max)
    return refuse(routing_id, fetch.stream(), "TOO_MANY",
                  fmt::format("{} subscribers are allowed", options_.subscribers_max));
  Stream stream;
  stream.routing_id = routing_id;
  stream.number = fetch.stream();
  stream.credit = fetch.credit();
  stream.follow = fetch.follow();
  stream.head = log_.durable();
  auto filter = Filter::read(fetch);
  if (!filter) return refuse(routing_id, fetch.stream(), "MALFORMED", filter.error().message);
  stream.filter = std::move(*filter);
  if (const Status placed = place(stream, fetch); !placed) {
    const char* code = placed.error().code == ErrorCode::Malformed  ? "MALFORMED"
                       : placed.error().code == ErrorCode::TooLarge ? "TOO_MANY"
                                                                    : "CURSOR_AHEAD";
    return refuse(routing_id, fetch.stream(), code, placed.error().message);
  }
  streams_.push_back(std::move(stream));
  by_peer_.emplace(routing_id, std::prev(streams_.end()));
  counters_.subscribers = streams_.size();
}

// Where the stream begins. Errors: Malformed, TooLarge (cursors), NotFound (ahead of the log).
Status Replay::place(Stream& stream, const v1::Fetch& fetch) {
  const auto begin = [&](const Begin& where) {
    stream.position = where.position;
    stream.rewound_to = where.rewound_to;
  };
  switch (fetch.from_case()) {
    case v1::Fetch::kTimeUs:
      stream.search = TimeSearch{fetch.time_us(), log_.statistics().first, stream.head + 1};
      return {};
    case v1::Fetch::kLive: stream.position = stream.head + 1; return {};
    case v1::Fetch::kCursor: {
      stream.cursor = fetch.cursor();
      if (!is_cursor_name(stream.cursor))
        return fail(ErrorCode::Malformed,
                    "a cursor's name has 1 to 128 bytes of letters, digits and ._-");
      const auto cursor = cursors_.find(stream.cursor);
      if (!cursor) {
        WM_TRY(cursors_.has_room_for(stream.cursor));
        stream.position = log_.statistics().first;
        return {};
      }
      const auto where = behind(cursor->epoch, cursor->sequence);
      if (!where)
        return fail(where.error().code,
                    "cursor {} stands at {}; wiremill cursor set {} SEQUENCE "
                    "says where to go on",
                    stream.cursor, where.error().message, stream.cursor);
      begin(*where);
      return {};
    }
    default: {
      stream.position = std::max<uint64_t>(1, fetch.sequence());
      if (fetch.epoch() == 0) return {};
      const auto where = behind(fetch.epoch(), stream.position - 1);
      if (!where)
        return fail(where.error().code, "fetched is what follows {}", where.error().message);
      begin(*where);
      return {};
    }
  }
}

// Where a stream begins whose subscriber is done with everything up to `sequence` of `epoch`.
// Errors: NotFound.
Result<Replay::Begin> Replay::behind(uint64_t epoch, uint64_t sequence) const {
  if (epoch < epoch_)
    if (const uint64_t changed = cursors_.changed_from(epoch); sequence >= changed)
      return Begin{changed, changed};
  const uint64_t newest = log_.durable();
  if (epoch > epoch_ || sequence > newest)
    return fail(ErrorCode::NotFound,
                "{} of epoch {}, but the newest result is {} of epoch {}: the log was replaced, or "
                "lost its end",
                sequence, epoch, newest, epoch_);
  return Begin{sequence + 1, std::nullopt};
}

void Replay::handle_commit(const std::string& routing_id, const v1::Commit& commit) {
  const auto refused = [&](std::string_view code, std::string message) {
    refuse(routing_id, 0, code, std::move(message), true);
  };
  if (!is_cursor_name(commit.cursor()))
    return refused("MALFORMED", "a cursor's name has 1 to 128 bytes of letters, digits and ._-");
  CursorPlace place{commit.epoch(), commit.sequence(), now_us()};
  if (place.sequence == 0) place.epoch = epoch_;
  if (place.epoch == 0) return refused("MALFORMED", "the epoch of the result is missing");
  const uint64_t newest = log_.durable();
  if (place.epoch > epoch_ || (place.epoch == epoch_ && place.sequence > newest))
    return refused(
        "CURSOR_AHEAD",
        fmt::format("cursor {} cannot stand at {} of epoch {}: the newest result is {} of "
                    "epoch {}",
                    commit.cursor(), place.sequence, place.epoch, newest, epoch_));
  if (const Status taken = cursors_.commit(commit.cursor(), place, routing_id); !taken)
    return refused(taken.error().code == ErrorCode::TooLarge ? "TOO_MANY" : "CURSOR",
                   taken.error().message);
  if (const auto found = by_peer_.find(routing_id); found != by_peer_.end())
    found->second->cursor = commit.cursor();
}

void Replay::refuse(const std::string& routing_id, uint64_t stream, std::string_view code,
                    std::string message, bool commit) {
  ++counters_.refused;
  Stream nobody;
  nobody.routing_id = routing_id;
  nobody.number = stream;
  v1::ReplayReply reply;
  reply.mutable_error()->set_code(std::string(code));
  reply.mutable_error()->set_message(std::move(message));
  reply.mutable_error()->set_commit(commit);
  // A client that commits waits for the answer before it commits again.
  if (send(nobody, reply) == Sent::Full && commit)
    answers_.push_back({routing_id, std::move(reply)});
}

// Answers that a full pipe does not take wait; a peer that takes none for long loses the oldest.
void Replay::answer_commits() {
  for (CursorStore::Outcome& outcome : cursors_.take_outcomes()) {
    v1::ReplayReply reply;
    if (outcome.status) {
      reply.mutable_committed()->set_cursor(outcome.name);
      reply.mutable_committed()->set_epoch(outcome.place.epoch);
      reply.mutable_committed()->set_sequence(outcome.place.sequence);
    } else {
      log_warning("cursor {}: {}", outcome.name, outcome.status.error().message);
      reply.mutable_error()->set_code("CURSOR");
      reply.mutable_error()->set_message(outcome.status.error().message);
      reply.mutable_error()->set_commit(true);
    }
    for (std::string& peer : outcome.peers) answers_.push_back({std::move(peer), reply});
  }
  while (answers_.size() > kAnswersMax) answers_.pop_front();
  for (size_t left = answers_.size(); left > 0; --left) {
    Answer answer = std::move(answers_.front());
    answers_.pop_front();
    Stream peer;
    peer.routing_id = answer.routing_id;
    if (send(peer, answer.reply) == Sent::Full) answers_.push_back(std::move(answer));
  }
}

void Replay::forget(std::list<Stream>::iterator stream) {
  by_peer_.erase(stream->routing_id);
  streams_.erase(stream);
  counters_.subscribers = streams_.size();
}

// ---- Results out

bool Replay::turn(bool news) {
  answer_commits();
  if (!news && !work_left_) return false;
  work_left_ = false;
  if (!streams_.empty()) streams_.splice(streams_.end(), streams_, streams_.begin());
  Budget budget{kTurnRecords, kTurnReads};
  for (auto stream = streams_.begin(); stream != streams_.end();) {
    const auto current = stream++;
    switch (serve(*current, budget)) {
      case Served::Done: break;
      case Served::More: work_left_ = true; break;
      case Served::Over: forget(current);
    }
  }
  return work_left_;
}

Replay::Served Replay::serve(Stream& stream, Budget& budget) {
  if (stream.full) return Served::Done;
  if (stream.search) {
    probe(stream);
    return Served::More;
  }
  if (stream.rewound_to) {
    v1::ReplayReply reply;
    reply.mutable_rewound()->set_sequence(*stream.rewound_to);
    reply.mutable_rewound()->set_epoch(epoch_);
    if (const Sent sent = send(stream, reply); sent != Sent::Ok)
      return sent == Sent::Full ? Served::Done : Served::Over;
    stream.rewound_to.reset();
  }
  for (size_t records = 0; records < kStreamRecords && budget.records > 0; ++records) {
    bool exhausted = false;
    const auto record = next_record(stream, budget, exhausted);
    if (!record) return end_unreadable(stream, record.error());
    if (exhausted) return Served::More;
    if (*record == nullptr) return say_head(stream);
    --budget.records;
    if (const Served served = serve_record(stream, **record); served != Served::More) return served;
  }
  return Served::More;
}

// More: the record is dealt with.
Replay::Served Replay::serve_record(Stream& stream, const FeedRecord& record) {
  const auto unsent = [](Sent sent) { return sent == Sent::Full ? Served::Done : Served::Over; };
  v1::ReplayReply reply;
  if (record.sequence() > stream.position) {
    reply.mutable_lagged()->set_from(stream.position);
    reply.mutable_lagged()->set_to(record.sequence() - 1);
    reply.mutable_lagged()->set_epoch(epoch_);
    if (const Sent sent = send(stream, reply); sent != Sent::Ok) return unsent(sent);
    stream.position = record.sequence();
  }
  if (stream.filter.passes(record)) {
    if (stream.credit == 0) return Served::Done;
    *reply.mutable_item()->mutable_header() = record.header;
    reply.mutable_item()->set_topic(record.topic);
    if (const Sent sent = send(stream, reply, &record); sent != Sent::Ok) return unsent(sent);
    --stream.credit;
    ++stream.sent;
    ++counters_.replayed;
  }
  stream.position = record.sequence() + 1;
  stream.at_head = false;
  stream.moved = true;
  while (!stream.records.empty() && stream.records.front().sequence() < stream.position)
    stream.records.pop_front();
  return Served::More;
}

// How far a stream that has nothing left has come: what it read from the log may be ahead of the tail,
// and it may wait for a sequence of the future.
uint64_t Replay::head_of(const Stream& stream) const {
  return std::min(stream.position - 1, log_.durable());
}

Replay::Served Replay::say_head(Stream& stream) {
  if (tail_.next() <= stream.head) return Served::More;  // the tail is still being read
  if (stream.at_head) return Served::Done;
  v1::ReplayReply reply;
  reply.mutable_head()->set_sequence(head_of(stream));
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
Result<const FeedRecord*> Replay::next_record(Stream& stream, Budget& budget, bool& exhausted) {
  if (!stream.records.empty()) return &stream.records.front();
  if (tail_.covers(stream.position)) {
    stream.reader.reset();
    return tail_.find(stream.position);
  }
  if (budget.reads == 0) {
    exhausted = true;
    return nullptr;
  }
  --budget.reads;
  if (!stream.reader) stream.reader = log_.reader(stream.position);
  WM_TRY(read_feed_records(*stream.reader, kReadRecords, kReadBytes, epoch_, stream.records));
  return stream.records.empty() ? tail_.find(stream.position) : &stream.records.front();
}

Replay::Served Replay::end_unreadable(Stream& stream, const Error& error) {
  ++counters_.read_errors;
  log_error("replay: {}", error.message);
  refuse(stream.routing_id, stream.number, "LOG", error.message);
  return Served::Over;
}

// One step of the search for the first record at or after the time.
void Replay::probe(Stream& stream) {
  TimeSearch& search = *stream.search;
  if (search.low >= search.high) {
    stream.position = search.high;
    stream.search.reset();
    return;
  }
  const uint64_t middle = search.low + (search.high - search.low) / 2;
  std::deque<FeedRecord> records;
  if (!read_feed_records(*log_.reader(middle), kProbeRecords, kReadBytes, epoch_, records))
    ++counters_.read_errors;
  // The result of a damaged document has no time.
  const auto sound = std::find_if(records.begin(), records.end(), [](const FeedRecord& record) {
    return !record.damaged && record.accepted_at_us != 0;
  });
  if (sound == records.end() || sound->accepted_at_us >= search.time_us)
    search.high = middle;
  else
    search.low = sound->sequence() + 1;
}

// ---- From time to time

void Replay::heartbeat() {
  for (auto stream = streams_.begin(); stream != streams_.end();) {
    const auto current = stream++;
    // What a stream read that does not move on is not kept for it.
    if (!std::exchange(current->moved, false) && !current->records.empty()) {
      current->records.clear();
      current->reader.reset();
    }
    if (current->full) continue;  // retry_full() finds out whether it is still there
    v1::ReplayReply reply;
    if (current->at_head && current->position >= tail_.next()) {
      reply.mutable_head()->set_sequence(head_of(*current));
      reply.mutable_head()->set_epoch(epoch_);
    } else if (!current->search && !current->rewound_to && current->position > 1 &&
               current->position <= tail_.next()) {
      reply.mutable_progress()->set_sequence(current->position - 1);
      reply.mutable_progress()->set_epoch(epoch_);
    }
    if (send(*current, reply) == Sent::Gone) forget(current);
  }
  note_subscribers();
}

void Replay::retry_full() {
  for (Stream& stream : streams_)
    if (std::exchange(stream.full, false)) work_left_ = true;
}

void Replay::note_subscribers() {
  std::vector<Feed::Subscriber> now;
  now.reserve(streams_.size());
  for (const Stream& stream : streams_)
    now.push_back({.cursor = stream.cursor,
                   .position = stream.position,
                   .credit = stream.credit,
                   .sent = stream.sent,
                   .follow = stream.follow});
  MutexLock lock(mutex_);
  subscribers_ = std::move(now);
}

std::vector<Feed::Subscriber> Replay::subscribers() const {
  MutexLock lock(mutex_);
  return subscribers_;
}

Sent Replay::send(Stream& stream, v1::ReplayReply& reply, const FeedRecord* record) {
  if (record != nullptr && *stream.held >= options_.replay_bytes_max) {
    stream.full = true;
    return Sent::Full;
  }
  reply.set_stream(stream.number);
  Frames frames(record == nullptr ? 3 : 4);
  frames[0] = frame_of(stream.routing_id);
  frames[1] = frame_of(kMagic);
  frames[2] = frame_of(reply.SerializeAsString());
  if (record != nullptr) frames[3] = result_frame(*record, stream.held);
  const Sent sent = send_message(router_, frames);
  stream.full = sent == Sent::Full;
  if (sent == Sent::Gone) ++counters_.vanished;
  return sent;
}

}  // namespace wiremill
