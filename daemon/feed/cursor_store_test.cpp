// Cursors on disk: what is answered for is there again, and a store that cannot write says so.
#include "daemon/feed/cursor_store.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "daemon/log/memory_file_system.hpp"

namespace wiremill {
namespace {

class CursorStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ =
        std::filesystem::temp_directory_path() / ("wiremill_cursors_" + std::to_string(::getpid()));
    std::filesystem::remove_all(directory_);
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }

  Status open(size_t cursors_max = 10) {
    store_.reset();
    auto opened = CursorStore::open(directory_, cursors_max, [this] {
      ++settled_;
      settled_.notify_all();
    });
    if (!opened) return tl::unexpected(opened.error());
    store_ = std::move(*opened);
    return {};
  }
  // Waits for the outcomes of what was committed.
  std::vector<CursorStore::Outcome> outcomes() {
    for (;;) {
      const int before = settled_;
      auto taken = store_->take_outcomes();
      if (!taken.empty()) return taken;
      settled_.wait(before);
    }
  }

  std::filesystem::path directory_;
  std::atomic<int> settled_{0};
  std::unique_ptr<CursorStore> store_;
};

TEST_F(CursorStoreTest, NamesAreCheckedByTheirLettersAndLength) {
  for (const std::string_view name : {"a", "Indexer-2.eu_west", ".."})
    EXPECT_TRUE(is_cursor_name(name)) << name;
  for (const std::string_view name : {"", "a/b", "a b", "ä", "a\n"})
    EXPECT_FALSE(is_cursor_name(name)) << name;
  EXPECT_TRUE(is_cursor_name(std::string(128, 'x')));
  EXPECT_FALSE(is_cursor_name(std::string(129, 'x')));
}

TEST_F(CursorStoreTest, WhatIsAnsweredIsThereAgain) {
  ASSERT_TRUE(open());
  EXPECT_FALSE(store_->find("a"));
  ASSERT_TRUE(store_->commit("a", {1, 7, 99}, "peer"));
  ASSERT_EQ(store_->find("a")->sequence, 7U);  // at once
  const auto done = outcomes();
  ASSERT_EQ(done.size(), 1U);
  EXPECT_TRUE(done[0].status);
  EXPECT_EQ(done[0].name, "a");
  EXPECT_EQ(done[0].place.sequence, 7U);
  EXPECT_EQ(done[0].peers, (std::vector<std::string>{"peer"}));
  ASSERT_TRUE(store_->set("b", {2, 0, 5}));
  ASSERT_TRUE(store_->set("gone", {1, 1, 1}));
  ASSERT_TRUE(store_->remove("gone"));
  ASSERT_TRUE(open());
  const auto all = store_->all();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all.at("a").epoch, 1U);
  EXPECT_EQ(all.at("a").sequence, 7U);
  EXPECT_EQ(all.at("a").committed_at_us, 99);
  EXPECT_EQ(all.at("b").epoch, 2U);
}

TEST_F(CursorStoreTest, CommitsThatWaitAreAnsweredByTheNewest) {
  ASSERT_TRUE(open());
  for (uint64_t sequence = 1; sequence <= 5000; ++sequence)
    ASSERT_TRUE(store_->commit("a", {1, sequence, 0}, sequence % 2 == 0 ? "even" : "odd"));
  uint64_t newest = 0, answers = 0;
  while (newest < 5000)
    for (const CursorStore::Outcome& outcome : outcomes()) {
      EXPECT_GT(outcome.place.sequence, newest);
      newest = outcome.place.sequence;
      EXPECT_LE(outcome.peers.size(), 2U);
      ++answers;
    }
  EXPECT_LT(answers, 5000U);
}

TEST_F(CursorStoreTest, TheirNumberIsBounded) {
  ASSERT_TRUE(open(2));
  ASSERT_TRUE(store_->set("a", {1, 1, 0}));
  ASSERT_TRUE(store_->commit("b", {1, 1, 0}, "peer"));
  EXPECT_EQ(store_->commit("c", {1, 1, 0}, "peer").error().code, ErrorCode::TooLarge);
  EXPECT_EQ(store_->set("c", {1, 1, 0}).error().code, ErrorCode::TooLarge);
  EXPECT_FALSE(store_->has_room_for("c"));
  EXPECT_TRUE(store_->has_room_for("a"));
  ASSERT_TRUE(store_->set("a", {1, 2, 0}));
  ASSERT_TRUE(store_->remove("a"));
  EXPECT_EQ(store_->remove("a").error().code, ErrorCode::NotFound);
  EXPECT_TRUE(store_->set("c", {1, 1, 0}));
}

