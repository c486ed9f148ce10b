#include "daemon/log/recent_groups.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace wiremill {
namespace {

// A group whose bytes are all `fill`, in blocks that hold 'x' around it.
std::shared_ptr<const Blocks> group(int64_t begin, int64_t end, char fill) {
  auto blocks = std::make_shared<Blocks>(begin, end);
  std::fill_n(blocks->at(blocks->begin()), blocks->bytes().size(), 'x');
  std::fill_n(blocks->at(begin), end - begin, fill);
  return blocks;
}

std::string copy(const RecentGroups& groups, uint64_t segment, int64_t begin, int64_t end) {
  std::string bytes(static_cast<size_t>(end - begin), '?');
  return groups.copy(segment, begin, end, bytes.data()) ? bytes : "none";
}

TEST(Blocks, AreWholeAndZeroAroundWhatTheyHold) {
  Blocks blocks(5000, 8193);
  std::fill_n(blocks.at(5000), 8193 - 5000, '\0');
  EXPECT_EQ(blocks.begin(), 4096);
  EXPECT_EQ(blocks.bytes(), std::string(8192, '\0'));
  EXPECT_EQ(reinterpret_cast<uintptr_t>(blocks.at(4096)) % kBlockBytes, 0U);
  EXPECT_EQ(blocks.at(5000) - blocks.at(4096), 904);
}

TEST(RecentGroups, AnswersAcrossGroupsButNotAcrossAHole) {
  RecentGroups groups(1 << 20);
  groups.add(1, 4096, 4100, group(4096, 4100, 'a'));
  groups.add(1, 4100, 8200, group(4100, 8200, 'b'));
  groups.add(1, 9000, 9004, group(9000, 9004, 'c'));
  groups.add(7, 4096, 4104, group(4096, 4104, 'd'));
  EXPECT_EQ(copy(groups, 1, 4098, 4102), "aabb");
  EXPECT_EQ(copy(groups, 1, 8190, 8200), std::string(10, 'b'));
  EXPECT_EQ(copy(groups, 1, 8199, 8201), "none");
  EXPECT_EQ(copy(groups, 1, 8500, 8501), "none");
  EXPECT_EQ(copy(groups, 1, 4095, 4097), "none");
  EXPECT_EQ(copy(groups, 7, 4096, 4104), std::string(8, 'd'));
  EXPECT_EQ(copy(groups, 7, 4100, 4105), "none");
  EXPECT_EQ(copy(groups, 3, 4096, 4097), "none");
}

TEST(RecentGroups, ForgetsTheOldestButNeverTheNewest) {
  RecentGroups groups(5 * kBlockBytes);  // a and b occupy 2 and 3
  groups.add(1, 4096, 8192, group(4096, 8192, 'a'));
  groups.add(1, 8192, 16384, group(8192, 16384, 'b'));
  EXPECT_EQ(copy(groups, 1, 4096, 4097), "a");
  groups.add(1, 16384, 16385, group(16384, 16385, 'c'));
  EXPECT_EQ(copy(groups, 1, 4096, 4097), "none");
  EXPECT_EQ(copy(groups, 1, 16383, 16385), "bc");
  groups.add(2, 4096, 100'000, group(4096, 100'000, 'd'));
  EXPECT_EQ(copy(groups, 1, 16384, 16385), "none");
  EXPECT_EQ(copy(groups, 2, 99'999, 100'000), "d");
}

}  // namespace
}  // namespace wiremill
