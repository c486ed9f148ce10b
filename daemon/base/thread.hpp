// A mutex that clang's thread-safety analysis understands, and names for threads.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>

#if defined(__clang__)
#define WM_TSA(attribute) __attribute__((attribute))
#else
#define WM_TSA(attribute)
#endif
#define WM_GUARDED_BY(mutex) WM_TSA(guarded_by(mutex))
#define WM_REQUIRES(mutex) WM_TSA(requires_capability(mutex))
#define WM_EXCLUDES(mutex) WM_TSA(locks_excluded(mutex))

namespace wiremill {

// std::mutex with annotations (libstdc++'s carries none).
class WM_TSA(capability("mutex")) Mutex {
 public:
  void lock() WM_TSA(acquire_capability()) { mutex_.lock(); }
  void unlock() WM_TSA(release_capability()) { mutex_.unlock(); }

 private:
  std::mutex mutex_;
};

class WM_TSA(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) WM_TSA(acquire_capability(mutex)) : mutex_(mutex) {
    mutex.lock();
  }
  ~MutexLock() WM_TSA(release_capability()) { mutex_.unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// Waits are always in a loop on the condition: `while (!ready_) condition_.wait(mutex_);`
class Condition {
 public:
  void wait(Mutex& mutex) WM_REQUIRES(mutex) WM_TSA(no_thread_safety_analysis) {
    condition_.wait(mutex);
  }
  template <class Duration>
  bool wait_for(Mutex& mutex, Duration duration) WM_REQUIRES(mutex)
      WM_TSA(no_thread_safety_analysis) {
    return condition_.wait_for(mutex, duration) == std::cv_status::no_timeout;
  }
  void notify_one() { condition_.notify_one(); }
  void notify_all() { condition_.notify_all(); }

 private:
  std::condition_variable_any condition_;
};

// Shown by ps, top and debuggers; at most 15 bytes are kept.
void set_thread_name(const std::string& name);

// Whether set_thread_name was called on the calling thread, as on all of the daemon's own but main.
// Async-signal-safe.
bool is_named_thread();

// The calling thread gives way to others of the process: its nice value (setpriority(2)) rises by
// this, and that of processes which it starts. Without effect where the kernel refuses.
void give_way(int nice);

// By how much the line gives way: its workers and the stages' processes, all of them equally. On a
// busy machine documents wait on disk for the line, and nobody for an acknowledgement.
inline constexpr int kLineNice = 10;

}  // namespace wiremill
