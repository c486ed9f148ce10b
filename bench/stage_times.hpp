// Where the time of a line goes, stage by stage, without a daemon. Main thread.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "daemon/config/config.hpp"

namespace wiremill {

struct StageTimes {
  std::vector<std::pair<std::string, double>> stages;  // name, microseconds of a document
  double document_us = 0;  // of the whole line: also cutting into sentences, encoding, state
};

// Runs serialised Documents through the stages on one thread. Throws std::runtime_error where the
// line cannot be built or a document does not come out PROCESSED.
StageTimes measure_stages(const std::vector<StageConfig>& stages,
                          std::span<const std::string> documents);

}  // namespace wiremill
