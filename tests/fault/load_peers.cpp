// How the peers of the fault tests talk and what they check while they do; see the header.
#include "tests/fault/load_peers.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <utility>
#include <vector>

#include "daemon/base/hash.hpp"
#include "wiremill/v1/document.pb.h"

namespace wiremill::fault {
namespace {

constexpr std::chrono::milliseconds kPoll{5};
constexpr std::chrono::milliseconds kQuiet{50};  // after a kill, for what is still in the socket
constexpr int kBurst = 64;
constexpr int64_t kPauseUs = 5000;  // so that no answer to an earlier sending is still under way
constexpr std::string_view kMagic = "WM1";
int64_t steady_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

zmq::socket_t connect(zmq::context_t& context, const std::string& endpoint) {
  zmq::socket_t socket(context, zmq::socket_type::dealer);
  socket.set(zmq::sockopt::linger, 0);
  socket.set(zmq::sockopt::rcvhwm, 0);
  socket.set(zmq::sockopt::sndhwm, 0);
  socket.connect(endpoint);
  return socket;
}

template <class Message>
void send(zmq::socket_t& socket, const Message& message, const std::string* last = nullptr) {
  const std::string bytes = message.SerializeAsString();
  socket.send(zmq::buffer(kMagic), zmq::send_flags::sndmore);
  socket.send(zmq::buffer(bytes),
              last != nullptr ? zmq::send_flags::sndmore : zmq::send_flags::none);
  if (last != nullptr) socket.send(zmq::buffer(*last), zmq::send_flags::none);
}

bool wait(zmq::socket_t& socket, std::chrono::milliseconds patience) {
  zmq::pollitem_t item{socket.handle(), 0, ZMQ_POLLIN, 0};
  return zmq::poll(&item, 1, patience) > 0;
}

// The frames after "WM1" of the next message; none where nothing waits.
std::vector<zmq::message_t> receive(zmq::socket_t& socket) {
  std::vector<zmq::message_t> frames;
  zmq::message_t magic;
  if (!socket.recv(magic, zmq::recv_flags::dontwait)) return frames;
  while (socket.get(zmq::sockopt::rcvmore)) {
    frames.emplace_back();
    static_cast<void>(socket.recv(frames.back()));
  }
  return frames;
}

std::string name_of(uint64_t client, uint64_t number) {
  return std::to_string(client) + "/" + std::to_string(number);
}

// Words that no other document has.
void add_words(uint64_t seed, uint64_t bytes, std::string& text) {
  std::mt19937_64 random(seed);
  while (text.size() < bytes) {
    uint64_t bits = random();
    for (uint64_t length = 4 + bits % 6; length > 0; --length, bits /= 26)
      text += static_cast<char>('a' + bits % 26);
    text += text.size() % 80 < 8 ? ".\n" : " ";
  }
}

struct Seen {
  uint64_t digest = 0, key = 0;
};

}  // namespace

void Findings::add(const std::string& kind, const std::string& message) {
  const std::lock_guard lock(mutex_);
  constexpr uint64_t kShownMax = 5;
  if (++counts_[kind] <= kShownMax) std::cerr << kind << ": " << message << std::endl;
}

std::map<std::string, uint64_t> Findings::counts() const {
  const std::lock_guard lock(mutex_);
  return counts_;
}

Rows::Rows(const std::string& path, size_t row_bytes)
    : fd_(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644)), row_bytes_(row_bytes) {
  if (fd_ < 0) {
    std::cerr << "cannot open " << path << std::endl;
    std::exit(2);
  }
}

Rows::~Rows() { close(fd_); }

void Rows::put(uint64_t index, const void* row) {
  if (pwrite(fd_, row, row_bytes_, static_cast<off_t>(index * row_bytes_)) !=
      static_cast<ssize_t>(row_bytes_)) {
    std::cerr << "cannot write the record" << std::endl;
    std::exit(2);
  }
}

void Rows::get(uint64_t index, void* row) const {
  if (pread(fd_, row, row_bytes_, static_cast<off_t>(index * row_bytes_)) !=
      static_cast<ssize_t>(row_bytes_)) {
    std::cerr << "cannot read the record" << std::endl;
    std::exit(2);
  }
}

Client::Client(const std::string& folder, uint64_t index, uint64_t text_bytes, Findings& findings)
    : name_("client-" + std::to_string(index)),
      index_(index),
      text_bytes_(text_bytes),
      findings_(findings),
      record_(folder + "/acknowledged." + std::to_string(index), sizeof(uint64_t)),
      random_(std::random_device{}()),
      session_(random_()) {}

std::map<std::string, uint64_t> Client::refusals() const {
  const std::lock_guard lock(refusals_mutex_);
  return refusals_;
}

