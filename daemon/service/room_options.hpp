// What the configuration means to each room. Used by the daemon when it starts.
#pragma once

#include <string>

#include "daemon/admin/admin_server.hpp"
#include "daemon/config/config.hpp"
#include "daemon/feed/feed.hpp"
#include "daemon/intake/intake.hpp"
#include "daemon/log/log.hpp"
#include "daemon/pipeline/dead_letters.hpp"
#include "daemon/pipeline/pipeline.hpp"
#include "daemon/service/housekeeper.hpp"

namespace wiremill {

LogOptions intake_log_options(const Config& config, const std::string& state_dir);
LogOptions result_log_options(const Config& config, const std::string& state_dir);
IntakeOptions intake_options(const Config& config, const std::string& state_dir);
FeedOptions feed_options(const Config& config, const std::string& state_dir);
// Without what the daemon adds from its other rooms.
PipelineOptions pipeline_options(const Config& config, const std::string& state_dir);
DeadLetterLimits dead_letter_limits(const Config& config);
HousekeeperOptions housekeeper_options(const Config& config, const std::string& state_dir);
AdminOptions admin_options(const Config& config);

}  // namespace wiremill
