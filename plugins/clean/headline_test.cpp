// The headline of flattened pages: one story under many heads. The pages are written for these
// tests.
#include "plugins/clean/headline.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "plugins/clean/article.hpp"
#include "plugins/clean/text_mode.hpp"

namespace wiremill::clean {
namespace {

constexpr std::string_view kStory =
    "The town of Brackwater will buy its old lighthouse back from a hotel company for one euro, "
    "the mayor, Ines Corvalho, announced on Wednesday.\n\n"
    "The lighthouse was sold eleven years ago, when the town needed money to repair its school. "
    "The company never opened the hotel that it had planned.\n\n"
    "\"We sold it in a storm and we get it back in calm weather,\" Corvalho said. Repairs to the "
    "lantern will cost about 200,000 euros, most of it from a regional fund.\n\n"
    "Fishermen had collected 3,400 signatures for the purchase. The tower is to open to visitors "
    "in spring.\n";

constexpr std::string_view kTitle = "Brackwater buys back its lighthouse for one euro";

struct Layout {
  std::string_view name, head;
  std::string_view title = kTitle;
};

class Headlines : public testing::TestWithParam<Layout> {};

TEST_P(Headlines, IsFound) {
  HtmlTree tree;
  const std::string body = std::string(GetParam().head) + std::string(kStory) +
                           "\nAlso in this section\nNew ferry timetable from June\n"
                           "Mussel prices rise again\n(c) Coast Desk\n";
  const Article article = extract({.body = body, .content_type = "text/plain"},
                                  {.input = InputKind::kText, .html = {}}, tree);
  EXPECT_EQ(article.title, GetParam().title);
  EXPECT_NE(article.text.find("The town of Brackwater will buy"), std::string::npos);
  EXPECT_NE(article.text.find("open to visitors in spring."), std::string::npos);
  EXPECT_EQ(article.text.find(kTitle), std::string::npos) << article.text;
}

const std::vector<Layout> kLayouts = {
    {"Alone", "Brackwater buys back its lighthouse for one euro\n\n"},
    {"BreadcrumbOfColons",
     "Start :: Region :: Coast\nBrackwater buys back its lighthouse for one euro\n\n"},
    {"BreadcrumbOfSlashesWithALabel",
     "Your position: Start / Region / Coast\n"
     "Brackwater buys back its lighthouse for one euro\n\n"},
    {"BreadcrumbOfArrows",
     "Start → Region → Coast towns\nBrackwater buys back its lighthouse for one euro\n\n"},
    {"BreadcrumbThatEndsInTheTitle",
     "Start » Region » Brackwater buys back its lighthouse for one euro\n3 May 2024\n\n"},
    {"Greeting",
     "Good morning and welcome to the Coast Desk, dear guest\n"
     "Brackwater buys back its lighthouse for one euro\nBy Odo Pell\n\n"},
    {"LogoAndSlogan",
     "COAST DESK\nAll that moves between the dunes and the hills\n"
     "Brackwater buys back its lighthouse for one euro\n\n"},
    {"SloganAfterTheSitesName",
     "Coast Desk - News for people by the sea\nMy account | Help\n\n"
     "Brackwater buys back its lighthouse for one euro\nCoast Desk / Ora   03.05.2024 11:48\n\n"},
    {"LastChangeAbove",
     "Last change: 3 May 2024, 11:20\nBrackwater buys back its lighthouse for one euro\n\n"},
    {"LastChangeBelow",
     "Brackwater buys back its lighthouse for one euro\nLast change: 3 May 2024, 11:20\n\n"},
    {"SectionName", "Towns and harbours\nBrackwater buys back its lighthouse for one euro\n\n"},
    {"MenuWordsInColumns",
     "Politics   Harbours   Weather   Letters to the editor   Jobs\n"
     "Brackwater buys back its lighthouse for one euro\n\n"},
    {"MenuWordsInLines",
     "Politics\nHarbours\nWeather\nLetters\nJobs and homes\n"
     "Brackwater buys back its lighthouse for one euro\n\n"},
    {"DateFusedBefore",
     "Friday, 3 May 2024 - Brackwater buys back its lighthouse for one euro\n\n"},
    {"DateFusedBehind", "Brackwater buys back its lighthouse for one euro (2024-05-03 11:20)\n\n"},
    {"ShareLineBetween",
     "Brackwater buys back its lighthouse for one euro\nShare  Tweet  Send  Print\n\n"},
    {"BylineBetween",
     "Coast and country\nBrackwater buys back its lighthouse for one euro\n"
     "By Odo Pell, coast correspondent\n3 May 2024\n\n"},
    {"BylineWithLabels",
     "Brackwater buys back its lighthouse for one euro\n"
     "Text: Odo Pell   Picture: Mara Lind\nViews 2,041   Comments 17\n\n"},
    {"Kicker", "REAL ESTATE\nBrackwater buys back its lighthouse for one euro\n3 May 2024\n\n"},
    {"Capitals", "Coast Desk\nBRACKWATER BUYS BACK ITS LIGHTHOUSE FOR ONE EURO\n\n",
     "BRACKWATER BUYS BACK ITS LIGHTHOUSE FOR ONE EURO"},
    {"Question", "Coast Desk\nWhy does Brackwater want its lighthouse back?\nBy Odo Pell\n\n",
     "Why does Brackwater want its lighthouse back?"},
    {"QuestionAlone", "Why does Brackwater want its lighthouse back?\n\n",
     "Why does Brackwater want its lighthouse back?"},
    {"Exclamation", "Start > Coast\nThe lighthouse is ours again, says Brackwater!\n\n",
     "The lighthouse is ours again, says Brackwater!"},
    {"Twice",
     "Brackwater buys back its lighthouse for one euro | Coast Desk\nStart\nCoast\n"
     "Brackwater buys back its lighthouse for one euro\n3 May 2024\n\n"},
    {"PageTitleOnly", "Brackwater buys back its lighthouse for one euro | Coast Desk\n\n"},
    {"PageTitleOnlyWithADash", "Coast Desk - Brackwater buys back its lighthouse for one euro\n\n"},
    {"Standfirst",
     "Start > Coast\nBrackwater buys back its lighthouse for one euro\n"
     "A hotel company returns the tower that the town had sold to repair its school.\n"
     "By Odo Pell\n\n"},
    {"StandfirstWithoutAStop",
     "Brackwater buys back its lighthouse for one euro\n"
     "Hotel company returns the tower that the town sold eleven years ago to repair its school\n"
     "By Odo Pell\n\n"},
    {"OtherHeadlinesAbove",
     "Rain until Sunday, then wind\nRailway museum wants a new director\n"
     "Start | Coast | Hills\nBrackwater buys back its lighthouse for one euro\n"
     "3 May 2024 | Odo Pell\n\n"},
    {"Brackets",
     "[Large] [Medium] [Small]\nBrackwater buys back its lighthouse for one euro\n"
     "Source: Coast Desk   Time: 2024-05-03 11:20   [Large] [Small]\n\n"},
    {"DashInTheTitle", "Brackwater buys back its lighthouse – for a single coin\n3 May 2024\n\n",
     "Brackwater buys back its lighthouse – for a single coin"},
    {"NoneUnderASlogan", "Welcome to our pages, dear guest\nStart | Coast | Hills\n\n", ""},
    {"NoneUnderABreadcrumb", "You are here: Start / Region / Coast\nShare\n\n", ""},
    {"NoneUnderADate", "Last change: 3 May 2024, 11:20\nPrint\n\n", ""},
    {"NoneUnderAMenu", "Politics\nHarbours\nWeather today\nJobs\n\n", ""},
};

INSTANTIATE_TEST_SUITE_P(Layouts, Headlines, testing::ValuesIn(kLayouts),
                         [](const auto& layout) { return std::string(layout.param.name); });

TEST(HeadlineScripts, WithoutBlanksAndWithOtherLetters) {
  HtmlTree tree;
  const auto title_of = [&](std::string_view body) {
    return extract({.body = body}, {.input = InputKind::kText, .html = {}}, tree).title;
  };
  EXPECT_EQ(
      title_of(
          "首页 > 海岸 > 正文\n海滨小镇一欧元买回旧灯塔\n2024-05-03 11:20 来源：海岸台\n\n"
          "海滨小镇布拉克周三宣布，将以一欧元的价格从一家酒店公司买回旧灯塔。灯塔十一年前被出售，"
          "当时小镇需要资金修理学校，酒店公司从未开业。\n\n"
          "镇长表示，修理灯塔的费用约为二十万欧元，大部分来自地区基金，明年春天向游客开放。\n"),
      "海滨小镇一欧元买回旧灯塔");
  EXPECT_EQ(title_of("Главная / Регион / Побережье\nГород выкупает старый маяк за один евро\n"
                     "Последнее изменение: 03.05.2024\n\n"
                     "Город Браково выкупит старый маяк у гостиничной компании за один евро, "
                     "сообщила в среду мэр Инес Корвальо.\n\n"
                     "Маяк был продан одиннадцать лет назад, когда городу нужны были деньги на "
                     "ремонт школы. Гостиница так и не открылась.\n"),
            "Город выкупает старый маяк за один евро");
}

TEST(FusedTitles, WhatIsTakenOffAndWhatStays) {
  EXPECT_EQ(split_fused("A > B > Ferry runs aground near the pier").title,
            "Ferry runs aground near the pier");
  EXPECT_EQ(split_fused("Ferry runs aground near the pier | 2024-05-03").title,
            "Ferry runs aground near the pier");
  EXPECT_TRUE(split_fused("2024-05-03 Ferry runs aground near the pier").published_us.has_value());
  // The date is a part of the sentence.
  EXPECT_EQ(split_fused("What we know of the night of 3 May 2024").title,
            "What we know of the night of 3 May 2024");
  EXPECT_EQ(split_fused("3 May 2024").title, "3 May 2024");
  EXPECT_EQ(split_fused("").title, "");
}

}  // namespace
}  // namespace wiremill::clean
