// The clean stage's core on one plain case of each kind, and on bad input. The pages are written
// for these tests.
#include "plugins/clean/article.hpp"

#include <gtest/gtest.h>
#include <unicode/ucnv.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "daemon/text/utf8.hpp"
#include "plugins/clean/charset.hpp"

namespace wiremill::clean {
namespace {

using std::string_view_literals::operator""sv;

Article clean(std::string_view body, std::string_view content_type = "", Limits limits = {}) {
  HtmlTree tree;
  return extract({.body = body, .content_type = content_type}, limits, tree);
}

// What holds for the text of every document.
void expect_sound(const Article& article) {
  EXPECT_TRUE(text::is_valid(article.text));
  EXPECT_TRUE(text::is_valid(article.title));
  EXPECT_TRUE(text::is_valid(article.byline));
  if (article.text.empty()) return;
  EXPECT_NE(article.text.back(), '\n');
  std::istringstream lines(article.text);
  for (std::string line; std::getline(lines, line);) {
    EXPECT_FALSE(line.empty());
    EXPECT_EQ(line, tidy(line));
  }
}

int64_t utc(int year, unsigned month, unsigned day, int hour = 0, int minute = 0) {
  using namespace std::chrono;
  const sys_days days = std::chrono::year{year} / static_cast<int>(month) / static_cast<int>(day);
  return microseconds(days.time_since_epoch() + hours(hour) + minutes(minute)).count();
}

bool holds(const Article& article, std::string_view part) {
  return article.text.find(part) != std::string::npos;
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

constexpr std::string_view kPage = R"(<!DOCTYPE html>
<html><head><title>Harbour bridge reopens after repairs | The Daily Lantern</title>
<meta property="og:title" content="Harbour bridge reopens after repairs | The Daily Lantern">
<meta property="og:site_name" content="The Daily Lantern">
<meta property="article:published_time" content="2024-03-05T08:30:00+01:00">
<script type="application/ld+json">{"@context":"https://schema.org","@type":"NewsArticle",
"headline":"Harbour bridge reopens after repairs","author":[{"@type":"Person","name":"Ada Finch"}]}
</script><style>p { color: red }</style></head>
<body><div class="cookie-banner"><p>We use cookies to make this site better for you, and you can
always change your choice in the settings. <button>Accept all</button></p></div>
<header><nav><ul><li><a href="/">Home</a></li><li><a href="/w">World</a></li>
<li><a href="/s">Sport</a></li></ul></nav></header>
<main><article><h1>Harbour bridge reopens after repairs</h1>
<p class="byline">By Ada Finch</p><div class="share-bar"><a href="#">Share</a> <a href="#">Tweet</a></div>
<p>The old bridge over the harbour opened to traffic again on Tuesday, four months after cracks
were found in two of its pillars, the city council said.</p>
<figure><img src="b.jpg"><figcaption>The bridge on Tuesday morning, seen from the east.</figcaption></figure>
<p>Engineers replaced <a href="/x">forty steel bolts</a> and poured new concrete into the eastern
foundation. &ldquo;It will last for another fifty years,&rdquo; said the chief engineer.</p>
<h2>What changes for drivers</h2>
<ul><li>Lorries above twelve tonnes must take the northern tunnel.</li>
<li>Cyclists get a lane of their own on the western side.</li></ul>
<p>Ferries that had replaced the bridge will stop at the end of the month, the council added.</p>
<aside class="related"><h3>Related stories</h3><ul><li><a href="/1">Tunnel fees to rise in May</a></li>
<li><a href="/2">Ferry company looks for new routes</a></li></ul></aside>
</article></main>
<section id="comments"><h3>2 comments</h3><p>I have waited for this day for a very long time, thank
you to everybody who worked on it, really.</p></section>
<div class="newsletter-signup"><p>Get our newsletter every morning, straight to your inbox.</p></div>
<footer><p>Copyright 2024 The Daily Lantern. All rights reserved.</p></footer></body></html>)";

TEST(CleanHtml, KeepsTheStoryAndLeavesTheFurniture) {
  const Article article = clean(kPage, "text/html; charset=utf-8");
  expect_sound(article);
  EXPECT_EQ(article.kind, InputKind::kHtml);
  EXPECT_EQ(article.text,
            "The old bridge over the harbour opened to traffic again on Tuesday, four months after "
            "cracks were found in two of its pillars, the city council said.\n"
            "Engineers replaced forty steel bolts and poured new concrete into the eastern "
            "foundation. “It will last for another fifty years,” said the chief engineer.\n"
            "What changes for drivers\n"
            "Lorries above twelve tonnes must take the northern tunnel.\n"
            "Cyclists get a lane of their own on the western side.\n"
            "Ferries that had replaced the bridge will stop at the end of the month, the council "
            "added.");
  EXPECT_EQ(article.title, "Harbour bridge reopens after repairs");
  EXPECT_EQ(article.byline, "Ada Finch");
  EXPECT_EQ(article.published_us, utc(2024, 3, 5, 7, 30));
  EXPECT_TRUE(article.paragraphs.empty());
  EXPECT_FALSE(article.repaired);
}

TEST(CleanHtml, TheSubmittedTitleStaysUnlessItCarriesTheSite) {
  HtmlTree tree;
  EXPECT_EQ(extract({.body = kPage, .title = "Bridge open"}, {}, tree).title, "Bridge open");
  EXPECT_EQ(extract({.body = kPage,
                     .title = "Harbour bridge reopens after repairs - The Daily Lantern",
                     .published_us = 5},
                    {}, tree)
                .title,
            "Harbour bridge reopens after repairs");
  EXPECT_EQ(extract({.body = kPage, .published_us = 5}, {}, tree).published_us, 5);
}

TEST(CleanHtml, APageTitleThatBeginsWithTheSite) {
  const Article article = clean(
      "<html><head><title>The Daily Lantern – Harbour bridge reopens</title></head><body>"
      "<h2>Harbour bridge reopens</h2><p>The old bridge over the harbour opened to traffic again "
      "on Tuesday, the city council said.</p></body></html>");
  EXPECT_EQ(article.title, "Harbour bridge reopens");
}

TEST(CleanHtml, LineBreaksPartParagraphs) {
  const Article article = clean(
      "<html><body><div class=story>The first paragraph of this story ends here, with a stop.<br>"
      "<br>The second one was written below it,<br>broken in the middle, and it ends here."
      "</div></body></html>");
  EXPECT_EQ(article.text,
            "The first paragraph of this story ends here, with a stop.\n"
            "The second one was written below it, broken in the middle, and it ends here.");
}

TEST(CleanHtml, OnlyScriptIsEmpty) {
  const Article article = clean(
      "<html><head><script>var a = 'A long sentence, in a script, which is no text at all.';"
      "</script></head><body><script>document.write('<p>x</p>')</script></body></html>");
  expect_sound(article);
  EXPECT_EQ(article.text, "");
}

TEST(CleanHtml, NestingIsBoundedByCountedWork) {
  std::string page = "<html><body><p>Before the deep part stands a sentence, and it is kept.</p>";
  for (int i = 0; i < 100'000; ++i) page += "<div>";
  page += "deep";
  const Article article = clean(page, "text/html");
  expect_sound(article);
  EXPECT_TRUE(article.cut);
  EXPECT_LT(article.html_nodes, 2'500U);  // depth_max and one chunk of 4 KiB
  EXPECT_TRUE(holds(article, "it is kept."));
}

TEST(CleanHtml, NodesAreBounded) {
  std::string page = "<html><body>";
  for (int i = 0; i < 100'000; ++i) page += "<p>x</p>";
  Limits limits;
  limits.html.nodes_max = 5'000;
  const Article article = clean(page, "text/html", limits);
  EXPECT_TRUE(article.cut);
  EXPECT_LT(article.html_nodes, 8'000U);
}

TEST(CleanHtml, BrokenMarkupNeverFails) {
  const std::string page(kPage);
  HtmlTree tree;
  for (size_t size = 0; size < page.size(); size += 7) {
    const Article article = extract(
        {.body = std::string_view(page).substr(0, size), .content_type = "text/html"}, {}, tree);
    expect_sound(article);
  }
}

TEST(CleanCharset, Windows1252PageThatSaysLatin1) {
  const std::string body = encode(
      "<html><head><meta charset=\"iso-8859-1\"></head><body><p>Der Käse aus Österreich kostet "
      "künftig fünf € mehr, sagte der Händler – „leider“, fügte er hinzu.</p></body></html>",
      "windows-1252");
  const Article article = clean(body, "text/html");
  expect_sound(article);
  EXPECT_EQ(article.text,
            "Der Käse aus Österreich kostet künftig fünf € mehr, sagte der Händler – „leider“, "
            "fügte er hinzu.");
  EXPECT_FALSE(article.repaired);
}

constexpr std::string_view kJapanese =
    "港の古い橋が火曜日に再び開通した。四か月前に二本の柱にひびが見つかっていた。"
    "技術者は鋼のボルトを四十本交換し、東側の基礎に新しいコンクリートを流し込んだという。";

TEST(CleanCharset, ShiftJisDeclaredAndGuessed) {
  const std::string page = "<html><body><p>" + std::string(kJapanese) + "</p></body></html>";
  const std::string body = encode(page, "windows-31j");
  for (const std::string_view type : {"text/html; charset=Shift_JIS", "text/html"}) {
    const Article article = clean(body, type);
    expect_sound(article);
    EXPECT_EQ(article.text, kJapanese) << type;
  }
}

TEST(CleanCharset, Utf16WithMarkAndWithout) {
  const std::string story =
      "The council met on Monday evening and voted for the new library, by nine votes to four.";
  const std::string plain = encode(story, "UTF-16LE");
  EXPECT_EQ(clean("\xff\xfe" + plain).text, story);
  EXPECT_EQ(clean(plain).text, story);
  EXPECT_EQ(clean("\xfe\xff" + encode(story, "UTF-16BE")).text, story);
}

TEST(CleanCharset, InvalidUtf8IsRepairedAndZerosGo) {
  const Article article = clean(
      "The caf\xc3\xa9 closed at ten, and the waiters we\xff"
      "nt home by t\0ram, tired but glad."sv,
      "text/plain; charset=utf-8");
  expect_sound(article);
  EXPECT_TRUE(article.repaired);
  EXPECT_EQ(article.text,
            "The café closed at ten, and the waiters we\xef\xbf\xbdnt home by tram, tired but "
            "glad.");
  EXPECT_TRUE(article.paragraphs.empty());
}

constexpr std::string_view kFlattened =
    "News | Sport | Weather\n"
    "Home > City > Traffic\n"
    "Log in\n"
    "Harbour bridge reopens after four months of repairs\n"
    "Updated: March 5, 2024 22:16\n"
    "By Ada Finch\n"
    "Share:\n"
    "\n"
    "WESTPORT, March 5 (Lantern News) -- The old bridge over the harbour opened to traffic again "
    "on "
    "Tuesday, four months after cracks were found in two of its pillars.\n"
    "\n\n"
    "Engineers replaced forty steel bolts and poured new concrete into the eastern foundation, the "
    "city council said in a statement. \n"
    "\n"
    "\"It will last for another fifty years,\" the chief engineer said.\n"
    "\n"
    "Related articles\n"
    "Tunnel fees to rise in May\n"
    "Ferry company looks for new routes\n"
    "[Print this page]\n"
    "© 2024 The Daily Lantern\n";

TEST(CleanText, FlattenedPage) {
  const Article article = clean(kFlattened, "text/plain");
  expect_sound(article);
  EXPECT_EQ(article.kind, InputKind::kText);
  EXPECT_EQ(article.title, "Harbour bridge reopens after four months of repairs");
  EXPECT_EQ(article.byline, "Ada Finch");
  EXPECT_EQ(article.dateline, "WESTPORT, March 5 (Lantern News)");
  EXPECT_EQ(article.published_us, utc(2024, 3, 5, 22, 16));
  EXPECT_EQ(article.text,
            "The old bridge over the harbour opened to traffic again on Tuesday, four months after "
            "cracks were found in two of its pillars.\n"
            "Engineers replaced forty steel bolts and poured new concrete into the eastern "
            "foundation, the city council said in a statement.\n"
            "\"It will last for another fifty years,\" the chief engineer said.");
}

TEST(CleanText, ParagraphsPointIntoTheBody) {
  for (const std::string_view mark : {"", "\xef\xbb\xbf"}) {
    const std::string body = std::string(mark) + std::string(kFlattened);
    const Article article = clean(body, "text/plain");
    ASSERT_EQ(article.paragraphs.size(), 3U);
    for (const wm_paragraph& paragraph : article.paragraphs)
      EXPECT_EQ(article.text.substr(paragraph.begin, paragraph.end - paragraph.begin),
                body.substr(paragraph.body_begin, paragraph.body_end - paragraph.body_begin));
  }
}

TEST(CleanText, AFirstLineThatFusesDateAndTitle) {
  const Article article = clean(
      " date 2024-03-05 Harbour bridge reopens after four months of repairs\n\n"
      "The old bridge over the harbour opened to traffic again on Tuesday, the city council said, "
      "four months after cracks were found.\n");
  EXPECT_EQ(article.title, "Harbour bridge reopens after four months of repairs");
  EXPECT_EQ(article.published_us, utc(2024, 3, 5));
  EXPECT_FALSE(holds(article, "2024-03-05"));
}

TEST(CleanText, ADateInTheStoryIsNotItsPublication) {
  const Article article = clean(
      "Library plans approved by the council\n\n"
      "On May 12, 2021, the council met for the first time to speak about the library, and it has "
      "met nine times since.\n");
  EXPECT_EQ(article.published_us, WM_NO_TIME);
}

TEST(CleanText, ATenWordSnippetStays) {
  const Article article =
      clean("Bridge over the harbour opens again after four months, council says");
  expect_sound(article);
  EXPECT_EQ(article.text, "Bridge over the harbour opens again after four months, council says");
}

TEST(CleanText, EmptyAndBlankBodies) {
  EXPECT_EQ(clean("").text, "");
  EXPECT_EQ(clean(" \n\t\n").text, "");
  EXPECT_EQ(clean("", "text/html").text, "");
  EXPECT_EQ(clean("", "text/markdown").text, "");
}

TEST(CleanText, ArabicAndChinese) {
  const Article arabic = clean(
      "الرئيسية > أخبار\n"
      "إعادة فتح الجسر القديم بعد أربعة أشهر من الإصلاح\n\n"
      "أعيد فتح الجسر القديم فوق الميناء أمام حركة المرور يوم الثلاثاء، بعد أربعة أشهر من اكتشاف "
      "شقوق في اثنين من أعمدته، كما قال مجلس المدينة.\n");
  expect_sound(arabic);
  EXPECT_EQ(arabic.title, "إعادة فتح الجسر القديم بعد أربعة أشهر من الإصلاح");
  EXPECT_TRUE(arabic.text.starts_with("أعيد فتح"));
  EXPECT_FALSE(holds(arabic, ">"));

  const Article chinese = clean(
      "首页 > 城市新闻\n"
      "港口大桥维修四个月后重新开放\n"
      "2024年3月5日 15:20\n\n"
      "市议会表示，港口上的老桥于星期二重新开放通车，四个月前曾在两根桥墩上发现裂缝。工程师更换了四"
      "十根钢"
      "螺栓，并在东侧地基浇筑了新的混凝土。\n");
  expect_sound(chinese);
  EXPECT_EQ(chinese.title, "港口大桥维修四个月后重新开放");
  EXPECT_EQ(chinese.published_us, utc(2024, 3, 5, 15, 20));
  EXPECT_TRUE(chinese.text.starts_with("市议会表示"));
}

TEST(CleanText, TextIsNfc) {
  const Article article = clean(
      "The cafe\xcc\x81 closed at ten, and all the waiters went home by tram, tired but glad.");
  EXPECT_TRUE(holds(article, "caf\xc3\xa9 closed"));
}

TEST(CleanMarkdown, NotationGoesAndTheHeadingIsTheTitle) {
  const Article article = clean(
      "---\nauthor: Ada Finch\ndate: 2024-03-05\n---\n"
      "# Harbour bridge reopens\n\n"
      "The *old* bridge over the **harbour** opened to [traffic](http://example.org/t) again on\n"
      "Tuesday, four months after cracks were found.\n\n"
      "![The bridge](bridge.jpg)\n\n"
      "## What changes\n\n"
      "- Lorries above twelve tonnes must take the northern tunnel.\n"
      "- Cyclists get a lane of their own on the western side.\n\n"
      "---\n\n"
      "> It will last for another fifty years, the chief engineer said.\n",
      "text/markdown");
  expect_sound(article);
  EXPECT_EQ(article.title, "Harbour bridge reopens");
  EXPECT_EQ(article.byline, "Ada Finch");
  EXPECT_EQ(article.published_us, utc(2024, 3, 5));
  EXPECT_EQ(article.text,
            "The old bridge over the harbour opened to traffic again on Tuesday, four months after "
            "cracks were found.\n"
            "What changes\n"
            "Lorries above twelve tonnes must take the northern tunnel.\n"
            "Cyclists get a lane of their own on the western side.\n"
            "It will last for another fifty years, the chief engineer said.");
}

TEST(CleanMarkdown, AParagraphBelowAListStays) {
  const Article article = clean(
      "# Bridge opens\n\nThe old bridge over the harbour opened to traffic again on Tuesday.\n\n"
      "## Next\n\n- paint the rails\n- light the stairs\n- close the detour\n\n"
      "The council will decide in May whether lorries may use it again, and at what hours.\n",
      "text/markdown");
  EXPECT_TRUE(holds(article, "light the stairs"));
  EXPECT_TRUE(holds(article, "and at what hours."));
}

TEST(CleanKind, ByContentTypeThenByLook) {
  EXPECT_EQ(kind_of("plain words", ""), InputKind::kText);
  EXPECT_EQ(kind_of("plain words", "text/html"), InputKind::kHtml);
  EXPECT_EQ(kind_of("<p>One.</p><p>Two.</p>", ""), InputKind::kHtml);
  EXPECT_EQ(kind_of("  <!DOCTYPE HTML><p>x", "text/plain"), InputKind::kHtml);
  EXPECT_EQ(kind_of("# A\n\n[b](http://c.example)\n", ""), InputKind::kMarkdown);
  EXPECT_EQ(kind_of("# A\n\n[b](http://c.example)\n", "text/plain"), InputKind::kText);
}

// Articles as a feed scraper delivered them; their text is not ours to keep here.
class CleanSamples : public testing::Test {
 protected:
  Article read(const std::string& name) {
    const char* shared = std::getenv("WIREMILL_SHARED");
    const std::filesystem::path folder = shared != nullptr ? shared : WIREMILL_SHARED_FOLDER;
    std::ifstream file(folder / "samples" / name, std::ios::binary);
    if (!file) return {};
    found_ = true;
    body_.assign(std::istreambuf_iterator<char>(file), {});
    return clean(body_);
  }
  bool found_ = false;
  std::string body_;
};

TEST_F(CleanSamples, ViewsPage) {
  const Article article = read("000_bb64df37699a005a.txt");
  if (!found_) GTEST_SKIP() << "the samples are absent";
  expect_sound(article);
  EXPECT_TRUE(article.title.starts_with("Chinese FM calls for unity"));
  EXPECT_TRUE(article.title.ends_with("states"));
  EXPECT_EQ(article.published_us, utc(2023, 4, 28, 15, 20));
  EXPECT_TRUE(article.text.starts_with("Chinese State Councilor"));
  for (const std::string_view furniture : {"Share:", "CHINA VIEW", "by CGTN", "15:20"})
    EXPECT_FALSE(holds(article, furniture)) << furniture;
}

TEST_F(CleanSamples, AgencyStoryWithDateline) {
  const Article article = read("002_e77ff0a1b23b2b5b.txt");
  if (!found_) GTEST_SKIP() << "the samples are absent";
  expect_sound(article);
  EXPECT_TRUE(article.title.starts_with("Chinese FM holds talks"));
  EXPECT_EQ(article.dateline, "XI'AN, April 26 (Xinhua)");
  EXPECT_EQ(article.published_us, utc(2023, 4, 27));
  EXPECT_TRUE(article.text.starts_with("Chinese State Councilor"));
  ASSERT_FALSE(article.paragraphs.empty());
  EXPECT_EQ(body_.substr(article.paragraphs[0].body_begin, 13), "Chinese State");
}

TEST_F(CleanSamples, MinistryPage) {
  const Article article = read("003_5ce9cff4c19598f2.txt");
  if (!found_) GTEST_SKIP() << "the samples are absent";
  expect_sound(article);
  EXPECT_TRUE(article.title.starts_with("Wang Yi Hosts"));
  EXPECT_EQ(article.published_us, WM_NO_TIME);
  EXPECT_TRUE(article.text.starts_with("On May 12, 2021"));
  for (const std::string_view furniture : {"Contact Us", "Home >", "Suggest to a Friend"})
    EXPECT_FALSE(holds(article, furniture)) << furniture;
}

}  // namespace
}  // namespace wiremill::clean
