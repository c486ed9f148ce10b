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
        // A worker waits for its child and the child for its worker: at unequal priority the one would
        // wait for a core that the other's neighbours hold.
        give_way(kLineNice);
        run();
      }) {}

ChildPool::~ChildPool() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    due_.notify_one();
  }
  thread_.join();
}

Result<std::unique_ptr<Child>> ChildPool::take() {
  const MutexLock lock(mutex_);
  if (waiting_ == 0 && tries_ >= kTriesMax) tries_ = 0;
  ++waiting_;
  if (one_is_due()) due_.notify_one();
  while (free_.empty() && tries_ < kTriesMax) free_or_failed_.wait(mutex_);
  --waiting_;
  if (free_.empty()) return tl::unexpected(last_error_);
  std::unique_ptr<Child> child = std::move(free_.back());
  free_.pop_back();
  if (one_is_due()) due_.notify_one();  // a spare
  return child;
}

void ChildPool::give_back(std::unique_ptr<Child> child) {
  const MutexLock lock(mutex_);
  free_.push_back(std::move(child));
  if (waiting_ > 0) free_or_failed_.notify_one();
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
      due_.wait(mutex_);
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
      if (tries_ < kTriesMax && !stopping_) due_.wait_for(mutex_, kRetryAfter * (1 << tries_));
    }
    free_or_failed_.notify_all();
  }
  std::vector<std::unique_ptr<Child>> gone = std::move(free_);
  mutex_.unlock();
}

}  // namespace wiremill
