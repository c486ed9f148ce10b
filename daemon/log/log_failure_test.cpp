// The log where writes and syncs fail, the disk is full, or the process was killed: groups that are
// written again elsewhere, records that wait for space, and what an idle log leaves behind.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <map>
#include <random>
#include <thread>

#include "daemon/log/log.hpp"
#include "daemon/log/memory_file_system.hpp"
#include "daemon/log/segment.hpp"

namespace wiremill {
namespace {

using Kind = MemoryFileSystem::Kind;
using namespace std::chrono_literals;

class LogFailure : public testing::Test {
 protected:
  LogFailure() { options_ = options_on(files_); }

  static LogOptions options_on(MemoryFileSystem& files) {
    LogOptions options;
    options.directory = "/log";
    options.name = "intake";
    options.segment_bytes = 16 << 10;
    options.files = &files;
    return options;
  }

  std::unique_ptr<Log> open() { return Log::open(options_).value(); }

  static std::string segment(uint64_t first) { return "/log/" + segment_file_name(first); }

  static std::vector<LogRecord> read_all(const Log& log) {
    std::vector<LogRecord> records;
    EXPECT_TRUE(log.reader(1)->read(1 << 20, 1 << 30, records));
    return records;
  }

  static void append(Log& log, std::string payload) {
    ASSERT_TRUE(log.append(std::move(payload)));
    const Status flushed = log.flush();
    ASSERT_TRUE(flushed) << flushed.error().message;
  }

  static Status io_error() { return fail(ErrorCode::Io, "cannot write: Input/output error"); }
  static Status no_space() { return fail(ErrorCode::NoSpace, "cannot write: No space left"); }

  template <class Condition>
  static void wait_until(Condition condition) {
    while (!condition()) std::this_thread::sleep_for(1ms);
  }

  // Lets the next `count` operations of that kind that begin now fail.
  void fail_next(Kind kind, int count, Status (*error)()) {
    left_ = count;
    files_.set_gate([this, kind, error](Kind which, const std::string&) -> Status {
      return which == kind && left_-- > 0 ? error() : Status{};
    });
  }

