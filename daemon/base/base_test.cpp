#include <gtest/gtest.h>

#include "daemon/base/clock.hpp"
#include "daemon/base/error.hpp"
#include "daemon/base/hash.hpp"
#include "daemon/base/units.hpp"

namespace wiremill {
namespace {

TEST(Clock, ReadsAndWritesRfc3339) {
  EXPECT_EQ(parse_time("1970-01-01T00:00:01Z"), 1'000'000);
  EXPECT_EQ(parse_time("2023-04-28T15:20:00+02:00"), parse_time("2023-04-28T13:20:00Z"));
  EXPECT_EQ(parse_time("2023-04-28T15:20:00.25Z").value() % 1'000'000, 250'000);
  EXPECT_EQ(parse_time("2023-04-28").value(), parse_time("2023-04-28T00:00:00Z").value());
  EXPECT_EQ(format_time(parse_time("2023-04-28T15:20:00Z").value()), "2023-04-28T15:20:00Z");
  EXPECT_EQ(format_time(parse_time("2023-04-28T15:20:00.25Z").value()), "2023-04-28T15:20:00.25Z");
  EXPECT_EQ(format_time(parse_time("1969-12-31T23:59:59Z").value()), "1969-12-31T23:59:59Z");
}

TEST(Clock, RefusesWhatIsNotATime) {
  for (const char* text :
       {"", "2023", "2023-13-01", "2023-02-30", "2023-04-28T25:00:00Z", "2023-04-28T15:20:00",
        "2023-04-28T15:20:00Zx", "2023-04-28T15:20:00.Z", "yesterday"})
    EXPECT_FALSE(parse_time(text).has_value()) << text;
}

// Counts how often it was copied.
struct Counted {
  explicit Counted(int& counter) : copies(&counter) {}
  Counted(const Counted& other) : copies(other.copies) { ++*copies; }
  Counted(Counted&&) = default;
  int* copies;
};

TEST(Try, CopiesNoValueAndLeavesANamedResultAsItIs) {
  int copies = 0;
  const auto go_through = [](const Result<Counted>& result) -> Status {
    WM_TRY(result);
    return {};
  };
  EXPECT_TRUE(go_through(Counted(copies)));
  EXPECT_EQ(copies, 0);
  Status named = fail(ErrorCode::Busy, "a message that is too long for the string's own place");
  const auto give_up = [&]() -> Status {
    WM_TRY(named);
    return {};
  };
  const Status first = give_up(), second = give_up();
  ASSERT_FALSE(second);
  EXPECT_EQ(first.error().message, named.error().message);
  EXPECT_EQ(second.error().message, named.error().message);
}

TEST(Hash, Crc32cMatchesTheStandardsCheckValues) {
  EXPECT_EQ(crc32c("123456789"), 0xe3069283U);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8a9136aaU);  // RFC 3720, B.4
  EXPECT_EQ(crc32c("456789", crc32c("123")), 0xe3069283U);
}

TEST(Hash, KeyAndHexShowTheSameBytes) {
  const Hash128 hash{0x0102030405060708U, 0xf1f2f3f4f5f6f7f8U};
  EXPECT_EQ(hash_hex(hash), "f1f2f3f4f5f6f7f80102030405060708");
  EXPECT_EQ(hash_key(hash).size(), 16U);
}

TEST(Units, ReadWhatPeopleWrite) {
  EXPECT_EQ(parse_bytes("10MiB"), 10 << 20);
  EXPECT_EQ(parse_bytes("512"), 512);
  EXPECT_EQ(parse_bytes("1KB"), 1000);
  EXPECT_EQ(parse_duration_ms("250ms"), 250);
  EXPECT_EQ(parse_duration_ms("24h"), 86'400'000);
  EXPECT_EQ(parse_duration_ms("0"), 0);
  for (const char* text : {"", "x", "-1MiB", "10 MiB", "10Mib", "9999999999TiB"})
    EXPECT_FALSE(parse_bytes(text).has_value()) << text;
  for (const char* text : {"", "5", "10 s", "1y"})
    EXPECT_FALSE(parse_duration_ms(text).has_value()) << text;
  EXPECT_EQ(format_bytes(10 << 20), "10MiB");
  EXPECT_EQ(format_duration_ms(90'000), "90s");
}

}  // namespace
}  // namespace wiremill
