// Power cuts over the intake log and the ledger together, as power_cut_test.cpp has them for both logs
// and the state: documents with ids are appended, remembered and handed over, the log lets go of what
// the ledger no longer needs, runs end in order or by a kill; then the power fails after any operation.
// The ledger that is left must never be ahead of the log, and with the records above it must know
// each id with its latest document, and how far the session had come.
//
// WIREMILL_IMAGES: how many images, 2,000 by default.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rocksdb/env.h>

#include <algorithm>
#include <random>
#include <set>
#include <thread>

#include "daemon/base/hash.hpp"
#include "daemon/base/logging.hpp"
#include "daemon/intake/intake.hpp"
#include "daemon/intake/ledger.hpp"
#include "daemon/log/log.hpp"
#include "daemon/log/log_test_data.hpp"
#include "daemon/log/memory_file_system.hpp"
#include "daemon/plugin/memory_env.hpp"

namespace wiremill {
namespace {

constexpr int kIds = 40;
constexpr uint64_t kSession = 7;
constexpr int64_t kNowUs = 1'700'000'000'000'000;

Hash128 id(int number) { return hash128(fmt::format("id {}", number)); }
int id_number(uint64_t sequence) { return static_cast<int>(log_payload(sequence)[0] & 0xff) % kIds; }
Ledger::Known known(uint64_t sequence) {
  return {sequence, hash128(log_payload(sequence)), kNowUs + static_cast<int64_t>(sequence)};
}

struct Conditions {
  Durability durability = Durability::Always;
  bool log_is_synced_before = true;  // false: a fault that the checker must find
};

// Declared in this order: each is used by those behind it.
struct Storage {
  std::unique_ptr<rocksdb::Env> env;
  std::unique_ptr<Log> log;
  std::unique_ptr<Ledger> ledger;
  std::set<uint64_t> damaged;  // of the records above the ledger

  static Result<Storage> open(MemoryFileSystem& files, const Conditions& conditions) {
    Storage storage;
    storage.env = make_memory_env(files);
    auto log = Log::open(log_options_on(files, conditions.durability));
    if (!log) return tl::unexpected(log.error());
    storage.log = std::move(*log);
    IntakeOptions intake;
    intake.ledger_directory = "/ledger";
    intake.idempotency_documents_max = 4000;
    LedgerOptions options = ledger_options(intake, *storage.log);
    options.checkpoint_interval_ms = 1;
    options.store.env = storage.env.get();
    if (!conditions.log_is_synced_before) options.store.before_checkpoint = {};
    auto ledger = Ledger::open(options, storage.log->durable());
    if (!ledger) return tl::unexpected(ledger.error());
    storage.ledger = std::move(*ledger);
    WM_TRY(storage.remember_what_the_log_holds());
    return storage;
  }

  Status remember_what_the_log_holds() {
    std::vector<LogRecord> records;
    WM_TRY(log->reader(ledger->recovered_up_to() + 1)->read(1 << 20, 1 << 30, records));
    for (const LogRecord& record : records) {
      if (record.damaged)
        damaged.insert(record.sequence);
      else
        ledger->remember(id(id_number(record.sequence)), known(record.sequence));
    }
    return {};
  }

  // Goes on as the intake does.
  void work(int steps, std::mt19937_64& random) {
    uint64_t handed_over = ledger->recovered_up_to(), tail = ledger->read_from();
    uint64_t wanted = 0;  // needed_above() when all that was handed over is on disk
    for (int step = 0; step < steps; ++step) {
      for (size_t i = random() % 6; i > 0; --i) {
        const uint64_t sequence = log->next();
        must(log->append(log_payload(sequence)));
        ledger->remember(id(id_number(sequence)), known(sequence));
      }
      if (random() % 2 == 0) must(log->flush());
      const uint64_t durable = log->durable();
      if (durable > handed_over) {
        handed_over = durable;
        tail = std::max(tail, durable + 1 - random() % std::min<uint64_t>(durable, 5));
        ledger->set_session("client", kSession, durable, durable);
        ledger->hand_over(durable, tail);
        wanted = tail - 1;
      }
      if (random() % 4 == 0)  // until that is on disk
        while (ledger->needed_above() < wanted) std::this_thread::yield();
      if (random() % 6 == 0) must(log->remove_below(ledger->needed_above() + 1));
    }
  }
};

struct Tally {
  uint64_t images = 0, with_ledger = 0, known = 0;
  std::string first_failure;

