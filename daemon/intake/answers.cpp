// See answers.hpp.
#include "daemon/intake/answers.hpp"

#include <algorithm>
#include <utility>

#include "daemon/sockets/socket.hpp"

namespace wiremill {
namespace {

constexpr size_t kAnswersPerTurn = 4096;

zmq::message_t frame_of(std::string_view bytes) {
  return zmq::message_t(bytes.data(), bytes.size());
}

std::string id_of(uint64_t sequence, const std::string& submitted) {
  return submitted.empty() ? given_id(sequence) : submitted;
}

}  // namespace

void Answers::nack(const Origin& origin, uint64_t number, const Refusal& refusal) {
  reply(origin, true, encode_nack(refusal, number));
}

void Answers::reply(const Origin& origin, bool numbered, const std::string& payload) {
  Frames frames;
  frames.reserve(4);
  frames.push_back(frame_of(origin.routing_id));
  if (origin.envelope) frames.emplace_back();
  if (numbered) frames.push_back(frame_of(kMagic));
  frames.push_back(frame_of(payload));
  const Sent sent = send_message(router_, frames);
  if (sent == Sent::Ok) return;
  ++counters_.replies_dropped;
  if (sent == Sent::Gone) sessions_.forget_peer(std::string(origin.routing_id));
}

void Answers::acknowledge(Session& session, const Settlement& settlement) {
  append_accepted(settlement.sequence, id_of(settlement.sequence, settlement.id), settlement.number,
                  settlement.repeat, session.accepted);
  ++session.covered;
  if (!std::exchange(session.ack_due, true)) ack_due_.push_back(&session);
}

void Answers::settle_later(Session& session, uint64_t number, uint64_t sequence) {
  ++session.waiting;
  waiting_.push_back({sequence, &session, number, nullptr});
}

void Answers::answer_later(BareAnswer answer, Peer& peer, bool ends_queue, uint64_t sequence) {
  auto bare = std::make_unique<BareAnswer>(std::move(answer));
  ++peer.waiting;
  peer.busy_run = ends_queue ? &bare->times : nullptr;
  waiting_.push_back({sequence, nullptr, 0, std::move(bare)});
}

bool Answers::answer_up_to(uint64_t durable) {
  for (size_t answers = 0;
       !waiting_.empty() && waiting_.front().sequence <= durable && answers < kAnswersPerTurn;) {
    const Waiting waiting = std::move(waiting_.front());
    waiting_.pop_front();
    answers += waiting.bare == nullptr ? 1 : waiting.bare->times;
    if (waiting.bare == nullptr)
      answer_numbered(*waiting.session, waiting.number);
    else
      answer_bare(*waiting.bare);
  }
  std::erase_if(ack_due_, [this](Session* session) {
    if (session->waiting > 0 && session->covered < kNumbersPerAck) return false;
    send_ack(*session);
    return true;
  });
  return !waiting_.empty() && waiting_.front().sequence <= durable;
}

void Answers::answer_numbered(Session& session, uint64_t number) {
  session.settled = std::max(session.settled, number);
  --session.waiting;
  const Settlement* settlement = Sessions::find_settlement(session, number);
  if (settlement != nullptr && !settlement->refused) return acknowledge(session, *settlement);
  ++session.covered;
  if (!std::exchange(session.ack_due, true)) ack_due_.push_back(&session);
}

void Answers::answer_bare(BareAnswer& answer) {
  if (Peer* peer = sessions_.find_peer(answer.routing_id); peer != nullptr) {
    if (peer->waiting > 0) --peer->waiting;
    if (peer->busy_run == &answer.times) peer->busy_run = nullptr;
  }
  const Taken& taken = answer.taken;
  const std::string payload =
      answer.refused ? (answer.json ? nack_json(answer.refusal) : encode_nack(answer.refusal, 0))
      : answer.json
          ? accepted_json(taken.sequence, id_of(taken.sequence, answer.id))
          : encode_accepted(taken.sequence, id_of(taken.sequence, answer.id), taken.repeat);
  for (uint32_t i = 0; i < answer.times; ++i)
    reply({answer.routing_id, answer.envelope}, false, payload);
}

void Answers::send_all_acks() {
  for (Session* session : ack_due_) send_ack(*session);
  ack_due_.clear();
}

void Answers::send_ack(Session& session) {
  if (const Peer* peer = sessions_.find_peer(session.peer); peer != nullptr) {
    const std::string routing_id = session.peer;  // a peer that is gone is forgotten meanwhile
    reply({routing_id, peer->envelope}, true,
          encode_ack(session.settled, credit_, session.accepted));
  }
  session.accepted.clear();
  session.covered = 0;
  session.ack_due = false;
}

void Answers::refuse_all(const Refusal& refusal) {
  send_all_acks();
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
    if (!waiting.bare->refused) waiting.bare->refusal = refusal;
    waiting.bare->refused = true;
    answer_bare(*waiting.bare);
  }
  waiting_.clear();
}

}  // namespace wiremill
