// See sessions.hpp.
#include "daemon/intake/sessions.hpp"

#include <algorithm>

namespace wiremill {
namespace {

// In all sessions together, about 100 bytes each; then the least recently used ones lose theirs.
constexpr size_t kSettlementsMax = 1'000'000;

std::string session_key(std::string_view client, uint64_t session) {
  return std::string(reinterpret_cast<const char*>(&session), sizeof session).append(client);
}

}  // namespace

Peer& Sessions::peer(std::string_view routing_id) {
  if (const auto found = peers_.find(routing_id); found != peers_.end()) {
    peers_used_.splice(peers_used_.begin(), peers_used_, found->second);
    return found->second->peer;
  }
  if (peers_.size() >= clients_max_) forget_peer(peers_used_.back().routing_id);
  peers_used_.push_front({std::string(routing_id), {}});
  peers_.emplace(peers_used_.front().routing_id, peers_used_.begin());
  return peers_used_.front().peer;
}

Peer* Sessions::find_peer(std::string_view routing_id) {
  const auto found = peers_.find(routing_id);
  return found == peers_.end() ? nullptr : &found->second->peer;
}

void Sessions::forget_peer(std::string_view routing_id) {
  const auto found = peers_.find(routing_id);
  if (found == peers_.end()) return;
  const auto entry = found->second;
  if (entry->peer.session != nullptr) entry->peer.session->peer.clear();
  peers_.erase(found);
  peers_used_.erase(entry);
}

Session& Sessions::session(std::string_view client, uint64_t session,
                           std::vector<Session>& forgotten) {
  const std::string key = session_key(client, session);
  if (const auto found = sessions_.find(key); found != sessions_.end()) {
    sessions_used_.splice(sessions_used_.begin(), sessions_used_, found->second);
    return *found->second;
  }
  if (sessions_.size() >= clients_max_) {
    const auto oldest =
        std::find_if(sessions_used_.rbegin(), sessions_used_.rend(),
                     [](const Session& other) { return other.waiting == 0 && !other.ack_due; });
    if (oldest != sessions_used_.rend()) {
      if (Peer* peer = find_peer(oldest->peer); peer != nullptr && peer->session == &*oldest)
        peer->session = nullptr;
      settlements_ -= oldest->recent.size();
      sessions_.erase(session_key(oldest->client, oldest->session));
      if (oldest->recorded != 0) forgotten.push_back(std::move(*oldest));
      sessions_used_.erase(std::next(oldest).base());
    }
  }
  sessions_used_.emplace_front();
  sessions_used_.front().client = client;
  sessions_used_.front().session = session;
  sessions_.emplace(key, sessions_used_.begin());
  return sessions_used_.front();
}

void Sessions::attach(Session& session, std::string_view routing_id) {
  if (Peer* before = find_peer(session.peer); before != nullptr && before->session == &session)
    before->session = nullptr;
  Peer& now = peer(routing_id);
  if (now.session != nullptr) now.session->peer.clear();
  now.session = &session;
  session.peer = routing_id;
}

void Sessions::add_settlement(Session& session, Settlement settlement) {
  session.recent.push_back(std::move(settlement));
  ++settlements_;
  if (session.recent.size() > recent_max_) {
    session.recent.pop_front();
    --settlements_;
  }
  for (auto other = sessions_used_.rbegin();
       settlements_ > kSettlementsMax && other != sessions_used_.rend() && &*other != &session;
       ++other) {
    for (auto& recent = other->recent; !recent.empty() && recent.front().number <= other->settled;
         --settlements_)
      recent.pop_front();
  }
}

const Settlement* Sessions::find_settlement(const Session& session, uint64_t number) {
  // There are gaps only where a HELLO left numbers out.
  if (!session.recent.empty() && number >= session.recent.front().number) {
    const uint64_t place = number - session.recent.front().number;
    if (place < session.recent.size() && session.recent[place].number == number)
      return &session.recent[place];
  }
  const auto found = std::lower_bound(
      session.recent.begin(), session.recent.end(), number,
      [](const Settlement& settlement, uint64_t wanted) { return settlement.number < wanted; });
  return found == session.recent.end() || found->number != number ? nullptr : &*found;
}

void Sessions::drop_unsettled(Session& session) {
  while (!session.recent.empty() && session.recent.back().number > session.settled) {
    session.recent.pop_back();
    --settlements_;
  }
  session.expected = session.settled + 1;
  session.waiting = 0;
}

}  // namespace wiremill
