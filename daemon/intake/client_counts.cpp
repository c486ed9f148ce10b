// See client_counts.hpp.
#include "daemon/intake/client_counts.hpp"

#include <algorithm>
#include <numeric>

namespace wiremill {
namespace {

std::string key_of(ClientKind kind, std::string_view name) {
  return std::string(1, static_cast<char>(kind)).append(name);
}

uint64_t documents(const Intake::ClientCounts& counts) {
  return std::accumulate(counts.refused.begin(), counts.refused.end(),
                         counts.accepted + counts.repeats);
}

}  // namespace

std::shared_ptr<ClientTally> ClientTallies::of(ClientKind kind, std::string_view name) {
  const MutexLock lock(mutex_);
  const auto [entry, is_new] = by_key_.try_emplace(key_of(kind, name));
  if (!is_new) return entry->second;
  const auto tally = std::make_shared<ClientTally>(kind, name);
  entry->second = tally;
  if (tallies_.size() >= clients_max_) forget_one();
  tallies_.push_back(tally);
  return tally;
}

void ClientTallies::forget_one() {
  // Held here and by the map.
  auto oldest =
      std::ranges::find_if(tallies_, [](const auto& tally) { return tally.use_count() <= 2; });
  if (oldest == tallies_.end()) oldest = tallies_.begin();
  by_key_.erase(key_of((*oldest)->kind, (*oldest)->name));
  tallies_.erase(oldest);
}

std::vector<Intake::ClientCounts> ClientTallies::list() const {
  std::vector<Intake::ClientCounts> list;
  {
    const MutexLock lock(mutex_);
    list.reserve(tallies_.size());
    for (const auto& tally : tallies_) {
      Intake::ClientCounts& counts = list.emplace_back();
      counts.client = tally->name;
      counts.bare = tally->kind == ClientKind::Bare;
      counts.firehose = tally->kind == ClientKind::Firehose;
      counts.accepted = tally->accepted;
      counts.repeats = tally->repeats;
      std::ranges::copy(tally->refused, counts.refused.begin());
    }
  }
  std::ranges::stable_sort(list, std::ranges::greater{}, documents);
  return list;
}

}  // namespace wiremill
