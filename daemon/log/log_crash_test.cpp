// The log on a disk that fails or loses power (daemon/log/memory_file_system.hpp). One run is
// recorded; every image taken of it must open with all that was acknowledged by then and nothing
// that was not appended.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <map>
#include <mutex>
#include <random>

#include "daemon/log/log.hpp"
#include "daemon/log/log_test_data.hpp"
#include "daemon/log/memory_file_system.hpp"
#include "daemon/log/segment.hpp"

namespace wiremill {
namespace {

using Kind = MemoryFileSystem::Kind;

struct Acknowledged {
  size_t operations;  // by then …
  uint64_t durable;   // … this was reported
};

// Appends in bursts, reopens and removes old segments now and then.
std::vector<Acknowledged> record_run(MemoryFileSystem& files, Durability durability,
                                     std::mt19937_64& random) {
  std::vector<Acknowledged> acknowledged;
  for (int opening = 0; opening < 3; ++opening) {
    const auto log = Log::open(log_options_on(files, durability)).value();
    log->on_durable([&](uint64_t durable) {
      acknowledged.push_back({files.operations(), durable});
    });
    for (int burst = 0; burst < 30; ++burst) {
      for (size_t i = 1 + random() % 5; i > 0; --i)
        EXPECT_TRUE(log->append(log_payload(log->next())));
      EXPECT_TRUE(log->flush());
      if (random() % 20 == 0) {
        EXPECT_TRUE(log->remove_below(log->durable() / 2));
      }
    }
  }
  return acknowledged;
}

// Opens the image, checks all it holds, appends, and answers what is durable then.
uint64_t check_image(MemoryFileSystem& image, Durability durability, uint64_t acknowledged,
                     uint64_t appended) {
  auto opened = Log::open(log_options_on(image, durability));
  EXPECT_TRUE(opened) << opened.error().message;
  if (!opened) return 0;
  Log& log = **opened;
  if (durability == Durability::Always) {
    EXPECT_GE(log.durable(), acknowledged);
  }
  EXPECT_LE(log.durable(), appended);
  const uint64_t recovered = log.durable();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(log.append(log_payload(log.next())));
  EXPECT_TRUE(log.flush());

  std::vector<LogRecord> records;
  EXPECT_TRUE(log.reader(1)->read(1 << 20, 1 << 30, records));
  uint64_t expected = log.statistics().first;
  for (const LogRecord& record : records) {
    EXPECT_EQ(record.sequence, expected++);
    EXPECT_FALSE(record.damaged) << record.sequence << " of " << recovered;
    EXPECT_TRUE(record.payload == log_payload(record.sequence)) << record.sequence;
  }
  EXPECT_EQ(expected, log.next());
  return log.durable();
}

uint64_t durable_at(const std::vector<Acknowledged>& acknowledged, size_t operations) {
  uint64_t durable = 0;
  for (const Acknowledged& at : acknowledged)
    if (at.operations <= operations) durable = at.durable;
  return durable;
}

void cut_power(Durability durability, int runs, int images_per_run) {
  std::mt19937_64 random(4711);
  for (int run = 0; run < runs; ++run) {
    MemoryFileSystem files;
    const auto acknowledged = record_run(files, durability, random);
    const uint64_t appended = acknowledged.back().durable;
    for (int i = 0; i < images_per_run && !testing::Test::HasFailure(); ++i) {
      const size_t operations = random() % (files.operations() + 1);
      const uint64_t durable = durable_at(acknowledged, operations);
      const auto image = files.power_cut(operations, random);
      SCOPED_TRACE(fmt::format("run {}, power cut after operation {}", run, operations));
      const size_t restart = image->operations();
      const uint64_t went_on = check_image(*image, durability, durable, appended);
      // The power fails once more, during or after the recovery.
      const auto again =
          image->power_cut(restart + random() % (image->operations() - restart + 1), random);
      check_image(*again, durability, 0, std::max(went_on, appended));
    }
  }
}

TEST(LogPowerCut, LosesNothingAcknowledged) { cut_power(Durability::Always, 20, 100); }
TEST(LogPowerCut, StaysWholeWithSyncsByInterval) { cut_power(Durability::Interval, 5, 100); }
TEST(LogPowerCut, StaysWholeWithoutSyncs) { cut_power(Durability::None, 5, 100); }

// Not by chance: a whole run, and of each group that is not synced yet every sector.
// WIREMILL_TORN_RUNS: how many runs.
TEST(LogPowerCut, LosesNothingWhereverTheTailIsTorn) {
  uint64_t tails = 0, images = 0;
  for (uint64_t run = 0; run < test_length("WIREMILL_TORN_RUNS", 1); ++run) {
    std::mt19937_64 random(run + 1);
    MemoryFileSystem files;
    const auto acknowledged = record_run(files, Durability::Always, random);
    MemoryFileSystem::Disk disk(files);
    std::map<std::string, size_t> before;
    for (size_t operations = 0; operations <= files.operations(); ++operations) {
      disk.advance(operations, random);
      const auto unsynced = disk.unsynced_sectors();
      for (const auto& [path, sectors] : unsynced) {
        if (!path.ends_with(".seg") || (before.contains(path) && before.at(path) == sectors))
          continue;
        ++tails;
        SCOPED_TRACE(fmt::format("run {}, {} torn after operation {}", run, path, operations));
        disk.tear(path, random, [&](MemoryFileSystem& image) {
          if (HasFailure()) return;
          ++images;
          check_image(image, Durability::Always, durable_at(acknowledged, operations),
                      acknowledged.back().durable);
        });
      }
      before = unsynced;
    }
  }
  fmt::print("torn tails: {} tails, {} images, {}\n", tails, images,
             HasFailure() ? "FAILED" : "0 lost, 0 invented");
  EXPECT_GT(tails, 60U);
}

// The checker itself can fail: a disk that only pretends to sync loses acknowledged records.
TEST(LogPowerCut, TheModelSeesAMissingSync) {
  std::mt19937_64 random(1);
  MemoryFileSystem files;
  const auto acknowledged = record_run(files, Durability::None, random);
  int lost = 0;
  for (int i = 0; i < 50; ++i) {
    const Acknowledged& at = acknowledged[random() % acknowledged.size()];
    const auto image = files.power_cut(at.operations, random);
    const auto log = Log::open(log_options_on(*image)).value();
    lost += log->durable() < at.durable ? 1 : 0;
  }
  EXPECT_GT(lost, 10);
}

class LogTamper : public testing::Test {
 protected:
  static constexpr char kSegment[] = "/log/00000000000000000001.seg";
  static constexpr char kMark[] = "/log/MARK";

