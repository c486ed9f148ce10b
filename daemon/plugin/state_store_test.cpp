#include "daemon/plugin/state_store.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <thread>

// Debian's librocksdb and liblz4 are not built with ThreadSanitizer, which therefore does not see
// their atomics.
extern "C" __attribute__((visibility("default"))) const char* __tsan_default_suppressions() {
  return "called_from_lib:librocksdb.so\ncalled_from_lib:liblz4.so\n";
}

namespace wiremill {
namespace {

namespace fs = std::filesystem;

// Not std::less<std::string>: the linker would let RocksDB share that map's code with this program,
// and ThreadSanitizer, which does not see RocksDB's locks, then reports RocksDB's own threads.
using Entries = std::map<std::string, std::string, std::less<>>;

fs::path fresh_directory() {
  const auto* test = testing::UnitTest::GetInstance()->current_test_info();
  std::string name = std::string("state_") + test->test_suite_name() + "_" + test->name();
  std::ranges::replace(name, '/', '_');
  const fs::path directory = fs::path(testing::TempDir()) / name;
  fs::remove_all(directory);
  return directory;
}

std::unique_ptr<StateStore> open_store(const std::string& directory,
                                       const std::vector<std::string>& spaces) {
  auto store = StateStore::open(directory, spaces);
  if (!store) {
    ADD_FAILURE() << store.error().message;
    std::abort();
  }
  return std::move(*store);
}

std::optional<std::string> get(const StateStore& store, size_t space, std::string_view key) {
  std::vector<std::optional<std::string>> values;
  EXPECT_TRUE(store.get_many(space, {&key, 1}, values).has_value());
  return values.at(0);
}

Entries scan(const StateStore& store, size_t space, std::string_view prefix = "",
             std::string_view from = "", size_t entries_max = SIZE_MAX) {
  Entries entries;
  std::string last;
  const Status status =
      store.scan(space, prefix, from, [&](std::string_view key, std::string_view value) {
        EXPECT_TRUE(entries.empty() || last < key) << "not ascending";
        last = key;
        entries.emplace(key, value);
        return entries.size() < entries_max;
      });
  EXPECT_TRUE(status.has_value());
  return entries;
}

// Both backends keep the same promises; the parameter says whether the store is on disk.
class StateStoreTest : public testing::TestWithParam<bool> {
 protected:
  std::string directory_ = GetParam() ? fresh_directory().string() : "";
};

TEST_P(StateStoreTest, ReadsWhatWasWrittenBeforeAndAfterCommit) {
  const auto store = open_store(directory_, {"a", "b"});
  EXPECT_EQ(store->recovered_up_to(), 0U);
  EXPECT_EQ(store->space("b"), 1U);
  store->write(0, "k", "one", 1);
  store->write(1, "k", "other", 1);
  store->write(0, "k2", "", 2);
  EXPECT_EQ(store->overlay_entries(), 3U);
  EXPECT_EQ(get(*store, 0, "k"), "one");
  EXPECT_EQ(get(*store, 1, "k"), "other");
  ASSERT_TRUE(store->commit(1).has_value());
  EXPECT_EQ(store->overlay_entries(), 1U);
  EXPECT_EQ(get(*store, 0, "k"), "one");
  EXPECT_EQ(get(*store, 1, "k"), "other");
  EXPECT_EQ(get(*store, 0, "k2"), "");
  EXPECT_EQ(get(*store, 1, "k2"), std::nullopt);
  store->write(0, "k", std::nullopt, 3);
  EXPECT_EQ(get(*store, 0, "k"), std::nullopt);
  EXPECT_EQ(scan(*store, 0), (Entries{{"k2", ""}}));
  ASSERT_TRUE(store->commit(3).has_value());
  EXPECT_EQ(get(*store, 0, "k"), std::nullopt);
  EXPECT_EQ(scan(*store, 0), (Entries{{"k2", ""}}));
  EXPECT_EQ(store->checkpoint(), 3U);
}

TEST_P(StateStoreTest, AnOverwriteKeepsTheOlderValueThatIsDueFirst) {
  const auto store = open_store(directory_, {"a"});
  store->write(0, "k", "five", 5);
  store->write(0, "k", "nine", 9);
  store->write(0, "k", std::nullopt, 9);
  store->write(0, "k", "nine again", 9);
  ASSERT_TRUE(store->commit(5).has_value());
  EXPECT_EQ(get(*store, 0, "k"), "nine again");
  store->drop_above(0, 5);
  EXPECT_EQ(get(*store, 0, "k"), "five");
  EXPECT_EQ(store->overlay_entries(), 0U);
}

TEST_P(StateStoreTest, DropRestoresWhatWasThereBefore) {
  const auto store = open_store(directory_, {"a", "b"});
  store->write(0, "committed", "c1", 1);
  ASSERT_TRUE(store->commit(1).has_value());
  store->write(0, "committed", std::nullopt, 2);
  store->write(0, "k", "two", 2);
  store->write(0, "k", "three", 3);
  store->write(0, "new", "n", 3);
  store->write(1, "k", "untouched", 3);
  store->drop_above(0, 2);
  EXPECT_EQ(scan(*store, 0), (Entries{{"k", "two"}}));
  store->drop_above(0, 1);
  EXPECT_EQ(scan(*store, 0), (Entries{{"committed", "c1"}}));
  EXPECT_EQ(scan(*store, 1), (Entries{{"k", "untouched"}}));
  store->write(0, "k", "again", 2);
  ASSERT_TRUE(store->commit(3).has_value());
  EXPECT_EQ(scan(*store, 0), (Entries{{"committed", "c1"}, {"k", "again"}}));
}

TEST_P(StateStoreTest, ScanKeepsToItsPrefixAndStopsWhenTold) {
  const auto store = open_store(directory_, {"a"});
  uint64_t sequence = 0;
  for (const std::string_view key : {"a", "b", "b\xff", "b\xff\xff", "ba", "bb", "c", "\xff\xff"})
    store->write(0, key, key, ++sequence);
  ASSERT_TRUE(store->commit(4).has_value());  // half in the overlay
  EXPECT_EQ(scan(*store, 0).size(), 8U);
  EXPECT_EQ(scan(*store, 0, "b").size(), 5U);
  EXPECT_EQ(scan(*store, 0, "b\xff").size(), 2U);
  EXPECT_EQ(scan(*store, 0, "\xff").size(), 1U);
  EXPECT_EQ(scan(*store, 0, "b", "bb").size(), 3U);
  EXPECT_EQ(scan(*store, 0, "b", "a").size(), 5U);
  EXPECT_EQ(scan(*store, 0, "b", "c").size(), 0U);
  EXPECT_EQ(scan(*store, 0, "", "c").size(), 2U);
  EXPECT_EQ(scan(*store, 0, "b", "", 2), (Entries{{"b", "b"}, {"ba", "ba"}}));
  // The visitor may use the store.
  size_t seen = 0;
  ASSERT_TRUE(store
                  ->scan(0, "b", "",
                         [&](std::string_view key, std::string_view value) {
                           EXPECT_EQ(get(*store, 0, key), value);
                           store->write(0, key, std::nullopt, 9);
                           return ++seen < 100;
                         })
                  .has_value());
  EXPECT_EQ(seen, 5U);
  EXPECT_EQ(scan(*store, 0, "b").size(), 0U);
}

// Every change that was made, per space: what stands there is what remains of replaying it.
struct Model {
  struct Change {
    uint64_t sequence;
    std::string key;
    std::optional<std::string> value;
  };
  std::vector<std::vector<Change>> spaces;

