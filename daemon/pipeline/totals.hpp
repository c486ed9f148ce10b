// How many documents came to which outcome since the result log's beginning. Each result's record
// carries the totals with itself included, so that they are as durable as the results: a start goes
// on with those of the newest record.
#pragma once

#include <cstdint>

#include "daemon/base/error.hpp"
#include "wiremill/v1/document.pb.h"

namespace wiremill {

class Log;

struct Totals {
  uint64_t processed = 0, dropped = 0, dead = 0;

  void count(v1::Result::Status outcome);
  friend bool operator==(const Totals&, const Totals&) = default;
};

// Those of the newest record that can be read. The results after it, whose records are damaged,
// count as dead: LOG_DAMAGED is what every subscriber is told of them. Any thread; for the start.
// Errors: Io.
Result<Totals> read_totals(const Log& results);

}  // namespace wiremill
