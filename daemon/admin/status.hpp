// What `wiremill status` shows and what /healthz and /readyz say, as JSON (docs/operations.md). Main
// thread.
#pragma once

#include <cstdint>
#include <string>

#include "daemon/admin/rooms.hpp"

namespace wiremill {

// `rooms` is null while the daemon recovers; then there is only what the report knows.
std::string status_json(const Rooms* rooms, const DaemonReport& report);

// {"healthy":…,"failures":[…]} and {"ready":…,"phase":…,"reasons":[…]}.
std::string health_json(const DaemonReport& report);
std::string readiness_json(const DaemonReport& report);

std::string reload_json(const ReloadOutcome& outcome);
std::string cursors_json(const Rooms& rooms);

}  // namespace wiremill