  void drop_above(size_t space, uint64_t sequence) {
    std::erase_if(spaces[space], [&](const Change& change) { return change.sequence > sequence; });
  }
  Entries entries(size_t space) const {
    Entries entries;
    for (const Change& change : spaces[space]) {
      if (change.value)
        entries[change.key] = *change.value;
      else
        entries.erase(change.key);
    }
    return entries;
  }
};

TEST_P(StateStoreTest, AgreesWithAModelOverRandomHistories) {
  const std::vector<std::string> names = {"duplicates", "names", "digests"};
  for (unsigned seed = 1; seed <= 3; ++seed) {
    if (!directory_.empty()) fs::remove_all(directory_);
    auto store = open_store(directory_, names);
    Model model{std::vector<std::vector<Model::Change>>(names.size())};
    std::mt19937 random(seed);
    const auto random_key = [&] {
      std::string key;
      for (size_t i = 1 + random() % 3; i > 0; --i) key += static_cast<char>('a' + random() % 4);
      return key;
    };
    uint64_t sequence = 0, committed = 0, checkpointed = 0;
    for (int step = 0; step < 2000; ++step) {
      const size_t space = random() % names.size();
      const auto action = random() % 100;
      if (action < 50) {
        if (random() % 2 == 0) ++sequence;
        if (sequence <= committed) sequence = committed + 1;
        const std::string key = random_key();
        std::optional<std::string> value;
        if (random() % 4 != 0) value = std::to_string(random());
        store->write(space, key, value, sequence);
        model.spaces[space].push_back({sequence, key, value});
      } else if (action < 60) {
        const uint64_t up_to = committed + random() % (sequence - committed + 1);
        ASSERT_TRUE(store->commit(up_to).has_value());
        committed = up_to;
      } else if (action < 65) {
        const uint64_t up_to = committed + random() % (sequence - committed + 1);
        store->drop_above(space, up_to);
        model.drop_above(space, up_to);
      } else if (action < 80) {
        const Entries entries = model.entries(space);
        std::vector<std::string> keys;
        for (size_t i = random() % 8; i > 0; --i) keys.push_back(random_key());
        const std::vector<std::string_view> views(keys.begin(), keys.end());
        std::vector<std::optional<std::string>> values(3, "stale");
        ASSERT_TRUE(store->get_many(space, views, values).has_value());
        ASSERT_EQ(values.size(), keys.size());
        for (size_t i = 0; i < keys.size(); ++i) {
          const auto entry = entries.find(keys[i]);
          ASSERT_EQ(values[i], entry == entries.end() ? std::nullopt : std::optional(entry->second))
              << keys[i];
        }
      } else if (action < 98) {
        Entries entries = model.entries(space);
        const std::string prefix = random() % 3 == 0 ? "" : random_key();
        const std::string from = random() % 2 == 0 ? "" : random_key();
        std::erase_if(entries, [&](const auto& entry) {
          return !entry.first.starts_with(prefix) || entry.first < from;
        });
        ASSERT_EQ(scan(*store, space, prefix, from), entries);
      } else if (action < 99) {
        ASSERT_EQ(store->checkpoint(), committed);
        checkpointed = committed;
      } else if (!directory_.empty()) {
        store.reset();
        store = open_store(directory_, names);
        const uint64_t recovered = store->recovered_up_to();
        ASSERT_GE(recovered, checkpointed);
        ASSERT_LE(recovered, committed);
        for (size_t i = 0; i < names.size(); ++i) {
          model.drop_above(i, recovered);
          ASSERT_EQ(scan(*store, i), model.entries(i));
        }
        sequence = committed = checkpointed = recovered;
      }
    }
  }
}

// A reader must find every key in the overlay or in the backend, whatever the committer does.
TEST_P(StateStoreTest, ReadersNeverMissAKeyThatIsBeingCommitted) {
  const auto store = open_store(directory_, {"a", "b"});
  constexpr uint64_t kSequences = 3000;
  std::atomic<uint64_t> written = 0;
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (uint64_t sequence = 1; sequence <= kSequences; ++sequence) {
      store->write(0, "counter", std::to_string(sequence), sequence);
      store->write(0, "k" + std::to_string(sequence), "v", sequence);
      store->write(1, "k", "v", sequence);
      if (sequence % 7 == 0) {
        store->write(1, "dropped", "x", sequence + 1);
        store->drop_above(1, sequence);
      }
      written = sequence;
    }
  });
  std::thread committer([&] {
    while (!done) {
      EXPECT_TRUE(store->commit(written).has_value());
      if (written % 16 == 0) {
        EXPECT_TRUE(store->checkpoint().has_value());
      }
    }
  });
  const auto read = [&](unsigned seed) {
    std::mt19937 random(seed);
    uint64_t counter = 0;
    while (counter < kSequences) {
      const uint64_t sure = written;
      if (sure == 0) continue;
      const uint64_t now = std::stoull(get(*store, 0, "counter").value_or("0"));
      EXPECT_GE(now, std::max(sure, counter));  // never older than what was seen before
      counter = now;
      const std::string key = "k" + std::to_string(1 + random() % sure);
      EXPECT_EQ(get(*store, 0, key), "v") << key;
      EXPECT_TRUE(scan(*store, 0, key, "", 1).contains(key)) << key;
      if (HasFailure()) return;
    }
  };
  std::thread readers[] = {std::thread(read, 1), std::thread(read, 2)};
  for (std::thread& reader : readers) reader.join();
  writer.join();
  done = true;
  committer.join();
  ASSERT_TRUE(store->commit(kSequences).has_value());
  EXPECT_EQ(store->overlay_entries(), 0U);
  EXPECT_EQ(scan(*store, 0).size(), kSequences + 1);
  EXPECT_EQ(scan(*store, 1).size(), 1U);
}

