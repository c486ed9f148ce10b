// The calls of process and settle that are under way in one line, and the flag `cancelled` of each:
// it is set where a document has been in a stage for longer than the stage's `timeout`, and in all
// of them when the line stops. A thread looks at the timeouts where a stage has one; it cannot
// interrupt a call, only tell it. Made with the line.
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <optional>
#include <thread>
#include <vector>

#include "daemon/base/thread.hpp"

namespace wiremill {

class Calls {
 public:
  Calls() = default;
  ~Calls();
  Calls(const Calls&) = delete;
  Calls& operator=(const Calls&) = delete;

  // The shortest timeout that a stage may have is 1 ms. Before the first call.
  void start_timeouts(int64_t shortest_ms);
  // From now on no call's work is wanted, until allow(). Any thread.
  void stop();
  void allow();

  // One call, for as long as it lasts; the call's thread, but for what is said of others.
  class Scope {
   public:
    // `left_ns`: how much time each of its documents has left; 0: no timeout.
    Scope(Calls& calls, size_t documents, int64_t left_ns);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

    // wm_batch.cancelled.
    const volatile uint32_t* flag() const {
      static_assert(sizeof cancelled_ == sizeof(uint32_t));
      return reinterpret_cast<const volatile uint32_t*>(&cancelled_);
    }
    // The stage begins this document, and is done with the one before.
    void begin(uint32_t document);
    // The call has come back: no timeout runs any more.
    void end();

    // After the end.
    bool is_cancelled() const { return cancelled_ != 0; }
    bool is_stopped() const { return cancelled_ == kStopped; }
    // Whose time was over, where it was that and the stage said which documents it began.
    std::optional<uint32_t> guilty() const { return guilty_; }
    // How long the stage was at the document: an equal share of the call where it did not say.
    int64_t spent_ns(size_t document) const;

   private:
    friend class Calls;
    // Sets the flag where the time is over.
    void look(int64_t now_ns);

    Calls& calls_;
    const size_t documents_;
    const int64_t left_ns_;
    const int64_t began_ns_;
    int64_t ended_ns_ = 0;
    std::vector<int64_t> spent_ns_;  // where it says so
    std::list<Scope*>::iterator place_;

    // The timeouts' thread reads these; began before current.
    std::atomic<int64_t> current_began_ns_;
    std::atomic<uint32_t> current_{UINT32_MAX};
    // Written by the timeouts' thread, or stop().
    std::atomic<uint32_t> cancelled_{0};
    std::optional<uint32_t> guilty_;  // before end(): under the mutex
  };

 private:
  static constexpr uint32_t kTimedOut = 1, kStopped = 2;
  void run(int64_t every_ns);

  Mutex mutex_;
  Condition stopping_;
  bool stopped_ WM_GUARDED_BY(mutex_) = false;
  bool ending_ WM_GUARDED_BY(mutex_) = false;
  std::list<Scope*> under_way_ WM_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace wiremill
