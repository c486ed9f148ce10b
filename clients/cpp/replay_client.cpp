// See wiremill/client.hpp.
//
// Each FETCH carries a new stream number, and answers with another are old and ignored. `next_` is
// the sequence behind everything that was given out: after a break the client fetches from there,
// and names the epoch in which it saw it. A result moves it, and so do Head and Progress, which say
// that all before them that pass the filter were sent.
//
// One commit is under way at a time, so that an answer is always the answer to it.
#include <algorithm>
#include <array>
#include <utility>

#include "clients/cpp/connection.hpp"
#include "wiremill/client.hpp"
#include "wiremill/v1/replay.pb.h"

namespace wiremill {
namespace {

using Clock = Connection::Clock;
using std::chrono::milliseconds;

constexpr std::string_view kMagic = "WM1";
constexpr milliseconds kFetchRetry{50};  // while the fresh connection does not take it yet

}  // namespace

class ReplayClient::Impl {
 public:
  Impl(const ReplayClientOptions& options, std::unique_ptr<Connection> connection)
      : options_(options), connection_(std::move(connection)) {
    using From = ReplayClientOptions::From;
    placed_ = options.from == From::First || options.from == From::Sequence;
    if (options.from == From::Sequence) next_ = std::max<uint64_t>(1, options.sequence);
  }

  bool poll(milliseconds timeout, ReplayEvent& event);
  bool done() const { return done_; }
  ReplayClient::Place position() const { return place_; }
  void commit(ReplayClient::Place place) {
    to_commit_ = place;
    send_commit();
  }
  const Connection& connection() const { return *connection_; }

 private:
  bool send(const v1::ReplayRequest& request);
  void fetch();
  void grant();
  void send_commit();
  void reach(ReplayClient::Place place);
  bool handle(std::vector<zmq::message_t>& frames, ReplayEvent& event);