void Client::run(zmq::context_t& context, const std::string& endpoint,
                 const std::atomic<bool>& stop, const std::atomic<bool>& may_push) {
  zmq::socket_t socket = connect(context, endpoint);
  v1::IntakeReply reply;
  const auto read_all = [&] {
    for (auto frames = receive(socket); !frames.empty(); frames = receive(socket)) {
      if (reply.ParseFromArray(frames[0].data(), static_cast<int>(frames[0].size())))
        handle(socket, reply);
      else
        findings_.add("protocol", name_ + ": an answer that cannot be read");
    }
  };
  next_ = 0;
  hello(socket);
  while (!stop) {
    read_all();
    if (!send_some(socket, may_push)) wait(socket, kPoll);
  }
  while (wait(socket, kQuiet)) read_all();
}

void Client::hello(zmq::socket_t& socket) {
  v1::IntakeRequest request;
  request.mutable_hello()->set_client(name_);
  request.mutable_hello()->set_session(session_);
  // Either way is right: the daemon's own knowledge must not be behind ours.
  said_settled_up_to_ = random_() % 2 == 0 ? 0 : settled_.load();
  request.mutable_hello()->set_settled_up_to(said_settled_up_to_);
  send(socket, request);
}

bool Client::send_some(zmq::socket_t& socket, bool make) {
  if (next_ == 0 || steady_us() < send_after_us_) return false;
  const uint64_t limit = std::min(credit_up_to_, settled_ + kWindow);
  int sent = 0;
  for (; sent < kBurst && next_ <= limit; ++sent, ++next_) {
    if (next_ > made_) {
      if (!make) break;
      made_ = next_;
    }
    v1::IntakeRequest request;
    request.mutable_put()->set_number(next_);
    const std::string bytes = document(next_);
    send(socket, request, &bytes);
  }
  return sent > 0;
}

uint64_t Client::original(uint64_t number) {
  if (number % 16 == 15) return number - 1 - 2 * (number / 16 % 7);
  if (number % 16 == 7) return (number - std::min(number / 2, kRepeatDistance)) & ~1ULL;
  return number;
}

std::string Client::document(uint64_t number) const {
  v1::Document document;
  const std::string name = name_of(index_, original(number));
  if (original(number) % 2 == 0) document.set_id(name);
  document.set_source("source" + std::to_string(original(number) % 7) + ".example");
  document.set_uri(name);
  document.set_title("Document " + name);
  document.set_content_type("text/plain; charset=utf-8");
  document.mutable_body()->reserve(text_bytes_ + 16);
  add_words(index_ << 48 | original(number), text_bytes_, *document.mutable_body());
  return document.SerializeAsString();
}

void Client::handle(zmq::socket_t& socket, const v1::IntakeReply& reply) {
  switch (reply.kind_case()) {
    case v1::IntakeReply::kWelcome: welcome(reply.welcome()); break;
    case v1::IntakeReply::kAck:
      credit_up_to_ = reply.ack().durable_up_to() + reply.ack().credit();
      for (const v1::Accepted& accepted : reply.ack().accepted()) accept(accepted);
      break;
    case v1::IntakeReply::kNack: refused(socket, reply.nack()); break;
    default: findings_.add("protocol", name_ + ": " + reply.ShortDebugString());
  }
}

// What was acknowledged under an earlier sequence left no record under its number; a client that
// did not say how far it is settled is asked for it again.
void Client::welcome(const v1::Welcome& welcome) {
  for (uint64_t number = welcome.durable_up_to() + 1; number <= settled_; ++number)
    if (original(number) == number || said_settled_up_to_ != 0)
      findings_.add("lost", name_ + ": acknowledged up to number " + std::to_string(settled_) +
                                ", but the daemon knows only " +
                                std::to_string(welcome.durable_up_to()));
  credit_up_to_ = welcome.durable_up_to() + welcome.credit();
  next_ = std::min(settled_.load(), welcome.durable_up_to()) + 1;
}

void Client::accept(const v1::Accepted& accepted) {
  uint64_t sequence = accepted.sequence();
  if (accepted.number() == 0 || accepted.number() > made_ || accepted.number() > settled_ + 1) {
    findings_.add("protocol", name_ + ": " + std::to_string(accepted.number()) +
                                  " was acknowledged behind " + std::to_string(settled_));
    return;
  }
  if (accepted.number() <= settled_) {
    record_.get(accepted.number() - 1, &sequence);
    if (sequence != accepted.sequence())
      findings_.add("twice", name_ + ": number " + std::to_string(accepted.number()) +
                                 " was acknowledged as " + std::to_string(sequence) + " and as " +
                                 std::to_string(accepted.sequence()));
    return;
  }
  record_.put(accepted.number() - 1, &sequence);
  settled_ = accepted.number();
  newest_ = std::max(newest_.load(), sequence);
}

