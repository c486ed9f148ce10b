// The thread "state": once results are durable, enters the state changes recorded beside them into
// the store, and from time to time writes the store to disk. Owned by the daemon.
//
// A disk that is full holds this up and nothing more: what waits stays in the overlay, so that the
// pipeline's window fills and reading stops, and the thread tries again each second until there is
// space. Any other failure is final.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/base/thread.hpp"
#include "daemon/plugin/state_store.hpp"

namespace wiremill {

class Log;

class Committer {
 public:
  // `committed` is told on the thread "state" up to where changes are in the store; `failed`, there
  // too, whenever the store begins to refuse writes.
  Committer(StateStore& state, std::function<void(uint64_t)> committed,
            std::function<void(const Error&)> failed);
  // Commits what was reported, writes a checkpoint, ends the thread.
  ~Committer();

  // Results up to here are durable. Any thread.
  void durable(uint64_t sequence);
  // Any thread; the checkpoint is written soon after. Without being asked the thread writes one
  // when so much has been committed since the last that recovery would take long.
  void request_checkpoint();

  // Runs `work` on the thread "state", between two commits, and writes a checkpoint. Answers when
  // all of it is lasting, or what failed. Any other thread; waits.
  Status run(const std::function<Status()>& work);

  // Ok; or NoSpace: nothing can be written until there is space; or why the store cannot be written
  // for good. Any thread.
  Status health() const;
  // The store on disk holds the changes of all results up to here, so that neither log needs what
  // is before it for recovery. Any thread.
  uint64_t checkpointed() const { return checkpointed_; }

 private:
  struct Task {
    const std::function<Status()>& work;
    Status answer{};
    bool done = false;
  };
  // What there is to do.
  struct Turn {
    uint64_t wanted = 0;
    bool checkpoint = false, last = false;
    std::vector<Task*> tasks;
  };

  void serve();
  Turn next();
  Status advance(const Turn& turn);
  Status follow_checkpoint();
  Status write_checkpoint();
  void answer(const std::vector<Task*>& tasks);
  void note(const Status& status);

  // Constant after construction.
  StateStore& state_;
  const std::function<void(uint64_t)> committed_;
  const std::function<void(const Error&)> failed_;
  std::atomic<uint64_t> checkpointed_;

  mutable Mutex mutex_;
  Condition condition_;  // the thread's
  Condition answered_;   // of those who wait in run()
  uint64_t durable_ WM_GUARDED_BY(mutex_) = 0;
  bool checkpoint_due_ WM_GUARDED_BY(mutex_) = false;
  bool stopping_ WM_GUARDED_BY(mutex_) = false;
  std::vector<Task*> tasks_ WM_GUARDED_BY(mutex_);
  Status health_ WM_GUARDED_BY(mutex_);

  // The thread's own.
  uint64_t up_to_ = 0;  // committed so far
  bool due_ = false;    // a checkpoint
  bool stalled_ = false, broken_ = false;

  std::thread thread_;
};

// Opens the store in `directory` and brings it up to the newest durable result: applies the changes
// that the log recorded above the store's own checkpoint. Before each of its checkpoints `results`,
// which outlives it, is synced, so that no power cut leaves it ahead of the log. Errors: Io,
// NoSpace, Locked, Damaged (the store cannot be read, is ahead of the log, or is behind what the
// log still holds; the message says what to do).
Result<std::unique_ptr<StateStore>> open_state(const std::string& directory,
                                               const std::vector<std::string>& spaces, Log& results,
                                               StateStoreOptions options = {});

}  // namespace wiremill