TEST_P(StateStoreTest, ASpaceIsAddedWhileOthersAreReadAndCommitted) {
  const auto store = open_store(directory_, {"a"});
  constexpr uint64_t kSequences = 2000;
  std::atomic<uint64_t> written = 0;
  std::atomic<bool> done = false;
  std::thread writer([&] {
    for (uint64_t sequence = 1; sequence <= kSequences; ++sequence) {
      store->write(0, "counter", std::to_string(sequence), sequence);
      written = sequence;
    }
  });
  std::thread committer([&] {
    while (!done) {
      EXPECT_TRUE(store->commit(written));
      EXPECT_TRUE(store->checkpoint());
    }
  });
  std::thread reader([&] {
    for (uint64_t counter = 0; counter < kSequences;)
      counter = std::stoull(get(*store, 0, "counter").value_or("0"));
  });
  for (size_t i = 1; i <= 20; ++i) {
    const std::string name = "added " + std::to_string(i);
    EXPECT_EQ(store->find_space(name), std::nullopt);
    EXPECT_EQ(store->add_space(name).value(), i);
    EXPECT_EQ(store->add_space(name).value(), i) << "once";
    EXPECT_EQ(store->space_name(i), name);
    store->write(i, "k", name, kSequences + 1);
    EXPECT_EQ(get(*store, i, "k"), name);
  }
  for (std::thread* thread : {&writer, &reader}) thread->join();
  done = true;
  committer.join();
  ASSERT_TRUE(store->commit(kSequences + 1));
  EXPECT_EQ(get(*store, 7, "k"), "added 7");
  EXPECT_EQ(scan(*store, 20).size(), 1U);
}

