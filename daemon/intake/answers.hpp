// What the intake says to its peers, and when. Made by the intake; works on the io thread.
//
// Everything that is to be answered stands in one queue, in order of arrival, each entry with the
// newest sequence that was appended when it came. It is answered once that sequence is durable. So a
// document is acknowledged after its own sync; a repeat after the sync of the first one; a bare peer
// gets its answers in order, refusals too; and a session's numbers settle in order.
//
// A session's acknowledgement covers kNumbersPerAck numbers, or fewer where none of its numbers
// waits any more: one for each sync would cost as much as the documents.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>
#include <zmq.hpp>

#include "daemon/intake/acceptor.hpp"
#include "daemon/intake/replies.hpp"
#include "daemon/intake/sessions.hpp"

namespace wiremill {

// The first frame of numbered messages and of their answers.
inline constexpr std::string_view kMagic = "WM1";

// Where a message came from, for the answer.
struct Origin {
  std::string_view routing_id;
  bool envelope = false;  // an empty first frame, to be mirrored
};

// Of a bare message.
struct BareAnswer {
  std::string routing_id;
  bool envelope = false;
  bool json = true;
  bool refused = false;
  Taken taken{};
  std::string id{};
  Refusal refusal{};
  uint32_t times = 1;  // this often the same refusal, one answer each
};

class Answers {
 public:
  static constexpr uint32_t kNumbersPerAck = 32;

  // All outlive it; the router is bound later.
  Answers(zmq::socket_t& router, Sessions& sessions, IntakeCounters& counters, uint32_t credit)
      : router_(router), sessions_(sessions), counters_(counters), credit_(credit) {}

  // At once.
  void nack(const Origin& origin, uint64_t number, const Refusal& refusal);
  void reply(const Origin& origin, bool numbered, const std::string& payload);
  // With the session's next acknowledgement.
  void acknowledge(Session& session, const Settlement& settlement);

  // Once `sequence` is durable. The number's settlement stands in the session.
  void settle_later(Session& session, uint64_t number, uint64_t sequence);
  // `ends_queue`: refused because of what waits for this peer already; the same again is counted in
  // Peer::busy_run.
  void answer_later(BareAnswer answer, Peer& peer, bool ends_queue, uint64_t sequence);

  // Answers what is due; whether more of that is left.
  bool answer_up_to(uint64_t durable);
  // Acknowledgements that wait for more to cover.
  void send_all_acks();
  // The log failed under all that waits: whether it is stored is known only after a restart.
  void refuse_all(const Refusal& refusal);

  size_t waiting() const { return waiting_.size(); }

 private:
  struct Waiting {
    uint64_t sequence = 0;
    Session* session = nullptr;  // null: bare
    uint64_t number = 0;
    std::unique_ptr<BareAnswer> bare;
  };

  void answer_numbered(Session& session, uint64_t number);
  void answer_bare(BareAnswer& answer);
  void send_ack(Session& session);

  zmq::socket_t& router_;
  Sessions& sessions_;
  IntakeCounters& counters_;
  const uint32_t credit_;
  std::deque<Waiting> waiting_;
  std::vector<Session*> ack_due_;
};

}  // namespace wiremill
