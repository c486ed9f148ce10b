// Fuzz target: the files of a log (daemon/log) as a disk may hand them back. The script builds
// segments and MARK out of whole groups, whole headers with any fields, and arbitrary bytes
// (LogFiles), then the log opens. A log that opens has every sequence once and in order, takes a
// record more, and opens again with the same records. Where a header lies about its group, which only
// a writer that knows the salt can make, other records may be found the second time.
#include "daemon/log/log.hpp"

#include "daemon/base/error.hpp"
#include "tests/fuzz/log_files.hpp"

using namespace wiremill;  // NOLINT

namespace {

std::vector<LogRecord> read_all(const Log& log) {
  const LogStatistics statistics = log.statistics();
  std::vector<LogRecord> records;
  const auto reader = log.reader(0);
  for (size_t before = 1; before != records.size();) {
    before = records.size();
    WM_INVARIANT(reader->read(100, 1 << 20, records));
  }
  WM_INVARIANT(records.size() == statistics.durable + 1 - statistics.first);
  for (size_t i = 0; i < records.size(); ++i) {
    WM_INVARIANT(records[i].sequence == statistics.first + i);
    WM_INVARIANT(!records[i].damaged || records[i].payload.empty());
  }
  return records;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  MemoryFileSystem files;
  fuzz::LogFiles script(files, "log", "fuzz");
  script.build(data, size);
  LogOptions options;
  options.directory = "log";
  options.name = "fuzz";
  options.segment_bytes = 16 << 10;
  options.files = &files;
  auto log = Log::open(options);
  if (!log) {
    WM_INVARIANT(!log.error().message.empty());
    WM_INVARIANT(log.error().code == ErrorCode::Damaged ||
                 log.error().code == ErrorCode::Unsupported);
    return 0;
  }
  std::vector<LogRecord> records = read_all(**log);
  const uint64_t next = (*log)->next(), epoch = (*log)->statistics().epoch;
  WM_INVARIANT((*log)->append("one more").value() == next && (*log)->flush());
  records.push_back({.sequence = next, .damaged = false, .payload = "one more"});
  log->reset();

  log = Log::open(options);
  WM_INVARIANT(log && (*log)->next() == next + 1);
  const std::vector<LogRecord> again = read_all(**log);
  WM_INVARIANT(again.size() == records.size());
  if (script.has_forged_header()) return 0;
  WM_INVARIANT((*log)->statistics().epoch == epoch && (*log)->statistics().torn_bytes == 0);
  for (size_t i = 0; i < records.size(); ++i)
    WM_INVARIANT(again[i].damaged == records[i].damaged && again[i].payload == records[i].payload);
  return 0;
}
