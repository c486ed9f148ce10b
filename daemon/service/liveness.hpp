// Whether the daemon makes progress: the io thread beats, and the pipeline, while documents are in
// its line, reads or hands over results. A pipeline that waits (for documents, for space, for good
// after a failure that health tells of) has nothing in its hands that could hang; and a call that is
// with a stage's own process ends by the limits of that stage, however many documents hang in it.
//
// Threads: beat() on io, alive() on main.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "daemon/pipeline/pipeline.hpp"

namespace wiremill {

class Liveness {
 public:
  using Clock = std::chrono::steady_clock;

  // `patience`: how long a part may stand still.
  Liveness(Clock::duration patience, Clock::time_point now)
      : patience_(patience), beaten_at_(now), moved_at_(now) {}

  void beat() { ++beats_; }

  bool alive(Clock::time_point now, const Pipeline::Counters& line) {
    if (const uint64_t beats = beats_.load(); std::exchange(seen_beats_, beats) != beats)
      beaten_at_ = now;
    const uint64_t moves = line.read + line.processed + line.dropped + line.dead;
    if (std::exchange(seen_moves_, moves) != moves || line.in_line == 0 || line.outside > 0)
      moved_at_ = now;
    return now - beaten_at_ <= patience_ && now - moved_at_ <= patience_;
  }

 private:
  const Clock::duration patience_;
  std::atomic<uint64_t> beats_{0};
  uint64_t seen_beats_ = 0, seen_moves_ = 0;
  Clock::time_point beaten_at_, moved_at_;
};

}  // namespace wiremill
