#include "daemon/text/utf8.hpp"

#include <gtest/gtest.h>
#include <unicode/unistr.h>
#include <unicode/utf8.h>

#include <random>
#include <vector>

namespace wiremill::text {
namespace {

constexpr std::string_view kFffd = "\xef\xbf\xbd";

std::string fffd(size_t count) {
  std::string text;
  for (size_t i = 0; i < count; ++i) text += kFffd;
  return text;
}

// ICU's reader of one character, a different implementation of the same table.
size_t icu_valid_prefix(std::string_view bytes) {
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  const auto size = static_cast<int32_t>(bytes.size());
  for (int32_t at = 0; at < size;) {
    const int32_t begin = at;
    UChar32 c;
    U8_NEXT(data, at, size, c);
    if (c < 0) return static_cast<size_t>(begin);
  }
  return bytes.size();
}

// ICU replaces by maximal subparts too, but keeps NUL.
std::string icu_repair(std::string_view bytes) {
  std::string text;
  icu::UnicodeString::fromUTF8(icu::StringPiece(bytes.data(), static_cast<int32_t>(bytes.size())))
      .toUTF8String(text);
  for (size_t at; (at = text.find('\0')) != text.npos;) text.replace(at, 1, kFffd);
  return text;
}

void expect_like_icu(std::string_view bytes) {
  ASSERT_EQ(valid_prefix(bytes), icu_valid_prefix(bytes)) << testing::PrintToString(bytes);
  ASSERT_EQ(repair(bytes), icu_repair(bytes)) << testing::PrintToString(bytes);
}

TEST(Utf8, AcceptsEveryCodePointThatIsNotASurrogate) {
  std::string all;
  for (UChar32 c = 0; c <= 0x10ffff; ++c) {
    if (U_IS_SURROGATE(c)) continue;
    std::string one;
    icu::UnicodeString(c).toUTF8String(one);
    ASSERT_TRUE(is_valid(one)) << c;
    all += one;
  }
  EXPECT_TRUE(is_valid(all));
  size_t repaired = 9;
  EXPECT_EQ(repair(std::string_view(all).substr(1), &repaired), all.substr(1));
  EXPECT_EQ(repaired, 0U);
}

struct Case {
  std::string_view bytes;
  size_t valid;
  std::string repaired;
};

TEST(Utf8, ReplacesMaximalSubparts) {
  const std::vector<Case> cases = {
      {"", 0, ""},
      {"\x80", 0, fffd(1)},
      {"a\xff\xfe", 1, "a" + fffd(2)},
      {"\xc0\x80", 0, fffd(2)},                                    // overlong NUL
      {"\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41", 0, fffd(8) + "A"},  // Unicode 15, table 3-8
      {"\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41", 0, fffd(8) + "A"},  // table 3-9, surrogates
      {"\xf4\x91\x92\x93\xff\x41\x80\xbf\x42", 0, fffd(5) + "A" + fffd(2) + "B"},  // table 3-10
      {"\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", 0, fffd(4) + "A"},  // table 3-11, truncated
      {"\xf8\x88\x80\x80\x80", 0, fffd(5)},                        // a five-byte form
      {"\xe2\x82", 0, fffd(1)},
      {"\xf0\x9f\x98", 0, fffd(1)},
      {"\xf0\x9f\x98\x80\xf0\x9f", 4, "\xf0\x9f\x98\x80" + fffd(1)},
      {"caf\xe9 noir", 3, "caf" + fffd(1) + " noir"},
      {std::string_view("a\0b\0", 4), 4, "a" + fffd(1) + "b" + fffd(1)},
      {std::string_view("\0\xff\0", 3), 1, fffd(3)},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(valid_prefix(c.bytes), c.valid) << testing::PrintToString(c.bytes);
    size_t repaired = 0;
    EXPECT_EQ(repair(c.bytes, &repaired), c.repaired) << testing::PrintToString(c.bytes);
  }
}

TEST(Utf8, CountsReplacements) {
  size_t repaired = 0;
  repair(std::string_view("a\0b\xff\xe2\x82z", 7), &repaired);
  EXPECT_EQ(repaired, 3U);
}

TEST(Utf8, EveryTwoAndThreeByteSequenceIsReadAsIcuReadsIt) {
  for (unsigned a = 0x80; a < 0x100; ++a)
    for (unsigned b = 0; b < 0x100; ++b) {
      const char two[] = {static_cast<char>(a), static_cast<char>(b)};
      expect_like_icu({two, 2});
      if (HasFatalFailure()) return;
    }
  for (unsigned a = 0xc0; a < 0x100; ++a)
    for (unsigned b = 0x70; b < 0x100; ++b)
      for (unsigned c = 0; c < 0x100; ++c) {
        const char three[] = {static_cast<char>(a), static_cast<char>(b), static_cast<char>(c)};
        ASSERT_EQ(valid_prefix({three, 3}), icu_valid_prefix({three, 3}))
            << a << ' ' << b << ' ' << c;
        if (c >= 0x7f && c < 0xc5) expect_like_icu({three, 3});
        if (HasFatalFailure()) return;
      }
}

TEST(Utf8, TheEdgesOfFourByteSequencesAreReadAsIcuReadsThem) {
  const unsigned char edges[] = {0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff};
  for (unsigned a = 0xee; a < 0xfa; ++a)
    for (const unsigned char b : edges)
      for (const unsigned char c : edges)
        for (const unsigned char d : edges) {
          const char four[] = {static_cast<char>(a), static_cast<char>(b), static_cast<char>(c),
                               static_cast<char>(d)};
          expect_like_icu({four, 4});
          if (HasFatalFailure()) return;
        }
}

// Blocks, offsets and ends: one bad byte at each place of texts of each length.
TEST(Utf8, FindsABadByteWhereverItStands) {
  for (const std::string_view filler : {"x", "\xc3\xa9", "\xe4\xb8\xad", "\xf0\x9f\x98\x80"}) {
    for (size_t characters = 0; characters < 70; ++characters) {
      std::string text;
      for (size_t i = 0; i < characters; ++i) text += filler;
      ASSERT_TRUE(is_valid(text));
      for (size_t at = 0; at < text.size(); ++at) {
        std::string bad = text;
        bad[at] = '\xff';
        ASSERT_EQ(valid_prefix(bad), at / filler.size() * filler.size());
        ASSERT_TRUE(is_valid(repair(bad)));
      }
    }
  }
}

TEST(Utf8, RandomBytesAreReadAsIcuReadsThem) {
  std::mt19937 random(20230428);
  const std::string_view pieces[] = {"news ",        "\xc3", "\xa9", "\xe2\x82\xac",
                                     "\xed",         "\xa0", "\x80", "\xf0",
                                     "\x9f\x98\x80", "\xf4", "\xff", "plain ascii of some length ",
                                     "\xe0"};
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes;
    for (size_t i = random() % 20; i > 0; --i) bytes += pieces[random() % std::size(pieces)];
    expect_like_icu(bytes);
    if (HasFatalFailure()) return;
  }
}

TEST(Utf8, ManyNulsAndBadBytesTakeLinearTime) {
  const std::string nuls(4 << 20, '\0');
  size_t repaired = 0;
  repair(nuls, &repaired);
  EXPECT_EQ(repaired, nuls.size());
  repair(std::string(4 << 20, '\xff'), &repaired);
  EXPECT_EQ(repaired, nuls.size());
}

TEST(Utf8, KnowsBoundaries) {
  const std::string_view text = "a\xc3\xa9";
  EXPECT_TRUE(is_boundary(text, 0));
  EXPECT_TRUE(is_boundary(text, 1));
  EXPECT_FALSE(is_boundary(text, 2));
  EXPECT_TRUE(is_boundary(text, 3));
  EXPECT_FALSE(is_boundary(text, 4));
}

}  // namespace
}  // namespace wiremill::text
