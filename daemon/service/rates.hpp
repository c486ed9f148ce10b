// How many documents a second, over the last ten seconds. Main thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>

namespace wiremill {

class Rate {
 public:
  using Clock = std::chrono::steady_clock;

  // The count now; each second.
  void sample(Clock::time_point now, uint64_t count) {
    samples_.push_back({now, count});
    while (samples_.front().at < now - std::chrono::seconds(10)) samples_.pop_front();
  }
  double per_second() const {
    if (samples_.size() < 2) return 0;
    const std::chrono::duration<double> time = samples_.back().at - samples_.front().at;
    const uint64_t more = samples_.back().count - samples_.front().count;
    return time.count() > 0 ? static_cast<double>(more) / time.count() : 0;
  }

 private:
  struct Sample {
    Clock::time_point at;
    uint64_t count;
  };
  std::deque<Sample> samples_;
};

}  // namespace wiremill
