#include "daemon/pipeline/totals.hpp"

#include <algorithm>
#include <vector>

#include "daemon/log/log.hpp"
#include "wiremill/v1/record.pb.h"

namespace wiremill {

void Totals::count(v1::Result::Status outcome) {
  ++(outcome == v1::Result::PROCESSED ? processed
     : outcome == v1::Result::DROPPED ? dropped
                                      : dead);
}

Result<Totals> read_totals(const Log& results) {
  constexpr size_t kRecordsPerStep = 256, kBytesPerStep = 8 << 20;
  constexpr uint64_t kFartherBack = 64;
  const LogStatistics log = results.statistics();
  Totals totals;
  uint64_t counted = 0;  // up to this sequence by `totals`
  for (uint64_t back = 1; counted == 0 && log.durable >= log.first; back *= kFartherBack) {
    const uint64_t begin = log.durable - std::min(back - 1, log.durable - log.first);
    const auto reader = results.reader(begin);
    std::vector<LogRecord> records;
    for (uint64_t at = begin; at <= log.durable; at = reader->position()) {
      records.clear();
      WM_TRY(reader->read(kRecordsPerStep, kBytesPerStep, records));
      if (records.empty()) break;
      for (const LogRecord& entry : records) {
        v1::ResultRecord record;
        if (entry.damaged || !record.ParseFromString(entry.payload)) continue;
        totals = {record.totals().processed(), record.totals().dropped(), record.totals().dead()};
        counted = entry.sequence;
      }
    }
    if (begin == log.first) break;
  }
  totals.dead += log.durable - counted;
  return totals;
}

}  // namespace wiremill
