// What the ledger knows, forgets and keeps; its table of ids against a simple model.
#include "daemon/intake/ledger.hpp"

#include <gtest/gtest.h>
#include <rocksdb/env.h>
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>

#include "daemon/log/memory_file_system.hpp"
#include "daemon/plugin/memory_env.hpp"

namespace wiremill {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kNow = 1'700'000'000 * kSecond;

Hash128 id_hash(uint64_t number) { return hash128("id" + std::to_string(number)); }
Hash128 content_of(uint64_t number) { return hash128("content" + std::to_string(number)); }

TEST(IdTable, IsWhatASimpleModelSays) {
  std::mt19937_64 random(7);
  for (const size_t entries_max : {0, 1, 2, 3, 10, 64, 1000}) {
    IdTable table(entries_max);
    std::deque<std::pair<uint64_t, uint64_t>> model;  // id, sequence
    const uint64_t ids = entries_max * 3 / 2 + 1;
    // Few different low bits, so that probes are long and runs wrap around.
    const auto hash = [](uint64_t id) { return Hash128{.low = ~uint64_t{0} - id % 5, .high = id}; };
    for (uint64_t sequence = 1; sequence <= 5000; ++sequence) {
      if (random() % 4 == 0 && !model.empty()) {
        table.forget_oldest();
        model.pop_front();
      } else {
        const uint64_t id = random() % ids;
        table.add({hash(id).low, hash(id).high, 0, 0, sequence, 0});
        model.emplace_back(id, sequence);
        if (model.size() > entries_max) model.pop_front();
      }
      ASSERT_EQ(table.end() - table.begin(), model.size());
      const uint64_t id = random() % ids;
      const auto latest = std::find_if(model.rbegin(), model.rend(),
                                       [&](const auto& entry) { return entry.first == id; });
      const IdTable::Entry* found = table.find(hash(id));
      ASSERT_EQ(found != nullptr, latest != model.rend());
      if (found == nullptr) continue;
      ASSERT_EQ(found->sequence, latest->second);
    }
  }
}

class LedgerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    static int count = 0;
    directory_ = std::filesystem::temp_directory_path() /
                 ("wiremill_ledger_" + std::to_string(::getpid()) + "_" + std::to_string(++count));
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_);
    options_.directory = directory_ / "ledger";
  }
  void TearDown() override {
    ledger_.reset();
    std::filesystem::remove_all(directory_);
  }

  void open(uint64_t durable) {
    ledger_.reset();
    auto opened = Ledger::open(options_, durable);
    ASSERT_TRUE(opened) << opened.error().message;
    ledger_ = std::move(*opened);
  }
  // Sequence n has id n and is accepted n seconds after kNow.
  void remember(uint64_t from, uint64_t to) {
    for (uint64_t n = from; n <= to; ++n)
      ledger_->remember(id_hash(n), {n, content_of(n), kNow + static_cast<int64_t>(n) * kSecond});
  }
  uint64_t known(uint64_t id, uint64_t now) const {
    const auto found = ledger_->find(id_hash(id), kNow + static_cast<int64_t>(now) * kSecond);
    if (!found) return 0;
    EXPECT_EQ(found->content, content_of(id));
    return found->sequence;
  }
  // Entries of the store's space, with the ledger closed.
  size_t entries(const std::string& space) {
    ledger_.reset();
    const auto store = StateStore::open(options_.directory, {"documents", "sessions", "meta"});
    EXPECT_TRUE(store);
    size_t count = 0;
    EXPECT_TRUE((*store)->scan((*store)->space(space), "", "", [&](auto, auto) {
      ++count;
      return true;
    }));
    return count;
  }

  // What is handed over while the disk is full is kept, and written when there is space.
  void wait_for_a_full_disk(const std::function<void()>& fill, const std::function<void()>& empty) {
    options_.checkpoint_interval_ms = 1;
    options_.retry_interval_ms = 20;
    open(0);
    remember(1, 1000);
    ledger_->hand_over(1000, 1001);
    while (ledger_->needed_above() < 1000) ::usleep(1000);
    fill();
    remember(1001, 5000);
    ledger_->hand_over(5000, 5001);
    while (ledger_->health()) ::usleep(1000);
    EXPECT_EQ(ledger_->health().error().code, ErrorCode::NoSpace)
        << ledger_->health().error().message;
    EXPECT_EQ(ledger_->needed_above(), 1000U);
    EXPECT_EQ(known(5000, 5000), 5000U);
    empty();
    while (!ledger_->health()) ::usleep(1000);
    while (ledger_->needed_above() < 5000) ::usleep(1000);
    open(5000);
    EXPECT_EQ(ledger_->recovered_up_to(), 5000U);
    EXPECT_EQ(known(5000, 5000), 5000U);
    ledger_.reset();
  }

  std::filesystem::path directory_;
  LedgerOptions options_;
  std::unique_ptr<Ledger> ledger_;
};

