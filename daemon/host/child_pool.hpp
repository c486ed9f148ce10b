// The children of one hosted stage that wait for work, and the thread that starts more. All of them
// are started by that thread, because each is killed when the thread that started it ends.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/base/thread.hpp"
#include "daemon/host/child.hpp"

namespace wiremill {

class ChildPool {
 public:
  // `make` starts a child and makes it ready for calls. Called on the pool's thread.
  using Make = std::function<Result<std::unique_ptr<Child>>()>;
  // `failed` hears of each child that could not be made. Called on the pool's thread.
  using Failed = std::function<void(const Error&)>;
  ChildPool(const std::string& stage, Make make, Failed failed);
  ~ChildPool();

  // A child that waits, or a new one. Errors: of the last of several tries. Any thread.
  Result<std::unique_ptr<Child>> take();
  void give_back(std::unique_ptr<Child> child);
  // One has died: a spare shall stand ready for a while. Any thread.
  void note_death();

 private:
  void run();
  bool one_is_due() const WM_REQUIRES(mutex_);

  const Make make_;
  const Failed failed_;

  Mutex mutex_;
  Condition due_;             // for the thread: a child may be due
  Condition free_or_failed_;  // for those who wait for one
  bool stopping_ WM_GUARDED_BY(mutex_) = false;
  size_t waiting_ WM_GUARDED_BY(mutex_) = 0;  // calls without a child
  std::vector<std::unique_ptr<Child>> free_ WM_GUARDED_BY(mutex_);
  std::chrono::steady_clock::time_point spare_until_ WM_GUARDED_BY(mutex_);
  uint32_t tries_ WM_GUARDED_BY(mutex_) = 0;  // that failed, one after the other
  Error last_error_ WM_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace wiremill
