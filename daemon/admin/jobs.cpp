#include "daemon/admin/jobs.hpp"

#include <utility>

namespace wiremill {

Jobs::Jobs()
    : thread_([this] {
        set_thread_name("admin");
        run();
      }) {}

Jobs::~Jobs() { stop(); }

void Jobs::stop() {
  std::deque<std::function<void()>> dropped;
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    dropped.swap(waiting_);
    condition_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void Jobs::add(std::function<void()> job) {
  const MutexLock lock(mutex_);
  if (stopping_) return;
  waiting_.push_back(std::move(job));
  condition_.notify_one();
}

void Jobs::run() {
  for (;;) {
    std::function<void()> job;
    {
      const MutexLock lock(mutex_);
      while (waiting_.empty() && !stopping_) condition_.wait(mutex_);
      if (stopping_) return;
      job = std::move(waiting_.front());
      waiting_.pop_front();
    }
    job();
  }
}

}  // namespace wiremill
