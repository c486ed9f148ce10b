// What the rooms above rely on: order, durability, recovery, readers, bounds. On the real file
// system, except where a fault is wanted.
#include "daemon/log/log.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <thread>

#include "daemon/base/hash.hpp"
#include "daemon/log/file.hpp"
#include "daemon/log/segment.hpp"

namespace wiremill {
namespace {

class LogTest : public testing::Test {
 protected:
  LogTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "wiremill-log-XXXXXX").string();
    WM_INVARIANT(::mkdtemp(pattern.data()) != nullptr);
    root_ = pattern;
    options_.directory = root_ + "/log";
    options_.name = "intake";
    options_.segment_bytes = 1 << 20;
  }
  ~LogTest() override { std::filesystem::remove_all(root_); }

  std::unique_ptr<Log> open() const {
    auto log = Log::open(options_);
    if (!log) ADD_FAILURE() << log.error().message;
    return log ? std::move(*log) : nullptr;
  }

  // One group for each call.
  static void append(Log& log, std::string payload) {
    ASSERT_TRUE(log.append(std::move(payload)));
    ASSERT_TRUE(log.flush());
  }

  static std::vector<LogRecord> read_all(const Log& log, uint64_t from = 1) {
    std::vector<LogRecord> records;
    const auto reader = log.reader(from);
    for (size_t before = 1; before != records.size();) {
      before = records.size();
      const Status status = reader->read(7, 1 << 20, records);
      if (!status) ADD_FAILURE() << status.error().message;
      if (records.size() == before) break;
      before = 0;
    }
    return records;
  }

  static std::vector<uint64_t> damaged(const std::vector<LogRecord>& records) {
    std::vector<uint64_t> sequences;
    for (const LogRecord& record : records)
      if (record.damaged) sequences.push_back(record.sequence);
    return sequences;
  }

  std::string segment(uint64_t first) const {
    return options_.directory + '/' + segment_file_name(first);
  }

  static std::string bytes_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  static void set_bytes(const std::string& path, std::string_view bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  }

  // The directory as kill -9 would leave it now.
  void copy_to(const std::string& directory) const {
    std::filesystem::remove_all(directory);
    std::filesystem::copy(options_.directory, directory);
  }

  std::string root_;
  LogOptions options_;
};

TEST_F(LogTest, ServesWhatWasAppendedInOrderAlsoAfterReopening) {
  const std::vector<std::string> payloads = {"first", "", std::string(10 << 20, 'x'), "last"};
  {
    const auto log = open();
    EXPECT_EQ(log->next(), 1U);
    EXPECT_EQ(log->durable(), 0U);
    for (size_t i = 0; i < payloads.size(); ++i) EXPECT_EQ(log->append(payloads[i]).value(), i + 1);
    ASSERT_TRUE(log->flush());
    EXPECT_EQ(log->durable(), 4U);
    EXPECT_EQ(read_all(*log).size(), 4U);
  }
  const auto log = open();
  EXPECT_EQ(log->next(), 5U);
  EXPECT_EQ(log->statistics().torn_bytes, 0U);
  const auto records = read_all(*log);
  ASSERT_EQ(records.size(), payloads.size());
  for (size_t i = 0; i < payloads.size(); ++i) {
    EXPECT_EQ(records[i].sequence, i + 1);
    EXPECT_FALSE(records[i].damaged);
    EXPECT_TRUE(records[i].payload == payloads[i]) << i;
  }
}

TEST_F(LogTest, GivesSequencesInOrderToManyThreadsAndReportsThemDurable) {
  constexpr size_t kThreads = 4, kEach = 500;
  std::atomic<uint64_t> reported = 0;
  const auto log = open();
  log->on_durable([&](uint64_t durable) {
    EXPECT_GT(durable, reported.load());
    reported = durable;
  });
  std::vector<std::thread> threads;
  std::vector<std::vector<uint64_t>> sequences(kThreads);
  for (size_t t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      for (size_t i = 0; i < kEach; ++i)
        sequences[t].push_back(log->append(fmt::format("{}:{}", t, i)).value());
    });
  // A reader that follows meanwhile.
  std::vector<LogRecord> records;
  const auto reader = log->reader(1);
  while (records.size() < kThreads * kEach) {
    ASSERT_TRUE(reader->read(100, 1 << 20, records));
    ASSERT_LE(records.size(), log->durable());
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(log->flush());
  EXPECT_EQ(log->durable(), kThreads * kEach);
  for (size_t t = 0; t < kThreads; ++t) {
    EXPECT_TRUE(std::is_sorted(sequences[t].begin(), sequences[t].end()));
    for (size_t i = 0; i < kEach; ++i)
      EXPECT_EQ(records[sequences[t][i] - 1].payload, fmt::format("{}:{}", t, i));
  }
  EXPECT_LE(log->statistics().groups, kThreads * kEach);
}

