// The short cuts of the clean stage answer as the plain rules that they stand for: over random
// texts, and at the borders of what they leave out. Bad input costs no more than its size.
#include <gtest/gtest.h>
#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

#include <random>
#include <string>

#include "daemon/text/utf8.hpp"
#include "plugins/clean/article.hpp"
#include "plugins/clean/dateline.hpp"
#include "plugins/clean/dates.hpp"
#include "plugins/clean/furniture.hpp"
#include "plugins/clean/letters.hpp"
#include "plugins/clean/lines.hpp"

namespace wiremill::clean {
namespace {

// Texts of words, blanks, marks and characters of many scripts, some of which change their size in
// bytes when lowered or normalised.
class Texts {
 public:
  std::string next() {
    static constexpr const char* kPieces[] = {" ",
                                              "  ",
                                              "\t",
                                              "\n",
                                              ".",
                                              ", ",
                                              "?",
                                              ": ",
                                              "'",
                                              "\"",
                                              "-",
                                              "|",
                                              "> ",
                                              "1999",
                                              "2023",
                                              "7",
                                              "12",
                                              "April",
                                              "MAY",
                                              "by",
                                              "By ",
                                              "Share",
                                              "Related Articles",
                                              "COOKIE",
                                              "newsletter",
                                              "inbox",
                                              "all rights reserved",
                                              "subscribe",
                                              "\xc3\x89",
                                              "\xc3\xa9",
                                              "e\xcc\x81",
                                              "\xd0\x9f\xd0\xbe",
                                              "\xd0\xb5",
                                              "\xe2\x80\x99",
                                              "\xe2\x80\xa6",
                                              "\xe2\x80\x94",
                                              "\xc2\xa0",
                                              "\xc2\xad",
                                              "\xe6\x96\xb0",
                                              "\xe3\x82\xab\xe3\x82\x99",
                                              "\xef\xbc\x91",
                                              "\xef\xbc\xa1",
                                              "\xe0\xb8\x81",
                                              "\xd9\x85",
                                              "\xf0\x9d\x90\x80",
                                              "\xf0\x9f\x98\x80",
                                              "\xe2\x84\xab",
                                              "\xc7\x85",
                                              "\xe2\x85\xa0",
                                              "\xe1\x82\xa0",
                                              "a",
                                              "B",
                                              "word",
                                              "Word",
                                              "x"};
    std::string text;
    const size_t count = random_() % 24;
    for (size_t i = 0; i < count; ++i) text += kPieces[random_() % std::size(kPieces)];
    return text;
  }

