// Dates, datelines, bylines and JSON-LD: the small readers of the clean stage.
#include <gtest/gtest.h>

#include <chrono>

#include "plugins/clean/address.hpp"
#include "plugins/clean/dateline.hpp"
#include "plugins/clean/dates.hpp"
#include "plugins/clean/html_metadata.hpp"
#include "plugins/clean/json_ld.hpp"

namespace wiremill::clean {
namespace {

int64_t at(int year, unsigned month, unsigned day, int hour = 0, int minute = 0, int second = 0) {
  using namespace std::chrono;
  const sys_days days{std::chrono::year{year} / static_cast<int>(month) / static_cast<int>(day)};
  return microseconds(days.time_since_epoch() + hours(hour) + minutes(minute) + seconds(second))
      .count();
}

int64_t date_of(std::string_view text) {
  const auto found = find_date(text);
  return found ? found->at_us : 0;
}

TEST(Dates, FormsThatAreRead) {
  EXPECT_EQ(date_of("2023-04-28T15:20:01Z"), at(2023, 4, 28, 15, 20, 1));
  EXPECT_EQ(date_of("2023-04-28T15:20:01.123+08:00"), at(2023, 4, 28, 7, 20, 1));
  EXPECT_EQ(date_of("2023-04-28T15:20:01-0500"), at(2023, 4, 28, 20, 20, 1));
  EXPECT_EQ(date_of("Wed, 26 Apr 2023 22:16:00 +0000"), at(2023, 4, 26, 22, 16));
  EXPECT_EQ(date_of("Updated: April 26, 2023 22:16"), at(2023, 4, 26, 22, 16));
  EXPECT_EQ(date_of("2023-04-28 15:20·SOMEONE"), at(2023, 4, 28, 15, 20));
  EXPECT_EQ(date_of("November 18, 2019 11:03 PM"), at(2019, 11, 18, 23, 3));
  EXPECT_EQ(date_of("Published 12:05 p.m. ET, Jan. 3rd, 2020"), at(2020, 1, 3));
  EXPECT_EQ(date_of("May 4th, 2021 at 12:30 a.m. EST"), at(2021, 5, 4, 5, 30));
  EXPECT_EQ(date_of("28.04.2023, 15.20 Uhr"), at(2023, 4, 28, 15, 20));
  EXPECT_EQ(date_of("am 3. März 2021"), at(2021, 3, 3));
  EXPECT_EQ(date_of("15 de enero de 2022"), at(2022, 1, 15));
  EXPECT_EQ(date_of("3 février 2020 à 10h05"), at(2020, 2, 3, 10, 5));
  EXPECT_EQ(date_of("5 марта 2024, 10:00"), at(2024, 3, 5, 10));
  EXPECT_EQ(date_of("2024年3月5日 15:20"), at(2024, 3, 5, 15, 20));
  EXPECT_EQ(date_of("25/12/2022"), at(2022, 12, 25));
  EXPECT_EQ(date_of("12/25/2022"), at(2022, 12, 25));
}

TEST(Dates, NeverInvented) {
  for (const std::string_view text :
       {"04/05/2023", "April 26", "Tuesday", "2023", "3.5.1.2", "May the force", "31 February 2020",
        "2023-13-01", "call 2023-99-99", "", "version 10.4.22", "April 2023"})
    EXPECT_FALSE(find_date(text)) << text;
}

TEST(Datelines, FormsThatAreRead) {
  const auto text = [](std::string_view line) { return find_dateline(line).text; };
  const auto rest = [](std::string_view line) { return line.substr(find_dateline(line).rest); };
  constexpr std::string_view kStory = "The council met on Monday and voted.";
  for (const std::string_view mark :
       {"LONDON (Reuters) - ", "WESTPORT, March 5 (Lantern) -- ", "BERLIN, May 3 — ", "NEW YORK — ",
        "Paris (AFP) – ", "ST. LOUIS (AP) — ", "(Reuters) — ", "ST. JOHN'S, April 26 (X) --"}) {
    const std::string line = std::string(mark) + std::string(kStory);
    EXPECT_FALSE(text(line).empty()) << line;
    EXPECT_EQ(rest(line), kStory) << line;
  }
  EXPECT_EQ(text("LONDON (Reuters) - The council met on Monday."), "LONDON (Reuters)");
}

TEST(Datelines, SentencesStayWhole) {
  for (const std::string_view line :
       {"Paris - the city of light - is full of visitors this spring.",
        "The council met on Monday - for the ninth time - and voted.",
        "He said (and meant it) - that all was well with the plan.",
        "IBM said on Monday that its profit rose - by a little.", "", "LONDON - ", "- x"})
    EXPECT_EQ(find_dateline(line).text, "") << line;
}

TEST(Bylines, NamesAndNoSentences) {
  EXPECT_EQ(find_byline("By Ada Finch"), "Ada Finch");
  EXPECT_EQ(find_byline("by LNN"), "LNN");
  EXPECT_EQ(find_byline("By Ada Finch and Bo Reed | March 5, 2024"), "Ada Finch and Bo Reed");
  EXPECT_EQ(find_byline("Von Karla Berg"), "Karla Berg");
  EXPECT_EQ(find_byline("By the end of the day nobody was left."), "");
  EXPECT_EQ(find_byline("By Monday evening the water had reached the upper floor of the house."),
            "");
  EXPECT_EQ(find_byline("Ada Finch"), "");
}

// Most expectations are the examples of RFC 3986, 5.4.
TEST(Addresses, AreMadeAbsolute) {
  constexpr std::string_view kBase = "http://a.example/b/c/d;p?q";
  EXPECT_EQ(absolute_address("https://b.example/x", ""), "https://b.example/x");
  EXPECT_EQ(absolute_address("HTTP://b.example/x", kBase), "HTTP://b.example/x");
  EXPECT_EQ(absolute_address("g", kBase), "http://a.example/b/c/g");
  EXPECT_EQ(absolute_address(" ./g\n", kBase), "http://a.example/b/c/g");
  EXPECT_EQ(absolute_address("g/", kBase), "http://a.example/b/c/g/");
  EXPECT_EQ(absolute_address("/g", kBase), "http://a.example/g");
  EXPECT_EQ(absolute_address("//g.example/h", kBase), "http://g.example/h");
  EXPECT_EQ(absolute_address("?y", kBase), "http://a.example/b/c/d;p?y");
  EXPECT_EQ(absolute_address("g?y/../x", kBase), "http://a.example/b/c/g?y/../x");
  EXPECT_EQ(absolute_address("g#s/../x", kBase), "http://a.example/b/c/g#s/../x");
  EXPECT_EQ(absolute_address(".", kBase), "http://a.example/b/c/");
  EXPECT_EQ(absolute_address("..", kBase), "http://a.example/b/");
  EXPECT_EQ(absolute_address("../../../g", kBase), "http://a.example/g");
  EXPECT_EQ(absolute_address("/./g/../h", kBase), "http://a.example/h");
  EXPECT_EQ(absolute_address("/..g/h.", kBase), "http://a.example/..g/h.");
  EXPECT_EQ(absolute_address("g", "https://a.example"), "https://a.example/g");
  EXPECT_EQ(absolute_address("?y", "https://a.example?q"), "https://a.example/?y");
}

TEST(Addresses, NeverInvented) {
  constexpr std::string_view kBase = "http://a.example/b/c";
  for (const std::string_view reference :
       {"", "  ", "#top", "mailto:ada@example.org", "javascript:void(0)", "a b", "//", "///x"})
    EXPECT_EQ(absolute_address(reference, kBase), "") << reference;
  for (const std::string_view base :
       {"", "a.example/b", "ftp://a.example/b", "http://", "http:///b"})
    EXPECT_EQ(absolute_address("/g", base), "") << base;
}

TEST(JsonLd, ReadsTheArticleInAGraph) {
  const JsonLdArticle article = read_json_ld(
      R"({"@graph":[{"@type":"WebSite","name":"S"},{"@type":["NewsArticle"],"headline":"A \u00e9 \"b\"",
          "datePublished":"2024-03-05T08:30:00Z","author":[{"@type":"Person","name":"Ada Finch"},
          {"name":"Bo Reed"}],"publisher":{"@type":"Organization","name":"P"},}]})");
  EXPECT_TRUE(article.found);
  EXPECT_EQ(article.headline, "A é \"b\"");
  EXPECT_EQ(article.published, "2024-03-05T08:30:00Z");
  EXPECT_EQ(article.authors, "Ada Finch, Bo Reed");
}

TEST(JsonLd, BrokenIsNoHarm) {
  for (const std::string_view json : {"", "{", "[[[", R"({"@type":"Article","headline":"x)", "}}]",
                                      R"({"headline":"\ud800"})", "\"", ":,"})
    EXPECT_FALSE(read_json_ld(json).found) << json;
  EXPECT_FALSE(read_json_ld(std::string(100'000, '[')).found);
}

TEST(Titles, TheSiteGoes) {
  EXPECT_EQ(without_site("Bridge reopens after long repairs | The Lantern", "The Lantern"),
            "Bridge reopens after long repairs");
  EXPECT_EQ(without_site("The Lantern - Bridge reopens", "The Lantern"), "Bridge reopens");
  EXPECT_EQ(without_site("Bridge reopens - mayor", ""), "Bridge reopens - mayor");
  EXPECT_TRUE(is_suffixed_form("A b c - Site", "A b c"));
  EXPECT_FALSE(is_suffixed_form("A b c d", "A b c"));
}

}  // namespace
}  // namespace wiremill::clean