  MemoryFileSystem files_;
  LogOptions options_;
  std::atomic<int> left_ = 0;
  uint64_t rewritten_ = 0;
};

TEST_F(LogFailure, WritesAFailedGroupToANewSegmentAndCutsTheOldOne) {
  for (const Kind kind : {Kind::Write, Kind::Sync}) {
    options_.directory = kind == Kind::Write ? "/write" : "/sync";
    {
      const auto log = open();
      append(*log, "one");
      append(*log, "two");
      // The idle writer's own write is not the one to fail.
      wait_until([&] {
        const size_t end = kSegmentHeaderBytes + 2 * (kGroupHeaderBytes + record_bytes(3));
        return files_.contents(options_.directory + "/00000000000000000001.seg")[end] != '\0';
      });
      fail_next(kind, 1, io_error);
      append(*log, "three");
      append(*log, "four");
      EXPECT_EQ(log->statistics().rewritten_groups, 1U);
      EXPECT_EQ(log->statistics().segments, 2U);
      EXPECT_TRUE(log->health());
      EXPECT_EQ(read_all(*log).size(), 4U);
    }
    EXPECT_EQ(files_.contents(options_.directory + "/00000000000000000001.seg").size(),
              kSegmentHeaderBytes + 2 * (kGroupHeaderBytes + record_bytes(3)));
    const auto log = open();
    EXPECT_EQ(log->next(), 5U);
    const auto records = read_all(*log);
    ASSERT_EQ(records.size(), 4U);
    EXPECT_EQ(records[2].payload, "three");
    EXPECT_EQ(log->statistics().damaged_records, 0U);
  }
}

TEST_F(LogFailure, WritesTheFirstGroupOfASegmentAgainUnderTheSameName) {
  const auto log = open();
  fail_next(Kind::Sync, 1, io_error);
  append(*log, "one");
  EXPECT_EQ(log->statistics().segments, 1U);
  EXPECT_EQ(log->statistics().rewritten_groups, 1U);
  EXPECT_EQ(read_all(*log).size(), 1U);
}

TEST_F(LogFailure, IsReadOnlyWhenTheSecondWriteFailsToo) {
  const auto log = open();
  append(*log, "one");
  fail_next(Kind::Sync, 2, io_error);
  ASSERT_TRUE(log->append("two"));
  EXPECT_EQ(log->flush().error().code, ErrorCode::Io);
  EXPECT_EQ(log->health().error().code, ErrorCode::Io);
  EXPECT_EQ(log->append("three").error().code, ErrorCode::Io);
  EXPECT_NE(log->health().error().message.find("read-only"), std::string::npos);
  EXPECT_EQ(log->durable(), 1U);
  EXPECT_EQ(log->statistics().rewritten_groups, 0U);
}

// What was shown before it was synced is in nobody's hands any more.
TEST_F(LogFailure, IsReadOnlyWhenASyncOfShownRecordsFails) {
  options_.durability = Durability::Interval;
  options_.sync_interval_ms = 1;
  const auto log = open();
  fail_next(Kind::Sync, 1, no_space);
  append(*log, "one");
  wait_until([&] { return !log->health(); });
  EXPECT_EQ(log->health().error().code, ErrorCode::Io);
  EXPECT_EQ(read_all(*log).size(), 1U);
}

// No sync of a file is ever followed by another of the same bytes: the file that failed is cut, and
// never written or synced again.
TEST_F(LogFailure, NeverSyncsAgainWhatFailedToSync) {
  std::atomic<bool> failed = false;
  std::atomic<int> made = 0, headers = 0;
  const auto log = open();
  append(*log, "one");
  files_.set_gate([&](Kind kind, const std::string& path) -> Status {
    // A memory file keeps the name under which it was made.
    if (kind == Kind::Open && path.ends_with("next.tmp")) ++made;
    if (kind != Kind::Sync || !path.ends_with("next.tmp")) return {};
    if (!failed.exchange(true)) return io_error();
    ++headers;
    return {};
  });
  append(*log, "two");
  EXPECT_EQ(made, 1);
  EXPECT_EQ(headers, 3);  // of the new file: its zeros, its header, the group
}

TEST_F(LogFailure, WaitsForSpaceAndGoesOnByItself) {
  options_.queue_bytes_max = 4000;
  std::vector<uint64_t> told;
  std::atomic<uint64_t> last_told = 0;
  const auto log = open();
  log->on_durable([&](uint64_t durable) {
    told.push_back(durable);
    last_told = durable;
  });
  append(*log, std::string(1000, '1'));
  std::atomic<bool> full = true;
  files_.set_gate([&](Kind kind, const std::string&) -> Status {
    return full && (kind == Kind::Write || kind == Kind::Resize) ? no_space() : Status{};
  });
  ASSERT_TRUE(log->append(std::string(1000, '2')));
  EXPECT_EQ(log->flush().error().code, ErrorCode::NoSpace);
  EXPECT_EQ(log->health().error().code, ErrorCode::NoSpace);
  // It goes on taking what fits into the queue.
  ASSERT_TRUE(log->append(std::string(1000, '3')));
  ASSERT_TRUE(log->append(std::string(1000, '4')));
  EXPECT_EQ(log->append(std::string(1000, '5')).error().code, ErrorCode::Busy);
  EXPECT_EQ(log->durable(), 1U);
  EXPECT_EQ(read_all(*log).size(), 1U);
  const auto names = files_.list("/log");
  for (const std::string& name : *names) EXPECT_FALSE(name.ends_with(".tmp")) << name;

  full = false;
  wait_until([&] { return last_told == 4; });
  EXPECT_TRUE(log->health());
  EXPECT_TRUE(log->flush());
  EXPECT_EQ(read_all(*log).size(), 4U);
  EXPECT_EQ(log->statistics().rewritten_groups, 1U);
  log->on_durable({});
  EXPECT_EQ(told, (std::vector<uint64_t>{1, 2, 4}));
}

TEST_F(LogFailure, WaitsForASlowDiskNoLongerThanAsked) {
  const auto log = open();
  EXPECT_TRUE(log->flush_within(0ms));
  std::atomic<bool> stuck = true;
  files_.set_gate([&](Kind kind, const std::string&) -> Status {
    if (kind == Kind::Sync) wait_until([&] { return !stuck; });
    return {};
  });
  ASSERT_TRUE(log->append("on its way"));
  EXPECT_FALSE(log->flush_within(5ms));
  stuck = false;
  EXPECT_TRUE(log->flush_within(1h));
  EXPECT_EQ(log->durable(), 1U);
}

TEST_F(LogFailure, EndsOnAFullDiskWithoutWaiting) {
  {
    const auto log = open();
    append(*log, "kept");
    files_.set_gate([](Kind kind, const std::string&) -> Status {
      return kind == Kind::Write || kind == Kind::Resize ? no_space() : Status{};
    });
    ASSERT_TRUE(log->append("never acknowledged"));
    EXPECT_EQ(log->flush().error().code, ErrorCode::NoSpace);
  }
  files_.set_gate({});
  // What the full disk took of the second group may be all of it, and then counts, or a part, and
  // then is cut.
  const auto log = open();
  EXPECT_EQ(log->statistics().damaged_records, 0U);
  const auto records = read_all(*log);
  ASSERT_GE(records.size(), 1U);
  ASSERT_LE(records.size(), 2U);
  EXPECT_EQ(records.front().payload, "kept");
  EXPECT_EQ(records.back().payload, records.size() == 1 ? "kept" : "never acknowledged");
}

TEST_F(LogFailure, MakesTheNextSegmentWhenThePreparedOneFailed) {
  const auto log = open();
  std::atomic<int> refused = 0;
  files_.set_gate([&](Kind kind, const std::string& path) -> Status {
    return kind == Kind::Resize && path.ends_with("next.tmp") && refused++ == 0 ? no_space()
                                                                                : Status{};
  });
  for (uint64_t i = 1; i <= 40; ++i) {
    ASSERT_TRUE(log->append(std::string(1000, 'x')));
    wait_until([&] { return log->durable() == i; });
  }
  EXPECT_GT(refused, 2);
}

// Every image of a run whose writes, syncs and segments fail now and then holds what was
// acknowledged, and no unacknowledged group of a cut segment comes back behind another's sequence.
TEST_F(LogFailure, LosesNothingToAPowerCutWhileGroupsAreWrittenAgain) {
  std::mt19937_64 random(17);
  for (int run = 0; run < 20; ++run) {
    MemoryFileSystem files;
    std::map<size_t, uint64_t> acknowledged;  // operations by then
    uint64_t appended = 0;
    uint64_t rewritten = 0;
    {
      const auto log = Log::open(options_on(files)).value();
      const uint64_t seed = random();
      std::atomic<uint64_t> calls = 0;
      std::atomic<bool> quiet = false;
      files.set_gate([&](Kind kind, const std::string&) -> Status {
        // The maker's own thread is left in peace, and the second write of a group.
        if (kind == Kind::Resize || kind == Kind::Open || kind == Kind::Remove) return {};
        if (std::mt19937_64(seed + calls++)() % 25 != 0 || quiet.exchange(true)) return {};
        return io_error();
      });
      log->on_durable([&](uint64_t durable) {
        acknowledged[files.operations()] = durable;
        quiet = false;
      });
      for (int i = 0; i < 60; ++i) {
        if (const auto sequence = log->append(std::to_string(i + 1) + std::string(500, '.')))
          appended = *sequence;
        if (!log->flush()) break;
      }
      rewritten = log->statistics().rewritten_groups;
    }
    for (int i = 0; i < 40; ++i) {
      const size_t operations = random() % (files.operations() + 1);
      uint64_t durable = 0;
      for (const auto& [by, sequence] : acknowledged)
        if (by <= operations) durable = sequence;
      const auto image = files.power_cut(operations, random);
      const auto log = Log::open(options_on(*image)).value();
      ASSERT_GE(log->durable(), durable);
      ASSERT_LE(log->durable(), appended);
      const auto records = read_all(*log);
      ASSERT_EQ(records.size(), log->durable());
      for (const LogRecord& record : records) {
        ASSERT_FALSE(record.damaged) << record.sequence;
        ASSERT_TRUE(record.payload.starts_with(std::to_string(record.sequence) + '.'));
      }
    }
    rewritten_ += rewritten;
  }
  EXPECT_GT(rewritten_, 10U);
}

class LogVouch : public LogFailure {
 protected:
  static constexpr size_t kGroupBytes = kGroupHeaderBytes + record_bytes(7);
  static constexpr size_t kEnd = kSegmentHeaderBytes + 3 * kGroupBytes;

