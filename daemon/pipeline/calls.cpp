#include "daemon/pipeline/calls.hpp"

#include <algorithm>
#include <chrono>

namespace wiremill {
namespace {

constexpr int64_t kMillisecond = 1'000'000;
constexpr int64_t kLookEveryMaxNs = 100 * kMillisecond;

int64_t now_ns() {
  return std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
}

}  // namespace

Calls::~Calls() {
  {
    const MutexLock lock(mutex_);
    ending_ = true;
    stopping_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void Calls::start_timeouts(int64_t shortest_ms) {
  const int64_t every_ns =
      std::clamp(shortest_ms * kMillisecond / 10, kMillisecond, kLookEveryMaxNs);
  thread_ = std::thread([this, every_ns] {
    set_thread_name("timeouts");
    run(every_ns);
  });
}

void Calls::stop() {
  const MutexLock lock(mutex_);
  stopped_ = true;
  for (Scope* scope : under_way_) scope->cancelled_ = kStopped;
}

void Calls::allow() {
  const MutexLock lock(mutex_);
  stopped_ = false;
}

void Calls::run(int64_t every_ns) {
  mutex_.lock();
  while (!ending_) {
    const int64_t now = now_ns();
    for (Scope* scope : under_way_) scope->look(now);
    stopping_.wait_for(mutex_, std::chrono::nanoseconds(every_ns));
  }
  mutex_.unlock();
}

Calls::Scope::Scope(Calls& calls, size_t documents, int64_t left_ns)
    : calls_(calls),
      documents_(documents),
      left_ns_(left_ns),
      began_ns_(now_ns()),
      current_began_ns_(began_ns_) {
  if (left_ns_ > 0) spent_ns_.resize(documents);
  const MutexLock lock(calls_.mutex_);
  place_ = calls_.under_way_.insert(calls_.under_way_.end(), this);
  if (calls_.stopped_) cancelled_ = kStopped;
}

Calls::Scope::~Scope() {
  if (ended_ns_ == 0) end();
}

void Calls::Scope::begin(uint32_t document) {
  if (spent_ns_.empty() || document >= documents_) return;
  const int64_t now = now_ns();
  if (const uint32_t before = current_; before < documents_)
    spent_ns_[before] += now - current_began_ns_;
  current_began_ns_ = now;
  current_ = document;
}

void Calls::Scope::end() {
  {
    const MutexLock lock(calls_.mutex_);
    calls_.under_way_.erase(place_);
  }
  ended_ns_ = now_ns();
  if (const uint32_t last = current_; last < documents_ && !spent_ns_.empty())
    spent_ns_[last] += ended_ns_ - current_began_ns_;
}

int64_t Calls::Scope::spent_ns(size_t document) const {
  if (current_ >= documents_ || spent_ns_.empty())
    return (ended_ns_ - began_ns_) / static_cast<int64_t>(documents_);
  return spent_ns_[document];
}

// One document that is over its time, or, where the stage does not say which one it is at, all of them
// together.
void Calls::Scope::look(int64_t now) {
  if (left_ns_ == 0 || cancelled_ != 0) return;
  const uint32_t current = current_;
  const bool one_is_over = current < documents_ && now - current_began_ns_ > left_ns_;
  if (!one_is_over && now - began_ns_ <= left_ns_ * static_cast<int64_t>(documents_)) return;
  if (current < documents_) guilty_ = current;
  cancelled_ = kTimedOut;
}

}  // namespace wiremill
