// What may go (daemon/log/retention.hpp).
//
// A mark {sequence, time} says that all up to that sequence was durable at that time of the log's
// own clock, so it is at least as old. Where a mark is older than age_max, everything up to its
// sequence may go. Marks are made at most 256 to an age, so that a result stays at most 1/256 of
// the age, and until its segment's last record is due, longer than it must.
//
// The clock that is kept is the one of the last writing, with the wall clock's time of that moment;
// what went by since, running or stopped, is the wall clock's difference then, held within a day.
// After kill -9 a run of more than a day since the last writing would count as a day; so AGES is
// written each hour at least.
#include "daemon/log/retention.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <deque>
#include <optional>
#include <utility>

#include "daemon/base/hash.hpp"
#include "daemon/base/logging.hpp"
#include "daemon/log/file.hpp"

namespace wiremill {
namespace {

constexpr char kMagic[] = "WMLOGAGE";
constexpr uint32_t kVersion = 1;
constexpr int64_t kDayMs = 24LL * 3600 * 1000;
constexpr int64_t kHourMs = 3600 * 1000;
constexpr int64_t kMarksPerAge = 256;
constexpr size_t kMarksMax = 4096;

// The log stood at `sequence` at `time_ms` of its own clock.
struct Mark {
  uint64_t sequence;
  int64_t time_ms;
};

struct Ages {
  int64_t clock_ms = 0;  // the log's own, when this was written …
  int64_t wall_ms = 0;   // … and the wall clock then
  std::deque<Mark> marks;
};

// AGES, little-endian: this, the marks, CRC-32C of all before it.
struct Header {
  char magic[8];
  uint32_t version;
  uint32_t marks;
  int64_t clock_ms;
  int64_t wall_ms;
};
static_assert(sizeof(Header) == 32 && sizeof(Mark) == 16);
constexpr size_t kCrcBytes = sizeof(uint32_t);

std::string encode(const Ages& ages) {
  Header header{.magic = {},
                .version = kVersion,
                .marks = static_cast<uint32_t>(ages.marks.size()),
                .clock_ms = ages.clock_ms,
                .wall_ms = ages.wall_ms};
  std::memcpy(header.magic, kMagic, sizeof header.magic);
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof header);
  for (const Mark& mark : ages.marks)
    bytes.append(reinterpret_cast<const char*>(&mark), sizeof mark);
  const uint32_t crc = crc32c(bytes);
  bytes.append(reinterpret_cast<const char*>(&crc), sizeof crc);
  return bytes;
}

// nullopt: not whole, or of another version.
std::optional<Ages> decode(std::string_view bytes) {
  Header header;
  if (bytes.size() < sizeof header + kCrcBytes) return std::nullopt;
  std::memcpy(&header, bytes.data(), sizeof header);
  const std::string_view body = bytes.substr(0, bytes.size() - kCrcBytes);
  uint32_t crc = 0;
  std::memcpy(&crc, bytes.data() + body.size(), sizeof crc);
  if (std::memcmp(header.magic, kMagic, sizeof header.magic) != 0 || header.version != kVersion ||
      crc != crc32c(body) || header.marks != (body.size() - sizeof header) / sizeof(Mark))
    return std::nullopt;
  Ages ages{.clock_ms = header.clock_ms, .wall_ms = header.wall_ms, .marks = {}};
  ages.marks.resize(header.marks);
  for (size_t i = 0; i < header.marks; ++i)
    std::memcpy(&ages.marks[i], bytes.data() + sizeof header + i * sizeof(Mark), sizeof(Mark));
  return ages;
}

class SystemClock final : public RetentionClock {
 public:
  int64_t steady_ms() const override { return milliseconds<std::chrono::steady_clock>(); }
  int64_t wall_ms() const override { return milliseconds<std::chrono::system_clock>(); }

 private:
  template <class Clock>
  static int64_t milliseconds() {
    return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now().time_since_epoch())
        .count();
  }
};

const RetentionClock& system_clock() {
  static const SystemClock clock;
  return clock;
}

}  // namespace

class Retention::Impl {
 public:
  Impl(const RetentionOptions& options, Log& log, const std::string& directory)
      : options_(options),
        log_(log),
        directory_(directory),
        clock_(options.clock == nullptr ? system_clock() : *options.clock),
        files_(options.files == nullptr ? real_file_system() : *options.files) {}

