// The clean stage's core on what a scraper should not send, and does: never a crash, work bounded
// by counters, sensible text.
#include <gtest/gtest.h>
#include <unicode/ucnv.h>

#include <algorithm>
#include <sstream>
#include <string>

#include "daemon/text/utf8.hpp"
#include "plugins/clean/article.hpp"
#include "plugins/clean/charset.hpp"

namespace wiremill::clean {
namespace {

using std::string_view_literals::operator""sv;

Article clean(std::string_view body, std::string_view content_type = "") {
  HtmlTree tree;
  Article article = extract({.body = body, .content_type = content_type}, {}, tree);
  for (const std::string* part : {&article.text, &article.title, &article.byline, &article.dateline,
                                  &article.site, &article.description, &article.canonical})
    EXPECT_TRUE(text::is_valid(*part));
  if (article.text.size() > 1 << 20) return article;
  std::istringstream lines(article.text);
  for (std::string line; std::getline(lines, line);) EXPECT_EQ(line, tidy(line));
  return article;
}

std::string encode(std::string_view utf8, const char* charset) {
  UErrorCode error = U_ZERO_ERROR;
  const int32_t size = ucnv_convert(charset, "UTF-8", nullptr, 0, utf8.data(),
                                    static_cast<int32_t>(utf8.size()), &error);
  std::string out(static_cast<size_t>(size), '\0');
  error = U_ZERO_ERROR;
  ucnv_convert(charset, "UTF-8", out.data(), size, utf8.data(), static_cast<int32_t>(utf8.size()),
               &error);
  EXPECT_TRUE(U_SUCCESS(error));
  return out;
}

std::string repeated(std::string_view part, size_t bytes) {
  std::string text;
  text.reserve(bytes + part.size());
  while (text.size() < bytes) text += part;
  return text;
}

constexpr std::string_view kStory =
    "The council met on Monday evening and voted for the new library, by nine votes to four.";
constexpr std::string_view kRussian =
    "Городской совет собрался в понедельник вечером и 9 голосами против 4 решил построить новую "
    "библиотеку на берегу реки.";
constexpr std::string_view kChinese =
    "市议会星期一晚上开会, 以9票对4票决定在河边建一座新的图书馆。工程将于明年春天开始, "
    "预计需要三年时间。";
constexpr std::string_view kArabic =
    "اجتمع مجلس المدينة مساء الاثنين وصوت لصالح بناء المكتبة الجديدة على ضفة النهر، كما قال رئيس "
    "المجلس للصحفيين.";
constexpr std::string_view kHebrew =
    "מועצת העיר התכנסה ביום שני בערב והחליטה לבנות את הספרייה החדשה על גדת הנהר, אמר ראש העיר.";

TEST(BadInput, TagsThatAreCutAnywhere) {
  const std::string page =
      "<html><head><meta charset='utf-8'><title>Library &amp; council</title>"
      "<script type=\"application/ld+json\">{\"@type\":\"Article\"}</script></head>"
      "<body><div class=\"story\"><p>" +
      std::string(kStory) +
      "</p><!-- a comment --><a href=\"https://x.example/?a=1&b=2\">More</a></div>";
  for (size_t size = 0; size <= page.size(); ++size) clean(page.substr(0, size), "text/html");
  for (const std::string_view end :
       {"<", "</", "<p", "<p class", "<p class=", "<p class=\"x", "<!--", "<!", "&", "&#", "&#x",
        "&#xd800;", "&#0;", "<![CDATA[", "<script>", "<title>", "<textarea>", "<plaintext>"}) {
    const Article article =
        clean("<p>" + std::string(kStory) + "</p>" + std::string(end), "text/html");
    EXPECT_TRUE(article.text.starts_with(kStory)) << end << ": " << article.text;
  }
}

// Of one element, of inline ones, of lists and of tables.
TEST(BadInput, AHundredThousandNestedElements) {
  for (const std::string_view tag : {"<div>", "<b>", "<ul><li>", "<table><tr><td>", "<blockquote>",
                                     "<font><p>", "<a href=x><div>", "<svg>", "<select><option>"}) {
    std::string page = "<p>" + std::string(kStory) + "</p>";
    for (int i = 0; i < 100'000; ++i) page += tag;
    const Article article = clean(page + "deep", "text/html");
    EXPECT_LE(article.html_nodes, 500'000U + 4096) << tag;
    EXPECT_TRUE(article.text.starts_with(kStory)) << tag;
  }
}

TEST(BadInput, PagesOfTenMegabytes) {
  constexpr size_t kBytes = 10 << 20;
  const std::string paragraph = "<p>" + std::string(kStory) + "</p>\n";
  const Article whole = clean("<body>" + repeated(paragraph, kBytes), "text/html");
  EXPECT_LE(whole.html_nodes, 500'000U + 4096);
  EXPECT_FALSE(whole.text.empty());
  EXPECT_TRUE(clean("<p>" + repeated("word ", kBytes), "text/html").text.starts_with("word word"));
  EXPECT_TRUE(clean("<body>" + repeated("<br>", kBytes), "text/html").cut);
  EXPECT_TRUE(clean("<p a='" + repeated("x", kBytes), "text/html").text.empty());
  EXPECT_FALSE(clean("<p>" + repeated("&amp;", kBytes), "text/html").cut);
  EXPECT_FALSE(clean(repeated(std::string(kStory) + "\n\n", kBytes), "text/plain").text.empty());
  EXPECT_FALSE(clean(repeated("word ", kBytes), "text/plain").text.empty());
}

TEST(BadInput, Zeros) {
  EXPECT_EQ(clean(std::string(1000, '\0')).text, "");
  EXPECT_EQ(clean(std::string(1000, '\0'), "text/html").text, "");
  std::string story(kStory);
  story.insert(11, 1, '\0');
  EXPECT_EQ(clean(story).text, kStory);
  story.insert(0, "<p>").append("</p>\0<p>"sv).append(kRussian).append("</p>");
  EXPECT_EQ(clean(story, "text/html").text, std::string(kStory) + "\n" + std::string(kRussian));
}

TEST(BadInput, Utf16WithoutAMark) {
  for (const std::string_view story : {kStory, kRussian, kChinese, kArabic, kHebrew})
    for (const char* charset : {"UTF-16LE", "UTF-16BE"}) {
      EXPECT_EQ(clean(encode(story, charset)).text, story) << charset;
      const std::string page = "<html><body><p>" + std::string(story) + "</p></body></html>";
      EXPECT_EQ(clean(encode(page, charset), "text/html").text, story) << charset;
      EXPECT_EQ(clean(encode(page, charset), "text/html; charset=utf-8").text, story) << charset;
    }
}

// Zeros that strayed into other text do not make it UTF-16.
TEST(BadInput, ZerosInTextOfOtherCharsets) {
  for (const std::string_view story : {kStory, kRussian, kChinese, kArabic}) {
    std::string body(story);
    for (size_t at = 2; at < body.size(); at += 20)
      if (text::is_boundary(story, at)) body.insert(at, 1, '\0');
    std::string plain = clean(body).text;
    EXPECT_EQ(plain, story);
  }
}

TEST(BadInput, AWrongDeclaredCharset) {
  const std::string page = "<html><body><p>" + std::string(kRussian) + "</p></body></html>";
  // Valid UTF-8 that says something else, and the other way round.
  EXPECT_EQ(clean(page, "text/html; charset=windows-1251").text, kRussian);
  EXPECT_EQ(clean(page, "text/html; charset=iso-8859-1").text, kRussian);
  EXPECT_EQ(clean(page, "text/html; charset=no-such-charset").text, kRussian);
  EXPECT_EQ(clean(page, "text/html; charset=").text, kRussian);
  EXPECT_EQ(clean(encode(page, "windows-1251"), "text/html; charset=utf-8").text, kRussian);
  EXPECT_EQ(clean(encode(page, "KOI8-R"), "text/html; charset=utf-8").text, kRussian);
  EXPECT_EQ(clean("<meta charset=utf-16>" + page, "text/html").text, kRussian);
  const std::string odd = encode(std::string(kStory), "UTF-16LE") + "x";  // half a character
  EXPECT_TRUE(clean(odd).text.starts_with(kStory.substr(0, 40)));
}

TEST(BadInput, OnlyScript) {
  const std::string code =
      repeated("var a = \"<p>No text of the page.</p>\"; // it's code\n", 5000);
  EXPECT_EQ(clean("<html><head><script>" + code +
                      "</script><style>p { color: red }</style></head><body>"
                      "<noscript>Please enable JavaScript.</noscript><script>" +
                      code + "</script></body></html>",
                  "text/html")
                .text,
            "");
  EXPECT_EQ(clean("<script>" + code, "text/html").text, "");
}

TEST(BadInput, ASnippetOfTenWords) {
  constexpr std::string_view kSnippet = "Council votes for new library by nine votes to four";
  for (const std::string& body : {std::string(kSnippet), "<p>" + std::string(kSnippet) + "</p>",
                                  "<div>" + std::string(kSnippet) +
                                      "<br/><a href=\"https://x.example\">Read more</a></div>"}) {
    EXPECT_TRUE(clean(body).text.starts_with(kSnippet)) << body;
    EXPECT_TRUE(clean(body, "text/html").text.starts_with(kSnippet)) << body;
  }
}

TEST(BadInput, RightToLeftAndWithoutBlanks) {
  for (const std::string_view story : {kArabic, kHebrew, kChinese}) {
    const std::string page =
        "<html dir=\"rtl\"><body><nav><a href=/>" + std::string(story.substr(0, story.find(' '))) +
        "</a></nav><article><p>\u200f" + std::string(story) + "\u200e</p></article></body></html>";
    const Article html = clean(page, "text/html");
    EXPECT_NE(html.text.find(story), std::string::npos) << html.text;
    EXPECT_EQ(std::count(html.text.begin(), html.text.end(), '\n'), 0);
    EXPECT_EQ(clean(std::string(story) + "\n").text, story);
  }
  // A megabyte without one blank or stop.
  const std::string endless = repeated("图书馆", 1 << 20);
  EXPECT_EQ(clean("<p>" + endless + "</p>", "text/html").text.substr(0, 9), "图书馆");
  EXPECT_EQ(clean(endless, "text/plain").text.substr(0, 9), "图书馆");
}

TEST(BadInput, EveryByteAndRandomBytes) {
  std::string all;
  for (int i = 0; i < 256; ++i) all += static_cast<char>(i);
  uint32_t seed = 1;
  std::string random;
  for (int i = 0; i < 20'000; ++i)
    random += static_cast<char>((seed = seed * 1664525 + 1013904223) >> 24);
  for (const std::string_view type :
       {"", "text/html", "text/plain", "text/markdown", "text/html; charset=utf-16",
        "text/plain; charset=Shift_JIS", "text/plain; charset=iso-2022-jp",
        "text/plain; charset=utf-7", "text/plain; charset=gb18030", "nonsense"}) {
    clean(all, type);
    clean(random, type);
  }
}

}  // namespace
}  // namespace wiremill::clean
