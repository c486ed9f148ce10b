// What the admin room may ask: the daemon's rooms, and what only the service knows of them. Filled
// by the service; read by the admin room's handlers on main and its jobs on the thread "admin".
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/config/config.hpp"

namespace wiremill {

class DeadLetters;
class Feed;
class Intake;
class Log;
class Pipeline;
class StateStore;

// What a reload came to.
struct ReloadOutcome {
  uint64_t first_sequence = 0;        // of the documents that go through the new line
  std::vector<std::string> stages{};  // of the new line
  ConfigErrors errors{};              // why it was refused; empty: it is done
};

// Whoever asked for a reload and waits. Both are called on any thread.
struct ReloadWaiter {
  std::function<bool()> is_there;  // it may have gone meanwhile
  std::function<void(const ReloadOutcome&)> told;
};

// All outlive the admin room's threads.
struct Rooms {
  const Log& intake_log;
  const Log& results;
  const StateStore& state;
  const DeadLetters& dead_letters;
  const Pipeline& pipeline;
  Intake& intake;
  Feed& feed;
  // Forgets dead letters for good; answers how many once that lasts. The thread "admin"; waits.
  std::function<Result<size_t>(const std::vector<uint64_t>& sequences)> discard;
  // Takes up the changed configuration file; tells on any thread. Main thread; does not wait.
  std::function<void(ReloadWaiter waiter)> reload;
};

// How the daemon is, at one moment.
struct DaemonReport {
  enum class Phase { Recovering, Serving, Draining };
  Phase phase = Phase::Recovering;
  int64_t started_at_us = 0;
  int64_t uptime_ms = 0;
  std::string state_dir;
  std::vector<std::string> failures;  // it cannot do its work until someone mends it: unhealthy
  std::vector<std::string> holds;     // it takes no documents for now: not ready

  // The conservation law's last term: up when durable in the intake log, down when its result is.
  int64_t in_flight = 0;
  uint64_t checkpointed = 0;  // the state's sequence on disk
  int64_t free_bytes = 0, disk_bytes = 0, free_bytes_min = 0;
  bool held_for_space = false;
  double accepted_per_second = 0, results_per_second = 0;  // over the last ten seconds
  struct Scrubbed {
    uint64_t rounds = 0, records = 0, bytes = 0;
  };
  Scrubbed intake_scrubbed, results_scrubbed;
  uint64_t reloads_done = 0, reloads_refused = 0;
  int64_t configured_at_us = 0;  // when the line that runs was configured

  bool healthy() const { return failures.empty(); }
  bool ready() const { return phase == Phase::Serving && failures.empty() && holds.empty(); }
};

std::string_view phase_name(DaemonReport::Phase phase);

}  // namespace wiremill
