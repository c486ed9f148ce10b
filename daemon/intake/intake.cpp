// See intake.hpp.
//
// Everything that is to be answered stands in one queue, in order of arrival, each entry with the
// newest sequence that was appended when it came. It is answered once that sequence is durable.
// So a document is acknowledged after its own sync; a repeat after the sync of the first one; a
// bare peer gets its answers in order, refusals too; and a session's numbers settle in order.
//
// A number is judged in this order: credit, gap, the document itself, known before, space in the
// log. A refusal that no repetition would change settles the number; any other leaves it missing,
// and the numbers behind it are refused until it comes (go-back-N).
//
// Longer than most files: numbered, bare and firehose messages are judged by the same rules and share
// that one queue.
#include "daemon/intake/intake.hpp"

#include <chrono>
#include <deque>
#include <limits>
#include <span>
#include <vector>

#include "daemon/base/clock.hpp"
#include "daemon/base/mutant.hpp"
#include "daemon/intake/content.hpp"
#include "daemon/intake/ledger.hpp"
#include "daemon/intake/replies.hpp"
#include "daemon/intake/sessions.hpp"
#include "daemon/log/log.hpp"
#include "daemon/sockets/socket_loop.hpp"
#include "daemon/text/utf8.hpp"
#include "wiremill/v1/record.pb.h"

namespace wiremill {
namespace {

constexpr std::string_view kMagic = "WM1";
constexpr size_t kClientBytesMax = 128;
constexpr size_t kAnswersPerTurn = 4096;
constexpr std::chrono::milliseconds kTick{100};
// How much of the log's end is read again at a start, so that a client that missed its
// acknowledgements learns its sequences.
constexpr uint64_t kTailRecords = 65'536;
constexpr uint64_t kTailBytes = 256 << 20;

v1::Nack::Code nack_code(ErrorCode code) {
  switch (code) {
    case ErrorCode::TooLarge: return v1::Nack::TOO_LARGE;
    case ErrorCode::Unsupported: return v1::Nack::UNSUPPORTED;
    case ErrorCode::Busy: return v1::Nack::BUSY;
    case ErrorCode::Malformed: return v1::Nack::MALFORMED;
    default: return v1::Nack::READ_ONLY;
  }
}

std::string_view view(const zmq::message_t& frame) { return frame.to_string_view(); }

zmq::message_t frame_of(std::string_view bytes) {
  return zmq::message_t(bytes.data(), bytes.size());
}

// The number stands for the id too: the same text under another id is another document.
Hash128 numbered_hash(const Hash128& content, std::string_view id) {
  return hash128(hash_key(content).append(id));
}

// A document that stands in the log, or stood there before.
struct Taken {
  uint64_t sequence = 0;
  std::string id;
  bool repeat = false;
};

struct Waiting {
  uint64_t sequence = 0;       // answered once this is durable
  Session* session = nullptr;  // numbered
  uint64_t number = 0;
  Taken taken;
  bool refused = false;
  // Of a bare message; of a number the refusal went out at once.
  std::string peer;
  bool envelope = false;
  bool json = true;
  Refusal refusal;
  uint32_t times = 1;  // this often the same refusal, one answer each
};

}  // namespace

class Intake::Impl {
 public:
  Impl(const IntakeOptions& options, SocketLoop& loop, Log& log, std::unique_ptr<Ledger> ledger)
      : options_(options),
        loop_(loop),
        log_(log),
        ledger_(std::move(ledger)),
        durable_(log.durable()),
        recorded_(ledger_->recovered_up_to()),
        sessions_(options.clients_max, options.credit) {}

  ~Impl() {
    answer_durable();
    record_sessions();
  }

  Status recover();
  Status bind();

  const IntakeOptions options_;
  IntakeCounters counters_;
  std::atomic<bool> stopping_{false};
  std::string endpoint_, firehose_endpoint_;
  const Ledger& ledger() const { return *ledger_; }

