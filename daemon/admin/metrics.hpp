// The daemon's metrics in Prometheus' text format, read from the rooms' counters when somebody asks:
// nothing is counted for metrics alone. Names are wiremill_<thing>_<unit>_total, units are bytes and
// seconds, and no label grows with what clients send: labels are codes, stages and the two logs.
// Called on main.
#pragma once

#include <string>

#include "daemon/admin/rooms.hpp"

namespace wiremill {

// `rooms` is null while the daemon recovers; then there is only what the report knows.
std::string metrics_text(const Rooms* rooms, const DaemonReport& report);

}  // namespace wiremill
