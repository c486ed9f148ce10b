#include "daemon/service/liveness.hpp"

#include <gtest/gtest.h>

#include "daemon/service/rates.hpp"

namespace wiremill {
namespace {

using std::chrono::seconds;

struct LivenessTest : testing::Test {
  // A second later; the io thread beats unless it hangs.
  bool after_a_second(bool io_beats, uint64_t in_line, uint64_t processed, uint64_t outside = 0) {
    now += seconds(1);
    if (io_beats) liveness.beat();
    Pipeline::Counters line;
    line.in_line = in_line;
    line.processed = processed;
    line.outside = outside;
    return liveness.alive(now, line);
  }
  Liveness::Clock::time_point now{};
  Liveness liveness{seconds(3), now};
};

TEST_F(LivenessTest, AnIdleDaemonIsAlive) {
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(after_a_second(true, 0, 7));
}

TEST_F(LivenessTest, AHangingIoThreadIsNot) {
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(after_a_second(false, 0, 7));
  EXPECT_FALSE(after_a_second(false, 0, 7));
  EXPECT_TRUE(after_a_second(true, 0, 7));
}

TEST_F(LivenessTest, ADocumentThatHangsInTheLineIsNot) {
  for (uint64_t i = 0; i < 10; ++i) EXPECT_TRUE(after_a_second(true, 5, i));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(after_a_second(true, 5, 9));
  EXPECT_FALSE(after_a_second(true, 5, 9));
  EXPECT_TRUE(after_a_second(true, 5, 10));
}

TEST_F(LivenessTest, ACallWithAProcessOfItsOwnIsBoundedByItsStage) {
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(after_a_second(true, 32, 9, 1));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(after_a_second(true, 32, 9));
  EXPECT_FALSE(after_a_second(true, 32, 9));
}

TEST(RateTest, CountsTheLastTenSeconds) {
  Rate rate;
  Rate::Clock::time_point now{};
  EXPECT_EQ(rate.per_second(), 0);
  for (uint64_t i = 0; i < 20; ++i)
    rate.sample(now += seconds(1), i < 10 ? 1000 * i : 9000 + 50 * (i - 9));
  EXPECT_NEAR(rate.per_second(), 50, 0.001);
}

}  // namespace
}  // namespace wiremill