 private:
  std::mt19937 random_{11};
};

constexpr int kRounds = 20'000;

std::string plain_lower(const std::string& text) {
  std::string out;
  for (size_t at = 0; at < text.size();)
    icu::UnicodeString(u_tolower(static_cast<UChar32>(next_character(text, at)))).toUTF8String(out);
  return out;
}

std::string plain_fold(const std::string& text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const auto c = static_cast<UChar32>(next_character(text, at));
    if (u_isalnum(c)) icu::UnicodeString(c).toUTF8String(out);
  }
  return plain_lower(out);
}

std::string plain_tidy(const std::string& text) {
  std::string out;
  bool pending = false;
  for (size_t at = 0; at < text.size();) {
    const char32_t c = next_character(text, at);
    if (is_space(c)) {
      pending = !out.empty();
    } else if (c >= 0x20 && (c < 0x7f || c >= 0xa0) && c != 0xad && c != 0x2060) {
      if (pending) out += ' ';
      pending = false;
      icu::UnicodeString(static_cast<UChar32>(c)).toUTF8String(out);
    }
  }
  UErrorCode error = U_ZERO_ERROR;
  std::string normal;
  icu::Normalizer2::getNFCInstance(error)
      ->normalize(icu::UnicodeString::fromUTF8(out), error)
      .toUTF8String(normal);
  return normal;
}

TEST(Letters, AreWhatIcuSays) {
  for (char32_t c = 0; c < 0x11000; ++c) {
    const auto code = static_cast<UChar32>(c);
    const uint8_t traits = traits_of(c);
    ASSERT_EQ((traits & kAlpha) != 0, static_cast<bool>(u_isalpha(code))) << std::hex << code;
    ASSERT_EQ((traits & kDigit) != 0, static_cast<bool>(u_isdigit(code))) << std::hex << code;
    ASSERT_EQ((traits & kUpper) != 0, static_cast<bool>(u_isupper(code))) << std::hex << code;
    ASSERT_EQ((traits & kCombining) != 0, u_getCombiningClass(code) != 0) << std::hex << code;
    ASSERT_EQ(lowered(c), static_cast<char32_t>(u_tolower(code))) << std::hex << code;
  }
}

TEST(Lines, ShortCutsAnswerAsIcuDoes) {
  Texts texts;
  for (int round = 0; round < kRounds; ++round) {
    const std::string text = texts.next();
    ASSERT_EQ(lower(text), plain_lower(text)) << text;
    ASSERT_EQ(fold(text), plain_fold(text)) << text;
    ASSERT_EQ(tidy(text), plain_tidy(text)) << text;
  }
}

// Every character counted by itself.
Shape plain_shape(const std::string& line) {
  Shape shape;
  uint32_t halves = 0, wide = 0;
  bool in_word = false;
  for (size_t at = 0; at < line.size();) {
    const char32_t c = next_character(line, at);
    const auto code = static_cast<UChar32>(c);
    halves += is_wide(c) ? 5 : 2;
    wide += is_wide(c) && u_isalpha(code);
    const bool letter = !is_wide(c) && (u_isalpha(code) || u_getCombiningClass(code) != 0);
    const bool digit = !is_wide(c) && u_isdigit(code);
    shape.digits += digit;
    shape.commas += c == ',' || c == 0x3001 || c == 0xff0c || c == 0x060c;
    if (letter || digit) {
      shape.words += !in_word;
      shape.cased += !in_word && (u_isupper(code) || u_islower(code));
      shape.capitals += !in_word && u_isupper(code);
      in_word = true;
    } else if (c != '\'' && c != 0x2019 && c != 0x200c && c != 0x200d) {
      in_word = false;
    }
  }
  shape.length = halves / 2;
  shape.words += wide / 2;
  return shape;
}

TEST(Lines, ShapeCountsEachCharacter) {
  Texts texts;
  for (int round = 0; round < kRounds; ++round) {
    const std::string text = texts.next();
    const Shape shape = shape_of(text), plain = plain_shape(text);
    ASSERT_EQ(shape.length, plain.length) << text;
    ASSERT_EQ(shape.words, plain.words) << text;
    ASSERT_EQ(shape.cased, plain.cased) << text;
    ASSERT_EQ(shape.capitals, plain.capitals) << text;
    ASSERT_EQ(shape.digits, plain.digits) << text;
    ASSERT_EQ(shape.commas, plain.commas) << text;
  }
}

TEST(Furniture, OneWalkAnswersAsTwo) {
  Texts texts;
  int furniture = 0;
  for (int round = 0; round < kRounds; ++round) {
    const std::string text = tidy(texts.next());
    const Shape shape = shape_of(text);
    const bool either = is_furniture(text, shape) || is_pitch(text, shape);
    ASSERT_EQ(is_furniture_or_pitch(text, shape), either) << text;
    furniture += either;
  }
  EXPECT_GT(furniture, kRounds / 20);
}

TEST(Furniture, SignsAreFoundAnywhereAndInAnyCase) {
  const auto pitch = [](const std::string& line) { return is_pitch(line, shape_of(line)); };
  EXPECT_TRUE(pitch("We would like you to know that THIS WEBSITE USES COOKIES."));
  EXPECT_TRUE(pitch("Subscribe and find it each morning in your InBox"));
  EXPECT_TRUE(pitch("Cococookie, cooookie: we use cookies, and newslett newsletters."));
  EXPECT_TRUE(pitch("All the alls: all rights reserved."));
  EXPECT_TRUE(
      pitch("\xc2\xab"
            "TOUS DROITS R\xc3\x89SERV\xc3\x89S\xc2\xbb"));
  EXPECT_TRUE(pitch("This story was supplied by an agency."));
  EXPECT_FALSE(pitch("She baked biscuits and wrote newsletters for the parish."));
  EXPECT_FALSE(pitch("A cook in the kitchen, a boxer in the ring, a tweet from the twits."));
}

TEST(Furniture, PhrasesInAnyCase) {
  const auto furniture = [](const std::string& line) { return is_furniture(line, shape_of(line)); };
  const auto tail = [](const std::string& line) { return opens_tail(line, shape_of(line)); };
  EXPECT_TRUE(furniture("SHARE"));
  EXPECT_TRUE(furniture("sHaRe this"));
  EXPECT_TRUE(furniture("\xc3\x80 lire aussi"));
  EXPECT_TRUE(furniture("\xd0\xa0\xd0\x95\xd0\x9a\xd0\x9b\xd0\x90\xd0\x9c\xd0\x90"));
  EXPECT_FALSE(furniture("Share prices fell by a third on Monday, the exchange said."));
  EXPECT_TRUE(tail("(12) COMMENTS"));
  EXPECT_TRUE(tail("\xc3\x84hnliche Artikel"));
  EXPECT_FALSE(tail("Commentary"));
}

TEST(Dates, AreFoundWhereverAYearStands) {
  EXPECT_TRUE(find_date("Updated: April 26, 2023 22:16"));
  EXPECT_TRUE(
      find_date("2023-04-28 15:20\xc2\xb7"
                "CGTN"));
  EXPECT_TRUE(find_date("on 3 M\xc3\x84RZ 1999"));
  EXPECT_TRUE(
      find_date("2023\xe5\xb9\xb4"
                "4\xe6\x9c\x88"
                "28\xe6\x97\xa5"));
  EXPECT_TRUE(find_date("12345 66 26 April 2100"));
  EXPECT_FALSE(find_date("April 26, 12023"));
  EXPECT_FALSE(find_date("26 April"));
  EXPECT_FALSE(find_date("26 April 0999"));
}

TEST(Byline, MarksInAnyCase) {
  EXPECT_EQ(find_byline("By Ada Finch"), "Ada Finch");
  EXPECT_EQ(find_byline("REPORTED BY Ada Finch"), "Ada Finch");
  EXPECT_EQ(find_byline("\xd0\x90\xd0\xb2\xd1\x82\xd0\xbe\xd1\x80: Ada Finch"), "Ada Finch");
  EXPECT_EQ(find_byline("Bypass opened"), "");
  EXPECT_EQ(find_byline(""), "");
}

Hint names(std::string_view class_names, std::string_view id = {}) {
  return hint_of(class_names, id);
}

TEST(Hints, WordsAndPairsOfWords) {
  EXPECT_EQ(names("share-bar"), Hint::kFurniture);
  EXPECT_EQ(names("shareBar"), Hint::kFurniture);
  EXPECT_EQ(names("sharebar"), Hint::kFurniture);
  EXPECT_EQ(names("entry-content"), Hint::kContent);
  EXPECT_EQ(names("entry content"), Hint::kNone);
  EXPECT_EQ(names("entry--content"), Hint::kNone);
  EXPECT_EQ(names("", "articleBody"), Hint::kContent);
  EXPECT_EQ(names("lead article-body"), Hint::kContent);
  EXPECT_EQ(names("teaser", "comments"), Hint::kComments);
  EXPECT_EQ(names("comments share"), Hint::kComments);
  EXPECT_EQ(names("article-body share"), Hint::kFurniture);
  EXPECT_EQ(names("headline"), Hint::kNone);
  EXPECT_EQ(names(""), Hint::kNone);
}

std::string story() {
  std::string text;
  for (int i = 0; i < 12; ++i)
    text +=
        "<p>The harbour of the old town was closed for a second day, officials said, and the "
        "ferries stayed where they were, number " +
        std::to_string(i) + ".</p>\n";
  return text;
}

std::string text_of(const std::string& page) {
  HtmlTree tree;
  Limits limits;
  limits.input = InputKind::kHtml;
  return extract({.body = page}, limits, tree).text;
}

// What is not fed to the parser changes nothing that it makes.
TEST(HtmlTree, ScriptsAndStylesLeaveTheTreeAsItIs) {
  const std::string wanted = text_of("<body><article>" + story() + "</article></body>");
  ASSERT_FALSE(wanted.empty());
  for (const std::string skipped :
       {"<script>var a = '<p>never</p>' + \"</div>\"; if (a < 3 && b > 4) {}</script>",
        "<SCRIPT type='text/javascript' async>x</SCRIPT >",
        "<style media=\"a>b\">p > a { content: '<p>never' }</style>",
        "<script><!-- <script> '</script>' <p>never</p> --></script>",
        "<script><!--//--><![CDATA[//><!-- <p>never //--><!]]></script>",
        "<!-- <script> --><!-- </script> -->", "<script></script>", "<script src=x></script\n>",
        "<textarea><script></textarea>", "<a title='<script>'></a>", "<style></script></style>",
        "<noscript><style>never</style></noscript>", "<svg><style>never</style></svg>",
        "<script type='a&#98;c'>never</script>", "<script>never</scriptx></script>"})
    EXPECT_EQ(text_of("<body><article>" + skipped + story() + "</article></body>"), wanted)
        << skipped;
}

TEST(HtmlTree, ScriptThatNeverEndsTakesTheRest) {
  EXPECT_EQ(text_of("<body>" + story() + "<script>" + story()), text_of("<body>" + story()));
  EXPECT_EQ(text_of("<body>" + story() + "<script>" + story() + "<"), text_of("<body>" + story()));
}

TEST(HtmlTree, JsonLdIsReadHoweverItsTypeIsWritten) {
  for (const std::string type : {"application/ld+json", "application/ld&#43;json"}) {
    HtmlTree tree;
    Limits limits;
    limits.input = InputKind::kHtml;
    const std::string page = "<head><script type=\"" + type +
                             "\">{\"@type\":\"NewsArticle\",\"headline\":\"Harbour stays "
                             "closed\"}</script></head><body>" +
                             story();
    EXPECT_EQ(extract({.body = page}, limits, tree).title, "Harbour stays closed") << type;
  }
}

// A reference that stood across the border of two chunks was once left as it was written.
TEST(HtmlTree, ReferencesAreReadAnywhere) {
  for (size_t before = 4000; before < 4200; before += 7) {
    std::string paragraph(before, 'x');
    paragraph += " caf&#233;&amp;&eacute;s. ";
    EXPECT_NE(text_of("<body><p>" + paragraph + "</p>" + story()).find("caf\xc3\xa9&\xc3\xa9s."),
              std::string::npos)
        << before;
  }
}

// Lines that open a page's tail, with so much of the story behind them that they end nothing.
TEST(FastPaths, ManyTailLinesCostTwoVisitsALine) {
  for (const size_t tails : {100U, 20'000U}) {
    std::string page = "<body><article>" + story();
    for (size_t i = 0; i < tails; ++i) page += "<p>Related articles</p>";
    page += story() + story() + "</article></body>";
    HtmlTree tree;
    Limits limits;
    limits.input = InputKind::kHtml;
    const Article article = extract({.body = page}, limits, tree);
    EXPECT_EQ(article.text.find("Related"), std::string::npos);
    EXPECT_GE(article.line_visits, 2 * tails);
    EXPECT_LE(article.line_visits, 2 * (tails + 40));
  }
}

// Each takes milliseconds where work is linear, and minutes where it is not.
TEST(FastPaths, LargeAndMonotonousBodiesStayLinear) {
  constexpr size_t kBytes = 1 << 20;
  const auto repeated = [](std::string_view piece) {
    std::string text;
    text.reserve(kBytes + piece.size());
    while (text.size() < kBytes) text += piece;
    return text;
  };
  HtmlTree tree;
  for (const InputKind kind : {InputKind::kHtml, InputKind::kText, InputKind::kMarkdown}) {
    Limits limits;
    limits.input = kind;
    for (const std::string_view piece : {"<div>",
                                         "<script>",
                                         "<script ",
                                         "<style></style>",
                                         "<script><",
                                         "<!--",
                                         "<a b='",
                                         "&",
                                         "a ",
                                         "a\n",
                                         "By\n",
                                         "x. ",
                                         "Share\n",
                                         "1999 ",
                                         "![",
                                         "[a",
                                         "](",
                                         "[a](",
                                         "| ",
                                         "\xe6\x96\xb0",
                                         "e\xcc\x81",
                                         "...",
                                         "\xe2\x80\x94 ",
                                         "<p>x",
                                         "<b><i><p>",
                                         "<td>",
                                         "</p>",
                                         "_"}) {
      const Article article = extract({.body = repeated(piece)}, limits, tree);
      EXPECT_TRUE(text::is_valid(article.text)) << piece;
      EXPECT_LE(article.html_nodes, limits.html.nodes_max + 3'000) << piece;
    }
  }
}

}  // namespace
}  // namespace wiremill::clean
