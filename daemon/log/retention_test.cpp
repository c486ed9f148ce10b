// Which segments retention removes, by a clock that the test sets.
#include "daemon/log/retention.hpp"

#include <gtest/gtest.h>

#include "daemon/log/memory_file_system.hpp"
#include "daemon/log/segment.hpp"

namespace wiremill {
namespace {

constexpr int64_t kHourMs = 3600 * 1000;
constexpr int64_t kDayMs = 24 * kHourMs;
constexpr uint64_t kAll = UINT64_MAX;

class TestClock final : public RetentionClock {
 public:
  int64_t steady_ms() const override { return steady; }
  int64_t wall_ms() const override { return wall; }
  void pass(int64_t ms) {
    steady += ms;
    wall += ms;
  }
  int64_t steady = 123'456, wall = 1'700'000'000'000;
};

class RetentionTest : public testing::Test {
 protected:
  RetentionTest() {
    options_.clock = &clock_;
    options_.files = &files_;
    open_log();
  }

  void open_log() {
    log_.reset();
    LogOptions options;
    options.directory = "/log";
    options.name = "result";
    options.segment_bytes = 8 << 10;
    options.files = &files_;
    log_ = Log::open(options).value();
  }

  void open() { retention_ = Retention::open(options_, *log_, "/log").value(); }

  void restart() {
    retention_.reset();
    open_log();
    open();
  }

  // About ten records fill a segment.
  void append(int records) {
    for (int i = 0; i < records; ++i) {
      ASSERT_TRUE(log_->append(std::string(300, 'r')));
      ASSERT_TRUE(log_->flush());
    }
  }

  uint64_t run(uint64_t keep_from = kAll) {
    const auto first = retention_->run(keep_from);
    EXPECT_TRUE(first);
    return first.value_or(0);
  }

  MemoryFileSystem files_;
  TestClock clock_;
  RetentionOptions options_;
  std::unique_ptr<Log> log_;
  std::unique_ptr<Retention> retention_;
};

TEST_F(RetentionTest, KeepsEverythingWithoutLimits) {
  open();
  append(100);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(run(), 1U);
    clock_.pass(100 * kDayMs);
  }
}

TEST_F(RetentionTest, RemovesByBytesButNeverTheNewestNorWhatIsToBeKept) {
  options_.bytes_max = 20 << 10;
  open();
  append(100);
  EXPECT_EQ(run(1), 1U);
  const uint64_t some = run(30);
  EXPECT_GT(some, 1U);
  EXPECT_LE(some, 30U);
  const uint64_t first = run();
  EXPECT_GT(first, some);
  EXPECT_LE(log_->statistics().bytes, 20U << 10);
  EXPECT_GT(log_->statistics().bytes, 10U << 10);
  EXPECT_EQ(log_->statistics().first, first);
  options_.bytes_max = 1;
  open();
  EXPECT_LE(run(), 100U);
  EXPECT_EQ(log_->statistics().segments, 1U);
}

TEST_F(RetentionTest, RemovesNothingBeforeItsAgeAndAllOfItSoonAfter) {
  options_.age_max_ms = 10 * kDayMs;
  open();
  append(50);
  EXPECT_EQ(run(), 1U);
  clock_.pass(5 * kDayMs);
  append(50);
  EXPECT_EQ(run(), 1U);
  clock_.pass(5 * kDayMs - 1);
  EXPECT_EQ(run(), 1U);
  clock_.pass(1);
  const uint64_t first = run();
  EXPECT_GT(first, 30U);
  EXPECT_LE(first, 51U);
  EXPECT_EQ(log_->reader(1)->position(), first);
  clock_.pass(5 * kDayMs - 1);
  EXPECT_EQ(run(), first);
  clock_.pass(1);
  EXPECT_LE(run(60), 60U);
  EXPECT_GT(run(), 80U);
}

TEST_F(RetentionTest, CountsAStopByTheWallClockWithinADay) {
  options_.age_max_ms = 2 * kDayMs;
  open();
  append(50);
  EXPECT_EQ(run(), 1U);
  // Back to 1970 counts as nothing, and years ahead as a day.
  clock_.wall = 0;
  restart();
  EXPECT_EQ(run(), 1U);
  clock_.pass(kDayMs - 1);
  append(1);
  EXPECT_EQ(run(), 1U);
  clock_.wall += 3650 * kDayMs;
  restart();
  EXPECT_EQ(run(), 1U);
  clock_.pass(1);
  EXPECT_GT(run(), 1U);
}

TEST_F(RetentionTest, IsNotMovedByTheWallClockWhileItRuns) {
  options_.age_max_ms = kDayMs;
  open();
  append(50);
  EXPECT_EQ(run(), 1U);
  for (const int64_t jump : {-3650 * kDayMs, 7000 * kDayMs, -kDayMs, kDayMs}) {
    clock_.wall += jump;
    append(1);
    clock_.pass(kHourMs);
    EXPECT_EQ(run(), 1U);
  }
  clock_.pass(kDayMs - 4 * kHourMs);
  EXPECT_GT(run(), 1U);
}

TEST_F(RetentionTest, CountsEverythingAsNewWhereAgesIsMissingOrDamaged) {
  options_.age_max_ms = kDayMs;
  open();
  append(50);
  EXPECT_EQ(run(), 1U);
  std::string ages = files_.contents("/log/AGES");
  for (size_t at = 0; at < ages.size(); ++at) {
    std::string flipped = ages;
    flipped[at] ^= 4;
    files_.set_contents("/log/AGES", flipped);
    clock_.pass(kDayMs);
    restart();
    ASSERT_EQ(run(), 1U) << at;
  }
  for (size_t bytes = 0; bytes < ages.size(); ++bytes) {
    files_.set_contents("/log/AGES", ages.substr(0, bytes));
    clock_.pass(kDayMs);
    restart();
    ASSERT_EQ(run(), 1U) << bytes;
  }
  clock_.pass(kDayMs);
  EXPECT_GT(run(), 1U);
}

// Years of marks, made each minute: bounded in memory and on disk, and still exact enough.
TEST_F(RetentionTest, KeepsFewMarks) {
  options_.age_max_ms = 30 * kDayMs;
  open();
  for (int day = 0; day < 90; ++day) {
    for (int i = 0; i < 12; ++i) {
      append(1);
      clock_.pass(2 * kHourMs);
      const uint64_t first = run();
      const auto age_first = static_cast<uint64_t>(std::max(0, (day - 30) * 12 + i));
      ASSERT_LE(first, age_first + 2);
      ASSERT_GE(first + 40, age_first);
    }
  }
  EXPECT_LT(files_.contents("/log/AGES").size(), 300U * 16);
}

TEST_F(RetentionTest, SaysWhatFailed) {
  options_.bytes_max = 10 << 10;
  open();
  append(100);
  files_.set_gate([](MemoryFileSystem::Kind kind, const std::string& path) -> Status {
    if (kind != MemoryFileSystem::Kind::Remove) return {};
    return fail(ErrorCode::Io, "cannot remove {}", path);
  });
  const auto failed = retention_->run(kAll);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, ErrorCode::Io);
  files_.set_gate({});
  append(20);
  const uint64_t first = run();
  // What had failed went, too, and before the rest: the directory has no hole.
  const auto names = files_.list("/log");
  for (const std::string& name : *names)
    if (const auto segment = parse_segment_file_name(name)) {
      EXPECT_GE(*segment, first);
    }
}

}  // namespace
}  // namespace wiremill
