// Takes up a changed configuration while the daemon serves: loads the file again, tries its line and
// puts it in the place of the running one. Only `stages` and log.level can change; an error of any
// kind leaves everything as it is. Owned by the daemon.
//
// Threads: the thread "reload" does it all, one request after the other, but for what is found out
// beforehand, which a thread "trial" does for it; request() and report() on any.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <thread>

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
  using Told = std::function<void(const ReloadOutcome&)>;

  // `running` is what the daemon was started with. Without `load` there is no file to reload.
  Reload(Config running, ConfigLoader load, ReloadPorts ports);
  ~Reload();

  // `told` hears when the new line serves, or why it does not. Without it the log tells alone, and
  // one request that has not begun is enough. What waits at the end is dropped untold.
  void request(Told told);
  // Ends the thread; a trial that runs comes to its end. The pipeline has stopped before.
  void stop();

  struct Report {
    uint64_t done = 0, refused = 0;
    int64_t configured_at_us = 0;  // the newest success, or the start
  };
  Report report() const;

 private:
  void serve();
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

  Mutex mutex_;
  Condition condition_;
  std::deque<Told> waiting_ WM_GUARDED_BY(mutex_);
  bool stopping_ WM_GUARDED_BY(mutex_) = false;

  std::thread thread_;
};

}  // namespace wiremill