TEST_F(CursorStoreTest, KnowsFromWhereResultsMayDifferSinceAnEpoch) {
  ASSERT_TRUE(open());
  ASSERT_TRUE(store_->begin_epoch(1, 1));
  EXPECT_EQ(store_->changed_from(1), UINT64_MAX);
  ASSERT_TRUE(store_->begin_epoch(2, 901));
  ASSERT_TRUE(open());
  ASSERT_TRUE(store_->begin_epoch(2, 901));
  ASSERT_TRUE(store_->begin_epoch(3, 1200));
  EXPECT_EQ(store_->changed_from(1), 901U);
  EXPECT_EQ(store_->changed_from(2), 1200U);
  ASSERT_TRUE(store_->begin_epoch(4, 1000));  // lost more than was given out in epoch 3
  ASSERT_TRUE(open());
  EXPECT_EQ(store_->changed_from(1), 901U);
  EXPECT_EQ(store_->changed_from(2), 1000U);
  EXPECT_EQ(store_->changed_from(3), 1000U);
  EXPECT_EQ(store_->changed_from(4), UINT64_MAX);
  ASSERT_TRUE(store_->begin_epoch(1, 1));  // another log took its place
  EXPECT_EQ(store_->changed_from(0), 1U);
  EXPECT_EQ(store_->changed_from(1), UINT64_MAX);
}

TEST_F(CursorStoreTest, AFailedWriteIsSaidAndPasses) {
  using Kind = MemoryFileSystem::Kind;
  for (const Kind failing :
       {Kind::Open, Kind::Write, Kind::Sync, Kind::Rename, Kind::SyncDirectory}) {
    MemoryFileSystem files;
    auto store = CursorStore::open(
                     "/cursors", 10, [] {}, files)
                     .value();
    ASSERT_TRUE(store->begin_epoch(1, 1));
    ASSERT_TRUE(store->set("a", {1, 1, 0}));
    files.set_gate([&](Kind kind, const std::string&) -> Status {
      if (kind == failing) return fail(ErrorCode::NoSpace, "the disk is full");
      return {};
    });
    EXPECT_EQ(store->set("a", {1, 2, 0}).error().code, ErrorCode::NoSpace);
    EXPECT_EQ(store->remove("a").error().code, ErrorCode::NoSpace);
    EXPECT_EQ(store->find("a")->sequence, 1U);
    files.set_gate({});
    ASSERT_TRUE(store->set("b", {1, 4, 0}));  // with it what stood there
    store.reset();
    store = CursorStore::open(
                "/cursors", 10, [] {}, files)
                .value();
    EXPECT_EQ(store->find("a")->sequence, 1U);
    EXPECT_EQ(store->find("b")->sequence, 4U);
    EXPECT_EQ(store->changed_from(0), 1U);
  }
}

// What was answered for survives a power cut after any operation, whatever of the rest does.
TEST_F(CursorStoreTest, APowerCutLosesNothingThatWasAnsweredFor) {
  MemoryFileSystem files;
  std::vector<std::pair<size_t, uint64_t>> answered;  // operations so far, sequence
  auto store = CursorStore::open(
                   "/cursors", 10, [] {}, files)
                   .value();
  constexpr uint64_t kCommits = 20;
  for (uint64_t sequence = 1; sequence <= kCommits; ++sequence) {
    ASSERT_TRUE(store->set("a", {1, sequence, 0}));
    answered.emplace_back(files.operations(), sequence);
  }
  store.reset();
  std::mt19937_64 random(7);
  for (size_t count = 0; count <= files.operations(); ++count)
    for (int trial = 0; trial < 5; ++trial) {
      uint64_t least = 0;
      for (const auto& [operations, sequence] : answered)
        if (operations <= count) least = sequence;
      const auto disk = files.power_cut(count, random);
      const auto again = CursorStore::open(
          "/cursors", 10, [] {}, *disk);
      ASSERT_TRUE(again) << again.error().message;
      const auto found = (*again)->find("a");
      EXPECT_GE(found ? found->sequence : 0, least);
      EXPECT_LE(found ? found->sequence : 0, least + 1);
    }
}

TEST_F(CursorStoreTest, AStoreThatCannotBeOpenedSaysWhy) {
  ASSERT_TRUE(open());
  ASSERT_TRUE(store_->set("a", {1, 1, 0}));
  const auto second = CursorStore::open(directory_, 10, [] {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::Locked);
  store_.reset();
  std::ostringstream whole;
  whole << std::ifstream(directory_ / "CURSORS").rdbuf();
  const std::string text = whole.str();
  const auto error_with = [&](const std::string& changed) {
    std::ofstream(directory_ / "CURSORS") << changed;
    const Status opened = open();
    EXPECT_FALSE(opened) << changed;
    return opened ? Error{} : opened.error();
  };
  for (size_t i = 0; i < text.size(); ++i) {
    std::string flipped = text;
    flipped[i] = static_cast<char>(flipped[i] ^ 1);
    EXPECT_NE(error_with(flipped).code, ErrorCode::Internal) << i;
    EXPECT_EQ(error_with(text.substr(0, i)).code, ErrorCode::Damaged) << i;
  }
  const Error damaged = error_with(text + "x");
  EXPECT_NE(damaged.message.find(directory_ / "CURSORS"), std::string::npos) << damaged.message;
  EXPECT_NE(damaged.message.find("without it"), std::string::npos);
  EXPECT_EQ(error_with("wiremill-cursors 2\nwhatever\n").code, ErrorCode::Unsupported);
  std::ofstream(directory_ / "CURSORS") << text;
  EXPECT_TRUE(open());
}

}  // namespace
}  // namespace wiremill