void Client::refused(zmq::socket_t& socket, const v1::Nack& nack) {
  {
    const std::lock_guard lock(refusals_mutex_);
    ++refusals_[v1::Nack::Code_Name(nack.code())];
  }
  switch (nack.code()) {
    case v1::Nack::SHUTTING_DOWN: next_ = 0; break;
    case v1::Nack::NO_HELLO:
      if (next_ != 0) hello(socket);
      next_ = 0;
      break;
    case v1::Nack::OUT_OF_ORDER:
    case v1::Nack::NO_CREDIT:
    case v1::Nack::BUSY:
    case v1::Nack::NO_SPACE:
      if (next_ != 0) next_ = std::max(settled_ + 1, std::min(next_, nack.number()));
      send_after_us_ = std::max(
          send_after_us_, steady_us() + std::max(kPauseUs, int64_t{nack.retry_after_ms()} * 1000));
      break;
    default: findings_.add("refused", name_ + ": " + nack.ShortDebugString());
  }
}

Subscriber::Subscriber(const std::string& folder, const std::string& name, uint64_t commit_every,
                       uint32_t credit, bool foreign, Findings& findings)
    : name_(name),
      cursor_(commit_every > 0),
      commit_every_(commit_every),
      credit_(credit),
      foreign_(foreign),
      findings_(findings),
      record_(folder + "/seen." + name, sizeof(Seen)),
      random_(std::random_device{}()) {}

void Subscriber::run(zmq::context_t& context, const std::string& endpoint,
                     const std::atomic<bool>& stop) {
  zmq::socket_t socket = connect(context, endpoint);
  v1::ReplayRequest request;
  if (cursor_)
    request.mutable_fetch()->set_cursor(name_);
  else
    request.mutable_fetch()->set_sequence(1);
  request.mutable_fetch()->set_credit(credit_);
  request.mutable_fetch()->set_follow(cursor_);
  request.mutable_fetch()->set_stream(1);
  send(socket, request);
  expected_ = 0;
  consumed_ = 0;
  ended_ = false;
  v1::ReplayReply reply;
  const auto read_some = [&] {
    for (int i = 0; i < kBurst && !ended_; ++i) {
      const auto frames = receive(socket);
      if (frames.empty()) return;
      if (!reply.ParseFromArray(frames[0].data(), static_cast<int>(frames[0].size()))) {
        findings_.add("protocol", name_ + ": an answer that cannot be read");
        continue;
      }
      handle(socket, reply, frames.size() > 1 ? frames[1].to_string_view() : std::string_view());
    }
  };
  while (!stop && !ended_)
    if (wait(socket, kPoll)) read_some();
  while (!ended_ && wait(socket, kQuiet)) read_some();
}

void Subscriber::handle(zmq::socket_t& socket, const v1::ReplayReply& reply,
                        std::string_view result) {
  switch (reply.kind_case()) {
    case v1::ReplayReply::kItem: take(socket, reply.item(), result); break;
    case v1::ReplayReply::kHead:
      said_to_be_sent(reply.head().sequence());
      ended_ = !cursor_;
      break;
    case v1::ReplayReply::kProgress: said_to_be_sent(reply.progress().sequence()); break;
    case v1::ReplayReply::kCommitted: committed_ = reply.committed().sequence(); break;
    case v1::ReplayReply::KIND_NOT_SET: break;
    case v1::ReplayReply::kLagged:
      if (!cursor_ && seen_ == 0) {  // retention took these; the subscribers have seen them
        seen_ = reply.lagged().to();
        break;
      }
      findings_.add("gap",
                    name_ + " at " + std::to_string(seen_ + 1) + ": " + reply.ShortDebugString());
      break;
    default:
      // A commit that a full disk refuses leaves the cursor where it was; a later one says it again.
      if (reply.error().commit() && reply.error().code() == "CURSOR") break;
      findings_.add("gap",
                    name_ + " at " + std::to_string(seen_ + 1) + ": " + reply.ShortDebugString());
  }
}

void Subscriber::said_to_be_sent(uint64_t sequence) {
  if (sequence > seen_)
    findings_.add("gap", name_ + ": everything up to " + std::to_string(sequence) +
                             " is said to be sent, but " + std::to_string(seen_ + 1) +
                             " never came");
}