TEST_F(LogTest, ReadsNoMoreThanAskedFor) {
  const auto log = open();
  for (int i = 0; i < 10; ++i) append(*log, std::string(100, 'a'));
  const auto reader = log->reader(4);
  std::vector<LogRecord> records;
  ASSERT_TRUE(reader->read(2, 1 << 20, records));
  EXPECT_EQ(records.size(), 2U);
  EXPECT_EQ(records.front().sequence, 4U);
  EXPECT_EQ(reader->position(), 6U);
  ASSERT_TRUE(reader->read(100, 250, records));
  EXPECT_EQ(records.size(), 5U);
  ASSERT_TRUE(reader->read(100, 1, records));
  EXPECT_EQ(records.size(), 6U);
  ASSERT_TRUE(reader->read(100, 1 << 20, records));
  EXPECT_EQ(records.size(), 7U);
  ASSERT_TRUE(reader->read(100, 1 << 20, records));
  EXPECT_EQ(records.size(), 7U);
}

TEST_F(LogTest, RollsOverManySmallSegmentsAndFindsAnySequenceInThem) {
  options_.segment_bytes = 8 << 10;
  constexpr uint64_t kRecords = 400;
  {
    const auto log = open();
    for (uint64_t i = 1; i <= kRecords; ++i) {
      ASSERT_TRUE(log->append(fmt::format("{}-{}", i, std::string(i * 37 % 900, 'p'))));
      if (i % 3 == 0) {
        ASSERT_TRUE(log->flush());
      }
    }
  }
  const auto log = open();
  EXPECT_GT(std::distance(std::filesystem::directory_iterator(options_.directory), {}), 20);
  for (const uint64_t from : {1, 2, 57, 199, 200, 201, 398, 400}) {
    const auto records = read_all(*log, from);
    ASSERT_EQ(records.size(), kRecords - from + 1);
    for (uint64_t i = from; i <= kRecords; ++i)
      ASSERT_TRUE(records[i - from].payload.starts_with(fmt::format("{}-", i)));
  }
  EXPECT_TRUE(read_all(*log, kRecords + 1).empty());
}

