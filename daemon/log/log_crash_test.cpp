// The log on a disk that fails or loses power (daemon/log/memory_file_system.hpp). One run is
// recorded; every image taken of it must open with all that was acknowledged by then and nothing
// that was not appended.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <random>

#include "daemon/log/log.hpp"
#include "daemon/log/memory_file_system.hpp"
#include "daemon/log/segment.hpp"

namespace wiremill {
namespace {

using Kind = MemoryFileSystem::Kind;

LogOptions options_on(MemoryFileSystem& files, Durability durability = Durability::Always) {
  LogOptions options;
  options.directory = "/log";
  options.name = "intake";
  options.segment_bytes = 16 << 10;
  options.durability = durability;
  options.sync_interval_ms = 1;
  options.files = &files;
  return options;
}

// The one payload that a sequence may have.
std::string payload_of(uint64_t sequence) {
  std::mt19937_64 random(sequence);
  const size_t most = random() % 40 == 0 ? 20'000 : 1200;
  std::string payload(random() % most, '\0');
  for (char& c : payload) c = static_cast<char>(random());
  return payload;
}

struct Acknowledged {
  size_t operations;  // by then …
  uint64_t durable;   // … this was reported
};

// Appends in bursts, reopens and removes old segments now and then.
std::vector<Acknowledged> record_run(MemoryFileSystem& files, Durability durability,
                                     std::mt19937_64& random) {
  std::vector<Acknowledged> acknowledged;
  for (int opening = 0; opening < 3; ++opening) {
    const auto log = Log::open(options_on(files, durability)).value();
    log->on_durable([&](uint64_t durable) {
      acknowledged.push_back({files.operations(), durable});
    });
    for (int burst = 0; burst < 30; ++burst) {
      for (size_t i = 1 + random() % 5; i > 0; --i)
        EXPECT_TRUE(log->append(payload_of(log->next())));
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
  auto opened = Log::open(options_on(image, durability));
  EXPECT_TRUE(opened) << opened.error().message;
  if (!opened) return 0;
  Log& log = **opened;
  if (durability == Durability::Always) {
    EXPECT_GE(log.durable(), acknowledged);
  }
  EXPECT_LE(log.durable(), appended);
  const uint64_t recovered = log.durable();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(log.append(payload_of(log.next())));
  EXPECT_TRUE(log.flush());

  std::vector<LogRecord> records;
  EXPECT_TRUE(log.reader(1)->read(1 << 20, 1 << 30, records));
  uint64_t expected = log.statistics().first;
  for (const LogRecord& record : records) {
    EXPECT_EQ(record.sequence, expected++);
    EXPECT_FALSE(record.damaged) << record.sequence << " of " << recovered;
    EXPECT_TRUE(record.payload == payload_of(record.sequence)) << record.sequence;
  }
  EXPECT_EQ(expected, log.next());
  return log.durable();
}

void cut_power(Durability durability, int runs, int images_per_run) {
  std::mt19937_64 random(4711);
  for (int run = 0; run < runs; ++run) {
    MemoryFileSystem files;
    const auto acknowledged = record_run(files, durability, random);
    const uint64_t appended = acknowledged.back().durable;
    for (int i = 0; i < images_per_run && !testing::Test::HasFailure(); ++i) {
      const size_t operations = random() % (files.operations() + 1);
      uint64_t durable = 0;
      for (const Acknowledged& at : acknowledged)
        if (at.operations <= operations) durable = at.durable;
      const auto image = files.power_cut(operations, random);
      SCOPED_TRACE(fmt::format("run {}, power cut after operation {}", run, operations));
      const uint64_t went_on = check_image(*image, durability, durable, appended);
      // The power fails once more, during or after the recovery.
      const auto again = image->power_cut(random() % (image->operations() + 1), random);
      check_image(*again, durability, 0, std::max(went_on, appended));
    }
  }
}

TEST(LogPowerCut, LosesNothingAcknowledged) { cut_power(Durability::Always, 20, 100); }
TEST(LogPowerCut, StaysWholeWithSyncsByInterval) { cut_power(Durability::Interval, 5, 100); }
TEST(LogPowerCut, StaysWholeWithoutSyncs) { cut_power(Durability::None, 5, 100); }

// The checker itself can fail: a disk that only pretends to sync loses acknowledged records.
TEST(LogPowerCut, TheModelSeesAMissingSync) {
  std::mt19937_64 random(1);
  MemoryFileSystem files;
  const auto acknowledged = record_run(files, Durability::None, random);
  int lost = 0;
  for (int i = 0; i < 50; ++i) {
    const Acknowledged& at = acknowledged[random() % acknowledged.size()];
    const auto image = files.power_cut(at.operations, random);
    const auto log = Log::open(options_on(*image)).value();
    lost += log->durable() < at.durable ? 1 : 0;
  }
  EXPECT_GT(lost, 10);
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
    if (auto opened = Log::open(options_on(files))) {
      const auto log = std::move(*opened);
      std::atomic<uint64_t> reported = 0;
      std::atomic<int> repeats = 0;
      log->on_durable([&](uint64_t now) { repeats += now == reported.exchange(now) ? 1 : 0; });
      for (int i = 0; i < 40; ++i) {
        if (const auto sequence = log->append(payload_of(log->next())); !sequence) {
          EXPECT_EQ(sequence.error().code, ErrorCode::Io);
          EXPECT_NE(sequence.error().message.find("read-only"), std::string::npos);
          EXPECT_NE(sequence.error().message.find("Input/output error"), std::string::npos);
          EXPECT_FALSE(log->health());
          break;
        }
        const Status flushed = log->flush();
        EXPECT_EQ(flushed.has_value(), log->health().has_value());
      }
      EXPECT_EQ(reported, log->durable());
      EXPECT_LE(repeats, 1);
      durable = log->durable();
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

// A failed sync is believed: what a second one would say about the group is never asked.
TEST(LogFault, NeverSyncsTheSameFileAgainAfterAFailedSync) {
  MemoryFileSystem files;
  std::atomic<bool> broken = false;
  std::atomic<int> syncs_after = 0;
  const auto log = Log::open(options_on(files)).value();
  ASSERT_TRUE(log->append("a"));
  ASSERT_TRUE(log->flush());
  files.set_gate([&](Kind kind, const std::string& path) -> Status {
    if (kind != Kind::Sync || !path.ends_with("next.tmp")) return {};
    if (broken.exchange(true)) ++syncs_after;
    return fail(ErrorCode::Io, "cannot sync {}: Input/output error", path);
  });
  ASSERT_TRUE(log->append("b"));
  EXPECT_EQ(log->flush().error().code, ErrorCode::Io);
  EXPECT_EQ(log->append("c").error().code, ErrorCode::Io);
  EXPECT_EQ(log->durable(), 1U);
  std::vector<LogRecord> records;
  ASSERT_TRUE(log->reader(1)->read(10, 1000, records));
  EXPECT_EQ(records.size(), 1U);
  EXPECT_EQ(syncs_after, 0);
}

TEST(LogQueue, RefusesMoreThanItsBoundUntilSomethingIsDurable) {
  MemoryFileSystem files;
  std::mutex mutex;
  std::condition_variable changed;
  bool open = false;
  LogOptions options = options_on(files);
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