  // Three groups of one record, the last on the medium, and the log idle.
  void leave_idle() {
    const auto log = open();
    for (const char* payload : {"group 1", "group 2", "group 3"}) append(*log, payload);
    wait_until([&] { return files_.contents(segment(1))[kEnd] != '\0'; });
    segment_ = files_.contents(segment(1));
    mark_ = files_.contents("/log/MARK");
  }

  // Opens what kill -9 would have left with those bytes.
  std::unique_ptr<Log> open_with(const std::string& bytes) {
    files_.set_contents(segment(1), bytes);
    files_.set_contents("/log/MARK", mark_);
    return open();
  }

  std::string segment_, mark_;
};

TEST_F(LogVouch, TellsDamageOfTheLastGroupAfterAKill) {
  leave_idle();
  for (size_t at = kEnd - kGroupBytes; at < kEnd; ++at) {
    std::string flipped = segment_;
    flipped[at] ^= 1;
    const auto log = open_with(flipped);
    ASSERT_EQ(log->next(), 4U) << at;
    ASSERT_EQ(log->statistics().torn_bytes, 0U) << at;
    const auto records = read_all(*log);
    ASSERT_EQ(records.size(), 3U);
    const bool payload_or_header =
        at >= kEnd - kGroupBytes + kGroupHeaderBytes && at < kEnd - 1;  // one byte is padding
    ASSERT_EQ(records[2].damaged, payload_or_header) << at;
    append(*log, "group 4");
    ASSERT_EQ(read_all(*log).back().payload, "group 4");
  }
}

// Also the next start, and the one after it, know: the empty group stays where it is.
TEST_F(LogVouch, GoesOnVouchingOverStarts) {
  leave_idle();
  std::string bytes = segment_;
  for (int start = 0; start < 3; ++start) {
    const auto log = open_with(bytes);
    ASSERT_EQ(log->statistics().torn_bytes, 0U);
    bytes = files_.contents(segment(1));
    ASSERT_EQ(bytes[kEnd], 'W');
  }
}

// A power cut leaves any sectors of the group that overwrites the empty one, in any order.
TEST_F(LogVouch, NeverMakesATornTailIntoDamage) {
  leave_idle();
  std::string next;
  {
    const auto log = open_with(segment_);
    append(*log, std::string(1500, 'n'));
    next = files_.contents(segment(1));
  }
  const size_t next_end = kEnd + kGroupHeaderBytes + record_bytes(1500);
  std::fill(next.begin() + next_end, next.end(), '\0');
  // Every prefix of it.
  for (size_t cut = kEnd; cut < next_end; cut += cut < kEnd + 128 ? 1 : 37) {
    const auto log = open_with(next.substr(0, cut) + segment_.substr(cut));
    ASSERT_EQ(log->next(), 4U) << cut;
    ASSERT_EQ(log->statistics().damaged_records, 0U) << cut;
    append(*log, "another 4");
    const auto records = read_all(*log);
    ASSERT_EQ(records.size(), 4U) << cut;
    ASSERT_EQ(records.back().payload, "another 4");
    ASSERT_EQ(log->statistics().damaged_records, 0U) << cut;
  }
  // Every subset of its pieces, as if the disk's sectors lay anywhere.
  for (const size_t sector : {24U, 64U, 512U}) {
    const size_t sectors = (next_end - kEnd) / sector + 1;
    std::mt19937_64 random(3);
    for (int round = 0; round < 100; ++round) {
      std::string mixed = segment_;
      size_t kept = 0;
      for (size_t i = 0; i < sectors; ++i) {
        const size_t begin = kEnd + i * sector, bytes = std::min(sector, next_end - begin);
        if (random() % 2 == 0) continue;
        mixed.replace(begin, bytes, next, begin, bytes);
        ++kept;
      }
      const auto log = open_with(mixed);
      ASSERT_EQ(log->next(), kept == sectors ? 5U : 4U);
      ASSERT_EQ(log->statistics().damaged_records, 0U);
      ASSERT_EQ(read_all(*log).size(), log->durable());
    }
  }
}

// A program before this one took an empty group for a group like others and wrote on behind it.
TEST_F(LogVouch, ReadsOnBehindAnEmptyGroupThatALaterOneKnowsOf) {
  leave_idle();
  std::string bytes = segment_;
  GroupHeader header =
      *decode_group_header(std::string_view(bytes).substr(kEnd, kGroupHeaderBytes), kEnd);
  ASSERT_EQ(header.count, 0U);
  ASSERT_EQ(header.first, 4U);
  header.offset += kGroupHeaderBytes;
  header.synced_before = header.offset;
  const std::vector<std::string> payloads = {"group 4"};
  std::string group(static_cast<size_t>(group_bytes(payloads)), '\0');
  encode_group(header, payloads, group.data());
  bytes.replace(static_cast<size_t>(header.offset), group.size(), group);
  const auto log = open_with(bytes);
  EXPECT_EQ(log->next(), 5U);
  EXPECT_EQ(read_all(*log).back().payload, "group 4");
  append(*log, "group 5");
  EXPECT_EQ(read_all(*log).size(), 5U);
  EXPECT_EQ(log->statistics().damaged_records, 0U);
}

// Only an idle log writes it.
TEST_F(LogVouch, CostsNothingUnderLoad) {
  std::atomic<int> writes = 0;
  const auto log = open();
  files_.set_gate([&](Kind kind, const std::string& path) -> Status {
    if (kind == Kind::Write && path.ends_with("next.tmp")) ++writes;
    // While it syncs, more is queued.
    if (kind == Kind::Sync && log->next() < 21) {
      EXPECT_TRUE(log->append("more"));
    }
    return {};
  });
  ASSERT_TRUE(log->append("first"));
  wait_until([&] { return log->durable() == 20; });
  EXPECT_EQ(log->statistics().groups, 20U);
  wait_until([&] { return writes == 21; });
  ASSERT_TRUE(log->flush());
}

}  // namespace
}  // namespace wiremill
