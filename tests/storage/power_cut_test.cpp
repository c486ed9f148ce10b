// Power cuts over both logs and the state store together. A run does what the daemon does to the
// disk, without sockets and stages: documents to the intake log, results with state changes to the
// result log, commits, checkpoints, retention, clean ends and kills. All three write through one file
// system that remembers the order of every write and sync (daemon/log/memory_file_system.hpp: what it
// assumes of a disk). Then the power fails after any operation, and each disk that may be left must
// open, with everything acknowledged by then, nothing that was not handed in, and the state that the
// results make; it goes on from there, and the power fails once more.
//
// The checker keeps its own record of what was acknowledged and when, and makes the expected state
// from the sequences alone. What a record holds depends on its sequence and on how often that was
// given out, so that a stale group that comes back is told from the one that replaced it. Run, record
// and checker stand in one file of more than 500 lines: each is what the others are read against.
//
// With durability interval or none a power cut takes what was not synced yet. What was synced when it
// came, and what a checkpoint of the state holds, stays; and what is left of both logs and the state
// fits together as ever, so that every start succeeds.
//
// WIREMILL_IMAGES: how many images, 2,000 by default. WIREMILL_TORN_TAILS: of how many groups in
// 200 every sector is torn while they are not synced, 6 by default.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <random>

#include "daemon/base/logging.hpp"
#include "daemon/log/log.hpp"
#include "daemon/log/log_test_data.hpp"
#include "daemon/log/memory_file_system.hpp"
#include "daemon/plugin/state_store.hpp"
#include "daemon/service/committer.hpp"
#include "daemon/plugin/memory_env.hpp"
#include "wiremill/v1/record.pb.h"

namespace wiremill {
namespace {

const std::vector<std::string> kSpaces = {"stage/duplicates", "topics"};

// Which generation of each sequence was handed in last. Sequences that a crash took back are given
// out again, and then hold something else.
class History {
 public:
  void hand_in(uint64_t sequence, uint32_t generation) {
    if (generations_.size() <= sequence) generations_.resize(sequence + 1);
    generations_[sequence] = generation;
  }
  // Everything above `sequence` is gone.
  void take_back(uint64_t sequence) { generations_.resize(sequence + 1); }
  uint64_t last() const { return generations_.empty() ? 0 : generations_.size() - 1; }
  std::mt19937_64 random(uint64_t sequence, uint64_t purpose) const {
    return std::mt19937_64((sequence * 64 + generations_.at(sequence)) * 8 + purpose);
  }

 private:
  std::vector<uint32_t> generations_;
};

std::string document(const History& history, uint64_t sequence) {
  auto random = history.random(sequence, 0);
  const size_t most = random() % 40 == 0 ? 20'000 : 1200;
  std::string bytes(random() % most, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random() >> 56);
  return bytes;
}

struct Change {
  size_t space;
  std::string key;
  std::optional<std::string> value;
};

std::vector<Change> changes(const History& history, uint64_t sequence) {
  auto random = history.random(sequence, 1);
  std::vector<Change> result;
  for (size_t space = 0; space < kSpaces.size(); ++space) {
    for (size_t i = random() % 3; i > 0; --i) {
      Change change{space, fmt::format("key {}", random() % 60), std::nullopt};
      if (random() % 4 != 0)
        change.value = fmt::format("{} {:{}}", sequence, random() % 1000, random() % 200 + 1);
      result.push_back(std::move(change));
    }
  }
  return result;
}

std::string result_record(const History& history, uint64_t sequence) {
  v1::ResultRecord record;
  record.set_topic(fmt::format("topic {}", sequence));
  for (const std::string& space : kSpaces) record.add_spaces(space);
  for (const Change& change : changes(history, sequence)) {
    v1::StateChange& recorded = *record.add_changes();
    recorded.set_space(static_cast<uint32_t>(change.space));
    recorded.set_key(change.key);
    if (change.value) recorded.set_value(*change.value);
  }
  return record.SerializeAsString();
}

using Entries = std::map<std::pair<size_t, std::string>, std::string>;

Entries state_after(const History& history, uint64_t sequence) {
  Entries state;
  for (uint64_t i = 1; i <= sequence; ++i) {
    for (const Change& change : changes(history, i)) {
      if (change.value)
        state[{change.space, change.key}] = *change.value;
      else
        state.erase({change.space, change.key});
    }
  }
  return state;
}

// What the daemon has said is safe.
struct Acknowledged {
  uint64_t intake = 0, results = 0, checkpoint = 0;
  // Documents up to here have results, and an earlier power cut may have taken the documents.
  uint64_t settled = 0;
};

// When it said so, in operations of the file system.
class Record {
 public:
  explicit Record(const MemoryFileSystem& files) : files_(files) {}
  void note(uint64_t Acknowledged::*what, uint64_t sequence) {
    const std::lock_guard lock(mutex_);
    const size_t now = files_.operations();
    Acknowledged next = moments_.empty() ? Acknowledged{} : moments_.rbegin()->second;
    next.*what = std::max(next.*what, sequence);
    moments_[now] = next;
  }
  Acknowledged at(size_t operations) const {
    const auto after = moments_.upper_bound(operations);
    return after == moments_.begin() ? Acknowledged{} : std::prev(after)->second;
  }