TEST_F(LogTest, GivesALargeRecordASegmentOfItsOwnWhereverItComes) {
  options_.segment_bytes = 8 << 10;
  const std::string large(100'000, 'L');
  const auto log = open();
  append(*log, large);
  append(*log, "small");
  append(*log, large);
  append(*log, large);
  const auto records = read_all(*log);
  ASSERT_EQ(records.size(), 4U);
  EXPECT_TRUE(records[0].payload == large && records[2].payload == large);
  EXPECT_TRUE(records[3].payload == large && records[1].payload == "small");
}

TEST_F(LogTest, ReportsTheMissingSequencesOfALostStretchAndGoesOnBehindIt) {
  options_.segment_bytes = 64 << 10;
  {
    const auto log = open();
    for (int i = 1; i <= 100; ++i) append(*log, fmt::format("record {:03}", i));
  }
  std::string bytes = bytes_of(segment(1));
  std::fill_n(bytes.begin() + kSegmentHeaderBytes + 10 * 96 + 3, 500, '\x5a');
  set_bytes(segment(1), bytes);
  {
    const auto log = open();
    const auto records = read_all(*log);
    ASSERT_EQ(records.size(), 100U);
    EXPECT_EQ(damaged(records), (std::vector<uint64_t>{11, 12, 13, 14, 15}));
    EXPECT_EQ(log->statistics().damaged_records, 5U);
    EXPECT_EQ(read_all(*log, 13).size(), 88U);
    append(*log, "more");
    EXPECT_EQ(read_all(*log, 101).front().payload, "more");
  }
  // A newest segment cut short after a clean end: what was in it is missing, nothing is given out
  // twice.
  std::filesystem::resize_file(segment(1), kSegmentHeaderBytes + 90 * 96);
  const auto log = open();
  EXPECT_EQ(log->next(), 102U);
  append(*log, "after");
  const auto records = read_all(*log, 88);
  ASSERT_EQ(records.size(), 15U);
  EXPECT_EQ(records[2].payload, "record 090");
  EXPECT_TRUE(records[3].damaged && records[13].damaged);
  EXPECT_EQ(records[14].payload, "after");
}

TEST_F(LogTest, ReadsAnOlderSegmentWithoutItsHeader) {
  options_.segment_bytes = 8 << 10;
  uint64_t second = 0;
  {
    const auto log = open();
    for (int i = 0; i < 30; ++i) append(*log, std::string(500, 'r'));
  }
  for (const auto& entry : std::filesystem::directory_iterator(options_.directory))
    if (const auto first = parse_segment_file_name(entry.path().filename().string());
        first && *first > 1 && (second == 0 || *first < second))
      second = *first;
  std::string bytes = bytes_of(segment(1));
  std::fill_n(bytes.begin(), kSegmentHeaderBytes, '\x77');
  set_bytes(segment(1), bytes);
  set_bytes(segment(second), std::string(6000, '\x77'));
  const auto log = open();
  const auto records = read_all(*log);
  ASSERT_EQ(records.size(), 30U);
  EXPECT_EQ(damaged(records).size(), second - 1);
  EXPECT_EQ(damaged(records).front(), second);
}

TEST_F(LogTest, TellsItsSegments) {
  options_.segment_bytes = 8 << 10;
  const auto log = open();
  EXPECT_EQ(log->statistics().segments, 1U);
  for (int i = 1; i <= 100; ++i) append(*log, std::string(500, '.'));
  const LogStatistics all = log->statistics();
  EXPECT_EQ(all.segments,
            std::distance(std::filesystem::directory_iterator(options_.directory), {}) -
                (std::filesystem::exists(options_.directory + "/next.tmp") ? 3 : 2));
  EXPECT_TRUE(std::filesystem::exists(segment(all.newest_segment)));
  EXPECT_EQ(log->first_within(all.bytes), 1U);
  EXPECT_GT(log->first_within(all.bytes - 1), 1U);
  EXPECT_EQ(log->first_within(0), all.newest_segment);
  ASSERT_TRUE(log->remove_below(log->first_within(20'000)));
  EXPECT_LE(log->statistics().bytes, 20'000U);
  EXPECT_GT(log->statistics().bytes, 10'000U);
}

TEST_F(LogTest, RemakesANewestSegmentThatWasLeftHalfMade) {
  {
    const auto log = open();
    append(*log, "kept");
  }
  for (const std::string& remains :
       {std::string(), std::string(5000, '\0'), std::string("WMLOG"), std::string("WMLOGSEG\1")}) {
    set_bytes(segment(2), remains);
    const auto log = open();
    ASSERT_NE(log, nullptr);
    EXPECT_EQ(log->next(), 2U);
    EXPECT_EQ(read_all(*log).size(), 1U);
  }
  const auto log = open();
  append(*log, "more");
  EXPECT_EQ(read_all(*log).back().payload, "more");
}

TEST_F(LogTest, RefusesALockedDirectory) {
  const auto log = open();
  const auto second = Log::open(options_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::Locked);
  EXPECT_NE(second.error().message.find(options_.directory), std::string::npos);
}

TEST_F(LogTest, RefusesWhatItCannotRead) {
  { append(*open(), "x"); }
  const std::string whole = bytes_of(segment(1));

  // A header of version 7, as a later program would begin it.
  std::string later = whole;
  later.replace(0, 16, std::string("WMLOGSEG\7\0\0\0", 12) + std::string(4, '\0'));
  const uint32_t crc = crc32c(std::string_view(later).substr(0, 12));
  std::memcpy(later.data() + 12, &crc, sizeof crc);
  set_bytes(segment(1), later);
  auto log = Log::open(options_);
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, ErrorCode::Unsupported);
  EXPECT_NE(log.error().message.find("version 7"), std::string::npos);
  EXPECT_NE(log.error().message.find(segment(1)), std::string::npos);

  set_bytes(segment(1), std::string(10'000, 'z'));
  log = Log::open(options_);
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, ErrorCode::Damaged);

  set_bytes(segment(1), whole);
  LogOptions other = options_;
  other.name = "result";
  log = Log::open(other);
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, ErrorCode::Damaged);
  EXPECT_NE(log.error().message.find("\"intake\""), std::string::npos);

  other.name = "a name that is far too long";
  EXPECT_EQ(Log::open(other).error().code, ErrorCode::Config);
  other = options_;
  other.segment_bytes = 100;
  EXPECT_EQ(Log::open(other).error().code, ErrorCode::Config);
  other = options_;
  other.directory = root_ + "/no/such/parent";
  EXPECT_EQ(Log::open(other).error().code, ErrorCode::Io);
}

TEST_F(LogTest, RemovesWholeOldSegmentsUnderAReader) {
  options_.segment_bytes = 8 << 10;
  const auto log = open();
  for (int i = 1; i <= 100; ++i) append(*log, fmt::format("{}", i) + std::string(500, '.'));
  const auto reader = log->reader(1);
  std::vector<LogRecord> records;
  ASSERT_TRUE(reader->read(3, 1 << 20, records));
  const uint64_t bytes = log->statistics().bytes;
  ASSERT_TRUE(log->remove_below(50));
  const uint64_t first = log->statistics().first;
  EXPECT_GT(first, 40U);
  EXPECT_LE(first, 50U);
  EXPECT_LT(log->statistics().bytes, bytes);
  ASSERT_TRUE(reader->read(1000, 1 << 20, records));
  EXPECT_EQ(records[3].sequence, first);
  EXPECT_EQ(records.size(), 3 + 100 - first + 1);
  EXPECT_EQ(read_all(*log).front().sequence, first);
  ASSERT_TRUE(log->remove_below(1'000'000));
  EXPECT_LE(log->statistics().first, 100U);
  EXPECT_EQ(read_all(*log).back().sequence, 100U);
}

TEST_F(LogTest, KeepsItsSequenceWhenEverythingOldIsRemoved) {
  options_.segment_bytes = 8 << 10;
  {
    const auto log = open();
    for (int i = 1; i <= 50; ++i) append(*log, std::string(900, 'x'));
    ASSERT_TRUE(log->remove_below(51));
  }
  const auto log = open();
  EXPECT_EQ(log->next(), 51U);
  EXPECT_GT(log->statistics().first, 1U);
  EXPECT_EQ(read_all(*log).front().sequence, log->statistics().first);
}

TEST_F(LogTest, RaisesTheEpochOnlyAfterAnUncleanStartWithoutASync) {
  options_.durability = Durability::Interval;
  {
    const auto log = open();
    EXPECT_EQ(log->statistics().epoch, 1U);
    append(*log, "x");
    copy_to(root_ + "/crashed");
  }
  EXPECT_EQ(open()->statistics().epoch, 1U);
  options_.directory = root_ + "/crashed";
  {
    const auto log = open();
    EXPECT_EQ(log->statistics().epoch, 2U);
    EXPECT_EQ(log->statistics().epoch_first, 2U);
    EXPECT_EQ(read_all(*log).size(), 1U);
    append(*log, "y");
  }
  EXPECT_EQ(open()->statistics().epoch, 2U);
  EXPECT_EQ(open()->statistics().epoch_first, 2U);

  options_.durability = Durability::Always;
  options_.directory = root_ + "/always";
  const auto log = open();
  append(*log, "x");
  copy_to(root_ + "/crashed-always");
  options_.directory = root_ + "/crashed-always";
  EXPECT_EQ(open()->statistics().epoch, 1U);
}

// As written before it told where the epoch began.
TEST_F(LogTest, GivesOutNoSequenceBelowTheLeastThatItIsTold) {
  {
    const auto log = open();
    ASSERT_TRUE(log->append("one"));
    ASSERT_TRUE(log->flush());
  }
  options_.next_min = 5;
  for (int round = 0; round < 2; ++round) {
    const auto log = open();
    if (round == 0) {
      EXPECT_EQ(log->durable(), 4U);
      EXPECT_EQ(log->append("five").value(), 5U);
    }
    ASSERT_TRUE(log->flush());
    std::vector<LogRecord> records;
    ASSERT_TRUE(log->reader(1)->read(10, 1000, records));
    ASSERT_EQ(records.size(), 5U);
    EXPECT_EQ(records[0].payload, "one");
    for (const size_t lost : {1, 2, 3}) EXPECT_TRUE(records[lost].damaged) << lost;
    EXPECT_EQ(records[4].payload, "five");
  }
}

TEST_F(LogTest, ReadsAShorterMark) {
  {
    const auto log = open();
    append(*log, "x");
    ASSERT_TRUE(log->append("y"));
  }
  const std::string mark = options_.directory + "/MARK";
  ASSERT_EQ(std::filesystem::file_size(mark), 64U);
  std::filesystem::resize_file(mark, 48);
  // That it is read shows by what it alone says: sequences that the segments no longer hold.
  std::filesystem::resize_file(segment(1), kSegmentHeaderBytes);
  {
    const auto log = open();
    EXPECT_EQ(log->next(), 3U);
    EXPECT_EQ(log->statistics().epoch_first, 1U);
    EXPECT_EQ(log->statistics().damaged_records, 2U);
  }
  EXPECT_EQ(std::filesystem::file_size(mark), 64U);
}

TEST_F(LogTest, SyncsAtTheIntervalOnly) {
  options_.durability = Durability::Interval;
  options_.sync_interval_ms = 20;
  const auto log = open();
  append(*log, "x");
  while (log->statistics().syncs == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  EXPECT_EQ(log->statistics().syncs, 1U);
  EXPECT_EQ(log->durable(), 1U);

  options_.durability = Durability::None;
  options_.directory = root_ + "/none";
  const auto none = open();
  append(*none, "x");
  EXPECT_EQ(none->statistics().syncs, 0U);
  EXPECT_EQ(read_all(*none).size(), 1U);
}

// A child appends and tells the durable sequences through a pipe until it is killed.
TEST_F(LogTest, LosesNothingReportedDurableToAKill) {
  options_.segment_bytes = 256 << 10;
  uint64_t reported = 0;
  for (int round = 0; round < 5; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::close(ends[0]);
      const auto log = Log::open(options_);
      if (!log) ::_exit(1);
      (*log)->on_durable([&](uint64_t durable) {
        if (::write(ends[1], &durable, sizeof durable) != sizeof durable) ::_exit(2);
      });
      for (;;) {
        const uint64_t next = (*log)->next();
        const auto sequence =
            (*log)->append(fmt::format("{}:{}", next, std::string(next % 3000, 'k')));
        if (!sequence && sequence.error().code != ErrorCode::Busy) ::_exit(3);
        if (!sequence) std::this_thread::yield();
      }
    }
    ::close(ends[1]);
    const uint64_t before = reported;
    const uint64_t enough = reported + 200 + static_cast<uint64_t>(round) * 117;
    while (reported < enough)
      ASSERT_EQ(::read(ends[0], &reported, sizeof reported), ssize_t{sizeof reported});
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    for (uint64_t last = 0; ::read(ends[0], &last, sizeof last) == sizeof last;) reported = last;
    ::close(ends[0]);
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status));

    const auto log = open();
    ASSERT_NE(log, nullptr);
    EXPECT_GE(log->durable(), reported);
    EXPECT_GT(reported, before);
    const auto records = read_all(*log);
    ASSERT_EQ(records.size(), log->durable());
    for (uint64_t i = 0; i < records.size(); ++i) {
      ASSERT_FALSE(records[i].damaged);
      ASSERT_TRUE(records[i].payload.starts_with(fmt::format("{}:", i + 1)));
    }
    reported = log->durable();
  }
}

}  // namespace
}  // namespace wiremill
