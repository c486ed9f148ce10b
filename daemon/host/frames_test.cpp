#include "daemon/host/frames.hpp"

#include <gtest/gtest.h>

#include <cstring>

namespace wiremill {
namespace {

TEST(Frames, ComeBackAsTheyWereWritten) {
  const std::string zeros("\0\0", 2), long_value(100'000, 'v');
  std::string bytes;
  append_frame({Frame::Kind::Put, 7, "key", long_value}, bytes);
  append_frame({Frame::Kind::Remove, UINT32_MAX, zeros, {}}, bytes);
  append_frame({Frame::Kind::More, 0, {}, {}}, bytes);
  FrameReader frames(bytes);
  const auto put = frames.next();
  ASSERT_TRUE(put);
  EXPECT_EQ(put->kind, Frame::Kind::Put);
  EXPECT_EQ(put->document, 7U);
  EXPECT_EQ(put->key, "key");
  EXPECT_EQ(put->value, long_value);
  const auto removed = frames.next();
  ASSERT_TRUE(removed);
  EXPECT_EQ(removed->kind, Frame::Kind::Remove);
  EXPECT_EQ(removed->document, UINT32_MAX);
  EXPECT_EQ(removed->key, zeros);
  EXPECT_EQ(frames.next()->kind, Frame::Kind::More);
  EXPECT_FALSE(frames.next());
  EXPECT_TRUE(frames.rest().empty());
}

TEST(Frames, AreReadWholeOrNotAtAll) {
  std::string bytes;
  append_frame({Frame::Kind::Put, 0, "key", "value"}, bytes);
  for (size_t size = 0; size < bytes.size(); ++size) {
    FrameReader frames(std::string_view(bytes).substr(0, size));
    EXPECT_FALSE(frames.next()) << size;
    EXPECT_EQ(frames.rest().size(), size);
  }
}

TEST(Frames, AHeadThatClaimsMoreThanThereIsIsNone) {
  std::string bytes;
  append_frame({Frame::Kind::Put, 0, "key", "value"}, bytes);
  for (const size_t at : {8, 12}) {  // key_bytes, value_bytes; their sum overflows 32 bits
    std::string claims = bytes;
    std::memset(claims.data() + at, 0xff, 4);
    EXPECT_FALSE(FrameReader(claims).next()) << at;
  }
}

}  // namespace
}  // namespace wiremill
