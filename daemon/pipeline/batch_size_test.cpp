#include "daemon/pipeline/batch_size.hpp"

#include <gtest/gtest.h>

namespace wiremill {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

// After so many batches that took so long for a document.
void settle(BatchSize& size, int batches, microseconds each) {
  for (int i = 0; i < batches; ++i) size.note(size.documents(), size.documents() * each, 0);
}

TEST(BatchSize, IsTheMostAtFirstAndWhereSettlesAreFast) {
  BatchSize size(32);
  EXPECT_EQ(size.documents(), 32U);
  settle(size, 100, microseconds(300));
  EXPECT_EQ(size.documents(), 32U);
}

TEST(BatchSize, IsWhatSlowSettlesGetThroughInTime) {
  BatchSize size(32);
  settle(size, 50, milliseconds(1));
  EXPECT_NEAR(size.documents(), 10, 1);
  settle(size, 50, milliseconds(2));
  EXPECT_NEAR(size.documents(), 5, 1);
}

TEST(BatchSize, LeavesSomeToShareTheCostOfACall) {
  BatchSize size(32), small(2);
  settle(size, 50, seconds(5));
  settle(small, 50, seconds(5));
  EXPECT_EQ(size.documents(), BatchSize::kLeast);
  EXPECT_EQ(small.documents(), 2U);
}

TEST(BatchSize, GrowsAgain) {
  BatchSize size(32);
  settle(size, 10, seconds(1));
  settle(size, 100, microseconds(100));
  EXPECT_EQ(size.documents(), 32U);
}

TEST(BatchSize, HoldsNoMoreThanItMayOfLargeResults) {
  BatchSize size(32);
  for (int i = 0; i < 50; ++i) size.note(32, milliseconds(1), 32 * (1 << 20));
  EXPECT_EQ(size.documents(), 32U);
  for (int i = 0; i < 50; ++i) size.note(32, milliseconds(1), 32 * (8LL << 20));
  EXPECT_EQ(size.documents(), 8U);
  for (int i = 0; i < 50; ++i) size.note(1, milliseconds(1), 500LL << 20);
  EXPECT_EQ(size.documents(), 1U);
}

TEST(BatchSize, PassesOverASingleSlowBatch) {
  BatchSize size(32);
  settle(size, 50, microseconds(100));
  size.note(32, milliseconds(30), 0);
  EXPECT_EQ(size.documents(), 32U);
}

}  // namespace
}  // namespace wiremill