void Subscriber::begins_at(uint64_t sequence) {
  first_ = sequence;
  if (!cursor_) return;
  if (sequence <= committed_)
    findings_.add("cursor", name_ + ": committed " + std::to_string(committed_) +
                                ", but the stream begins at " + std::to_string(sequence));
  if (sequence > commit_asked_ + 1)
    findings_.add("gap", name_ + ": committed " + std::to_string(commit_asked_) +
                             " at most, but the stream begins at " + std::to_string(sequence));
}

int64_t Subscriber::take_gap_us() {
  const int64_t until = steady_us();
  return std::max(gap_us_.exchange(0), until - taken_at_us_.exchange(until));
}

int64_t Subscriber::gap_before_us(uint64_t sequence) const {
  return gaps_before_us_[sequence % kGapsKept];
}

void Subscriber::take(zmq::socket_t& socket, const v1::Item& item, std::string_view bytes) {
  const uint64_t sequence = item.header().sequence();
  const int64_t taken_at_us = steady_us();
  if (const int64_t gap = taken_at_us - taken_at_us_.exchange(taken_at_us); gap > gap_us_)
    gap_us_ = gap;
  gaps_before_us_[sequence % kGapsKept] = taken_at_us - std::exchange(last_at_us_, taken_at_us);
  if (expected_ == 0)
    begins_at(sequence);
  else if (sequence != expected_)
    findings_.add(sequence > expected_ ? "gap" : "repeat",
                  name_ + ": " + std::to_string(sequence) + " came where " +
                      std::to_string(expected_) + " was due");
  expected_ = sequence + 1;
  v1::Result result;
  if (!result.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())))
    findings_.add("protocol", name_ + ": result " + std::to_string(sequence) + " cannot be read");
  uint64_t client = 0, number = 0;
  if (const size_t slash = result.uri().find('/'); slash != std::string::npos) {
    client = std::strtoull(result.uri().c_str(), nullptr, 10);
    number = std::strtoull(result.uri().c_str() + slash + 1, nullptr, 10);
  }
  const Seen row{hash128(bytes).low + 31 * hash128(item.topic()).low,
                 static_cast<uint64_t>(item.header().status()) << 56 | client << 48 | number};
  if (sequence > seen_) {
    if (sequence != seen_ + 1 && (cursor_ || seen_ != 0))
      findings_.add("gap", name_ + ": " + std::to_string(sequence) + " came where " +
                               std::to_string(seen_ + 1) + " was due");
    check_new(item, result);
    record_.put(sequence - 1, &row);
    seen_ = sequence;
  } else {
    Seen before;
    record_.get(sequence - 1, &before);
    ++repeats_;
    if (before.digest != row.digest || before.key != row.key)
      findings_.add("changed", name_ + ": result " + std::to_string(sequence) +
                                   " is not the one that was seen before");
  }
  if (++consumed_ >= std::max(1U, credit_ / 2)) {
    v1::ReplayRequest more;
    more.mutable_credit()->set_more(std::exchange(consumed_, 0));
    send(socket, more);
  }
  if (cursor_ && sequence >= commit_at_ && sequence == seen_) commit(socket, item.header());
}

void Subscriber::check_new(const v1::Item& item, const v1::Result& result) {
  const v1::FeedHeader& header = item.header();
  const std::string at = name_ + ": result " + std::to_string(header.sequence());
  uint64_t& previous = previous_[item.topic()];
  // A stream that does not begin with the first result cannot know what was before.
  if (header.previous() != previous && (previous != 0 || cursor_))
    findings_.add("previous", at + " on " + item.topic() + " follows " +
                                  std::to_string(header.previous()) + ", not " +
                                  std::to_string(previous));
  previous = header.sequence();
  if (header.accepted_at_us() < accepted_at_us_)
    findings_.add("time", at + " was accepted before the one before it");
  accepted_at_us_ = header.accepted_at_us();
  if (foreign_) return;
  if (result.id() != result.uri() && result.id() != "seq:" + std::to_string(header.sequence()))
    findings_.add("confused", at + " of " + result.uri() + " has the id " + result.id());
  if (result.duplicate().kind() != v1::Duplicate::NONE)
    findings_.add("self-duplicate", at + " of " + result.id() + " is said to be a copy of " +
                                        result.duplicate().of());
  if (result.title() != "Document " + result.uri())
    findings_.add("confused", at + " of " + result.uri() + " is titled " + result.title());
}

void Subscriber::commit(zmq::socket_t& socket, const v1::FeedHeader& header) {
  v1::ReplayRequest request;
  request.mutable_commit()->set_cursor(name_);
  request.mutable_commit()->set_epoch(header.epoch());
  request.mutable_commit()->set_sequence(header.sequence());
  send(socket, request);
  commit_asked_ = header.sequence();
  commit_at_ = header.sequence() + 1 + random_() % commit_every_;
}

}  // namespace wiremill::fault