 private:
  const MemoryFileSystem& files_;
  std::mutex mutex_;
  std::map<size_t, Acknowledged> moments_;
};

// What a test has done wrong on purpose, to see whether the checker finds it.
enum class Fault { None, StateAheadOfLog, HalfASettle };

struct Conditions {
  Durability durability = Durability::Always;
  Fault fault = Fault::None;
};

// The daemon's storage on a file system of the tests.
class Storage {
 public:
  static Result<std::unique_ptr<Storage>> open(MemoryFileSystem& files,
                                               const Conditions& conditions) {
    auto storage = std::unique_ptr<Storage>(new Storage(files, conditions));
    LogOptions options = log_options_on(files, conditions.durability);
    options.directory = "/state/result";
    options.name = "result";
    auto results = Log::open(options);
    if (!results) return tl::unexpected(results.error());
    storage->results_ = std::move(*results);
    options.directory = "/state/intake";
    options.name = "intake";
    if (!storage->always()) options.next_min = storage->results_->durable() + 1;
    auto intake = Log::open(options);
    if (!intake) return tl::unexpected(intake.error());
    storage->intake_ = std::move(*intake);
    auto state = open_state("/state/state", kSpaces, *storage->results_,
                            {.memtables_bytes_max = 64 << 10, .env = storage->env_.get()});
    if (!state) return tl::unexpected(state.error());
    storage->state_ = std::move(*state);
    storage->checkpoint_ = storage->state_->recovered_up_to();
    return storage;
  }

  ~Storage() { files_.set_gate({}); }

  Log& intake() { return *intake_; }
  Log& results() { return *results_; }
  StateStore& state() { return *state_; }

  // Goes on as the daemon does, noting in `record` what it says is safe.
  void work(History& history, uint32_t generation, int steps, std::mt19937_64& random,
            Record& record) {
    if (always()) {
      intake_->on_durable([&](uint64_t up_to) { record.note(&Acknowledged::intake, up_to); });
      results_->on_durable([&](uint64_t up_to) { record.note(&Acknowledged::results, up_to); });
    }
    for (int step = 0; step < steps; ++step) {
      for (size_t i = random() % 6; i > 0; --i) {
        const uint64_t next = intake_->next();
        history.hand_in(next, generation);
        EXPECT_EQ(intake_->append(document(history, next)).value(), next);
      }
      if (random() % 3 == 0) must(intake_->flush());
      // The line is in the middle of some documents, here and there.
      const uint64_t settled = intake_->durable() - std::min(intake_->durable(), random() % 4);
      results_held_ = conditions_.fault == Fault::StateAheadOfLog;
      while (results_->next() <= settled) settle(history, results_->next());
      if (conditions_.fault == Fault::StateAheadOfLog) {
        must(state_->commit(results_->next() - 1));
        EXPECT_TRUE(state_->checkpoint());
        results_held_ = false;
        results_held_.notify_all();
      }
      if (random() % 3 == 0) must(results_->flush());
      if (random() % 2 == 0) must(state_->commit(results_->durable()));
      if (random() % 12 == 0) {
        if (random() % 2 == 0)
          must(state_->begin_checkpoint());
        else
          EXPECT_TRUE(state_->checkpoint());
      }
      const auto up_to = state_->checkpointed();
      EXPECT_TRUE(up_to);
      if (up_to && *up_to > checkpoint_) {
        record.note(&Acknowledged::checkpoint, checkpoint_ = *up_to);
        record.note(&Acknowledged::results, *up_to);
      }
      if (random() % 8 == 0) sync(*intake_, &Acknowledged::intake, record);
      if (random() % 8 == 0) sync(*results_, &Acknowledged::results, record);
      if (random() % 10 == 0) {
        must(intake_->remove_below(checkpoint_ + 1));
        must(results_->remove_below(checkpoint_ + 1 - std::min(checkpoint_, random() % 30)));
      }
    }
    intake_->on_durable({});
    results_->on_durable({});
  }

