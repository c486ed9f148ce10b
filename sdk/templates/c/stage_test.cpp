// The stage in the test kit's host, without a daemon: wiremill/testing.hpp.
#include <gtest/gtest.h>
#include <wiremill/testing.hpp>

namespace {

using wiremill::testing::MockHost;
using wiremill::testing::TestDocument;

// Sentences and tokens are the daemon's; a test says them itself.
TestDocument rain() {
  return {
      .id = "rain",
      .text = "Rain fell.",
      .sentences = {{0, 10}},
      .tokens = {
          {0, 4, 0, WM_TOKEN_WORD}, {5, 9, 0, WM_TOKEN_WORD}, {9, 10, 0, WM_TOKEN_PUNCTUATION}}};
}

TEST(NewStage, CountsWords) {
  MockHost host(wiremill_plugin);
  const auto results = host.run({rain()});
  EXPECT_EQ(results[0].verdict, WM_OK);
  EXPECT_EQ(results[0].extension, R"({"words":2})");
}

TEST(NewStage, LeavesShortTextsAlone) {
  MockHost host(wiremill_plugin, {{"words_min", int64_t{3}}});
  const auto results = host.run({rain()});
  EXPECT_EQ(results[0].verdict, WM_SKIP);
  EXPECT_EQ(results[0].extension, std::nullopt);
}

}  // namespace