INSTANTIATE_TEST_SUITE_P(Backends, StateStoreTest, testing::Bool(),
                         [](const auto& kind) { return kind.param ? "RocksDB" : "Memory"; });

TEST(StateStoreOnDisk, KeepsSpacesThatAreNotAskedFor) {
  const std::string directory = fresh_directory();
  {
    const auto store = open_store(directory, {"a", "b"});
    store->write(0, "k", "in a", 1);
    store->write(1, "k", "in b", 1);
    ASSERT_TRUE(store->commit(1).has_value());
    ASSERT_TRUE(store->checkpoint().has_value());
  }
  {
    const auto store = open_store(directory, {"c", "b"});
    EXPECT_EQ(store->recovered_up_to(), 1U);
    EXPECT_EQ(get(*store, 0, "k"), std::nullopt);
    EXPECT_EQ(get(*store, 1, "k"), "in b");
  }
  const auto store = open_store(directory, {"a", "b", "c"});
  EXPECT_EQ(get(*store, 0, "k"), "in a");
}

TEST(StateStoreOnDisk, AnAddedSpaceIsTheOneFromBefore) {
  const std::string directory = fresh_directory();
  {
    const auto store = open_store(directory, {"a"});
    const size_t added = store->add_space("b").value();
    store->write(added, "k", "in b", 1);
    ASSERT_TRUE(store->commit(1));
    ASSERT_TRUE(store->checkpoint());
  }
  const auto store = open_store(directory, {"c"});
  EXPECT_EQ(get(*store, store->add_space("b").value(), "k"), "in b");
  EXPECT_EQ(get(*store, store->add_space("a").value(), "k"), std::nullopt);
}