 private:
  Storage(MemoryFileSystem& files, const Conditions& conditions)
      : files_(files), conditions_(conditions), env_(make_memory_env(files)) {
    files_.set_gate([this](MemoryFileSystem::Kind kind, const std::string& path) -> Status {
      if (kind == MemoryFileSystem::Kind::Write && path.starts_with("/state/result/"))
        results_held_.wait(true);
      return {};
    });
  }

  bool always() const { return conditions_.durability == Durability::Always; }

  static void sync(Log& log, uint64_t Acknowledged::*what, Record& record) {
    const uint64_t durable = log.durable();
    must(log.sync());
    record.note(what, durable);
  }

  void settle(const History& history, uint64_t sequence) {
    for (const Change& change : changes(history, sequence))
      if (conditions_.fault != Fault::HalfASettle || change.space == 0)
        state_->write(change.space, change.key, change.value, sequence);
    EXPECT_EQ(results_->append(result_record(history, sequence)).value(), sequence);
  }

  MemoryFileSystem& files_;
  const Conditions conditions_;
  std::atomic<bool> results_held_ = false;  // their log cannot write
  const std::unique_ptr<rocksdb::Env> env_;
  std::unique_ptr<Log> intake_, results_;
  std::unique_ptr<StateStore> state_;
  uint64_t checkpoint_ = 0;  // the state is on the disk up to here
};

// What the checker found, over many images.
struct Tally {
  uint64_t images = 0, acknowledged = 0, lost = 0, invented = 0, unopened = 0, wrong_states = 0;
  std::string first_failure;

