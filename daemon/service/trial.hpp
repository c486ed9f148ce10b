// The trial of a line before it serves: real documents go through its stages, and nothing of it
// counts. Every stage runs in a process of its own there, whatever its `isolation`, and with an empty
// state in memory; so what crashes, hangs or eats memory does so outside of the daemon, and the
// instances that will serve begin untouched. Called on the thread "trial"; ends by the stages' limits,
// or when it is told to stop.
#pragma once

#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "daemon/base/error.hpp"
#include "daemon/config/config.hpp"
#include "daemon/log/log.hpp"
#include "daemon/pipeline/line.hpp"

namespace wiremill {

// The stages as they are tried.
std::vector<StageConfig> isolated(std::vector<StageConfig> stages);

struct Canaries {
  std::vector<LogRecord> records;  // of the intake log, numbered from 1
  bool processed = false;          // the running line made PROCESSED results of all of them
};

// The newest documents that came through PROCESSED and that the logs still hold, 32 at most; where
// there are none, some that are built in. Errors: Io.
Result<Canaries> choose_canaries(const Log& intake, const Log& results);

// Why the line of `config` must not serve: `line`, built of isolated(config.stages), lost a process
// at a canary, as its host counts that, or no canary that the running line processed comes through. A
// document comes through also where a stage with on_error: skip says that it cannot take it; its lost
// processes count only where nothing comes through. What `stop` has ended says nothing.
ConfigErrors try_out(std::shared_ptr<Line> line, const Config& config, const Canaries& canaries,
                     const std::stop_token& stop);

}  // namespace wiremill