TEST(StateStoreOnDisk, ASpaceMayHaveAnyName) {
  const auto store = open_store(fresh_directory(), {"default", "sequence", "a/b c"});
  store->write(0, "sequence", "mine", 1);
  ASSERT_TRUE(store->commit(1).has_value());
  EXPECT_EQ(get(*store, 0, "sequence"), "mine");
}

TEST(StateStoreOnDisk, ALateChangeReachesTheDiskWithTheNextCheckpoint) {
  const std::string directory = fresh_directory();
  const auto store = open_store(directory, {"a"});
  ASSERT_TRUE(store->commit(7).has_value());
  EXPECT_EQ(store->checkpoint(), 7U);
  store->write(0, "k", "v", 7);
  ASSERT_TRUE(store->commit(7).has_value());
  EXPECT_EQ(store->overlay_entries(), 0U);
  EXPECT_EQ(store->checkpoint(), 7U);
  // A copy of the files is what a crash at this instant leaves.
  const std::string copy = directory + "_copy";
  fs::remove_all(copy);
  fs::copy(directory, copy);
  EXPECT_EQ(get(*open_store(copy, {"a"}), 0, "k"), "v");
}

TEST(StateStoreOnDisk, ABegunCheckpointHoldsWhatWasCommittedBefore) {
  const std::string directory = fresh_directory();
  const auto store = open_store(directory, {"a"});
  const auto commit = [&](uint64_t sequence) {
    store->write(0, "k", std::to_string(sequence), sequence);
    ASSERT_TRUE(store->commit(sequence));
  };
  const auto finish = [&] {
    while (store->is_checkpointing()) ASSERT_TRUE(store->checkpointed());
  };
  ASSERT_TRUE(store->begin_checkpoint());
  EXPECT_FALSE(store->is_checkpointing()) << "there is nothing to write";
  commit(1);
  ASSERT_TRUE(store->begin_checkpoint());
  EXPECT_TRUE(store->is_checkpointing());
  commit(2);
  EXPECT_GT(store->bytes_since_checkpoint(), 0U);
  ASSERT_TRUE(store->begin_checkpoint());  // it is still at the first
  finish();
  EXPECT_EQ(store->checkpointed(), 1U);
  {
    const std::string copy = directory + "_copy";
    fs::remove_all(copy);
    fs::copy(directory, copy);
    const auto crashed = open_store(copy, {"a"});
    EXPECT_EQ(crashed->recovered_up_to(), 1U);
    EXPECT_EQ(get(*crashed, 0, "k"), "1");
  }
  ASSERT_TRUE(store->begin_checkpoint());
  finish();
  EXPECT_EQ(store->checkpointed(), 2U);
  commit(3);
  ASSERT_TRUE(store->begin_checkpoint());
  commit(4);
  EXPECT_EQ(store->checkpoint(), 4U) << "waits for all there is";
  EXPECT_FALSE(store->is_checkpointing());
  EXPECT_EQ(store->checkpointed(), 4U);
}

TEST(StateStoreOnDisk, SaysWhyItCannotBeOpened) {
  const auto code = [](const std::string& directory) {
    const auto store = StateStore::open(directory, {"a"});
    EXPECT_FALSE(store.has_value());
    return store ? ErrorCode::Internal : store.error().code;
  };
  const std::string directory = fresh_directory();
  std::ofstream(directory) << "a file";
  EXPECT_EQ(code(directory), ErrorCode::Io);
  EXPECT_EQ(code(directory + "/inside"), ErrorCode::Io);
  fs::remove(directory);
  {
    const auto store = open_store(directory, {"a"});
    EXPECT_EQ(code(directory), ErrorCode::Locked);
    store->write(0, "k", std::string(100'000, 'x'), 1);
    ASSERT_TRUE(store->commit(1).has_value());
    ASSERT_TRUE(store->checkpoint().has_value());
  }
  for (const auto& file : fs::directory_iterator(directory))
    if (file.path().filename().string().starts_with("MANIFEST")) {
      std::fstream manifest(file.path(), std::ios::in | std::ios::out);
      manifest.seekp(20).write("damage", 6);
    }
  EXPECT_EQ(code(directory), ErrorCode::Damaged);
  std::ofstream(directory + "/CURRENT") << "nothing\n";
  EXPECT_EQ(code(directory), ErrorCode::Damaged);
}

}  // namespace
}  // namespace wiremill