  const ReplayClientOptions options_;
  const std::unique_ptr<Connection> connection_;
  std::vector<zmq::message_t> frames_;
  Clock::time_point heard_ = Clock::now();
  bool must_fetch_ = true, done_ = false;
  bool placed_ = false;  // next_ is known
  uint64_t next_ = 1;
  uint64_t stream_ = 0;
  uint32_t consumed_ = 0;      // results since credit was last granted
  ReplayClient::Place place_;  // as far as the events went
  bool was_at_head_ = false;
  std::optional<ReplayClient::Place> to_commit_, committing_;  // not yet sent; not yet answered
};

bool ReplayClient::Impl::poll(milliseconds timeout, ReplayEvent& event) {
  const auto until = Clock::now() + timeout;
  for (bool first_round = true; !done_ || to_commit_ || committing_; first_round = false) {
    if (connection_->take_connected()) {
      must_fetch_ = !done_;
      if (!to_commit_) to_commit_ = committing_;
      committing_.reset();
    }
    const auto now = Clock::now();
    if (now - heard_ >= options_.silence) {
      must_fetch_ = !done_;
      heard_ = now;
    }
    send_commit();
    if (must_fetch_) fetch();
    while (connection_->receive(frames_))
      if (handle(frames_, event)) return true;
    if (!first_round && now >= until) return false;
    auto wake = std::min(until, heard_ + options_.silence);
    if (must_fetch_ || (to_commit_ && !committing_)) wake = std::min(wake, now + kFetchRetry);
    connection_->wait(wake, false);
  }
  return false;
}

bool ReplayClient::Impl::send(const v1::ReplayRequest& request) {
  const std::string bytes = request.SerializeAsString();
  return connection_->send(std::array<std::string_view, 2>{kMagic, bytes});
}

void ReplayClient::Impl::fetch() {
  using From = ReplayClientOptions::From;
  v1::ReplayRequest request;
  v1::Fetch* fetch = request.mutable_fetch();
  if (placed_) {
    fetch->set_sequence(next_);
    if (next_ == place_.sequence + 1) fetch->set_epoch(place_.epoch);
  } else if (options_.from == From::Time) {
    fetch->set_time_us(options_.time_us);
  } else if (options_.from == From::Cursor) {
    fetch->set_cursor(options_.cursor);
  } else {
    fetch->set_live(true);
  }
  fetch->mutable_topic_prefixes()->Assign(options_.topics.begin(), options_.topics.end());
  fetch->mutable_sources()->Assign(options_.sources.begin(), options_.sources.end());
  fetch->mutable_languages()->Assign(options_.languages.begin(), options_.languages.end());
  for (const ReplayEvent::Status status : options_.statuses)
    fetch->add_statuses(static_cast<v1::Result::Status>(status));
  fetch->set_credit(options_.credit);
  fetch->set_follow(options_.follow);
  fetch->set_stream(stream_ + 1);
  if (!send(request)) return;
  ++stream_;
  consumed_ = 0;
  must_fetch_ = false;
}

void ReplayClient::Impl::grant() {
  if (++consumed_ < std::max(1U, options_.credit / 2)) return;
  v1::ReplayRequest request;
  request.mutable_credit()->set_more(consumed_);
  if (send(request)) consumed_ = 0;
}

void ReplayClient::Impl::send_commit() {
  if (!to_commit_ || committing_) return;
  v1::ReplayRequest request;
  request.mutable_commit()->set_cursor(options_.cursor);
  request.mutable_commit()->set_epoch(to_commit_->epoch);
  request.mutable_commit()->set_sequence(to_commit_->sequence);
  if (send(request)) committing_ = std::exchange(to_commit_, std::nullopt);
}

void ReplayClient::Impl::reach(ReplayClient::Place place) {
  next_ = std::max(next_, place.sequence + 1);
  place_ = place;
  placed_ = true;
}

bool ReplayClient::Impl::handle(std::vector<zmq::message_t>& frames, ReplayEvent& event) {
  v1::ReplayReply reply;
  if (frames.size() < 2 || frames[0].to_string_view() != kMagic ||
      !reply.ParseFromArray(frames[1].data(), static_cast<int>(frames[1].size())))
    return false;
  event = ReplayEvent{};
  const bool about_commit = reply.has_committed() || reply.error().commit();
  if (about_commit) {
    heard_ = Clock::now();
    committing_.reset();
    send_commit();
    event.kind =
        reply.has_committed() ? ReplayEvent::Kind::Committed : ReplayEvent::Kind::CommitRefused;
    event.epoch = reply.committed().epoch();
    event.sequence = reply.committed().sequence();
    event.code = reply.error().code();
    event.message = reply.error().message();
    return true;
  }
  if (reply.stream() != stream_ || must_fetch_ || done_) return false;
  heard_ = Clock::now();
  switch (reply.kind_case()) {
    case v1::ReplayReply::kItem: {
      const v1::FeedHeader& header = reply.item().header();
      grant();
      if (frames.size() != 3 || (placed_ && header.sequence() < next_)) return false;
      event.sequence = header.sequence();
      event.previous = header.previous();
      event.epoch = header.epoch();
      event.status = static_cast<ReplayEvent::Status>(header.status());
      event.topic = std::move(*reply.mutable_item()->mutable_topic());
      event.result = frames[2].to_string();
      reach({event.epoch, event.sequence});
      was_at_head_ = false;
      return true;
    }
    case v1::ReplayReply::kHead:
      // Said again with every heartbeat; reported where the stream newly arrived there.
      reach({reply.head().epoch(), reply.head().sequence()});
      if (std::exchange(was_at_head_, true)) return false;
      event.kind = ReplayEvent::Kind::Head;
      event.sequence = reply.head().sequence();
      event.epoch = reply.head().epoch();
      done_ = !options_.follow;
      return true;
    case v1::ReplayReply::kProgress:
      reach({reply.progress().epoch(), reply.progress().sequence()});
      return false;
    case v1::ReplayReply::kLagged:
      event.kind = ReplayEvent::Kind::Lagged;
      event.lagged_from = reply.lagged().from();
      event.lagged_to = reply.lagged().to();
      event.epoch = reply.lagged().epoch();
      reach({event.epoch, event.lagged_to});
      return true;
    case v1::ReplayReply::kRewound:
      event.kind = ReplayEvent::Kind::Rewound;
      event.sequence = reply.rewound().sequence();
      event.epoch = reply.rewound().epoch();
      next_ = event.sequence;
      reach({event.epoch, event.sequence - 1});
      return true;
    case v1::ReplayReply::kError:
      event.kind = ReplayEvent::Kind::Error;
      event.code = reply.error().code();
      event.message = reply.error().message();
      done_ = true;
      return true;
    default: return false;
  }
}

std::unique_ptr<ReplayClient> ReplayClient::connect(const ReplayClientOptions& options,
                                                    std::string& error) {
  if (options.credit == 0) {
    error = "a credit of 0 results receives none";
    return nullptr;
  }
  if (options.from == ReplayClientOptions::From::Cursor && options.cursor.empty()) {
    error = "to begin at a cursor takes its name";
    return nullptr;
  }
  auto connection = Connection::open(options.endpoint, 1000, error);
  if (!connection) return nullptr;
  return std::unique_ptr<ReplayClient>(
      new ReplayClient(std::make_unique<Impl>(options, std::move(connection))));
}

ReplayClient::ReplayClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ReplayClient::~ReplayClient() = default;

bool ReplayClient::poll(milliseconds timeout, ReplayEvent& event) {
  return impl_->poll(timeout, event);
}
bool ReplayClient::done() const { return impl_->done(); }
ReplayClient::Place ReplayClient::position() const { return impl_->position(); }
void ReplayClient::commit(uint64_t epoch, uint64_t sequence) { impl_->commit({epoch, sequence}); }
std::optional<milliseconds> ReplayClient::disconnected_for() const {
  return impl_->connection().disconnected_for();
}

}  // namespace wiremill
