// The thread "admin": what a request needs that would make main wait, one after the other. Each
// connection has one request at a time, so the server's limit of connections bounds the queue.
// Shared with whoever will add a job later, and so may outlive its thread.
#pragma once

#include <deque>
#include <functional>
#include <thread>

#include "daemon/base/thread.hpp"

namespace wiremill {

class Jobs {
 public:
  Jobs();
  ~Jobs();
  // Ends the thread after the job that runs; those that wait or come later are dropped.
  void stop();
  // Any thread.
  void add(std::function<void()> job);

 private:
  void run();

  Mutex mutex_;
  Condition condition_;
  std::deque<std::function<void()>> waiting_ WM_GUARDED_BY(mutex_);
  bool stopping_ WM_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace wiremill
