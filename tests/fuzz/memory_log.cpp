// See memory_log.hpp.
#include "tests/fuzz/memory_log.hpp"

#include <algorithm>

namespace wiremill {

using fuzz::memory_log;

class Log::Impl {};

class LogReader::Impl {
 public:
  explicit Impl(uint64_t from) : position(from) {}
  uint64_t position;
};

Log::Log(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Log::~Log() = default;

Result<std::unique_ptr<Log>> Log::open(const LogOptions&) {
  return std::unique_ptr<Log>(new Log(std::make_unique<Impl>()));
}

Result<uint64_t> Log::append(std::string payload) {
  WM_TRY(health());
  if (memory_log.busy) return fail(ErrorCode::Busy, "the log is busy");
  memory_log.records.push_back(
      {.sequence = next(), .damaged = false, .payload = std::move(payload)});
  return memory_log.records.size();
}

uint64_t Log::durable() const { return memory_log.durable; }
uint64_t Log::next() const { return memory_log.records.size() + 1; }
void Log::on_durable(std::function<void(uint64_t)>) {}

Status Log::sync() { return {}; }
Status Log::flush() {
  memory_log.durable = memory_log.records.size();
  return {};
}

Status Log::health() const {
  if (memory_log.failed) return fail(ErrorCode::Io, "the log failed");
  return {};
}

std::unique_ptr<LogReader> Log::reader(uint64_t sequence, Caching) const {
  return std::unique_ptr<LogReader>(new LogReader(std::make_unique<LogReader::Impl>(sequence)));
}

Status Log::remove_below(uint64_t sequence) {
  memory_log.first = std::clamp(sequence, memory_log.first, memory_log.durable + 1);
  return {};
}

uint64_t Log::first_within(uint64_t) const { return memory_log.first; }

LogStatistics Log::statistics() const {
  LogStatistics result;
  result.first = memory_log.first;
  result.durable = memory_log.durable;
  return result;
}

LogReader::LogReader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LogReader::~LogReader() = default;
uint64_t LogReader::position() const { return impl_->position; }

Status LogReader::read(size_t records_max, size_t bytes_max, std::vector<LogRecord>& out) {
  impl_->position = std::max(impl_->position, memory_log.first);
  size_t bytes = 0;
  for (size_t i = 0; i < records_max && bytes < bytes_max; ++i) {
    if (impl_->position > memory_log.durable) break;
    out.push_back(memory_log.records[impl_->position++ - 1]);
    bytes += out.back().payload.size();
  }
  return {};
}

}  // namespace wiremill