  std::unique_ptr<Log> open() { return Log::open(log_options_on(files_)).value(); }

  static std::vector<LogRecord> read_all(const Log& log) {
    std::vector<LogRecord> records;
    EXPECT_TRUE(log.reader(1)->read(1000, 1 << 20, records));
    return records;
  }

  MemoryFileSystem files_;
};

TEST_F(LogTamper, CutsATornTailAtEveryByte) {
  std::string after, mark;
  {
    const auto log = open();
    for (const char* payload : {"one", "two", "three: the group that is torn"}) {
      ASSERT_TRUE(log->append(payload));
      ASSERT_TRUE(log->flush());
    }
    after = files_.contents(kSegment);
    mark = files_.contents(kMark);  // not clean: as a crash leaves it
  }
  constexpr size_t begin = kSegmentHeaderBytes + 2 * (kGroupHeaderBytes + record_bytes(3));
  constexpr size_t end = begin + kGroupHeaderBytes + kRecordHeaderBytes + 29;
  for (size_t cut = begin; cut < end; ++cut) {
    files_.set_contents(kSegment, after.substr(0, cut) + std::string(after.size() - cut, '\0'));
    files_.set_contents(kMark, mark);
    const auto log = open();
    ASSERT_EQ(log->durable(), 2U) << cut;
    ASSERT_EQ(log->statistics().torn_bytes > 0, cut > begin);
    ASSERT_LE(log->statistics().torn_bytes, cut - begin);
    ASSERT_EQ(log->append("other").value(), 3U);
    ASSERT_TRUE(log->flush());
    const auto records = read_all(*log);
    ASSERT_EQ(records.size(), 3U) << cut;
    ASSERT_EQ(records[2].payload, "other");
    ASSERT_EQ(log->statistics().damaged_records, 0U);
  }
}

TEST_F(LogTamper, ReportsExactlyTheDamagedRecordAndServesTheRest) {
  const auto payload = [](uint64_t sequence) { return fmt::format("payload {:06}", sequence); };
  {
    const auto log = open();
    for (int group = 0; group < 5; ++group) {
      for (int i = 0; i < 4; ++i) ASSERT_TRUE(log->append(payload(log->next())));
      ASSERT_TRUE(log->flush());
    }
  }
  const std::string whole = files_.contents(kSegment);
  const std::string mark = files_.contents(kMark);
  const size_t end = whole.find_last_not_of('\0') + 1;
  int damaged = 0;
  for (size_t at = 0; at < end; ++at) {
    std::string flipped = whole;
    flipped[at] = static_cast<char>(flipped[at] ^ (1 << (at % 8)));
    files_.set_contents(kSegment, flipped);
    files_.set_contents(kMark, mark);
    const auto log = open();
    ASSERT_EQ(log->next(), 21U) << at;
    const auto records = read_all(*log);
    ASSERT_EQ(records.size(), 20U) << at;
    // A flip hits one record at most: headers of groups and of the segment cost nothing.
    size_t hit = 0;
    for (const LogRecord& record : records) {
      hit += record.damaged ? 1 : 0;
      ASSERT_EQ(record.payload, record.damaged ? "" : payload(record.sequence)) << at;
    }
    ASSERT_LE(hit, 1U) << at;
    ASSERT_EQ(log->statistics().damaged_records, hit) << at;
    damaged += static_cast<int>(hit);
  }
  EXPECT_EQ(damaged, 20 * (16 + 14));  // each bit of a record's header and payload
}

// After a power cut neither MARK nor an empty group vouches: only what later groups say was synced
// keeps them from being cut together with a damaged one before them.
TEST_F(LogTamper, TellsDamageFromATornTailAlsoAfterAPowerCut) {
  std::string bytes, mark;
  {
    const auto log = open();
    for (int i = 0; i < 5; ++i) {
      ASSERT_TRUE(log->append("payload"));
      ASSERT_TRUE(log->flush());
    }
    bytes = files_.contents(kSegment);
    mark = files_.contents(kMark);
  }
  constexpr size_t kGroupBytes = kGroupHeaderBytes + record_bytes(7);
  std::fill(bytes.begin() + kSegmentHeaderBytes + 5 * kGroupBytes, bytes.end(), '\0');
  for (size_t group = 0; group < 5; ++group) {
    std::string flipped = bytes;
    flipped[kSegmentHeaderBytes + group * kGroupBytes + kGroupHeaderBytes + kRecordHeaderBytes] ^=
        1;
    files_.set_contents(kSegment, flipped);
    files_.set_contents(kMark, mark);
    const auto log = open();
    const auto records = read_all(*log);
    const bool torn = group == 4;  // nothing after the last group vouches for it
    ASSERT_EQ(records.size(), torn ? 4U : 5U);
    for (const LogRecord& record : records) EXPECT_EQ(record.damaged, record.sequence == group + 1);
    EXPECT_EQ(log->statistics().damaged_records, torn ? 0U : 1U);
    EXPECT_EQ(log->statistics().torn_bytes > 0, torn);
  }
}

// Documents may contain anything, also what looks like a piece of this very log.
TEST_F(LogTamper, IsNotFooledByPayloadsThatHoldPiecesOfALog) {
  {
    const auto log = open();
    ASSERT_TRUE(log->append("a"));
    ASSERT_TRUE(log->flush());
  }
  const std::string piece = files_.contents(kSegment).substr(kSegmentHeaderBytes, 88);
  MemoryFileSystem files;
  {
    const auto log = Log::open(log_options_on(files)).value();
    for (int i = 0; i < 5; ++i) {
      ASSERT_TRUE(log->append(piece + piece));
      ASSERT_TRUE(log->flush());
    }
  }
  std::string bytes = files.contents(kSegment);
  bytes[kSegmentHeaderBytes + 256 + kGroupHeaderBytes] ^= 1;  // the second record's header
  files.set_contents(kSegment, bytes);
  const auto log = Log::open(log_options_on(files)).value();
  const auto records = read_all(*log);
  ASSERT_EQ(records.size(), 5U);
  for (const LogRecord& record : records) EXPECT_EQ(record.damaged, record.sequence == 2);
}

TEST_F(LogTamper, OpensWhateverIsCutOrFlippedAndInventsNothing) {
  std::mt19937_64 random(99);
  record_run(files_, Durability::Always, random);
  auto names = files_.list("/log").value();
  std::erase_if(names, [](const std::string& name) { return name == "LOCK"; });
  for (int i = 0; i < 1000 && !HasFailure(); ++i) {
    const auto image = files_.power_cut(files_.operations(), random);
    const std::string path = "/log/" + names[random() % names.size()];
    std::string bytes = image->contents(path);
    if (random() % 4 == 0) {
      bytes.resize(random() % (bytes.size() + 1));
    } else {
      for (size_t flips = 1 + random() % 20; flips > 0; --flips)
        bytes[random() % bytes.size()] ^= static_cast<char>(1 + random() % 255);
    }
    image->set_contents(path, bytes);
    const auto opened = Log::open(log_options_on(*image));
    ASSERT_TRUE(opened) << path << ": " << opened.error().message;
    std::vector<LogRecord> records;
    ASSERT_TRUE((*opened)->reader(1)->read(1 << 20, 1 << 30, records));
    uint64_t expected = (*opened)->statistics().first;
    for (const LogRecord& record : records) {
      ASSERT_EQ(record.sequence, expected++);
      ASSERT_TRUE(record.damaged || record.payload == log_payload(record.sequence));
    }
    ASSERT_EQ(expected, (*opened)->next());
  }
}

// Every single write, sync, rename … of a run fails once: the log turns read-only with a clear
// error, keeps what it acknowledged, and opens again.
TEST(LogFault, AnyFailureTurnsTheLogReadOnlyAndLosesNothing) {
  size_t fault = 0;
  for (bool reached = true; reached; ++fault) {
    MemoryFileSystem files;
    std::atomic<size_t> passed = 0;
    reached = false;
    std::atomic<bool> failed = false;
    files.set_gate([&](Kind kind, const std::string& path) -> Status {
      if (kind == Kind::Open || passed++ != fault) return {};
      failed = true;
      return fail(ErrorCode::Io, "cannot use {}: Input/output error", path);
    });
    uint64_t durable = 0;
    std::atomic<uint64_t> reported = 0;
    std::atomic<int> repeats = 0;
    if (auto opened = Log::open(log_options_on(files))) {
      auto log = std::move(*opened);
      log->on_durable([&](uint64_t now) { repeats += now == reported.exchange(now) ? 1 : 0; });
      for (int i = 0; i < 40; ++i) {
        if (const auto sequence = log->append(log_payload(log->next())); !sequence) {
          EXPECT_EQ(sequence.error().code, ErrorCode::Io);
          EXPECT_NE(sequence.error().message.find("read-only"), std::string::npos);
          EXPECT_NE(sequence.error().message.find("Input/output error"), std::string::npos);
          EXPECT_FALSE(log->health());
          break;
        }
        const Status flushed = log->flush();
        EXPECT_EQ(flushed.has_value(), log->health().has_value());
      }
      durable = log->durable();
      log.reset();
      EXPECT_EQ(reported, durable);
      EXPECT_LE(repeats, 1);
    } else {
      EXPECT_EQ(opened.error().code, ErrorCode::Io) << opened.error().message;
    }
    reached = failed;
    files.set_gate({});
    check_image(files, Durability::Always, durable, durable + 1);
    ASSERT_FALSE(HasFailure()) << "fault " << fault;
  }
  EXPECT_GT(fault, 60U);
}

TEST(LogQueue, RefusesMoreThanItsBoundUntilSomethingIsDurable) {
  MemoryFileSystem files;
  std::mutex mutex;
  std::condition_variable changed;
  bool open = false;
  LogOptions options = log_options_on(files);
  options.queue_bytes_max = 10'000;
  const auto log = Log::open(options).value();
  files.set_gate([&](Kind kind, const std::string&) -> Status {
    std::unique_lock lock(mutex);
    if (kind == Kind::Sync) changed.wait(lock, [&] { return open; });
    return {};
  });
  uint64_t taken = 0;
  Result<uint64_t> refused = 0;
  for (;;) {
    refused = log->append(std::string(1000, 'q'));
    if (!refused) break;
    ++taken;
  }
  EXPECT_EQ(refused.error().code, ErrorCode::Busy);
  EXPECT_EQ(taken, 9U);  // of 1016 bytes each
  {
    const std::lock_guard lock(mutex);
    open = true;
  }
  changed.notify_all();
  ASSERT_TRUE(log->flush());
  EXPECT_EQ(log->append(std::string(50'000, 'q')).value(), 10U);  // alone: taken whatever its size
  ASSERT_TRUE(log->flush());
}

}  // namespace
}  // namespace wiremill
