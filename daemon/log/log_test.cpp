// What the rooms above rely on: order, durability, readers, bounds. On the real file system.
#include "daemon/log/log.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <iterator>
#include <thread>

#include "daemon/log/log_test_fixture.hpp"

namespace wiremill {
namespace {

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

TEST_F(LogTest, TellsItsSegments) {
  options_.segment_bytes = 8 << 10;
  const auto log = open();
  EXPECT_EQ(log->statistics().segments, 1U);
  for (int i = 1; i <= 100; ++i) append(*log, std::string(500, '.'));
  const LogStatistics all = log->statistics();
  size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(options_.directory))
    files += entry.path().extension() == ".seg" ? 1 : 0;
  EXPECT_EQ(all.segments, files);
  EXPECT_TRUE(std::filesystem::exists(segment(all.newest_segment)));
  EXPECT_EQ(log->first_within(all.bytes), 1U);
  EXPECT_GT(log->first_within(all.bytes - 1), 1U);
  EXPECT_EQ(log->first_within(0), all.newest_segment);
  ASSERT_TRUE(log->remove_below(log->first_within(20'000)));
  EXPECT_LE(log->statistics().bytes, 20'000U);
  EXPECT_GT(log->statistics().bytes, 10'000U);
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

TEST_F(LogTest, SyncsWhatIsDurableWhenAskedTo) {
  options_.durability = Durability::None;
  const auto log = open();
  ASSERT_TRUE(log->sync());
  EXPECT_EQ(log->statistics().syncs, 0U);  // nothing to sync
  append(*log, "x");
  ASSERT_TRUE(log->sync());
  EXPECT_EQ(log->statistics().syncs, 1U);
  ASSERT_TRUE(log->sync());
  EXPECT_EQ(log->statistics().syncs, 1U);

  // By several threads, while others append.
  std::vector<std::thread> threads;
  for (int i = 0; i < 3; ++i)
    threads.emplace_back([&, i] {
      for (int step = 0; step < 100; ++step) {
        append(*log, "y");
        if (i == 0) {
          EXPECT_TRUE(log->sync());
        }
      }
    });
  for (std::thread& thread : threads) thread.join();
  const uint64_t syncs = log->statistics().syncs;
  EXPECT_LE(syncs, 101U);
  EXPECT_GT(syncs, 1U);

  options_.durability = Durability::Always;
  options_.directory = root_ + "/always";
  const auto always = open();
  append(*always, "x");
  ASSERT_TRUE(always->sync());
  EXPECT_EQ(always->statistics().syncs, 1U);
}

}  // namespace
}  // namespace wiremill
