// Children that are started, wait, die and are replaced, without any process.
#include "daemon/host/child_pool.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

namespace wiremill {
namespace {

using std::chrono::steady_clock;

class IdleChild final : public Child {
  Status start(const v1::StageStart&) override { return {}; }
  CallEnd call(What, const wm_batch&, std::span<const uint32_t>, const OwnEvent&) override {
    return 0;
  }
  std::optional<std::string> ended() override { return std::nullopt; }
  void trim_words() override {}
};

// Makes children, after `failures` that fail with `code`, and knows when.
struct Maker {
  explicit Maker(size_t failures = 0, ErrorCode code = ErrorCode::Unavailable)
      : failures_left(failures), error{code, "no luck"} {}

  Result<std::unique_ptr<Child>> operator()() {
    const MutexLock lock(mutex);
    tried.push_back(steady_clock::now());
    if (failures_left == 0) return std::make_unique<IdleChild>();
    --failures_left;
    return tl::unexpected(error);
  }
  size_t tries() const {
    const MutexLock lock(mutex);
    return tried.size();
  }

  mutable Mutex mutex;
  size_t failures_left;
  const Error error;
  std::vector<steady_clock::time_point> tried;
};

struct Pool {
  explicit Pool(Maker& maker)
      : pool("test", [&maker] { return maker(); }, [this](const Error&) { ++failed; }) {}
  std::atomic<size_t> failed = 0;
  ChildPool pool;
};

// Long enough for the pool's thread to do what it should not.
void wait_a_little() { std::this_thread::sleep_for(std::chrono::milliseconds(50)); }

TEST(ChildPool, StartsOneForEachCallAtOnceAndKeepsIt) {
  Maker maker;
  Pool pool(maker);
  auto first = pool.pool.take(), second = pool.pool.take();
  ASSERT_TRUE(first && second);
  const Child* const known = first->get();
  pool.pool.give_back(std::move(*first));
  const auto third = pool.pool.take();
  ASSERT_TRUE(third);
  EXPECT_EQ(third->get(), known);
  wait_a_little();
  EXPECT_EQ(maker.tries(), 2U);
}

TEST(ChildPool, ASpareStandsReadyAfterADeath) {
  Maker maker;
  Pool pool(maker);
  pool.pool.note_death();
  const auto child = pool.pool.take();
  ASSERT_TRUE(child);
  while (maker.tries() < 2) std::this_thread::yield();
  wait_a_little();
  EXPECT_EQ(maker.tries(), 2U);  // it is not taken, so there is one
}

// Each pause is twice the one before.
TEST(ChildPool, TriesAgainMoreAndMoreSlowly) {
  Maker maker(3);
  Pool pool(maker);
  EXPECT_TRUE(pool.pool.take());
  EXPECT_EQ(pool.failed, 3U);
  ASSERT_EQ(maker.tried.size(), 4U);
  for (int i = 1; i <= 3; ++i)
    EXPECT_GE(maker.tried[i] - maker.tried[i - 1], std::chrono::milliseconds(50) * (1 << i));
}

TEST(ChildPool, WhatIsRefusedIsNotTriedAgain) {
  Maker maker(1000, ErrorCode::Config);
  Pool pool(maker);
  const auto child = pool.pool.take();
  ASSERT_FALSE(child);
  EXPECT_EQ(child.error().message, "no luck");
  EXPECT_EQ(maker.tries(), 1U);
  EXPECT_FALSE(pool.pool.take());  // whoever asks again has it tried again
  EXPECT_EQ(maker.tries(), 2U);
}

TEST(ChildPool, GivesUpAfterSeveralTries) {
  Maker maker(1000);
  Pool pool(maker);
  EXPECT_FALSE(pool.pool.take());
  wait_a_little();
  EXPECT_EQ(maker.tries(), 6U);
}

}  // namespace
}  // namespace wiremill
