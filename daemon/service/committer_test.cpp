#include "daemon/service/committer.hpp"

#include <gtest/gtest.h>
#include <rocksdb/env.h>
#include <sys/mount.h>

#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>
#include <random>

#include "daemon/log/log.hpp"
#include "daemon/log/memory_file_system.hpp"
#include "daemon/plugin/memory_env.hpp"
#include "wiremill/v1/record.pb.h"

// Debian's librocksdb and liblz4 are not built with ThreadSanitizer, which therefore does not see
// their atomics.
extern "C" __attribute__((visibility("default"))) const char* __tsan_default_suppressions() {
  return "called_from_lib:librocksdb.so\ncalled_from_lib:liblz4.so\n";
}

namespace wiremill {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> kSpaces = {"stage/memory", "topics"};

fs::path fresh_directory() {
  const auto* test = testing::UnitTest::GetInstance()->current_test_info();
  const fs::path directory = fs::path(testing::TempDir()) / (std::string("state_") + test->name());
  fs::remove_all(directory);
  fs::create_directories(directory);
  return directory;
}

std::optional<std::string> get(const StateStore& state, size_t space, const std::string& key) {
  const std::string_view view = key;
  std::vector<std::optional<std::string>> values;
  EXPECT_TRUE(state.get_many(space, {&view, 1}, values).has_value());
  return values.at(0);
}

// Waits for what the thread "state" tells.
class Told {
 public:
  void tell(uint64_t sequence) {
    const std::scoped_lock lock(mutex_);
    sequence_ = sequence;
    condition_.notify_all();
  }
  void wait_for(uint64_t sequence) {
    std::unique_lock lock(mutex_);
    condition_.wait(lock, [&] { return sequence_ >= sequence; });
  }
  uint64_t sequence() {
    const std::scoped_lock lock(mutex_);
    return sequence_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable condition_;
  uint64_t sequence_ = 0;
};

TEST(Committer, CommitsWhatIsDurableAndSaysUpToWhereItIsOnDisk) {
  const auto state = std::move(StateStore::open(fresh_directory(), kSpaces).value());
  Told committed;
  Committer committer(
      *state, [&](uint64_t sequence) { committed.tell(sequence); }, [](const Error&) {});
  EXPECT_EQ(committer.checkpointed(), 0U);
  state->write(0, "k", "one", 1);
  state->write(0, "k", "two", 2);
  committer.durable(1);
  committed.wait_for(1);
  EXPECT_EQ(state->overlay_entries(), 1U);
  EXPECT_EQ(committer.checkpointed(), 0U);
  committer.durable(2);
  bool ran = false;
  EXPECT_TRUE(committer.run([&]() -> Status {
    ran = true;
    return state->amend({{0, "own", "value"}});
  }));
  EXPECT_TRUE(ran);
  EXPECT_EQ(committer.checkpointed(), 2U) << "what was reported before is committed first";
  EXPECT_EQ(get(*state, 0, "own"), "value");
  const Status refused =
      committer.run([]() -> Status { return fail(ErrorCode::NotFound, "no such letter"); });
  EXPECT_EQ(refused.error().message, "no such letter");
  EXPECT_TRUE(committer.health());
}

TEST(Committer, WritesACheckpointBeforeRecoveryGetsLong) {
  const auto state = std::move(StateStore::open(fresh_directory(), kSpaces).value());
  Told committed;
  Committer committer(
      *state, [&](uint64_t sequence) { committed.tell(sequence); }, [](const Error&) {});
  committer.durable(30'000);
  committed.wait_for(30'000);
  while (committer.checkpointed() < 30'000) std::this_thread::yield();
  ASSERT_TRUE(committer.run([]() -> Status { return {}; }));
  state->write(0, "k", std::string(65 << 20, 'x'), 30'001);
  committer.durable(30'001);
  while (committer.checkpointed() < 30'001) std::this_thread::yield();
}

// The disk takes its time; the line does not wait for it.
TEST(Committer, CommitsGoOnWhileACheckpointIsWritten) {
  MemoryFileSystem files;
  std::atomic<bool> writing = false, late = false;
  std::promise<void> release;
  files.set_gate([&, released = release.get_future().share()](MemoryFileSystem::Kind kind,
                                                              const std::string& path) -> Status {
    if (kind != MemoryFileSystem::Kind::Write || !path.ends_with(".sst")) return {};
    writing = true;
    if (released.wait_for(std::chrono::seconds(60)) != std::future_status::ready) late = true;
    return {};
  });
  const auto env = make_memory_env(files);
  const auto state = std::move(StateStore::open("/state", kSpaces, {.env = env.get()}).value());
  Told committed;
  Committer committer(
      *state, [&](uint64_t sequence) { committed.tell(sequence); }, [](const Error&) {});
  state->write(0, "k", "one", 1);
  committer.durable(1);
  committer.request_checkpoint();
  while (!writing) std::this_thread::yield();
  state->write(0, "k", "two", 2);
  committer.durable(2);
  committed.wait_for(2);
  EXPECT_FALSE(late);
  EXPECT_EQ(committer.checkpointed(), 0U);
  committer.request_checkpoint();  // is not forgotten while the other is written
  release.set_value();
  while (committer.checkpointed() < 2) std::this_thread::yield();
}

std::string noise(size_t bytes) {
  std::string made(bytes, ' ');
  std::mt19937 random(1);
  for (char& byte : made) byte = static_cast<char>(random());
  return made;
}

// A store whose disk fills up while changes wait, and empties again.
void hold_the_state_up(const std::string& folder, const StateStoreOptions& options,
                       const std::function<void()>& fill, const std::function<void()>& empty) {
  auto state = std::move(StateStore::open(folder, kSpaces, options).value());
  const std::string value = noise(1 << 20);
  {
    Told committed;
    std::promise<Error> stalled;
    Committer committer(
        *state, [&](uint64_t sequence) { committed.tell(sequence); },
        [&](const Error& error) { stalled.set_value(error); });
    state->write(0, "before", value, 1);
    committer.durable(1);
    ASSERT_TRUE(committer.run([]() -> Status { return {}; }));
    fill();

    state->write(0, "during", value, 2);
    committer.durable(2);
    committer.request_checkpoint();
    EXPECT_EQ(stalled.get_future().get().code, ErrorCode::NoSpace);
    EXPECT_EQ(committer.health().error().code, ErrorCode::NoSpace);
    const Status refused = committer.run([]() -> Status { return {}; });
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, ErrorCode::NoSpace) << refused.error().message;
    EXPECT_EQ(committer.checkpointed(), 1U);
    state->write(0, "still", "there", 3);
    committer.durable(3);
    EXPECT_EQ(get(*state, 0, "during"), value);

    empty();
    committed.wait_for(3);
    while (!committer.health()) std::this_thread::yield();
    EXPECT_TRUE(committer.run([]() -> Status { return {}; }));
    EXPECT_EQ(committer.checkpointed(), 3U);
  }
  state.reset();
  state = std::move(StateStore::open(folder, kSpaces, options).value());
  EXPECT_EQ(state->recovered_up_to(), 3U);
  EXPECT_EQ(get(*state, 0, "before"), value);
  EXPECT_EQ(get(*state, 0, "during"), value);
  EXPECT_EQ(get(*state, 0, "still"), "there");
}

TEST(FullDisk, HoldsTheStateUpUntilThereIsSpace) {
  MemoryFileSystem files;
  std::atomic<bool> full{false};
  files.set_gate([&](MemoryFileSystem::Kind kind, const std::string& path) -> Status {
    if (full && kind == MemoryFileSystem::Kind::Write)
      return fail(ErrorCode::NoSpace, "{}: no space left", path);
    return {};
  });
  const auto env = make_memory_env(files);
  hold_the_state_up(
      "/state", {.env = env.get()}, [&] { full = true; }, [&] { full = false; });
}

TEST(FullDisk, HoldsTheStateUpOnAKernelsFilesToo) {
  const fs::path disk = fresh_directory();
  if (mount("none", disk.c_str(), "tmpfs", 0, "size=12m") != 0)
    GTEST_SKIP() << "mounting needs privileges";
  const fs::path filler = disk / "filler";
  hold_the_state_up(
      disk / "state", {},
      [&] { std::ofstream(filler) << std::string(16 << 20, 'x'); },  // as much as there is room for
      [&] { fs::remove(filler); });
  EXPECT_EQ(umount2(disk.c_str(), MNT_DETACH), 0);
}

// A result log whose records change state, and a store that follows it.
class Recovery : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = fresh_directory();
    open_log();
  }

  void open_log() {
    results_.reset();
    LogOptions options;
    options.directory = directory_ / "result";
    options.name = "result";
    options.segment_bytes = 16 << 10;
    results_ = std::move(Log::open(options).value());
  }

  void append(uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
      const uint64_t sequence = results_->next();
      v1::ResultRecord record;
      record.set_result(std::string(500, 'r'));
      record.add_spaces("stage/gone");
      record.add_spaces("stage/memory");
      const auto change = [&](uint32_t space, const std::string& key) -> v1::StateChange& {
        v1::StateChange& added = *record.add_changes();
        added.set_space(space);
        added.set_key(key);
        return added;
      };
      change(0, "k").set_value("of a stage that is gone");
      change(1, "last").set_value(std::to_string(sequence));
      change(1, std::to_string(sequence)).set_value("x");
      change(1, std::to_string(sequence - 10));  // removed
      ASSERT_TRUE(results_->append(record.SerializeAsString()));
    }
    ASSERT_TRUE(results_->flush());
  }

  Result<std::unique_ptr<StateStore>> open() {
    return open_state(directory_ / "state", kSpaces, *results_);
  }

  void expect_complete(const StateStore& state, uint64_t up_to) {
    EXPECT_EQ(state.committed(), up_to);
    EXPECT_EQ(get(state, 0, "last"), std::to_string(up_to));
    EXPECT_EQ(get(state, 0, std::to_string(up_to - 9)), "x");
    EXPECT_EQ(get(state, 0, std::to_string(up_to - 10)), std::nullopt);
  }

  fs::path directory_;
  std::unique_ptr<Log> results_;
};

TEST_F(Recovery, AppliesWhatTheLogRecordedAboveTheCheckpoint) {
  append(700);
  expect_complete(**open(), 700);
  append(50);
  {
    const auto state = open();
    EXPECT_EQ((*state)->recovered_up_to(), 700U);
    expect_complete(**state, 750);
  }
  EXPECT_EQ((*open())->recovered_up_to(), 750U) << "it was written to disk at once";
}

// Its stage may come back: whatever was recorded above the checkpoint counts for it, too.
TEST_F(Recovery, AStageThatIsGoneKeepsItsState) {
  append(20);
  ASSERT_TRUE(open());
  const auto state = std::move(
      open_state(directory_ / "state", {"stage/gone", "stage/memory", "topics"}, *results_)
          .value());
  EXPECT_EQ(get(*state, 0, "k"), "of a stage that is gone");
}

TEST_F(Recovery, AStoreAheadOfTheLogIsRefused) {
  append(20);
  ASSERT_TRUE(open());
  results_.reset();
  fs::remove_all(directory_ / "result");
  open_log();
  append(5);
  const auto state = open();
  EXPECT_EQ(state.error().code, ErrorCode::Damaged);
  EXPECT_NE(state.error().message.find("the log lost its end"), std::string::npos);
}

void overwrite(const fs::path& path) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(fs::file_size(path) / 2));
  file << "these bytes are not what was written";
}

// Every file that begins so.
void each_file(const fs::path& state, const std::string& begin,
               const std::function<void(const fs::path&)>& work) {
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(state))
    if (entry.path().filename().string().starts_with(begin)) found.push_back(entry.path());
  ASSERT_FALSE(found.empty());
  for (const fs::path& path : found) work(path);
}

TEST_F(Recovery, ADamagedStoreIsRefusedAndCanBeBuiltAnew) {
  append(300);
  const fs::path folder = directory_ / "state";
  const std::function<void()> damages[] = {
      [&] { each_file(folder, "MANIFEST", overwrite); },
      [&] { each_file(folder, "CURRENT", overwrite); },
      [&] { each_file(folder, "00", [](const fs::path& path) { fs::remove(path); }); }};
  for (const auto& damage : damages) {
    ASSERT_TRUE(open());
    damage();
    const auto refused = open();
    ASSERT_FALSE(refused.has_value());
    EXPECT_EQ(refused.error().code, ErrorCode::Damaged);
    EXPECT_NE(refused.error().message.find("rebuilt from the result log"), std::string::npos)
        << refused.error().message;
    EXPECT_NE(refused.error().message.find(folder.string()), std::string::npos);
    fs::remove_all(folder);
    expect_complete(**open(), 300);
  }
}

TEST_F(Recovery, ADamagedStoreWhoseResultsAreGoneSaysSo) {
  append(300);
  ASSERT_TRUE(open());
  ASSERT_TRUE(results_->remove_below(200));
  const uint64_t first = results_->statistics().first;
  ASSERT_GT(first, 1U);
  each_file(directory_ / "state", "MANIFEST", overwrite);
  const auto refused = open();
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::Damaged);
  EXPECT_NE(refused.error().message.find(fmt::format("reaches back to result {} only", first)),
            std::string::npos)
      << refused.error().message;
  fs::remove_all(directory_ / "state");
  expect_complete(**open(), 300);  // what the log still holds is enough for this stage's memory
}

TEST_F(Recovery, AStoreBehindWhatTheLogHoldsIsRefused) {
  append(50);
  ASSERT_TRUE(open());
  append(300);
  ASSERT_TRUE(results_->remove_below(200));
  const auto refused = open();
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, ErrorCode::Damaged);
  EXPECT_NE(refused.error().message.find("ends at result 50"), std::string::npos);
}

}  // namespace
}  // namespace wiremill