 private:
  // Where a message came from, for the answer.
  struct Origin {
    std::string_view routing_id;
    bool envelope = false;
  };
  using Body = std::span<const zmq::message_t>;

  void handle(Frames& frames);
  void handle_numbered(const Origin& origin, Body body);
  void handle_hello(const Origin& origin, const v1::Hello& hello);
  void handle_put(const Origin& origin, Session& session, const v1::Put& put, Body body);
  void handle_known(const Origin& origin, Session& session, uint64_t number,
                    const Content& content);
  void handle_bare(const Origin& origin, Body body);
  void handle_firehose(Frames& frames);

  tl::expected<Content, Refusal> judge(std::string_view format, std::string_view frame) const;
  // Moves the bytes out of `content`.
  tl::expected<Taken, Refusal> take(Content& content, std::string_view client, uint64_t session,
                                    uint64_t number);
  void mark_tail(uint64_t sequence, size_t bytes);

  bool turn();
  void tick();
  bool answer_durable();
  void answer(Waiting& waiting);
  void refuse_waiting(const Error& error);
  void record_sessions();
  void acknowledge(Session& session, uint64_t number, const Taken& taken);
  void send_acks();
  void nack(const Origin& origin, uint64_t number, Refusal refusal);
  void count(const Refusal& refusal) { ++counters_.refused[static_cast<size_t>(refusal.code)]; }
  void reply(const Origin& origin, bool numbered, const std::string& payload);
  Refusal retryable(v1::Nack::Code code, std::string message) const {
    return {code, std::move(message), options_.retry_after_ms, ""};
  }

  SocketLoop& loop_;
  Log& log_;
  const std::unique_ptr<Ledger> ledger_;
  zmq::socket_t router_, pull_;

