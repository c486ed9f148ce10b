// See intake.hpp. Here: messages in, what other threads ask for, and the start. Whether a document is
// taken is decided in acceptor.cpp; how and when answers go out, in answers.cpp.
//
// A number is judged in this order: credit, gap, the document itself, known before, space in the
// log. A refusal that no repetition would change settles the number; any other leaves it missing,
// and the numbers behind it are refused until it comes (go-back-N).
#include "daemon/intake/intake.hpp"

#include <chrono>
#include <deque>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "daemon/base/clock.hpp"
#include "daemon/base/mutant.hpp"
#include "daemon/base/thread.hpp"
#include "daemon/intake/acceptor.hpp"
#include "daemon/intake/answers.hpp"
#include "daemon/intake/client_counts.hpp"
#include "daemon/intake/content.hpp"
#include "daemon/intake/ledger.hpp"
#include "daemon/intake/sessions.hpp"
#include "daemon/log/log.hpp"
#include "daemon/sockets/socket_loop.hpp"
#include "wiremill/v1/record.pb.h"

namespace wiremill {
namespace {

constexpr size_t kClientBytesMax = 128;
constexpr size_t kRequestsMax = 1024;
constexpr std::chrono::milliseconds kTick{100};
constexpr std::string_view kStopping = "the daemon is shutting down";

std::string_view view(const zmq::message_t& frame) { return frame.to_string_view(); }

// Of the sender, as the transport knows it: no port.
std::string_view address_of(zmq::message_t& frame) {
  const char* address = ::zmq_msg_gets(frame.handle(), "Peer-Address");
  return address == nullptr ? "" : address;
}

void count_refusal(ClientTally& tally, IntakeCounters& counters, v1::Nack::Code code) {
  ++tally.refused[static_cast<size_t>(code)];
  ++counters.refused[static_cast<size_t>(code)];
}

void count_taken(ClientTally& tally, const Taken& taken) {
  ++(taken.repeat ? tally.repeats : tally.accepted);
}

}  // namespace

class Intake::Impl {
 public:
  Impl(const IntakeOptions& options, SocketLoop& loop, Log& log, std::unique_ptr<Ledger> ledger)
      : options_(options),
        loop_(loop),
        log_(log),
        ledger_(std::move(ledger)),
        tallies_(options.clients_max),
        acceptor_(log, *ledger_, counters_, options),
        sessions_(options.clients_max, options.credit),
        answers_(router_, sessions_, counters_, options.credit),
        durable_(log.durable()),
        recorded_(ledger_->recovered_up_to()) {
    counters_.accepted = log.durable();
  }

  ~Impl() {
    answer_durable();
    answers_.send_all_acks();
    acceptor_.stop();
    serve_requests();
    for (const Retry& retry : retries_) retry.done(fail(ErrorCode::Unavailable, "{}", kStopping));
    record_sessions();
  }

  Status recover();
  Status bind();
  void request(std::function<void()> serve, const std::function<void()>& busy);
  void retry(uint64_t dead_sequence, const std::string& record,
             const std::function<void(Result<uint64_t>)>& done);

  const IntakeOptions options_;
  IntakeCounters counters_;
  std::string endpoint_, firehose_endpoint_;

  SocketLoop& loop_;
  Log& log_;
  const std::unique_ptr<Ledger> ledger_;
  ClientTallies tallies_;
  Acceptor acceptor_;

 private:
  using Body = std::span<zmq::message_t>;

  void handle(Frames& frames);
  void handle_numbered(const Origin& origin, Body body);
  void handle_hello(const Origin& origin, const v1::Hello& hello);
  void handle_put(const Origin& origin, Session& session, const v1::Put& put, Body body);
  void handle_known(const Origin& origin, Session& session, uint64_t number,
                    const Content& content);
  void handle_bare(const Origin& origin, Body body);
  void handle_firehose(Frames& frames);

  ClientTally& tally_of(Peer& peer, Body body);
  void nack(const Origin& origin, ClientTally& tally, uint64_t number, const Refusal& refusal);

  bool turn();
  void tick();
  bool answer_durable();
  void serve_requests();
  void record_sessions();

  zmq::socket_t router_, pull_;