  bool clean() const { return lost + invented + unopened + wrong_states == 0; }
  void fail(uint64_t Tally::*what, uint64_t count, const std::string& why) {
    this->*what += count;
    if (first_failure.empty()) first_failure = why;
  }
  void print(const char* name) const {
    fmt::print(
        "{}: {} images, {} acknowledged, {} lost, {} invented, {} not opened, {} states wrong\n",
        name, images, acknowledged, lost, invented, unopened, wrong_states);
  }
};

// Reads a whole log: every sequence from its first to its last must be there as it was handed in.
// `may_miss`: those that may be damaged.
void check_log(const Log& log, const char* name, uint64_t acknowledged, uint64_t handed_in,
               const std::function<std::string(uint64_t)>& expected,
               const std::function<bool(uint64_t)>& may_miss, Tally& tally) {
  if (log.durable() < acknowledged)
    tally.fail(&Tally::lost, acknowledged - log.durable(),
               fmt::format("the {} log ends at {}, acknowledged was {}", name, log.durable(),
                           acknowledged));
  if (log.durable() > handed_in)
    return tally.fail(
        &Tally::invented, log.durable() - handed_in,
        fmt::format("the {} log ends at {}, handed in was {}", name, log.durable(), handed_in));
  std::vector<LogRecord> records;
  const Status read = log.reader(1)->read(1 << 20, 1 << 30, records);
  if (!read) return tally.fail(&Tally::unopened, 1, read.error().message);
  uint64_t next = log.statistics().first;
  for (const LogRecord& record : records) {
    if (record.sequence != next++)
      tally.fail(&Tally::lost, 1, fmt::format("{}: no record {}", name, next - 1));
    if (record.damaged && may_miss(record.sequence)) continue;
    if (record.damaged)
      tally.fail(record.sequence <= acknowledged ? &Tally::lost : &Tally::invented, 1,
                 fmt::format("{}: record {} is damaged", name, record.sequence));
    else if (record.payload != expected(record.sequence))
      tally.fail(&Tally::invented, 1,
                 fmt::format("{}: record {} is not what was handed in", name, record.sequence));
  }
  if (next != log.durable() + 1)
    tally.fail(&Tally::lost, log.durable() + 1 - next,
               fmt::format("{}: cannot be read beyond {}", name, next - 1));
}

Entries scan(const StateStore& state) {
  Entries found;
  for (size_t space = 0; space < kSpaces.size(); ++space) {
    const Status scanned =
        state.scan(space, "", "", [&](std::string_view key, std::string_view value) {
          found[{space, std::string(key)}] = value;
          return true;
        });
    EXPECT_TRUE(scanned) << scanned.error().message;
  }
  return found;
}

// Opens what the power cut left and checks all of it; nullptr where it could not be opened.
std::unique_ptr<Storage> check(MemoryFileSystem& image, const Conditions& conditions,
                               const History& history, const Acknowledged& acknowledged,
                               Tally& tally) {
  ++tally.images;
  tally.acknowledged += acknowledged.intake + acknowledged.results;
  auto opened = Storage::open(image, {conditions.durability, Fault::None});
  if (!opened) {
    tally.fail(&Tally::unopened, 1, opened.error().message);
    return nullptr;
  }
  Storage& storage = **opened;
  const Log &intake = storage.intake(), &results = storage.results();
  check_log(
      intake, "intake", acknowledged.intake, history.last(),
      [&](uint64_t sequence) { return document(history, sequence); },
      [&](uint64_t sequence) {
        return conditions.durability != Durability::Always &&
               (sequence > acknowledged.intake || sequence <= acknowledged.settled);
      },
      tally);
  check_log(
      results, "result", acknowledged.results, intake.durable(),
      [&](uint64_t sequence) { return result_record(history, sequence); },
      [](uint64_t) { return false; }, tally);

  const uint64_t kept = storage.state().recovered_up_to();
  if (kept < acknowledged.checkpoint)
    tally.fail(
        &Tally::wrong_states, 1,
        fmt::format("the state is at {}, the checkpoint was {}", kept, acknowledged.checkpoint));
  if (results.statistics().first > kept + 1)
    tally.fail(
        &Tally::lost, results.statistics().first - kept - 1,
        fmt::format("results begin at {}, the state ends at {}", results.statistics().first, kept));
  if (intake.statistics().first > results.durable() + 1)
    tally.fail(&Tally::lost, intake.statistics().first - results.durable() - 1,
               fmt::format("the intake log begins at {}, results end at {}",
                           intake.statistics().first, results.durable()));
  if (scan(storage.state()) != state_after(history, results.durable()))
    tally.fail(&Tally::wrong_states, 1,
               fmt::format("the state is not that after result {}; it was kept up to {}",
                           results.durable(), kept));
  return std::move(*opened);
}

// A run of the daemon: starts, works, ends in order or by a kill, as long as it starts, three times.
void record_run(MemoryFileSystem& files, const Conditions& conditions, History& history,
                Record& record, std::mt19937_64& random, Tally& tally) {
  for (int start = 0; start < 3; ++start) {
    auto storage = Storage::open(files, conditions);
    if (!storage) return tally.fail(&Tally::unopened, 1, storage.error().message);
    (*storage)->work(history, 0, 25, random, record);
    if (random() % 2 == 0) files.kill();
    storage->reset();
    files.revive();
  }
}

struct Tallies {
  Tally once, again;
  bool clean() const { return once.clean() && again.clean(); }
};

// Takes one image at `moment`, lets the daemon go on from it, and takes another.
void cut(const MemoryFileSystem::Disk& disk, const Conditions& conditions, const History& history,
         const Acknowledged& acknowledged, std::mt19937_64& random, Tallies& tallies) {
  const auto image = disk.image(random);
  const auto storage = check(*image, conditions, history, acknowledged, tallies.once);
  if (!storage || !tallies.clean()) return;
  Record record(*image);
  record.note(&Acknowledged::intake, storage->intake().durable());
  record.note(&Acknowledged::results, storage->results().durable());
  record.note(&Acknowledged::settled, storage->results().durable());
  History went_on = history;
  went_on.take_back(storage->intake().durable());
  storage->work(went_on, 1, 6, random, record);
  const size_t moment = random() % (image->operations() + 1);
  Acknowledged since = record.at(moment);
  since.intake = std::max(since.intake, acknowledged.intake);
  since.results = std::max(since.results, acknowledged.results);
  since.checkpoint = std::max(since.checkpoint, acknowledged.checkpoint);
  const auto second = image->power_cut(moment, random);
  check(*second, conditions, went_on, since, tallies.again);
}

Tallies cut_power(const Conditions& conditions, size_t images, uint64_t seed) {
  constexpr size_t kMomentsPerRun = 50;
  std::mt19937_64 random(seed);
  Tallies tallies;
  while (tallies.once.images + tallies.again.images < images && tallies.clean()) {
    MemoryFileSystem files;
    History history;
    Record record(files);
    record_run(files, conditions, history, record, random, tallies.once);
    std::vector<size_t> moments(kMomentsPerRun);
    for (size_t& moment : moments) moment = random() % (files.operations() + 1);
    std::sort(moments.begin(), moments.end());
    MemoryFileSystem::Disk disk(files);
    for (const size_t moment : moments) {
      disk.advance(moment, random);
      cut(disk, conditions, history, record.at(moment), random, tallies);
      if (!tallies.clean()) break;
    }
  }
  return tallies;
}

// Tears each sector of groups that were written and not synced: of `tails` in 200 of them.
Tally tear_tails(uint64_t tails, uint64_t seed) {
  std::mt19937_64 random(seed);
  MemoryFileSystem files;
  History history;
  Record record(files);
  Tally tally;
  record_run(files, {}, history, record, random, tally);
  MemoryFileSystem::Disk disk(files);
  std::map<std::string, size_t> before;
  for (size_t moment = 0; moment <= files.operations() && tally.clean(); ++moment) {
    disk.advance(moment, random);
    auto unsynced = disk.unsynced_sectors();
    std::erase_if(unsynced, [](const auto& file) { return !file.first.ends_with(".seg"); });
    for (const auto& [path, sectors] : unsynced) {
      if (before.contains(path) && before.at(path) == sectors) continue;
      if (random() % 200 >= tails) continue;
      disk.tear(path, random, [&](MemoryFileSystem& image) {
        if (tally.clean()) check(image, {}, history, record.at(moment), tally);
      });
    }
    before = std::move(unsynced);
  }
  return tally;
}

class PowerCut : public testing::Test {
 protected:
  static void SetUpTestSuite() { start_logging("error", "text"); }