  bool clean() const { return first_failure.empty(); }
  void fail(const std::string& why) {
    if (clean()) first_failure = why;
  }
};

void check(MemoryFileSystem& image, const Conditions& conditions, Tally& tally) {
  ++tally.images;
  auto storage = Storage::open(image, conditions);
  if (!storage) return tally.fail("it does not open: " + storage.error().message);
  const Log& log = *storage->log;
  const Ledger& ledger = *storage->ledger;
  const uint64_t recovered = ledger.recovered_up_to(), first = log.statistics().first;
  if (recovered > log.durable())
    return tally.fail(fmt::format("the ledger is at {}, the log ends at {}", recovered,
                                  log.durable()));
  if (first > ledger.read_from())
    return tally.fail(fmt::format("the log begins at {}, wanted again is {}", first,
                                  ledger.read_from()));
  tally.with_ledger += recovered > 0;

  std::vector<uint64_t> latest(kIds, 0);
  for (uint64_t sequence = 1; sequence <= log.durable(); ++sequence)
    if (!storage->damaged.contains(sequence)) latest[id_number(sequence)] = sequence;
  for (int number = 0; number < kIds; ++number) {
    const auto found = ledger.find(id(number), kNowUs);
    const uint64_t sequence = found ? found->sequence : 0;
    if (sequence != latest[number])
      return tally.fail(fmt::format("id {} is known with {}, the latest is {}; kept up to {}",
                                    number, sequence, latest[number], recovered));
    if (!found) continue;
    ++tally.known;
    if (found->content != known(sequence).content)
      return tally.fail(fmt::format("id {}: not the content of {}", number, sequence));
  }
  std::vector<uint64_t> settled;
  must(ledger.sessions([&](std::string_view client, uint64_t session, uint64_t number) {
    if (client == "client" && session == kSession) settled.push_back(number);
  }));
  if (settled != (recovered > 0 ? std::vector{recovered} : std::vector<uint64_t>{}))
    tally.fail(fmt::format("the session's place is not {}", recovered));
}

Tally cut_power(const Conditions& conditions, size_t images, uint64_t seed) {
  constexpr size_t kMomentsPerRun = 50;
  std::mt19937_64 random(seed);
  Tally tally;
  while (tally.images < images && tally.clean()) {
    MemoryFileSystem files;
    for (int start = 0; start < 3 && tally.clean(); ++start) {
      {
        auto storage = Storage::open(files, conditions);
        if (!storage) return tally.fail("no start: " + storage.error().message), tally;
        storage->work(25, random);
        if (random() % 2 == 0) files.kill();
      }
      files.revive();
    }
    std::vector<size_t> moments(kMomentsPerRun);
    for (size_t& moment : moments) moment = random() % (files.operations() + 1);
    std::sort(moments.begin(), moments.end());
    MemoryFileSystem::Disk disk(files);
    for (const size_t moment : moments) {
      if (!tally.clean()) break;
      disk.advance(moment, random);
      check(*disk.image(random), conditions, tally);
    }
  }
  return tally;
}

class LedgerPowerCut : public testing::Test {
 protected:
  static void SetUpTestSuite() { start_logging("off", "text"); }

  static void expect_clean(const char* name, Durability durability, uint64_t images) {
    const Tally tally = cut_power({durability}, images, 815);
    fmt::print("ledger, {}: {} images, {} with a ledger, {} ids known\n", name, tally.images,
               tally.with_ledger, tally.known);
    EXPECT_TRUE(tally.clean()) << tally.first_failure;
    EXPECT_GT(tally.with_ledger, tally.images / 4);
  }
};

TEST_F(LedgerPowerCut, KnowsWhatTheLogHolds) {
  expect_clean("always", Durability::Always, test_length("WIREMILL_IMAGES", 2000) / 4);
}

TEST_F(LedgerPowerCut, IsNeverAheadOfALogSyncedByInterval) {
  expect_clean("interval", Durability::Interval, test_length("WIREMILL_IMAGES", 2000) / 4);
}

TEST_F(LedgerPowerCut, IsNeverAheadOfALogThatIsNotSynced) {
  expect_clean("none", Durability::None, test_length("WIREMILL_IMAGES", 2000) / 4);
}

// The checker finds what it looks for.
TEST_F(LedgerPowerCut, IsSeenWhereTheLogIsNotSyncedBefore) {
  EXPECT_FALSE(cut_power({Durability::None, false}, 2000, 1).clean());
}

}  // namespace
}  // namespace wiremill
