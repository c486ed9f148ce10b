// What became of each client's documents since the start: numbered clients by their name, senders of
// bare and firehose messages by their address. Counted on the io thread, read from any.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "daemon/base/thread.hpp"
#include "daemon/intake/intake.hpp"

namespace wiremill {

enum class ClientKind : char { Numbered, Bare, Firehose };

// Of one client; lives as long as somebody counts in it, so that it need not be looked up for each
// document.
struct ClientTally {
  ClientTally(ClientKind its_kind, std::string_view its_name) : kind(its_kind), name(its_name) {}
  const ClientKind kind;
  const std::string name;
  std::atomic<uint64_t> accepted{0}, repeats{0};
  std::array<std::atomic<uint64_t>, IntakeCounters::kCodes> refused{};
};

class ClientTallies {
 public:
  // Beyond `clients_max` the one looked up first of those that nobody holds is forgotten.
  explicit ClientTallies(size_t clients_max) : clients_max_(clients_max) {}

  // Finds or makes it.
  std::shared_ptr<ClientTally> of(ClientKind kind, std::string_view name) WM_EXCLUDES(mutex_);
  // The busiest first. Any thread.
  std::vector<Intake::ClientCounts> list() const WM_EXCLUDES(mutex_);

 private:
  void forget_one() WM_REQUIRES(mutex_);

  const size_t clients_max_;
  mutable Mutex mutex_;
  std::list<std::shared_ptr<ClientTally>> tallies_ WM_GUARDED_BY(mutex_);  // oldest first
  std::unordered_map<std::string, std::shared_ptr<ClientTally>> by_key_ WM_GUARDED_BY(mutex_);
};

}  // namespace wiremill