  static void expect_clean(const std::string& name, const Conditions& conditions, uint64_t images) {
    const Tallies tallies = cut_power(conditions, images, 4711);
    tallies.once.print(("power cut, " + name).c_str());
    tallies.again.print(("power cut again, " + name).c_str());
    EXPECT_TRUE(tallies.clean()) << tallies.once.first_failure << tallies.again.first_failure;
  }
};

TEST_F(PowerCut, LosesNothingAndKeepsTheStateOfTheResults) {
  expect_clean("always", {}, test_length("WIREMILL_IMAGES", 2000));
}

TEST_F(PowerCut, StartsWithWhatWasSyncedByInterval) {
  expect_clean("interval", {Durability::Interval}, test_length("WIREMILL_IMAGES", 2000) / 4);
}

TEST_F(PowerCut, StartsWithWhatWasSyncedWithoutSyncs) {
  expect_clean("none", {Durability::None}, test_length("WIREMILL_IMAGES", 2000) / 4);
}

TEST_F(PowerCut, LosesNothingWhereverATailIsTorn) {
  const Tally tally = tear_tails(test_length("WIREMILL_TORN_TAILS", 6), 3);
  tally.print("torn tails");
  EXPECT_TRUE(tally.clean()) << tally.first_failure;
  EXPECT_GT(tally.images, 0U);
}

// The checker finds what it looks for.
TEST_F(PowerCut, IsSeenWhereTheStateGoesAheadOfTheLog) {
  EXPECT_FALSE(cut_power({.fault = Fault::StateAheadOfLog}, 2000, 1).clean());
}
TEST_F(PowerCut, IsSeenWhereHalfASettleIsCommitted) {
  EXPECT_GT(cut_power({.fault = Fault::HalfASettle}, 2000, 1).once.wrong_states, 0U);
}

}  // namespace
}  // namespace wiremill
