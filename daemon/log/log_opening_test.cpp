// What a log makes of what it finds when it is opened: after a kill, after damage, in the folder of
// another, of an earlier or later program. On the real file system.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <thread>

#include "daemon/base/hash.hpp"
#include "daemon/log/log.hpp"
#include "daemon/log/log_test_fixture.hpp"
#include "daemon/log/mark.hpp"
#include "daemon/log/segment.hpp"

namespace wiremill {
namespace {

using LogOpening = LogTest;

TEST_F(LogOpening, ReportsTheMissingSequencesOfALostStretchAndGoesOnBehindIt) {
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

TEST_F(LogOpening, ServesTheFewRecordsBehindALongLostStretch) {
  constexpr uint64_t kSalt = 0x5a17;
  const std::vector<std::string> many(100, ""), one(1, "behind");
  std::string bytes =
      encode_segment_header({.name = options_.name, .first = 1, .epoch = 1, .salt = kSalt});
  const auto add_group = [&](uint64_t first, const std::vector<std::string>& payloads) {
    const auto offset = static_cast<int64_t>(bytes.size());
    std::string group(static_cast<size_t>(group_bytes(payloads)), '\0');
    encode_group(
        {.salt = kSalt, .offset = offset, .synced_before = offset, .epoch = 1, .first = first},
        payloads, group.data());
    bytes += group;
  };
  add_group(1, many);
  const size_t records = bytes.size() - 100 * kRecordHeaderBytes;
  add_group(101, one);
  std::fill_n(bytes.begin() + records + 5 * kRecordHeaderBytes, 93 * kRecordHeaderBytes, '\x5a');
  std::filesystem::create_directory(options_.directory);
  set_bytes(segment(1), bytes);

  const auto log = open();
  const auto found = read_all(*log);
  ASSERT_EQ(found.size(), 101U);
  EXPECT_EQ(damaged(found).size(), 93U);
  EXPECT_FALSE(found[4].damaged || found[98].damaged || found[99].damaged);
  EXPECT_EQ(found[100].payload, "behind");
}

// No writer promises an offset where no group can begin; the log would go on there.
TEST_F(LogOpening, TakesAHeaderWithAnImpossiblePromiseForNone) {
  constexpr uint64_t kSalt = 0x5a17;
  const std::vector<std::string> payloads(1, "damaged");
  std::string group(static_cast<size_t>(group_bytes(payloads)), '\0');
  encode_group({.salt = kSalt,
                .offset = kSegmentHeaderBytes,
                .synced_before = kSegmentHeaderBytes + kGroupHeaderBytes + 3,
                .epoch = 1,
                .first = 1},
               payloads, group.data());
  group[kGroupHeaderBytes + kRecordHeaderBytes] ^= 1;
  std::filesystem::create_directory(options_.directory);
  set_bytes(segment(1),
            encode_segment_header({.name = options_.name, .first = 1, .epoch = 1, .salt = kSalt}) +
                group + std::string(4096, '\0'));
  append(*open(), "more");
  const auto records = read_all(*open());
  ASSERT_FALSE(records.empty());
  EXPECT_EQ(records.back().payload, "more");
}

TEST_F(LogOpening, ReadsAnOlderSegmentWithoutItsHeader) {
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

TEST_F(LogOpening, RemakesANewestSegmentThatWasLeftHalfMade) {
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

TEST_F(LogOpening, RefusesALockedDirectory) {
  const auto log = open();
  const auto second = Log::open(options_);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::Locked);
  EXPECT_NE(second.error().message.find(options_.directory), std::string::npos);
}

TEST_F(LogOpening, RefusesWhatItCannotRead) {
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

TEST_F(LogOpening, KeepsItsSequenceWhenEverythingOldIsRemoved) {
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

TEST_F(LogOpening, RaisesTheEpochOnlyAfterAnUncleanStartWithoutASync) {
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

TEST_F(LogOpening, GivesOutNoSequenceBelowTheLeastThatItIsTold) {
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

// The group header alone names the first sequence; its records name theirs.
TEST_F(LogOpening, ServesRecordsBehindSkippedSequencesAndALostGroupHeader) {
  append(*open(), "one");
  options_.next_min = 500;
  const auto second_group =
      kSegmentHeaderBytes + static_cast<int64_t>(group_bytes(std::vector<std::string>{"one"}));
  append(*open(), "five hundred");
  std::string bytes = bytes_of(segment(1));
  bytes.at(static_cast<size_t>(second_group) + 8) ^= 1;
  set_bytes(segment(1), bytes);
  for (int round = 0; round < 2; ++round) {
    const auto log = open();
    const std::vector<LogRecord> records = read_all(*log);
    ASSERT_EQ(records.size(), 500U + static_cast<size_t>(round));
    EXPECT_EQ(records[499].payload, "five hundred") << round;
    EXPECT_EQ(damaged(records).size(), 498U);
    append(*log, "more");
  }
}

// As written before it told where the epoch began.
TEST_F(LogOpening, ReadsAShorterMark) {
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

TEST_F(LogOpening, AMarkWhoseEndIsNoPlaceOfARecordCountsAsNone) {
  FileSystem& files = real_file_system();
  ASSERT_TRUE(files.make_directory(options_.directory));
  const auto read_back = [&](int64_t end) {
    EXPECT_TRUE(write_mark(files, options_.directory, {.clean = true, .next = 9, .end = end}));
    return read_mark(files, options_.directory).value();
  };
  ASSERT_TRUE(read_back(4096));
  EXPECT_EQ(read_back(4096)->end, 4096);
  EXPECT_EQ(read_back(0)->next, 9U);
  for (const int64_t end : {4095, 4100, 1, -8, -1}) EXPECT_FALSE(read_back(end)) << end;
}

// A child appends and tells the durable sequences through a pipe until it is killed.
TEST_F(LogOpening, LosesNothingReportedDurableToAKill) {
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