  Status start() {
    auto ages = read();
    if (!ages) return tl::unexpected(ages.error());
    if (ages->has_value()) {
      ages_ = std::move(**ages);
      ages_.clock_ms += std::clamp(clock_.wall_ms() - ages_.wall_ms, int64_t{0}, kDayMs);
      // What came before a sequence that is given out anew is as old as it was.
      for (Mark& mark : ages_.marks) mark.sequence = std::min(mark.sequence, log_.durable());
    } else if (log_.durable() >= log_.statistics().first) {
      log_warning("the log in {} has no whole AGES file: all it holds counts as new", directory_);
    }
    steady_start_ms_ = clock_.steady_ms() - ages_.clock_ms;
    written_at_ms_ = ages_.clock_ms;
    return {};
  }

  Result<uint64_t> run(uint64_t keep_from) {
    ages_.clock_ms = clock_.steady_ms() - steady_start_ms_;
    const bool marked = mark();
    // Space is given back first: there may be none for AGES.
    uint64_t below = 0;
    if (options_.age_max_ms > 0) below = past_age();
    if (options_.bytes_max > 0)
      below = std::max(below, log_.first_within(static_cast<uint64_t>(options_.bytes_max)));
    // The last record stays: it knows how many came before it.
    WM_TRY(log_.remove_below(std::min({below, keep_from, log_.durable()})));
    const uint64_t first = log_.statistics().first;
    if (marked || ages_.clock_ms >= written_at_ms_ + kHourMs) {
      while (ages_.marks.size() > 1 && ages_.marks.front().sequence < first)
        ages_.marks.pop_front();
      WM_TRY(write());
    }
    return first;
  }

 private:
  Result<std::optional<Ages>> read() const {
    const auto file = files_.open(directory_ + "/AGES", OpenMode::Read);
    if (!file && file.error().code == ErrorCode::NotFound) return std::nullopt;
    if (!file) return tl::unexpected(file.error());
    std::string bytes(sizeof(Header) + kMarksMax * sizeof(Mark) + kCrcBytes, '\0');
    const auto got = (*file)->read_at(0, bytes.data(), bytes.size());
    if (!got) return tl::unexpected(got.error());
    return decode(std::string_view(bytes).substr(0, *got));
  }

  Status write() {
    ages_.wall_ms = clock_.wall_ms();
    WM_TRY(make_whole_file(files_, directory_ + "/AGES.tmp", encode(ages_)));
    WM_TRY(files_.rename(directory_ + "/AGES.tmp", directory_ + "/AGES"));
    written_at_ms_ = ages_.clock_ms;
    return files_.sync_directory(directory_);
  }

  // Answers whether there is a new mark.
  bool mark() {
    std::deque<Mark>& marks = ages_.marks;
    const uint64_t sequence = log_.durable();
    const int64_t step_ms = std::max<int64_t>(options_.age_max_ms / kMarksPerAge, 1);
    if (options_.age_max_ms == 0 || sequence < log_.statistics().first) return false;
    if (!marks.empty() &&
        (marks.back().sequence >= sequence || ages_.clock_ms < marks.back().time_ms + step_ms))
      return false;
    // A full list, as an age far shorter before would leave one, keeps every other mark.
    if (marks.size() == kMarksMax) {
      for (size_t i = 0; i < kMarksMax / 2; ++i) marks[i] = marks[2 * i + 1];
      marks.resize(kMarksMax / 2);
    }
    marks.push_back({.sequence = sequence, .time_ms = ages_.clock_ms});
    return true;
  }

  // Everything below it is past the age.
  uint64_t past_age() const {
    const auto young = std::upper_bound(
        ages_.marks.begin(), ages_.marks.end(), ages_.clock_ms - options_.age_max_ms,
        [](int64_t time_ms, const Mark& mark) { return time_ms < mark.time_ms; });
    return young == ages_.marks.begin() ? 0 : std::prev(young)->sequence + 1;
  }

  const RetentionOptions options_;
  Log& log_;
  const std::string directory_;
  const RetentionClock& clock_;
  FileSystem& files_;
  Ages ages_;
  int64_t steady_start_ms_ = 0;  // the steady clock when the log's own stood at 0
  int64_t written_at_ms_ = 0;
};

Result<std::unique_ptr<Retention>> Retention::open(const RetentionOptions& options, Log& log,
                                                   const std::string& directory) {
  auto impl = std::make_unique<Impl>(options, log, directory);
  WM_TRY(impl->start());
  return std::unique_ptr<Retention>(new Retention(std::move(impl)));
}

Retention::Retention(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Retention::~Retention() = default;

Result<uint64_t> Retention::run(uint64_t keep_from) { return impl_->run(keep_from); }

}  // namespace wiremill
