// Takes up a changed configuration while the daemon serves: loads the file again, tries its line and
// puts it in the place of the running one. Only `stages` and log.level can change; an error of any
// kind leaves everything as it is. Owned by the daemon.
//
// Whoever asks wants what is in the file by then. So all who ask while a reload runs are answered by
// one more, which begins after they asked; where none of them is there any more, by none.
//
// Threads: the thread "reload" does it all, one reload after the other, but for what is found out
// beforehand, which a thread "trial" does for it; the public functions on main, report() on any.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <thread>
#include <vector>

#include "daemon/admin/rooms.hpp"
#include "daemon/base/thread.hpp"
#include "daemon/config/config.hpp"
#include "daemon/plugin/plugin.hpp"

namespace wiremill {

class Line;

// Reads the daemon's configuration once more, with what the command line says on top.
using ConfigLoader = std::function<tl::expected<Config, ConfigFailure>()>;

// All outlive it. The functions are called on the thread "reload".
struct ReloadPorts {
  Pipeline& pipeline;
  StateStore& state;
  const Log& intake_log;
  const Log& results;
  StageLog stage_log;
  std::function<void()> began, ended;
};

class Reload {
 public:
  // `running` is what the daemon was started with. Without `load` there is no file to reload.
  Reload(Config running, ConfigLoader load, ReloadPorts ports);
  ~Reload();

  // `waiter` hears when the new line serves, or why it does not.
  void request(ReloadWaiter waiter);
  // The log alone tells.
  void request();

  // The daemon is stopping: a trial ends at once, no reload is begun any more, and all who wait hear
  // that. One that is past its trial comes to its end.
  void cancel();
  // Whether all who asked have heard.
  bool is_idle() const;
  // Cancels, and ends the thread. The pipeline has stopped before.
  void stop();

  struct Report {
    uint64_t done = 0, refused = 0;
    int64_t configured_at_us = 0;  // the newest success, or the start
  };
  Report report() const;

 private:
  void serve();
  ReloadOutcome reload_and_tell(const std::vector<ReloadWaiter>& waiters);
  ReloadOutcome reload();
  ConfigErrors check(const Config& wanted) const;
  Result<uint64_t> switch_to(std::unique_ptr<Line> line);
  void conclude(const ReloadOutcome& outcome);

  // Constant after construction.
  const ConfigLoader load_;
  const ReloadPorts ports_;

  Config running_;  // the thread's own
  std::atomic<uint64_t> done_{0}, refused_{0};
  std::atomic<int64_t> configured_at_us_;
  std::stop_source stopping_;  // any thread

  mutable Mutex mutex_;
  Condition condition_;
  std::vector<ReloadWaiter> waiting_ WM_GUARDED_BY(mutex_);
  bool is_signalled_ WM_GUARDED_BY(mutex_) = false;  // asked for, and nobody waits
  bool is_busy_ WM_GUARDED_BY(mutex_) = false;

  std::thread thread_;
};

}  // namespace wiremill