  // The io thread's own.
  Sessions sessions_;
  Answers answers_;
  uint64_t durable_;
  uint64_t recorded_;               // handed to the ledger
  std::vector<Session> forgotten_;  // to be removed from the ledger
  struct Retry {
    uint64_t sequence;
    std::function<void(Result<uint64_t>)> done;
  };
  std::deque<Retry> retries_;  // appended, not yet durable

  Mutex mutex_;
  std::vector<std::function<void()>> requests_ WM_GUARDED_BY(mutex_);
};

// Start

Status Intake::Impl::recover() {
  WM_TRY(ledger_->sessions([this](std::string_view client, uint64_t id, uint64_t settled) {
    Session& session = sessions_.session(client, id, forgotten_);
    session.settled = session.recorded = settled;
    session.expected = settled + 1;
  }));
  const uint64_t recovered = ledger_->recovered_up_to();
  const auto reader = log_.reader(ledger_->read_from());
  std::vector<LogRecord> records;
  v1::IntakeRecord record;
  for (;;) {
    records.clear();
    WM_TRY(reader->read(1024, 8 << 20, records));
    if (records.empty()) return {};
    for (const LogRecord& stored : records) {
      const bool is_read = !stored.damaged && record.ParseFromString(stored.payload);
      const auto content =
          is_read ? acceptor_.restore(stored.sequence, record, stored.sequence > recovered)
                  : std::nullopt;
      if (!content) ++counters_.damaged_records;
      if (!content || record.number() == 0) continue;
      Session& session = sessions_.session(record.client(), record.session(), forgotten_);
      session.settled = std::max(session.settled, record.number());
      session.expected = session.settled + 1;
      if (!session.recent.empty() && session.recent.back().number >= record.number()) continue;
      sessions_.add_settlement(
          session, {record.number(), stored.sequence, numbered_hash(content->hash, content->id),
                    content->id, false, false});
    }
  }
}

Status Intake::Impl::bind() {
  SocketOptions socket;
  socket.endpoint = options_.endpoint;
  socket.frame_bytes_max = 4 * options_.document_bytes_max;
  socket.send_messages_max = 2 * static_cast<int>(std::max(options_.credit, 1000U));
  auto router = bind_socket(loop_.context(), zmq::socket_type::router, socket);
  if (!router) return tl::unexpected<Error>(router.error());
  router_ = std::move(*router);
  endpoint_ = bound_endpoint(router_);
  if (!options_.firehose_endpoint.empty()) {
    socket.endpoint = options_.firehose_endpoint;
    auto pull = bind_socket(loop_.context(), zmq::socket_type::pull, socket);
    if (!pull) return tl::unexpected<Error>(pull.error());
    pull_ = std::move(*pull);
    firehose_endpoint_ = bound_endpoint(pull_);
    loop_.add_socket(pull_, [this](Frames& frames) { handle_firehose(frames); });
  }
  loop_.add_socket(router_, [this](Frames& frames) { handle(frames); });
  loop_.add_tick(kTick, [this] { tick(); });
  loop_.add_turn([this] { return turn(); });
  return {};
}

// Messages in

void Intake::Impl::handle(Frames& frames) {
  if (frames.empty()) return;
  Origin origin{view(frames[0])};
  Body body(frames.begin() + 1, frames.end());
  if (!body.empty() && body[0].size() == 0) {
    origin.envelope = true;
    body = body.subspan(1);
  }
  if (!body.empty() && view(body[0]) == kMagic)
    handle_numbered(origin, body);
  else
    handle_bare(origin, body);
}

void Intake::Impl::handle_numbered(const Origin& origin, Body body) {
  Peer& peer = sessions_.peer(origin.routing_id);
  const auto refuse = [&](uint64_t number, const Refusal& refusal) {
    nack(origin, tally_of(peer, body), number, refusal);
  };
  v1::IntakeRequest request;
  if (body.size() < 2 ||
      !request.ParseFromArray(body[1].data(), static_cast<int>(body[1].size())) ||
      request.kind_case() == v1::IntakeRequest::KIND_NOT_SET)
    return refuse(0, {v1::Nack::MALFORMED, "the frame behind WM1 is no IntakeRequest"});
  if (request.has_put() && peer.session == nullptr)
    return refuse(request.put().number(),
                  acceptor_.retryable(v1::Nack::NO_HELLO, "PUT before HELLO"));
  if (request.has_put()) return handle_put(origin, *peer.session, request.put(), body);
  if (body.size() != 2)
    return refuse(0, {v1::Nack::MALFORMED, "HELLO takes two frames: WM1, IntakeRequest"});
  const v1::Hello& hello = request.hello();
  if (hello.client().empty() || hello.client().size() > kClientBytesMax)
    return refuse(0, {v1::Nack::MALFORMED, "HELLO.client must have 1 to 128 bytes"});
  if (hello.settled_up_to() > std::numeric_limits<int64_t>::max())
    return refuse(0, {v1::Nack::MALFORMED, "HELLO.settled_up_to must be below 2^63"});
  handle_hello(origin, hello);
}

void Intake::Impl::handle_hello(const Origin& origin, const v1::Hello& hello) {
  Session& session = sessions_.session(hello.client(), hello.session(), forgotten_);
  if (hello.settled_up_to() >=
      session.expected) {  // the refused and the repeats are not in the log
    session.settled = hello.settled_up_to();
    session.expected = session.settled + 1;
  }
  sessions_.attach(session, origin.routing_id);
  session.tally = tallies_.of(ClientKind::Numbered, hello.client());
  sessions_.peer(origin.routing_id).envelope = origin.envelope;
  v1::IntakeReply answer;
  v1::Welcome* welcome = answer.mutable_welcome();
  welcome->set_durable_up_to(session.settled);
  welcome->set_credit(options_.credit);
  welcome->set_document_bytes_max(static_cast<uint64_t>(options_.document_bytes_max));
  answers_.reply(origin, true, answer.SerializeAsString());
}

void Intake::Impl::handle_put(const Origin& origin, Session& session, const v1::Put& put,
                              Body body) {
  const uint64_t number = put.number();
  const auto refuse = [&](const Refusal& refusal) {
    nack(origin, *session.tally, number, refusal);
  };
  if (number == 0) return refuse({v1::Nack::MALFORMED, "numbers begin with 1"});
  if (number > session.settled + options_.credit)
    return refuse(acceptor_.retryable(
        v1::Nack::NO_CREDIT,
        fmt::format("{} is beyond {} + {}", number, session.settled, options_.credit)));
  if (number > session.expected)
    return refuse(acceptor_.retryable(v1::Nack::OUT_OF_ORDER,
                                      fmt::format("{} comes first", session.expected)));
  tl::expected<Content, Refusal> content =
      body.size() == 3
          ? acceptor_.judge(
                put.content_type().empty() ? "application/x-protobuf" : put.content_type(),
                view(body[2]))
          : tl::unexpected<Refusal>(Refusal{
                v1::Nack::MALFORMED, "PUT takes three frames: WM1, IntakeRequest, document"});
  if (content && number < session.expected) return handle_known(origin, session, number, *content);
  if (content) {
    const auto taken = acceptor_.take(*content, session.client, session.session, number);
    if (!taken) return refuse(taken.error());
    count_taken(*session.tally, *taken);
    sessions_.add_settlement(session,
                             {number, taken->sequence, numbered_hash(content->hash, content->id),
                              std::move(content->id), taken->repeat, false});
  } else {
    refuse(content.error());
    if (number < session.expected) return;
    sessions_.add_settlement(session, {.number = number, .refused = true});
  }
  ++session.expected;
  answers_.settle_later(session, number, acceptor_.newest());
}

void Intake::Impl::handle_known(const Origin& origin, Session& session, uint64_t number,
                                const Content& content) {
  const Settlement* known = Sessions::find_settlement(session, number);
  if (known != nullptr && !known->refused &&
      known->content == numbered_hash(content.hash, content.id)) {
    // Else its acknowledgement is under way: a HELLO may claim more than is durable.
    if (number <= session.settled && known->sequence <= durable_)
      answers_.acknowledge(session, *known);
    return;
  }
  if (known == nullptr && !content.id.empty() && number <= session.settled) {
    // A repeat leaves no record; the first one's id tells.
    const auto first = ledger_->find(hash128(content.id), now_us());
    if (first && first->content == content.hash && first->sequence <= durable_)
      return answers_.acknowledge(session, {number, first->sequence, {}, content.id, true, false});
  }
  nack(origin, *session.tally, number,
       {v1::Nack::NUMBER_REUSED,
        fmt::format("number {} was settled before, for another document or too long ago", number),
        0, content.id});
}

void Intake::Impl::handle_bare(const Origin& origin, Body body) {
  Peer& peer = sessions_.peer(origin.routing_id);
  ClientTally& tally = tally_of(peer, body);
  const bool busy = peer.waiting >= options_.bare_outstanding_max;
  if (busy && peer.busy_run != nullptr) {
    ++*peer.busy_run;
    return count_refusal(tally, counters_, v1::Nack::BUSY);
  }
  BareAnswer answer;
  answer.routing_id = origin.routing_id;
  answer.envelope = origin.envelope;
  answer.json = body.empty() || document_format(view(body[0])) != DocumentFormat::Protobuf;
  const auto taken = [&]() -> tl::expected<Taken, Refusal> {
    if (busy)
      return tl::unexpected<Refusal>(acceptor_.retryable(
          v1::Nack::BUSY, fmt::format("{} documents await their answer", peer.waiting)));
    if (body.size() != 2)
      return tl::unexpected<Refusal>(
          Refusal{v1::Nack::MALFORMED, "a bare message takes two frames: content type, document"});
    auto content = acceptor_.judge(view(body[0]), view(body[1]));
    if (!content) return tl::unexpected<Refusal>(content.error());
    answer.id = content->id;
    return acceptor_.take(*content, "", 0, 0);
  }();
  answer.refused = !taken;
  if (taken) {
    answer.taken = *taken;
    count_taken(tally, *taken);
  } else {
    answer.refusal = taken.error();
    count_refusal(tally, counters_, answer.refusal.code);
  }
  answers_.answer_later(std::move(answer), peer, busy, acceptor_.newest());
}

void Intake::Impl::handle_firehose(Frames& frames) {
  const auto tally = tallies_.of(ClientKind::Firehose, address_of(frames[0]));
  tl::expected<Content, Refusal> content =
      frames.size() == 2
          ? acceptor_.judge(view(frames[0]), view(frames[1]))
          : tl::unexpected<Refusal>(Refusal{v1::Nack::MALFORMED, "two frames are needed"});
  const auto taken =
      content.and_then([this](const Content& good) { return acceptor_.take(good, "", 0, 0); });
  if (taken)
    count_taken(*tally, *taken);
  else
    count_refusal(*tally, counters_, taken.error().code);
  ++(taken ? counters_.firehose_accepted : counters_.firehose_dropped);
}

// Its session's, or its own by its address.
ClientTally& Intake::Impl::tally_of(Peer& peer, Body body) {
  if (peer.session != nullptr) return *peer.session->tally;
  if (peer.tally == nullptr)
    peer.tally = tallies_.of(ClientKind::Bare, body.empty() ? "" : address_of(body[0]));
  return *peer.tally;
}

void Intake::Impl::nack(const Origin& origin, ClientTally& tally, uint64_t number,
                        const Refusal& refusal) {
  count_refusal(tally, counters_, refusal.code);
  answers_.nack(origin, number, refusal);
}

// From turn to turn

bool Intake::Impl::turn() {
  serve_requests();
  const bool more = answer_durable();
  counters_.waiting = answers_.waiting() + retries_.size();
  counters_.connections = sessions_.peers();
  counters_.sessions = sessions_.sessions();
  return more;
}

bool Intake::Impl::answer_durable() {
  durable_ = mutant("acknowledge_before_write") ? acceptor_.newest() : log_.durable();
  for (; !retries_.empty() && retries_.front().sequence <= durable_; retries_.pop_front())
    retries_.front().done(retries_.front().sequence);
  return answers_.answer_up_to(durable_);
}

void Intake::Impl::tick() {
  const std::optional<Error> failure = acceptor_.look();
  if (failure) {  // also what was refused since the last tick waits for a log that stands still
    while (answer_durable()) continue;
    answers_.refuse_all(acceptor_.retryable(v1::Nack::READ_ONLY, failure->message));
    for (const Retry& retry : retries_) retry.done(tl::unexpected<Error>(*failure));
    retries_.clear();
  }
  answers_.send_all_acks();
  record_sessions();
}

void Intake::Impl::record_sessions() {
  if (durable_ == recorded_) return;  // HELLO.settled_up_to makes up for refusals since
  recorded_ = durable_;
  for (const Session& session : forgotten_)
    ledger_->set_session(session.client, session.session, std::nullopt, durable_);
  forgotten_.clear();
  for (Session& session : sessions_.all()) {
    if (session.recorded == session.settled) continue;
    ledger_->set_session(session.client, session.session, session.settled, durable_);
    session.recorded = session.settled;
  }
  ledger_->hand_over(durable_, acceptor_.tail(durable_ + 1));
}

// What other threads ask for

void Intake::Impl::request(std::function<void()> serve, const std::function<void()>& busy) {
  bool is_full = false;
  {
    const MutexLock lock(mutex_);
    is_full = requests_.size() >= kRequestsMax;
    if (!is_full) requests_.push_back(std::move(serve));
  }
  if (is_full) return busy();
  loop_.wake();
}

void Intake::Impl::serve_requests() {
  std::vector<std::function<void()>> requests;
  {
    const MutexLock lock(mutex_);
    requests.swap(requests_);
  }
  for (const auto& serve : requests) serve();
}

void Intake::Impl::retry(uint64_t dead_sequence, const std::string& record,
                         const std::function<void(Result<uint64_t>)>& done) {
  const Result<uint64_t> sequence = acceptor_.retry(dead_sequence, record);
  if (!sequence) return done(sequence);
  retries_.push_back({*sequence, done});
}

// The face

LedgerOptions ledger_options(const IntakeOptions& options, Log& log) {
  LedgerOptions ledger;
  ledger.directory = options.ledger_directory;
  ledger.window_ms = options.idempotency_window_ms;
  ledger.documents_max = options.idempotency_documents_max;
  ledger.store.before_checkpoint = [&log] { return log.sync(); };
  return ledger;
}

Result<std::unique_ptr<Intake>> Intake::open(const IntakeOptions& options, SocketLoop& loop,
                                             Log& log) {
  auto ledger = Ledger::open(ledger_options(options, log), log.durable());
  if (!ledger) return tl::unexpected<Error>(ledger.error());
  auto impl = std::make_unique<Impl>(options, loop, log, std::move(*ledger));
  WM_TRY(impl->recover());
  WM_TRY(impl->bind());
  return std::unique_ptr<Intake>(new Intake(std::move(impl)));
}

Intake::Intake(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Intake::~Intake() = default;

std::string Intake::endpoint() const { return impl_->endpoint_; }
std::string Intake::firehose_endpoint() const { return impl_->firehose_endpoint_; }
void Intake::stop_accepting() { impl_->acceptor_.stop(); }
void Intake::hold(std::string why) { impl_->acceptor_.hold(std::move(why)); }

void Intake::retry(uint64_t dead_sequence, std::string intake_record,
                   std::function<void(Result<uint64_t>)> done) {
  impl_->request([impl = impl_.get(), dead_sequence, record = std::move(intake_record),
                  done] { impl->retry(dead_sequence, record, done); },
                 [&done] { done(fail(ErrorCode::Busy, "{} requests wait", kRequestsMax)); });
}

void Intake::find(std::string id, std::function<void(std::optional<uint64_t>)> done) {
  impl_->request(
      [impl = impl_.get(), id = std::move(id), done] {
        const auto known = impl->ledger_->find(hash128(id), now_us());
        done(known ? std::optional(known->sequence) : std::nullopt);
      },
      [&done] { done(std::nullopt); });
}

std::vector<Intake::ClientCounts> Intake::clients() const { return impl_->tallies_.list(); }
const IntakeCounters& Intake::counters() const { return impl_->counters_; }
uint64_t Intake::records_needed_above() const { return impl_->ledger_->needed_above(); }
Status Intake::health() const { return impl_->ledger_->health(); }

}  // namespace wiremill