  // The io thread's own.
  uint64_t durable_;
  uint64_t recorded_;      // handed to the ledger
  int64_t newest_us_ = 0;  // accepted_at never goes back
  std::string read_only_;  // why nothing is taken any more
  Sessions sessions_;
  std::vector<Session> forgotten_;  // to be removed from the ledger
  std::deque<Waiting> waiting_;
  std::vector<Session*> to_acknowledge_;
  struct Mark {
    uint64_t sequence, bytes;
  };
  std::deque<Mark> tail_;  // the log's end in steps, by bytes since the intake was opened
  uint64_t tail_bytes_ = 0;
};

// ---- Start
// ---------------------------------------------------------------------------------------

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
  v1::Document document;
  for (;;) {
    records.clear();
    WM_TRY(reader->read(1024, 8 << 20, records));
    if (records.empty()) return {};
    for (const LogRecord& stored : records) {
      if (stored.damaged || !record.ParseFromString(stored.payload) ||
          !document.ParseFromString(record.document())) {
        ++counters_.damaged_records;
        continue;
      }
      newest_us_ = std::max(newest_us_, record.accepted_at_us());
      const Hash128 content = content_hash(document);
      if (stored.sequence > recovered && !document.id().empty())
        WM_TRY(
            ledger_->remember(document.id(), {stored.sequence, content, record.accepted_at_us()}));
      mark_tail(stored.sequence, stored.payload.size());
      if (record.number() == 0) continue;
      Session& session = sessions_.session(record.client(), record.session(), forgotten_);
      session.settled = std::max(session.settled, record.number());
      session.expected = session.settled + 1;
      if (session.recent.empty() || session.recent.back().number < record.number())
        sessions_.add_settlement(
            session, {record.number(), stored.sequence, numbered_hash(content, document.id()),
                      record.id(), false, false});
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

// ---- Messages in
// ---------------------------------------------------------------------------------

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
  v1::IntakeRequest request;
  if (body.size() < 2 ||
      !request.ParseFromArray(body[1].data(), static_cast<int>(body[1].size())) ||
      request.kind_case() == v1::IntakeRequest::KIND_NOT_SET)
    return nack(origin, 0, {v1::Nack::MALFORMED, "the frame behind WM1 is no IntakeRequest"});
  if (request.has_hello()) {
    if (body.size() != 2)
      return nack(origin, 0, {v1::Nack::MALFORMED, "HELLO takes two frames: WM1, IntakeRequest"});
    return handle_hello(origin, request.hello());
  }
  Peer& peer = sessions_.peer(origin.routing_id);
  if (peer.session == nullptr)
    return nack(origin, request.put().number(), retryable(v1::Nack::NO_HELLO, "PUT before HELLO"));
  handle_put(origin, *peer.session, request.put(), body);
}

void Intake::Impl::handle_hello(const Origin& origin, const v1::Hello& hello) {
  if (hello.client().empty() || hello.client().size() > kClientBytesMax)
    return nack(origin, 0, {v1::Nack::MALFORMED, "HELLO.client must have 1 to 128 bytes"});
  if (hello.settled_up_to() > std::numeric_limits<int64_t>::max())
    return nack(origin, 0, {v1::Nack::MALFORMED, "HELLO.settled_up_to must be below 2^63"});
  Session& session = sessions_.session(hello.client(), hello.session(), forgotten_);
  if (hello.settled_up_to() >=
      session.expected) {  // the refused and the repeats are not in the log
    session.settled = hello.settled_up_to();
    session.expected = session.settled + 1;
  }
  sessions_.attach(session, origin.routing_id);
  sessions_.peer(origin.routing_id).envelope = origin.envelope;
  v1::IntakeReply answer;
  v1::Welcome* welcome = answer.mutable_welcome();
  welcome->set_durable_up_to(session.settled);
  welcome->set_credit(options_.credit);
  welcome->set_document_bytes_max(static_cast<uint64_t>(options_.document_bytes_max));
  reply(origin, true, answer.SerializeAsString());
}

void Intake::Impl::handle_put(const Origin& origin, Session& session, const v1::Put& put,
                              Body body) {
  const uint64_t number = put.number();
  if (number == 0) return nack(origin, 0, {v1::Nack::MALFORMED, "numbers begin with 1"});
  if (number > session.settled + options_.credit)
    return nack(origin, number,
                retryable(v1::Nack::NO_CREDIT, fmt::format("{} is beyond {} + {}", number,
                                                           session.settled, options_.credit)));
  if (number > session.expected)
    return nack(origin, number,
                retryable(v1::Nack::OUT_OF_ORDER, fmt::format("{} comes first", session.expected)));
  tl::expected<Content, Refusal> content =
      body.size() == 3
          ? judge(put.content_type().empty() ? "application/x-protobuf" : put.content_type(),
                  view(body[2]))
          : tl::unexpected<Refusal>(Refusal{
                v1::Nack::MALFORMED, "PUT takes three frames: WM1, IntakeRequest, document"});
  if (content && number < session.expected) return handle_known(origin, session, number, *content);
  Waiting waiting;
  waiting.session = &session;
  waiting.number = number;
  if (content) {
    tl::expected<Taken, Refusal> taken = take(*content, session.client, session.session, number);
    if (!taken) return nack(origin, number, std::move(taken.error()));
    waiting.taken = std::move(*taken);
    sessions_.add_settlement(
        session, {number, waiting.taken.sequence, numbered_hash(content->hash, content->id),
                  waiting.taken.id, waiting.taken.repeat, false});
  } else {
    nack(origin, number, std::move(content.error()));
    if (number < session.expected) return;
    sessions_.add_settlement(session, {.number = number, .refused = true});
    waiting.refused = true;
  }
  ++session.expected;
  ++session.waiting;
  waiting.sequence = log_.next() - 1;
  waiting_.push_back(std::move(waiting));
}

void Intake::Impl::handle_known(const Origin& origin, Session& session, uint64_t number,
                                const Content& content) {
  const Settlement* known = Sessions::find_settlement(session, number);
  if (known != nullptr && !known->refused &&
      known->content == numbered_hash(content.hash, content.id)) {
    if (number <= session.settled)
      acknowledge(session, number, {known->sequence, known->id, known->repeat});
    return;  // else its acknowledgement is under way
  }
  if (known == nullptr && !content.id.empty() && number <= session.settled) {
    // A repeat leaves no record; the first one's id tells.
    const auto first = ledger_->find(content.id, now_us());
    if (first && *first && (*first)->content == content.hash && (*first)->sequence <= durable_)
      return acknowledge(session, number, {(*first)->sequence, content.id, true});
  }
  nack(origin, number,
       {v1::Nack::NUMBER_REUSED,
        fmt::format("number {} was settled before, for another document or too long ago", number),
        0, content.id});
}

void Intake::Impl::handle_bare(const Origin& origin, Body body) {
  Peer& peer = sessions_.peer(origin.routing_id);
  if (peer.waiting >= options_.bare_outstanding_max && peer.busy_run != nullptr) {
    ++*peer.busy_run;
    ++counters_.refused[v1::Nack::BUSY];
    return;
  }
  Waiting waiting;
  waiting.peer = origin.routing_id;
  waiting.envelope = origin.envelope;
  const DocumentFormat format =
      body.empty() ? DocumentFormat::Unknown : document_format(view(body[0]));
  waiting.json = format != DocumentFormat::Protobuf;
  const bool busy = peer.waiting >= options_.bare_outstanding_max;
  tl::expected<Taken, Refusal> taken = [&]() -> tl::expected<Taken, Refusal> {
    if (busy)
      return tl::unexpected<Refusal>(
          retryable(v1::Nack::BUSY, fmt::format("{} documents await their answer", peer.waiting)));
    if (body.size() != 2)
      return tl::unexpected<Refusal>(
          Refusal{v1::Nack::MALFORMED, "a bare message takes two frames: content type, document"});
    auto content = judge(view(body[0]), view(body[1]));
    if (!content) return tl::unexpected<Refusal>(content.error());
    return take(*content, "", 0, 0);
  }();
  waiting.refused = !taken;
  if (taken) {
    waiting.taken = std::move(*taken);
  } else {
    waiting.refusal = std::move(taken.error());
    count(waiting.refusal);
  }
  waiting.sequence = log_.next() - 1;
  waiting_.push_back(std::move(waiting));
  ++peer.waiting;
  peer.busy_run = busy ? &waiting_.back().times : nullptr;
}

void Intake::Impl::handle_firehose(Frames& frames) {
  tl::expected<Content, Refusal> content =
      frames.size() == 2
          ? judge(view(frames[0]), view(frames[1]))
          : tl::unexpected<Refusal>(Refusal{v1::Nack::MALFORMED, "two frames are needed"});
  tl::expected<Taken, Refusal> taken =
      content.and_then([this](Content& good) { return take(good, "", 0, 0); });
  ++(taken ? counters_.firehose_accepted : counters_.firehose_dropped);
  if (!taken) count(taken.error());
}

// ---- Documents
// -----------------------------------------------------------------------------------

tl::expected<Content, Refusal> Intake::Impl::judge(std::string_view content_type,
                                                   std::string_view frame) const {
  const DocumentFormat format = document_format(content_type);
  if (format == DocumentFormat::Unknown)
    return tl::unexpected<Refusal>(
        Refusal{v1::Nack::UNSUPPORTED,
                fmt::format("message type \"{}\": application/json and application/x-protobuf are "
                            "supported",
                            text::repair(content_type.substr(0, 100)))});
  auto content = read_content(frame, format, static_cast<size_t>(options_.document_bytes_max));
  if (!content) {
    BadContent& bad = content.error();
    return tl::unexpected<Refusal>(
        Refusal{nack_code(bad.error.code), std::move(bad.error.message), 0, std::move(bad.id)});
  }
  return std::move(*content);
}

tl::expected<Taken, Refusal> Intake::Impl::take(Content& content, std::string_view client,
                                                uint64_t session, uint64_t number) {
  const auto refuse = [&](v1::Nack::Code code, std::string message) {
    Refusal refusal = retryable(code, std::move(message));
    refusal.id = content.id;
    return tl::unexpected<Refusal>(std::move(refusal));
  };
  if (stopping_) return refuse(v1::Nack::SHUTTING_DOWN, "the daemon is shutting down");
  if (!read_only_.empty()) return refuse(v1::Nack::READ_ONLY, read_only_);
  newest_us_ = std::max(newest_us_, now_us());
  v1::IntakeRecord record;
  if (!content.id.empty()) {
    const auto known = ledger_->find(content.id, newest_us_);
    if (!known) return refuse(v1::Nack::READ_ONLY, known.error().message);
    if (*known && (*known)->content == content.hash) {
      ++counters_.repeats;
      return Taken{(*known)->sequence, content.id, true};
    }
    if (*known) record.set_revises((*known)->sequence);
  }
  const uint64_t sequence = log_.next();
  const size_t document_bytes = content.bytes.size();
  record.set_client(client.data(), client.size());
  record.set_session(session);
  record.set_number(number);
  record.set_accepted_at_us(newest_us_);
  record.set_id(content.id.empty() ? fmt::format("seq:{}", sequence) : content.id);
  record.set_document(std::move(content.bytes));
  const Result<uint64_t> appended = log_.append(record.SerializeAsString());
  if (!appended) return refuse(nack_code(appended.error().code), appended.error().message);
  WM_INVARIANT(*appended == sequence);
  if (!content.id.empty())
    if (Status status = ledger_->remember(content.id, {sequence, content.hash, newest_us_});
        !status)
      read_only_ = status.error().message;
  mark_tail(sequence, document_bytes);
  ++counters_.accepted;
  counters_.accepted_bytes += document_bytes;
  return Taken{sequence, record.id(), false};
}

void Intake::Impl::mark_tail(uint64_t sequence, size_t bytes) {
  tail_bytes_ += bytes;
  if (tail_.empty() || sequence - tail_.back().sequence >= 1024 ||
      tail_bytes_ - tail_.back().bytes >= 1 << 20)
    tail_.push_back({sequence, tail_bytes_});
  while (tail_.size() > 1 && (sequence - tail_.front().sequence > kTailRecords ||
                              tail_bytes_ - tail_.front().bytes > kTailBytes))
    tail_.pop_front();
}

// ---- Answers
// -------------------------------------------------------------------------------------

bool Intake::Impl::turn() {
  const bool more = answer_durable();
  counters_.waiting = waiting_.size();
  counters_.connections = sessions_.peers();
  counters_.sessions = sessions_.sessions();
  return more;
}

bool Intake::Impl::answer_durable() {
  durable_ = mutant("acknowledge_before_write") ? log_.next() - 1 : log_.durable();
  for (size_t answers = 0; !waiting_.empty() && waiting_.front().sequence <= durable_;) {
    if (answers >= kAnswersPerTurn) break;
    answers += waiting_.front().times;
    answer(waiting_.front());
    waiting_.pop_front();
  }
  send_acks();
  return !waiting_.empty() && waiting_.front().sequence <= durable_;
}

void Intake::Impl::answer(Waiting& waiting) {
  if (Session* session = waiting.session; session != nullptr) {
    session->settled = std::max(session->settled, waiting.number);
    --session->waiting;
    if (waiting.refused) {
      if (!std::exchange(session->ack_due, true)) to_acknowledge_.push_back(session);
    } else {
      acknowledge(*session, waiting.number, waiting.taken);
    }
    return;
  }
  if (Peer* peer = sessions_.find_peer(waiting.peer); peer != nullptr) {
    if (peer->waiting > 0) --peer->waiting;
    if (peer->busy_run == &waiting.times) peer->busy_run = nullptr;
  }
  const Origin origin{waiting.peer, waiting.envelope};
  const Taken& taken = waiting.taken;
  for (uint32_t i = 0; i < waiting.times; ++i)
    reply(origin, false,
          waiting.refused
              ? (waiting.json ? nack_json(waiting.refusal) : encode_nack(waiting.refusal, 0))
              : (waiting.json ? accepted_json(taken.sequence, taken.id)
                              : encode_accepted(taken.sequence, taken.id, taken.repeat)));
}

void Intake::Impl::acknowledge(Session& session, uint64_t number, const Taken& taken) {
  v1::Accepted* accepted = session.ack.add_accepted();
  accepted->set_sequence(taken.sequence);
  accepted->set_id(taken.id);
  accepted->set_number(number);
  accepted->set_repeat(taken.repeat);
  if (!std::exchange(session.ack_due, true)) to_acknowledge_.push_back(&session);
}

void Intake::Impl::send_acks() {
  for (Session* session : to_acknowledge_) {
    session->ack.set_durable_up_to(session->settled);
    session->ack.set_credit(options_.credit);
    if (const Peer* peer = sessions_.find_peer(session->peer); peer != nullptr) {
      v1::IntakeReply answer;
      answer.mutable_ack()->Swap(&session->ack);
      const std::string routing_id = session->peer;
      reply({routing_id, peer->envelope}, true, answer.SerializeAsString());
    }
    session->ack.Clear();
    session->ack_due = false;
  }
  to_acknowledge_.clear();
}

void Intake::Impl::nack(const Origin& origin, uint64_t number, Refusal refusal) {
  count(refusal);
  reply(origin, true, encode_nack(refusal, number));
}

void Intake::Impl::reply(const Origin& origin, bool numbered, const std::string& payload) {
  Frames frames;
  frames.push_back(frame_of(origin.routing_id));
  if (origin.envelope) frames.emplace_back();
  if (numbered) frames.push_back(frame_of(kMagic));
  frames.push_back(frame_of(payload));
  const Sent sent = send_message(router_, frames);
  if (sent == Sent::Ok) return;
  ++counters_.replies_dropped;
  if (sent == Sent::Gone) sessions_.forget_peer(std::string(origin.routing_id));
}

// ---- From time to time
// ---------------------------------------------------------------------------

void Intake::Impl::tick() {
  if (read_only_.empty())
    if (const Status status = log_.health(); !status) {
      read_only_ = status.error().message;
      answer_durable();
      refuse_waiting(status.error());
    }
  record_sessions();
}

// The log failed under them: whether they are stored is known only after a restart.
void Intake::Impl::refuse_waiting(const Error& error) {
  const Refusal refusal = retryable(v1::Nack::READ_ONLY, error.message);
  for (Waiting& waiting : waiting_) {
    if (Session* session = waiting.session; session != nullptr) {
      if (session->expected > session->settled + 1) {
        sessions_.drop_unsettled(*session);
        const std::string routing_id = session->peer;
        if (const Peer* peer = sessions_.find_peer(routing_id); peer != nullptr)
          nack({routing_id, peer->envelope}, session->expected, refusal);
      }
      continue;
    }
    if (!waiting.refused) waiting.refusal = refusal;
    waiting.refused = true;
    answer(waiting);
  }
  waiting_.clear();
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
  ledger_->hand_over(durable_, tail_.empty() ? durable_ + 1 : tail_.front().sequence);
}

// ---- The face
// ------------------------------------------------------------------------------------

Result<std::unique_ptr<Intake>> Intake::open(const IntakeOptions& options, SocketLoop& loop,
                                             Log& log) {
  LedgerOptions ledger_options;
  ledger_options.directory = options.ledger_directory;
  ledger_options.window_ms = options.idempotency_window_ms;
  ledger_options.documents_max = options.idempotency_documents_max;
  auto ledger = Ledger::open(ledger_options, log.durable());
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
void Intake::stop_accepting() { impl_->stopping_ = true; }
const IntakeCounters& Intake::counters() const { return impl_->counters_; }
uint64_t Intake::records_needed_above() const { return impl_->ledger().needed_above(); }
Status Intake::health() const { return impl_->ledger().health(); }

}  // namespace wiremill
