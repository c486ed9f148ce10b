// See wiremill/client.hpp.
//
// Every document has a number and stays in `unanswered_` until its own answer came: an Accepted or
// a final NACK. After each connection, each NO_HELLO and each long silence the client says HELLO
// and, once welcome, sends everything unanswered again from the first: the daemon acknowledges
// known numbers again. After a retryable NACK it goes back to that number when the pause is over;
// the OUT_OF_ORDER answers to what was already under way then need no action.
#include <algorithm>
#include <array>
#include <deque>
#include <random>

#include "clients/cpp/connection.hpp"
#include "wiremill/client.hpp"
#include "wiremill/v1/intake.pb.h"

namespace wiremill {
namespace {

using Clock = Connection::Clock;
using std::chrono::milliseconds;

constexpr std::string_view kMagic = "WM1";
constexpr milliseconds kHelloRetry{50};  // while the fresh connection does not take it yet
constexpr size_t kSendsAtOnce = 64;      // between two looks at what came in

struct Unanswered {
  uint64_t number = 0, tag = 0;
  Encoding encoding = Encoding::Protobuf;
  std::string document;
  bool answered = false;  // but one before it is not
};

uint64_t random_session() {
  std::random_device device;
  return static_cast<uint64_t>(device()) << 32 | device();
}

}  // namespace

class IntakeClient::Impl {
 public:
  Impl(const IntakeClientOptions& options, std::unique_ptr<Connection> connection)
      : options_(options), connection_(std::move(connection)) {}

  bool push(Encoding encoding, std::string document, uint64_t tag);
  void poll(milliseconds timeout, std::vector<IntakeEvent>& events);
  size_t unanswered() const { return unanswered_count_; }
  const Connection& connection() const { return *connection_; }
  const std::string& held_up_by() const { return held_up_by_; }

 private:
  enum class State { MustGreet, Greeted, Welcome };

  void greet();
  void send_documents(Clock::time_point now);
  bool can_send() const;
  void handle(const std::vector<zmq::message_t>& frames, std::vector<IntakeEvent>& events);
  void handle_nack(const v1::Nack& nack, std::vector<IntakeEvent>& events);
  Unanswered* find(uint64_t number);
  void settle(Unanswered& document);
  uint64_t first() const { return unanswered_.empty() ? next_number_ : unanswered_.front().number; }

  const IntakeClientOptions options_;
  const std::unique_ptr<Connection> connection_;
  const uint64_t session_ = random_session();

