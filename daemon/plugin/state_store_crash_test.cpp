// What kill -9 leaves of a state store. Everything that opens RocksDB runs in a forked child,
// because its background threads do not survive a fork: this process itself never opens a store.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <map>
#include <random>

#include "daemon/plugin/state_store.hpp"

namespace wiremill {
namespace {

namespace fs = std::filesystem;

using Entries = std::map<std::string, std::string>;
struct Load {
  size_t value_bytes_max;
  uint64_t checkpoint_every;  // documents; 0: never
};
const std::vector<std::string> kSpaces = {"duplicates", "names", "digests"};

pid_t in_child(const std::function<int()>& work) {
  const pid_t pid = fork();
  if (pid == 0) _exit(work());
  return pid;
}

// The exit status, or minus the signal.
int wait_for(pid_t pid) {
  int status = 0;
  waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

// What the document `sequence` changes in `space`: the same in every process.
void for_each_change(
    uint64_t sequence, size_t space, size_t value_bytes,
    const std::function<void(const std::string&, std::optional<std::string>)>& change) {
  std::mt19937_64 random(sequence * 31 + space);
  for (size_t i = 1 + random() % 3; i > 0; --i) {
    const std::string key = "key" + std::to_string(random() % 500);
    if (random() % 4 == 0)
      change(key, std::nullopt);
    else
      change(key, std::to_string(sequence) + std::string(random() % value_bytes, 'v'));
  }
}

// Settles and commits without end, telling what is on disk through `out`.
int work(const std::string& directory, const Load& load, int out) {
  auto store = StateStore::open(directory, kSpaces);
  if (!store) return 1;
  uint64_t checkpointed = (*store)->recovered_up_to();
  for (uint64_t sequence = checkpointed + 1;; ++sequence) {
    for (size_t space = 0; space < kSpaces.size(); ++space)
      for_each_change(sequence, space, load.value_bytes_max,
                      [&](const std::string& key, const std::optional<std::string>& value) {
                        (*store)->write(space, key, value, sequence);
                      });
    if (sequence % 5 == 0 && !(*store)->commit(sequence - 3)) return 1;  // three in flight
    if (load.checkpoint_every != 0 && sequence % load.checkpoint_every == 0) {
      const bool waits = sequence / load.checkpoint_every % 2 == 0;
      if (waits ? !(*store)->checkpoint() : !(*store)->begin_checkpoint()) return 1;
    }
    const auto on_disk = (*store)->checkpointed();
    if (!on_disk) return 1;
    checkpointed = *on_disk;
    const uint64_t report[] = {sequence, checkpointed};
    if (write(out, report, sizeof report) != sizeof report) return 1;
  }
}

// 0 where the store holds exactly what the documents up to recovered_up_to() made, and that is at
// least `checkpointed` and at most `sequence`.
int verify(const std::string& directory, const Load& load, uint64_t checkpointed,
           uint64_t sequence) {
  const auto store = StateStore::open(directory, kSpaces);
  if (!store) {
    std::fprintf(stderr, "%s\n", store.error().message.c_str());
    return 2;
  }
  const uint64_t recovered = (*store)->recovered_up_to();
  std::printf("recovered up to %lu, checkpoint %lu, settled %lu\n", recovered, checkpointed,
              sequence);
  std::fflush(stdout);
  if (recovered < checkpointed || recovered > sequence) return 3;
  for (size_t space = 0; space < kSpaces.size(); ++space) {
    Entries expected, found;
    for (uint64_t s = 1; s <= recovered; ++s)
      for_each_change(s, space, load.value_bytes_max,
                      [&](const std::string& key, std::optional<std::string> value) {
                        if (value)
                          expected[key] = *value;
                        else
                          expected.erase(key);
                      });
    const Status status =
        (*store)->scan(space, "", "", [&](std::string_view key, std::string_view value) {
          found.emplace(key, value);
          return true;
        });
    if (!status) return 4;
    if (found != expected) return 5;
  }
  return 0;
}

// Several crashes on end over the same store, each after `sequences` further documents.
void crash(const std::string& name, const Load& load, uint64_t sequences, int rounds) {
  const std::string directory = fs::path(testing::TempDir()) / ("state_crash_" + name);
  fs::remove_all(directory);
  std::mt19937 random(4);
  for (int round = 0; round < rounds; ++round) {
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    const pid_t pid = in_child([&] {
      close(ends[0]);
      return work(directory, load, ends[1]);
    });
    close(ends[1]);
    uint64_t report[2] = {0, 0};
    const uint64_t documents = sequences / 2 + random() % sequences;
    for (uint64_t i = 0; i < documents; ++i)
      ASSERT_EQ(read(ends[0], report, sizeof report), static_cast<ssize_t>(sizeof report));
    kill(pid, SIGKILL);
    EXPECT_EQ(wait_for(pid), -SIGKILL);
    while (read(ends[0], report, sizeof report) == static_cast<ssize_t>(sizeof report)) {
    }
    close(ends[0]);
    // Without checkpoints of its own the store still lasts by the flushes that RocksDB makes. The
    // document after the last report may have been committed, not yet reported.
    const uint64_t at_least = load.checkpoint_every == 0 ? 1 : report[1];
    ASSERT_EQ(wait_for(in_child([&] { return verify(directory, load, at_least, report[0] + 1); })),
              0);
  }
  fs::remove_all(directory);
}

TEST(StateStoreCrash, LeavesTheStateOfOneSequence) { crash("small", {40, 97}, 600, 8); }

// Values so large that RocksDB flushes by itself.
TEST(StateStoreCrash, LeavesTheStateOfOneSequenceWhereMemtablesFillUp) {
  crash("large", {200'000, 0}, 600, 2);
}

TEST(StateStoreCrash, AnotherProcessFindsItLocked) {
  const std::string directory = fs::path(testing::TempDir()) / "state_crash_locked";
  fs::remove_all(directory);
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const pid_t holder = in_child([&] {
    const auto store = StateStore::open(directory, kSpaces);
    if (write(ends[1], "x", 1) != 1) return 1;
    pause();
    return 0;
  });
  char byte;
  ASSERT_EQ(read(ends[0], &byte, 1), 1);
  const auto open_again = [&] {
    const auto store = StateStore::open(directory, kSpaces);
    if (store) return 0;
    return store.error().code == ErrorCode::Locked ? 1 : 2;
  };
  EXPECT_EQ(wait_for(in_child(open_again)), 1);
  kill(holder, SIGKILL);
  wait_for(holder);
  EXPECT_EQ(wait_for(in_child(open_again)), 0);
  close(ends[0]);
  close(ends[1]);
  fs::remove_all(directory);
}

}  // namespace
}  // namespace wiremill
