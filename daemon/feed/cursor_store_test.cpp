// Cursors on disk: what is answered for is there again, and a store that cannot write says so.
#include "daemon/feed/cursor_store.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>

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
  for (const std::string name : {"a", "Indexer-2.eu_west", "..", std::string(128, 'x').c_str()})
    EXPECT_TRUE(is_cursor_name(name)) << name;
  for (const std::string name : {"", "a/b", "a b", "ä", "a\n", std::string(129, 'x').c_str()})
    EXPECT_FALSE(is_cursor_name(name)) << name;
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
  ASSERT_TRUE(open());
  ASSERT_TRUE(store_->begin_epoch(1, 1));
  ASSERT_TRUE(store_->set("a", {1, 1, 0}));
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit none{16, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &none), 0);
  const Status failed = store_->set("a", {1, 2, 0});
  ASSERT_TRUE(store_->commit("a", {1, 3, 0}, "peer"));
  const auto refused = outcomes();
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_EQ(failed.error().code, ErrorCode::Io);
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_FALSE(refused[0].status);
  EXPECT_EQ(store_->find("a")->sequence, 1U);
  while (!store_->set("b", {1, 4, 0})) ::usleep(50'000);  // it tries again each second
  ASSERT_TRUE(open());
  EXPECT_EQ(store_->find("a")->sequence, 1U);
  EXPECT_EQ(store_->find("b")->sequence, 4U);
  EXPECT_EQ(store_->changed_from(0), 1U);
}

TEST_F(CursorStoreTest, AStoreThatCannotBeOpenedSaysWhy) {
  ASSERT_TRUE(open());
  ASSERT_TRUE(store_->set("a", {1, 1, 0}));
  const auto second = CursorStore::open(directory_, 10, [] {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::Locked);
  store_.reset();
  std::ofstream(directory_ / "CURRENT") << "no manifest\n";
  const Status damaged = open();
  ASSERT_FALSE(damaged);
  EXPECT_EQ(damaged.error().code, ErrorCode::Damaged);
  EXPECT_NE(damaged.error().message.find(directory_), std::string::npos);
  EXPECT_NE(damaged.error().message.find("without the folder"), std::string::npos);
}

}  // namespace
}  // namespace wiremill