TEST_F(LedgerTest, KnowsWhatWasHandedOverAfterARestart) {
  open(0);
  remember(1, 20'000);
  ledger_->set_session("scraper", 7, 15, 20'000);
  ledger_->hand_over(15'000, 10'000);
  remember(20'001, 20'010);
  open(20'010);
  EXPECT_EQ(ledger_->recovered_up_to(), 15'000U);
  EXPECT_EQ(ledger_->read_from(), 10'000U);
  EXPECT_EQ(known(1, 20'000), 1U);
  EXPECT_EQ(known(15'000, 20'000), 15'000U);
  EXPECT_EQ(known(15'001, 20'000), 0U);  // not durable when it was handed over: never ahead
  remember(15'001, 20'010);
  ledger_->hand_over(20'010, 20'011);
  open(20'010);
  EXPECT_EQ(ledger_->recovered_up_to(), 20'010U);
  for (uint64_t n = 1; n <= 20'010; ++n) ASSERT_EQ(known(n, 20'000), n);
}

TEST_F(LedgerTest, SessionsAreKept) {
  open(0);
  remember(1, 2);
  ledger_->set_session("scraper", 7, 15, 2);
  ledger_->set_session("gone", 8, 1, 2);
  ledger_->hand_over(2, 3);
  ledger_->set_session("gone", 8, std::nullopt, 3);
  ledger_->hand_over(3, 4);
  open(3);
  size_t count = 0;
  ASSERT_TRUE(ledger_->sessions([&](std::string_view client, uint64_t session, uint64_t settled) {
    ++count;
    EXPECT_EQ(client, "scraper");
    EXPECT_EQ(session, 7U);
    EXPECT_EQ(settled, 15U);
  }));
  EXPECT_EQ(count, 1U);
}

TEST_F(LedgerTest, BeyondItsBoundTheOldestIsForgottenOnDiskToo) {
  options_.documents_max = 1000;
  open(0);
  for (uint64_t from = 1; from <= 10'000; from += 100) {
    remember(from, from + 99);
    ledger_->hand_over(from + 99, from + 100);
  }
  EXPECT_EQ(known(9000, 10'000), 0U);
  EXPECT_EQ(known(9001, 10'000), 9001U);
  EXPECT_EQ(entries("documents"), 10U);
  open(10'000);
  EXPECT_EQ(known(9000, 10'000), 0U);
  EXPECT_EQ(known(9001, 10'000), 9001U);
  options_.documents_max = 50;  // and with less memory after a restart
  open(10'000);
  EXPECT_EQ(known(9950, 10'000), 0U);
  EXPECT_EQ(known(9951, 10'000), 9951U);
}

TEST_F(LedgerTest, OutsideTheWindowAnIdIsForgottenOnDiskToo) {
  options_.window_ms = 100'000;
  open(0);
  for (uint64_t from = 1; from <= 1000; from += 10) {
    remember(from, from + 9);
    ledger_->hand_over(from + 9, from + 10);
  }
  EXPECT_EQ(known(900, 1000), 900U);
  EXPECT_EQ(known(899, 1000), 0U);
  EXPECT_EQ(known(1000, 1100), 1000U);
  EXPECT_EQ(known(1000, 1101), 0U);
  EXPECT_LE(entries("documents"), 12U);
}

TEST_F(LedgerTest, AnIdThatComesAgainIsKnownByItsLatestUntilThatIsOld) {
  options_.documents_max = 10;
  open(0);
  remember(1, 5);
  ledger_->remember(id_hash(1), {6, content_of(1), kNow + 6 * kSecond});
  EXPECT_EQ(known(1, 6), 6U);
  remember(7, 11);  // the first entry of id 1 goes
  EXPECT_EQ(known(1, 11), 6U);
  ledger_->hand_over(11, 12);
  open(11);
  EXPECT_EQ(known(1, 11), 6U);
  remember(12, 16);  // and the second
  EXPECT_EQ(known(1, 16), 0U);
}

TEST_F(LedgerTest, OneOfAnotherFormatIsBegunAnew) {
  {
    const auto store =
        StateStore::open(options_.directory, {"ids", "order", "sessions", "meta"}).value();
    store->write(store->space("ids"), std::string(16, 'i'), std::string(32, 'k'), 5);
    store->write(store->space("meta"), "tail", std::string(8, '\0'), 5);
    ASSERT_TRUE(store->commit(5));
    ASSERT_TRUE(store->checkpoint());
  }
  open(5);
  EXPECT_EQ(ledger_->recovered_up_to(), 0U);
  remember(1, 5);
  ledger_->hand_over(5, 6);
  open(5);
  EXPECT_EQ(ledger_->recovered_up_to(), 5U);
  EXPECT_EQ(known(5, 5), 5U);
}

TEST_F(LedgerTest, OneAheadOfTheLogIsBegunAnew) {
  open(0);
  remember(1, 5);
  ledger_->hand_over(5, 6);
  open(4);
  EXPECT_EQ(ledger_->recovered_up_to(), 0U);
  EXPECT_EQ(known(1, 5), 0U);
}

TEST_F(LedgerTest, AnEntryThatIsNoneIsSaid) {
  {
    const auto store =
        StateStore::open(options_.directory, {"documents", "sessions", "meta"}).value();
    store->write(store->space("documents"), std::string(8, '\1'), std::string(47, 'k'), 5);
    store->write(store->space("meta"), "format", "2", 5);
    ASSERT_TRUE(store->commit(5));
    ASSERT_TRUE(store->checkpoint());
  }
  const auto opened = Ledger::open(options_, 5);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ErrorCode::Damaged);
  EXPECT_NE(opened.error().message.find(options_.directory), std::string::npos);
}

TEST_F(LedgerTest, AFullDiskIsWaitedFor) {
  MemoryFileSystem files;
  std::atomic<bool> full{false};
  files.set_gate([&](MemoryFileSystem::Kind kind, const std::string& path) -> Status {
    if (full && kind == MemoryFileSystem::Kind::Write)
      return fail(ErrorCode::NoSpace, "{}: no space left", path);
    return {};
  });
  const auto env = make_memory_env(files);
  options_.directory = "/ledger";
  options_.store.env = env.get();
  wait_for_a_full_disk([&] { full = true; }, [&] { full = false; });
}

TEST_F(LedgerTest, AFullDiskOfAKernelsIsWaitedForToo) {
  const std::string disk = directory_ / "disk";
  std::filesystem::create_directories(disk);
  if (::mount("none", disk.c_str(), "tmpfs", 0, "size=96m") != 0)
    GTEST_SKIP() << "mounting needs privileges";
  options_.directory = disk + "/ledger";
  wait_for_a_full_disk(
      [&] {
        std::ofstream filler(disk + "/filler", std::ios::binary);
        const std::string block(4096, 'x');
        while (filler.write(block.data(), 4096).flush()) {
        }
      },
      [&] { std::filesystem::remove(disk + "/filler"); });
  EXPECT_EQ(::umount(disk.c_str()), 0);
}

}  // namespace
}  // namespace wiremill