  State state_ = State::MustGreet;
  Clock::time_point heard_ = Clock::now();
  Clock::time_point resume_ = Clock::time_point::min();  // nothing is sent before
  std::string held_up_by_;
  std::deque<Unanswered> unanswered_;  // numbers without gaps
  size_t unanswered_count_ = 0;
  uint64_t unanswered_bytes_ = 0;
  uint64_t next_number_ = 1;
  uint64_t next_to_send_ = 1;
  uint64_t credit_up_to_ = 0;
  uint64_t document_bytes_max_ = 0;
};

bool IntakeClient::Impl::push(Encoding encoding, std::string document, uint64_t tag) {
  if (unanswered_.size() >= options_.window ||
      (!unanswered_.empty() && unanswered_bytes_ + document.size() > options_.window_bytes_max))
    return false;
  if (unanswered_.empty()) heard_ = Clock::now();
  unanswered_bytes_ += document.size();
  ++unanswered_count_;
  unanswered_.push_back({next_number_++, tag, encoding, std::move(document)});
  return true;
}

void IntakeClient::Impl::poll(milliseconds timeout, std::vector<IntakeEvent>& events) {
  const auto until = Clock::now() + timeout;
  const size_t before = events.size();
  std::vector<zmq::message_t> frames;
  for (bool first_round = true;; first_round = false) {
    if (connection_->take_connected()) {
      state_ = State::MustGreet;
      resume_ = Clock::time_point::min();
    }
    if (connection_->disconnected_for()) state_ = State::MustGreet;
    for (int i = 0; i < 1000 && connection_->receive(frames); ++i) handle(frames, events);
    const auto now = Clock::now();
    if (unanswered_count_ > 0 && now - heard_ >= options_.silence) {
      state_ = State::MustGreet;
      heard_ = now;
    }
    if (state_ == State::MustGreet) greet();
    send_documents(now);
    if (events.size() > before || unanswered_count_ == 0 || (!first_round && now >= until)) return;
    auto wake = std::min(until, heard_ + options_.silence);
    if (state_ == State::MustGreet) wake = std::min(wake, now + kHelloRetry);
    if (resume_ > now) wake = std::min(wake, resume_);
    connection_->wait(wake, can_send() && resume_ <= now);
  }
}

void IntakeClient::Impl::greet() {
  v1::IntakeRequest request;
  v1::Hello* hello = request.mutable_hello();
  hello->set_client(options_.client);
  hello->set_session(session_);
  hello->set_settled_up_to(first() - 1);
  const std::string bytes = request.SerializeAsString();
  if (connection_->send(std::array<std::string_view, 2>{kMagic, bytes})) state_ = State::Greeted;
}

bool IntakeClient::Impl::can_send() const {
  return state_ == State::Welcome && next_to_send_ < next_number_ && next_to_send_ <= credit_up_to_;
}

void IntakeClient::Impl::send_documents(Clock::time_point now) {
  if (now < resume_) return;
  v1::IntakeRequest request;
  std::string bytes;
  for (size_t sent = 0; sent < kSendsAtOnce && can_send(); ++next_to_send_) {
    const Unanswered* document = find(next_to_send_);
    if (document == nullptr || document->answered) continue;
    v1::Put* put = request.mutable_put();
    put->set_number(document->number);
    if (document->encoding == Encoding::Json)
      put->set_content_type("application/json");
    else
      put->clear_content_type();
    request.SerializeToString(&bytes);
    // One byte more than allowed is enough to be refused; much more would end the connection.
    std::string_view body = document->document;
    if (document_bytes_max_ > 0) body = body.substr(0, document_bytes_max_ + 1);
    if (!connection_->send(std::array<std::string_view, 3>{kMagic, bytes, body})) return;
    ++sent;
  }
}

void IntakeClient::Impl::handle(const std::vector<zmq::message_t>& frames,
                                std::vector<IntakeEvent>& events) {
  v1::IntakeReply reply;
  if (frames.size() != 2 || frames[0].to_string_view() != kMagic ||
      !reply.ParseFromArray(frames[1].data(), static_cast<int>(frames[1].size())))
    return;
  heard_ = Clock::now();
  switch (reply.kind_case()) {
    case v1::IntakeReply::kWelcome:
      state_ = State::Welcome;
      credit_up_to_ = reply.welcome().durable_up_to() + reply.welcome().credit();
      document_bytes_max_ = reply.welcome().document_bytes_max();
      next_to_send_ = first();
      return;
    case v1::IntakeReply::kAck:
      credit_up_to_ = std::max(credit_up_to_, reply.ack().durable_up_to() + reply.ack().credit());
      held_up_by_.clear();
      for (const v1::Accepted& accepted : reply.ack().accepted()) {
        Unanswered* document = find(accepted.number());
        if (document == nullptr || document->answered) continue;
        IntakeEvent event;
        event.tag = document->tag;
        event.sequence = accepted.sequence();
        event.id = accepted.id();
        event.repeat = accepted.repeat();
        events.push_back(std::move(event));
        settle(*document);
      }
      return;
    case v1::IntakeReply::kNack: return handle_nack(reply.nack(), events);
    default: return;
  }
}

void IntakeClient::Impl::handle_nack(const v1::Nack& nack, std::vector<IntakeEvent>& events) {
  switch (nack.code()) {
    case v1::Nack::NO_HELLO:
      if (state_ == State::Welcome) state_ = State::MustGreet;
      return;
    case v1::Nack::OUT_OF_ORDER: return;
    case v1::Nack::NO_CREDIT:
    case v1::Nack::BUSY:
    case v1::Nack::NO_SPACE:
    case v1::Nack::SHUTTING_DOWN:
    case v1::Nack::READ_ONLY:
      held_up_by_ = v1::Nack::Code_Name(nack.code()) + ": " + nack.message();
      if (Unanswered* document = find(nack.number()); document != nullptr && !document->answered) {
        next_to_send_ = std::min(next_to_send_, nack.number());
        resume_ = Clock::now() + milliseconds(std::max(1U, nack.retry_after_ms()));
      }
      return;
    default: break;
  }
  Unanswered* document = find(nack.number());
  if (document == nullptr || document->answered) return;
  IntakeEvent event;
  event.kind = IntakeEvent::Kind::Refused;
  event.tag = document->tag;
  event.id = nack.id();
  event.code = v1::Nack::Code_Name(nack.code());
  event.message = nack.message();
  events.push_back(std::move(event));
  settle(*document);
}

Unanswered* IntakeClient::Impl::find(uint64_t number) {
  if (unanswered_.empty() || number < unanswered_.front().number || number >= next_number_)
    return nullptr;
  return &unanswered_[number - unanswered_.front().number];
}

void IntakeClient::Impl::settle(Unanswered& document) {
  document.answered = true;
  --unanswered_count_;
  unanswered_bytes_ -= document.document.size();
  document.document = std::string();
  while (!unanswered_.empty() && unanswered_.front().answered) unanswered_.pop_front();
  next_to_send_ = std::max(next_to_send_, first());
}

std::unique_ptr<IntakeClient> IntakeClient::connect(const IntakeClientOptions& options,
                                                    std::string& error) {
  if (options.client.empty() || options.client.size() > 128) {
    error = "a client's name has 1 to 128 bytes";
    return nullptr;
  }
  if (options.window == 0) {
    error = "a window of 0 documents takes none";
    return nullptr;
  }
  auto connection =
      Connection::open(options.endpoint, static_cast<int>(options.window) + 16, error);
  if (!connection) return nullptr;
  return std::unique_ptr<IntakeClient>(
      new IntakeClient(std::make_unique<Impl>(options, std::move(connection))));
}

IntakeClient::IntakeClient(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
IntakeClient::~IntakeClient() = default;

bool IntakeClient::push(Encoding encoding, std::string document, uint64_t tag) {
  return impl_->push(encoding, std::move(document), tag);
}
void IntakeClient::poll(milliseconds timeout, std::vector<IntakeEvent>& events) {
  impl_->poll(timeout, events);
}
size_t IntakeClient::unanswered() const { return impl_->unanswered(); }
std::optional<milliseconds> IntakeClient::disconnected_for() const {
  return impl_->connection().disconnected_for();
}
const std::string& IntakeClient::held_up_by() const { return impl_->held_up_by(); }

}  // namespace wiremill
