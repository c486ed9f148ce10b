// The thread "state": once results are durable, enters the state changes recorded beside them into
// the store, and from time to time writes the store to disk. Owned by the daemon.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <thread>

#include "daemon/base/error.hpp"
#include "daemon/base/thread.hpp"
#include "daemon/plugin/state_store.hpp"

namespace wiremill {

class Committer {
 public:
  // `committed` is told on the thread "state" up to where changes are in the store; `failed` once,
  // when the store cannot be written.
  Committer(StateStore& state, std::function<void(uint64_t)> committed,
            std::function<void(const Error&)> failed);
  // Commits what was reported, writes a checkpoint, ends the thread.
  ~Committer();

  // Results up to here are durable. Any thread.
  void durable(uint64_t sequence);
  // Any thread; the checkpoint is written soon after.
  void request_checkpoint();

 private:
  void run();

  // Constant after construction.
  StateStore& state_;
  const std::function<void(uint64_t)> committed_;
  const std::function<void(const Error&)> failed_;

  Mutex mutex_;
  Condition condition_;
  uint64_t durable_ WM_GUARDED_BY(mutex_) = 0;
  bool checkpoint_due_ WM_GUARDED_BY(mutex_) = false;
  bool stopping_ WM_GUARDED_BY(mutex_) = false;

  std::thread thread_;
};

// Brings a store that is behind the result log up to `durable`: applies the changes recorded above
// its own checkpoint. Errors: Io, Damaged (the store is ahead of the log).
class Log;
Status recover_state(const Log& results, StateStore& state);

}  // namespace wiremill
