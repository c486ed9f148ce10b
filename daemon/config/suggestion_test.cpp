#include "daemon/config/suggestion.hpp"

#include <gtest/gtest.h>

#include <string>

namespace wiremill {
namespace {

TEST(Suggestion, TheNearestIsNamed) {
  EXPECT_EQ(describe_unknown("option", "treshold", {"threshold", "window"}),
            "unknown option 'treshold'; did you mean 'threshold'?");
  EXPECT_EQ(describe_unknown("option", "widnow", {"threshold", "window"}),
            "unknown option 'widnow'; did you mean 'window'?");
  EXPECT_EQ(describe_unknown("option", "x", {"threshold", "window"}),
            "unknown option 'x'; known: threshold, window");
  EXPECT_EQ(describe_unknown("option", "x", {}), "unknown option 'x'; there are none");
}

TEST(Suggestion, ALongNameIsCutBetweenCharacters) {
  const std::string before(63, 'n');
  EXPECT_EQ(describe_unknown("key", before + "\u00f8re", {}),
            "unknown key '" + before + "'; there are none");
  EXPECT_EQ(describe_unknown("key", before + "ore", {}),
            "unknown key '" + before + "o'; there are none");
}

}  // namespace
}  // namespace wiremill
