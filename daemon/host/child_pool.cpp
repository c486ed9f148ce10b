#include "daemon/host/child_pool.hpp"

#include <utility>

namespace wiremill {
namespace {

using std::chrono::milliseconds;

constexpr uint32_t kTriesMax = 6;
constexpr auto kRetryAfter = milliseconds(50);  // doubled with each try
constexpr auto kSpareFor = std::chrono::minutes(1);

}  // namespace

ChildPool::ChildPool(const std::string& stage, Make make, Failed failed)
    : make_(std::move(make)), failed_(std::move(failed)), thread_([this, stage] {
        set_thread_name("host-" + stage);
        run();
      }) {}

ChildPool::~ChildPool() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    condition_.notify_all();
  }
  thread_.join();
}

Result<std::unique_ptr<Child>> ChildPool::take() {
  const MutexLock lock(mutex_);
  if (waiting_ == 0 && tries_ >= kTriesMax) tries_ = 0;
  ++waiting_;
  condition_.notify_all();
  while (free_.empty() && tries_ < kTriesMax) condition_.wait(mutex_);
  --waiting_;
  if (free_.empty()) return tl::unexpected(last_error_);
  std::unique_ptr<Child> child = std::move(free_.back());
  free_.pop_back();
  condition_.notify_all();  // a spare may be due
  return child;
}

void ChildPool::give_back(std::unique_ptr<Child> child) {
  const MutexLock lock(mutex_);
  free_.push_back(std::move(child));
  condition_.notify_all();
}

void ChildPool::note_death() {
  const MutexLock lock(mutex_);
  spare_until_ = std::chrono::steady_clock::now() + kSpareFor;
}

bool ChildPool::one_is_due() const {
  if (!free_.empty() || tries_ >= kTriesMax) return false;
  return waiting_ > 0 || std::chrono::steady_clock::now() < spare_until_;
}

void ChildPool::run() {
  mutex_.lock();
  while (!stopping_) {
    if (!one_is_due()) {
      condition_.wait(mutex_);
      continue;
    }
    mutex_.unlock();
    auto made = make_();
    if (!made) failed_(made.error());
    mutex_.lock();
    if (made) {
      tries_ = 0;
      free_.push_back(std::move(*made));
    } else {
      last_error_ = std::move(made).error();
      // A refusal is the same each time.
      tries_ = last_error_.code == ErrorCode::Config ? kTriesMax : tries_ + 1;
      if (tries_ < kTriesMax && !stopping_)
        condition_.wait_for(mutex_, kRetryAfter * (1 << tries_));
    }
    condition_.notify_all();
  }
  std::vector<std::unique_ptr<Child>> gone = std::move(free_);
  mutex_.unlock();
}

}  // namespace wiremill
