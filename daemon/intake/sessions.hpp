// Who the intake talks to: connections ("peers", by routing id) and the sessions that clients
// number their documents in. Both are bounded; the least recently used is forgotten. Used by the
// intake, on the io thread.
#pragma once

#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "daemon/base/hash.hpp"

namespace wiremill {

struct ClientTally;

// What became of a number, for as long as its client may ask again.
struct Settlement {
  uint64_t number = 0;
  uint64_t sequence = 0;
  Hash128 content{};  // of the document and its id
  std::string id{};   // as submitted
  bool repeat = false;
  bool refused = false;
};

struct Session {
  std::string client;
  uint64_t session = 0;
  uint64_t expected = 1;          // the next number
  uint64_t settled = 0;           // every number up to here is durable or was refused
  uint64_t recorded = 0;          // `settled` as the ledger has it
  size_t waiting = 0;             // numbers between settled and expected
  std::string peer;               // where it is answered; empty: nowhere at present
  std::deque<Settlement> recent;  // ascending by number
  std::string accepted;           // for the next acknowledgement, see append_accepted()
  uint32_t covered = 0;           // numbers that it newly covers
  bool ack_due = false;
  std::shared_ptr<ClientTally> tally;
};

struct Peer {
  Session* session = nullptr;          // since its HELLO
  bool envelope = false;               // its HELLO came with an empty first frame
  size_t waiting = 0;                  // bare messages without an answer yet
  uint32_t* busy_run = nullptr;        // counts the BUSY answers that end its queue
  std::shared_ptr<ClientTally> tally;  // of what it sends outside a session
};

class Sessions {
 public:
  // `recent_max` settlements are kept per session.
  Sessions(size_t clients_max, size_t recent_max)
      : clients_max_(clients_max), recent_max_(recent_max) {}

  // Finds or makes it and marks it as used.
  Peer& peer(std::string_view routing_id);
  Peer* find_peer(std::string_view routing_id);
  void forget_peer(std::string_view routing_id);
  size_t peers() const { return peers_.size(); }

  // Finds or makes it and marks it as used. Where that makes too many, one without waiting numbers
  // and without an acknowledgement due is forgotten, and moved to `forgotten` if the ledger knows it.
  Session& session(std::string_view client, uint64_t session, std::vector<Session>& forgotten);
  // The session answers to this connection from now on, and to no other.
  void attach(Session& session, std::string_view routing_id);
  size_t sessions() const { return sessions_.size(); }
  std::list<Session>& all() { return sessions_used_; }

  void add_settlement(Session& session, Settlement settlement);
  static const Settlement* find_settlement(const Session& session, uint64_t number);
  // Forgets what came after `settled` (the log lost it).
  void drop_unsettled(Session& session);

 private:
  struct PeerEntry {
    std::string routing_id;
    Peer peer;
  };

  const size_t clients_max_, recent_max_;
  size_t settlements_ = 0;  // in all sessions

  // Most recently used first.
  std::list<PeerEntry> peers_used_;
  std::unordered_map<std::string_view, std::list<PeerEntry>::iterator> peers_;
  std::list<Session> sessions_used_;
  std::unordered_map<std::string, std::list<Session>::iterator> sessions_;
};

}  // namespace wiremill
