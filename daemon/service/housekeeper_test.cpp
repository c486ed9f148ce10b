#include "daemon/service/housekeeper.hpp"

#include <gtest/gtest.h>

namespace wiremill {
namespace {

TEST(Housekeeper, HoldsBelowTheMinimumAndUntilThereIsATenthMore) {
  constexpr int64_t kMinimum = 1000;
  EXPECT_FALSE(is_short_of_space(false, 1000, kMinimum));
  EXPECT_TRUE(is_short_of_space(false, 999, kMinimum));
  EXPECT_TRUE(is_short_of_space(true, 1000, kMinimum));
  EXPECT_TRUE(is_short_of_space(true, 1099, kMinimum));
  EXPECT_FALSE(is_short_of_space(true, 1100, kMinimum));
  EXPECT_FALSE(is_short_of_space(false, 0, 0));
  EXPECT_FALSE(is_short_of_space(true, 0, 0));
}

}  // namespace
}  // namespace wiremill
