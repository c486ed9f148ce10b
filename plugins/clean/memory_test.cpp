// The stage as a host sees it: memory per source, its extension, and what settle answers.
#include <gtest/gtest.h>
#include <wiremill/testing.hpp>

#include <array>
#include <random>
#include <string>
#include <vector>

namespace wiremill::clean {
namespace {

using testing::MockHost;
using testing::TestDocument;
using testing::TestResult;

constexpr int64_t kDayUs = int64_t{86'400} * 1'000'000;
constexpr std::string_view kPitch =
    "The Lantern is read by forty thousand people, and every one of them keeps it burning.";
constexpr std::string_view kSlogan = "Lantern light, every night";

// A story of its own for each number: three paragraphs in prose.
std::string paragraph(int story, int part) {
  static constexpr std::string_view kWho[] = {"The council", "A farmer", "The museum", "One ferry",
                                              "The orchestra"};
  static constexpr std::string_view kWhat[] = {"opened the old bridge", "sold nine hundred sheep",
                                               "lost a painting", "sailed around the island",
                                               "planted a thousand oaks"};
  const auto at = static_cast<size_t>(story * 7 + part * 3);
  return std::string(kWho[at % 5]) + " " + std::string(kWhat[(at / 5 + at) % 5]) + " on day " +
         std::to_string(story) + ", and on the next one, number " +
         std::to_string(story * 10 + part) + ", people came to see it.";
}

std::string story(int number, std::string_view before = "", std::string_view after = "") {
  std::string text;
  const auto add = [&](std::string_view line) {
    if (!line.empty()) text += std::string(line) + "\n\n";
  };
  add(before);
  for (int part = 0; part < 3; ++part) add(paragraph(number, part));
  add(after);
  return text;
}

TestDocument document(int number, std::string body, std::string source = "lantern.example") {
  return {
      .id = "doc-" + std::to_string(number), .source = std::move(source), .body = std::move(body)};
}

std::string text_of(const TestResult& result) { return result.texts.at(WM_TEXT); }

std::string clean_one(MockHost& host, const TestDocument& document) {
  const auto results = host.run({document});
  EXPECT_EQ(results.at(0).verdict, static_cast<uint32_t>(WM_OK)) << results[0].message;
  return text_of(results.at(0));
}

bool holds(const std::string& text, std::string_view line) {
  return text.find(line) != std::string::npos;
}

std::string as_page(const std::string& text) {
  std::string page = "<html><body><article>";
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find("\n\n", at);
    page += "<p>" + text.substr(at, end - at) + "</p>";
    at = end + 2;
  }
  return page + "</article></body></html>";
}

TEST(CleanMemory, ALineOfThreeDocumentsOfASourceIsFurniture) {
  for (const bool is_html : {false, true}) {
    MockHost host(wiremill_plugin);
    for (int i = 1; i <= 6; ++i) {
      const std::string body = story(i, "", kPitch);
      const std::string text = clean_one(host, document(i, is_html ? as_page(body) : body));
      EXPECT_EQ(holds(text, kPitch), i < 3) << i;
      for (int part = 0; part < 3; ++part) EXPECT_TRUE(holds(text, paragraph(i, part))) << i;
    }
    EXPECT_EQ(host.counters().at("furniture"), 4U);
  }
}

TEST(CleanMemory, SourcesDoNotLearnFromEachOther) {
  MockHost host(wiremill_plugin);
  for (int i = 1; i <= 8; ++i)
    EXPECT_TRUE(holds(clean_one(host, document(i, story(i, "", kPitch),
                                               i % 4 == 0   ? ""
                                               : i % 4 == 1 ? "a.example"
                                               : i % 4 == 2 ? "b.example"
                                                            : "c.example")),
                      kPitch));
}

TEST(CleanMemory, CanBeOff) {
  MockHost host(wiremill_plugin, {{"memory", false}});
  for (int i = 1; i <= 5; ++i)
    EXPECT_TRUE(holds(clean_one(host, document(i, story(i, "", kPitch))), kPitch));
  EXPECT_TRUE(host.state().empty());
}

TEST(CleanMemory, HowManyDocumentsIsAnOption) {
  MockHost host(wiremill_plugin, {{"memory_documents", int64_t{5}}});
  for (int i = 1; i <= 6; ++i)
    EXPECT_EQ(holds(clean_one(host, document(i, story(i, "", kPitch))), kPitch), i < 5) << i;
}

// Once more under its own id, under others (an agency's story), revised, cut and prolonged.
TEST(CleanMemory, AStoryThatComesAgainIsNoFurniture) {
  MockHost host(wiremill_plugin);
  const std::string whole = story(1);
  for (int i = 0; i < 5; ++i) {
    const std::string text = clean_one(host, document(1, whole));
    for (int part = 0; part < 3; ++part) EXPECT_TRUE(holds(text, paragraph(1, part)));
  }
  for (int i = 10; i < 15; ++i) {
    const std::string text = clean_one(host, document(i, whole));
    for (int part = 0; part < 3; ++part) EXPECT_TRUE(holds(text, paragraph(1, part)));
  }
  std::string growing = whole;
  for (int i = 20; i < 40; ++i) {
    growing += paragraph(i, 0) + "\n\n";
    const std::string text = clean_one(host, document(i, growing));
    for (int part = 0; part < 3; ++part) EXPECT_TRUE(holds(text, paragraph(1, part))) << i;
    EXPECT_TRUE(holds(text, paragraph(i, 0)));
  }
  for (int i = 50; i < 55; ++i) {  // the same id, another story: a live page
    const std::string text = clean_one(
        host, document(50, story(i, "", "Our reporters are on the ground and write here.")));
    EXPECT_TRUE(holds(text, "Our reporters"));
  }
}

TEST(CleanMemory, ARetryIsNotCountedAgain) {
  MockHost host(wiremill_plugin);
  clean_one(host, document(1, story(1, "", kPitch)));
  const auto before = host.state();
  TestDocument again = document(1, story(1, "", kPitch));
  again.first_sequence = 1;
  for (int i = 0; i < 4; ++i) EXPECT_TRUE(holds(clean_one(host, again), kPitch));
  EXPECT_EQ(host.state(), before);
}

// A page that says the same each time ("please log in") keeps its text.
TEST(CleanMemory, NeverTheWholeText) {
  for (const bool is_html : {false, true}) {
    MockHost host(wiremill_plugin);
    for (int i = 1; i <= 5; ++i) {
      const std::string body = story(i, "", kPitch);
      clean_one(host, document(i, is_html ? as_page(body) : body));
    }
    const std::string alone = std::string(kPitch) + "\n\n";
    EXPECT_EQ(clean_one(host, document(6, is_html ? as_page(alone) : alone)), kPitch);
  }
  MockHost host(wiremill_plugin);
  for (int i = 1; i <= 5; ++i)
    EXPECT_EQ(clean_one(host, document(i, std::string(kPitch) + "\n")), kPitch);
}

TEST(CleanMemory, ParagraphsAreThoseOfTheShorterText) {
  MockHost host(wiremill_plugin);
  for (int i = 1; i <= 4; ++i) {
    const std::string body =
        "Harbour news of the day number " + std::to_string(i) + "\n\n" +
        story(i, kPitch, "LONDON (Lantern) - The end of it came at noon on Friday.");
    const auto result = host.run({document(i, body)}).at(0);
    const std::string text = text_of(result);
    EXPECT_EQ(holds(text, kPitch), i < 3);
    ASSERT_TRUE(result.paragraphs.has_value());
    size_t lines = 1;
    for (const char c : text) lines += c == '\n';
    EXPECT_EQ(result.paragraphs->size(), lines);
    for (const wm_paragraph& each : *result.paragraphs)
      EXPECT_EQ(text.substr(each.begin, each.end - each.begin),
                body.substr(each.body_begin, each.body_end - each.body_begin));
  }
}

// What hid it is gone.
TEST(CleanMemory, TheDatelineIsFoundBehindFurniture) {
  MockHost host(wiremill_plugin);
  for (int i = 1; i <= 4; ++i) {
    std::string body;
    for (const std::string_view way : {"by the light of the harbour", "in print", "on the radio"})
      body += "The Lantern comes to forty thousand people " + std::string(way) +
              ", every day but one, and it has since the year 1871.\n\n";
    body += "LONDON (Lantern) - " + story(i);
    const auto result = host.run({document(i, body)}).at(0);
    EXPECT_EQ(result.texts.at(WM_DATELINE), i < 3 ? "" : "LONDON (Lantern)");
    EXPECT_EQ(text_of(result).starts_with(paragraph(i, 0)), i >= 3) << text_of(result);
  }
}

TEST(CleanMemory, SubmittedTitleAndTimeStay) {
  MockHost host(wiremill_plugin);
  for (int i = 1; i <= 4; ++i) {
    TestDocument each = document(i, story(i, "", kPitch));
    each.title = "As submitted " + std::to_string(i);
    each.published_us = i * kDayUs;
    const auto result = host.run({each}).at(0);
    EXPECT_EQ(result.texts.at(WM_TITLE), each.title);
    EXPECT_EQ(result.published_us, each.published_us);
  }
}

TEST(CleanMemory, WhatWasNotSeenForLongIsForgotten) {
  MockHost host(wiremill_plugin, {{"memory_age", int64_t{86'400'000}}});
  const auto at = [&](int number, int64_t time_us) {
    TestDocument each = document(number, story(number, "", kPitch));
    each.accepted_at_us = time_us;
    return holds(clean_one(host, each), kPitch);
  };
  EXPECT_TRUE(at(1, 0));
  EXPECT_TRUE(at(2, kDayUs));
  EXPECT_TRUE(at(3, 3 * kDayUs));  // those before are too old
  EXPECT_TRUE(at(4, 3 * kDayUs));
  EXPECT_FALSE(at(5, 3 * kDayUs));
  for (int day = 4; day < 10; ++day) EXPECT_FALSE(at(day + 10, day * kDayUs));
  EXPECT_TRUE(at(30, 12 * kDayUs));
}

// Slots: whatever a source sends, it holds at most 1,024 entries, none over 150 bytes.
TEST(CleanMemory, StateOfASourceStaysBounded) {
  MockHost host(wiremill_plugin);
  for (int i = 0; i < 300; ++i) {
    std::string body;
    for (int part = 0; part < 20; ++part) body += paragraph(1000 + i, part) + "\n\n";
    clean_one(host, document(i, body));
  }
  EXPECT_GT(host.state().size(), 900U);
  EXPECT_LE(host.state().size(), 1024U);
  for (const auto& [key, value] : host.state()) EXPECT_LE(key.size() + value.size(), 150U);
}

// A furniture line goes on being known while stories stream past it.
TEST(CleanMemory, FurnitureIsNotPushedOutByStories) {
  MockHost host(wiremill_plugin);
  for (int i = 1; i <= 400; ++i) {
    const std::string text = clean_one(host, document(i, story(i, "", kPitch)));
    EXPECT_EQ(holds(text, kPitch), i < 3) << i;
  }
}

TEST(CleanMemory, ALongTextIsRememberedByItsEdges) {
  MockHost host(wiremill_plugin, {{"memory_percent_min", int64_t{0}}});
  for (int i = 1; i <= 4; ++i) {
    std::string body;
    for (int part = 0; part < 500; ++part) body += paragraph(i * 1000, part) + "\n\n";
    body += std::string(kPitch) + "\n";
    EXPECT_EQ(holds(clean_one(host, document(i, body)), kPitch), i < 3);
    EXPECT_LE(host.state().size(), 4 * 128U);
  }
}

uint64_t shortened(MockHost& host) {
  const auto found = host.counters().find("furniture");
  return found == host.counters().end() ? 0 : found->second;
}

std::string long_story(int number) {
  std::string text;
  for (int part = 0; part < 20; ++part) text += paragraph(number, part) + "\n\n";
  return text;
}

// A note on rights or sources is often called the article's own; what opens a text never is.
TEST(CleanMemory, LittleOfATextStaysUnlessItOpensIt) {
  constexpr std::string_view kNote = "First printed in the Lantern.";
  for (const bool is_html : {false, true}) {
    const auto body = [&](int number, bool opens) {
      const std::string note = std::string(kNote) + "\n\n", told = long_story(number);
      const std::string text = opens ? note + told : told + note;
      return is_html ? as_page(text) : text;
    };
    MockHost host(wiremill_plugin), strict(wiremill_plugin, {{"memory_percent_min", int64_t{0}}});
    for (int i = 1; i <= 5; ++i) {
      EXPECT_TRUE(holds(clean_one(host, document(i, body(i, false))), kNote)) << i;
      EXPECT_EQ(holds(clean_one(strict, document(i, body(i, false))), kNote), i < 3) << i;
    }
    EXPECT_EQ(shortened(host), 0U);
    EXPECT_EQ(shortened(strict), 3U);
    EXPECT_FALSE(holds(clean_one(host, document(6, body(6, true))), kNote));
    EXPECT_EQ(shortened(host), 1U);
  }
}

// A report that says mostly the same each day, and one line that is new.
TEST(CleanMemory, ATextThatIsMostlyKnownStaysWhole) {
  std::string daily;
  for (int part = 0; part < 4; ++part) daily += paragraph(1, part) + "\n\n";
  for (const bool is_html : {false, true}) {
    const auto body = [&](int day) {
      const std::string text = daily + "On day " + std::to_string(day) +
                               " it rained over the harbour in the morning.\n\n";
      return is_html ? as_page(text) : text;
    };
    MockHost host(wiremill_plugin), free(wiremill_plugin, {{"memory_percent_max", int64_t{100}}});
    for (int i = 1; i <= 4; ++i) {  // other stories in which the daily lines stand, too
      clean_one(host, document(i, long_story(i * 10) + daily));
      clean_one(free, document(i, long_story(i * 10) + daily));
    }
    for (int day = 10; day < 14; ++day) {
      const std::string text = clean_one(host, document(day, body(day)));
      for (int part = 0; part < 4; ++part) EXPECT_TRUE(holds(text, paragraph(1, part))) << day;
      EXPECT_FALSE(holds(clean_one(free, document(day, body(day))), paragraph(1, 0))) << day;
    }
  }
}

// What a source prints under one headline again and again: "Letters", "The day in figures".
TEST(CleanMemory, AColumnKeepsWhatItOpensWith) {
  const auto letters = [](int week, const std::string& title) {
    TestDocument column = document(week, std::string(kPitch) + "\n\n" + story(week));
    column.title = title;
    return column;
  };
  MockHost host(wiremill_plugin);
  for (int week = 1; week <= 8; ++week)
    EXPECT_TRUE(holds(clean_one(host, letters(week, "Letters to the Lantern")), kPitch)) << week;
  EXPECT_EQ(shortened(host), 0U);
  for (int week = 11; week <= 14; ++week)  // the column counts as one document
    EXPECT_EQ(holds(clean_one(host, letters(week, "Week " + std::to_string(week))), kPitch),
              week < 12);
}

// A live page, each time under another id, with the same opening and ever other news.
TEST(CleanMemory, ALivePageKeepsItsOpening) {
  MockHost host(wiremill_plugin);
  for (int hour = 1; hour <= 10; ++hour) {
    TestDocument live =
        document(hour, paragraph(500, 0) + "\n\n" + paragraph(500, 1) + "\n\n" + long_story(hour));
    live.title = "Harbour fire: what we know";
    const std::string text = clean_one(host, live);
    EXPECT_TRUE(holds(text, paragraph(500, 0)) && holds(text, paragraph(500, 1))) << hour;
  }
  EXPECT_EQ(shortened(host), 0U);
}

// However much a revision changes.
TEST(CleanMemory, RevisionsCountAsOneDocument) {
  MockHost host(wiremill_plugin);
  for (int version = 0; version < 8; ++version)
    EXPECT_TRUE(holds(clean_one(host, document(1, story(version, "", kPitch))), kPitch));
  EXPECT_TRUE(holds(clean_one(host, document(20, story(20, "", kPitch))), kPitch));
  EXPECT_EQ(shortened(host), 0U);
  EXPECT_FALSE(holds(clean_one(host, document(21, story(21, "", kPitch))), kPitch));
  EXPECT_EQ(shortened(host), 1U);
}

TEST(CleanMemory, ACorrectionLeavesTheStoryWhole) {
  constexpr std::string_view kCorrection =
      "Correction: an earlier version of this story had the name of a person wrong.";
  MockHost host(wiremill_plugin);
  for (int i = 1; i <= 6; ++i) {
    clean_one(host, document(i, story(i)));
    for (const int id : {i, 100 + i}) {
      const std::string text = clean_one(host, document(id, story(i, "", kCorrection)));
      for (int part = 0; part < 3; ++part) EXPECT_TRUE(holds(text, paragraph(i, part))) << i;
      EXPECT_EQ(holds(text, kCorrection), i < 3) << i;
    }
  }
}

// Snippets of an agency: what is their own, short as it is, and a longer line that they share.
TEST(CleanMemory, ASnippetIsNeverEmptied) {
  MockHost host(wiremill_plugin);
  for (int i = 1; i <= 6; ++i) {
    const std::string sentence =
        "The ferry sailed from the harbour at noon with " + std::to_string(i) + " aboard.";
    const std::string text =
        clean_one(host, document(i, sentence + "\n\n" + std::string(kPitch) + "\n"));
    EXPECT_TRUE(holds(text, sentence)) << text;
    EXPECT_EQ(holds(text, kPitch), i < 3) << text;
  }
  for (int i = 10; i <= 12; ++i) {
    const std::string words = "Ferry of the day: " + std::to_string(i);
    const std::string text =
        clean_one(host, document(i, words + "\n\n" + std::string(kPitch) + "\n"));
    EXPECT_TRUE(holds(text, kPitch)) << text;
  }
}

std::vector<TestDocument> make_stream(int documents) {
  std::mt19937 random(7);
  std::vector<TestDocument> stream;
  for (int i = 0; i < documents; ++i) {
    const int number = random() % 4 == 0 ? static_cast<int>(random() % 20) : 100 + i;
    std::string body = story(number, random() % 2 ? kPitch : "", random() % 2 ? kSlogan : "");
    if (random() % 3 == 0) body += paragraph(static_cast<int>(random() % 3), 9) + "\n\n";
    if (random() % 3 == 0) body = as_page(body);
    TestDocument each = document(static_cast<int>(random() % 300), std::move(body),
                                 "source-" + std::to_string(random() % 3));
    each.accepted_at_us = i * kDayUs / 20;
    if (random() % 15 == 0) each.first_sequence = static_cast<uint64_t>(i) / 2 + 1;
    stream.push_back(std::move(each));
  }
  return stream;
}

TEST(CleanMemory, AnswersDoNotDependOnWhereBatchesAreCut) {
  const std::vector<TestDocument> stream = make_stream(400);
  std::vector<std::string> reference;
  std::map<std::string, std::string, std::less<>> state;
  for (const size_t cut : {1U, 2U, 7U, 32U, 400U}) {
    MockHost host(wiremill_plugin, {{"memory_age", int64_t{2 * 86'400'000}}});
    std::vector<std::string> texts;
    for (size_t begin = 0; begin < stream.size(); begin += cut) {
      const auto end = std::min(begin + cut, stream.size());
      for (const TestResult& result :
           host.run(std::vector(stream.begin() + static_cast<ptrdiff_t>(begin),
                                stream.begin() + static_cast<ptrdiff_t>(end))))
        texts.push_back(text_of(result));
    }
    if (cut == 1) {
      reference = texts;
      state = host.state();
      EXPECT_GT(host.counters().at("furniture"), 100U);
    }
    EXPECT_EQ(texts, reference) << "batches of " << cut;
    EXPECT_EQ(host.state(), state) << "batches of " << cut;
  }
}

TEST(CleanMemory, ABatchReadsTheStateOnce) {
  MockHost host(wiremill_plugin);
  const std::vector<TestDocument> stream = make_stream(64);
  host.run(std::vector(stream.begin(), stream.begin() + 32));
  const size_t before = host.state_reads();
  host.run(std::vector(stream.begin() + 32, stream.end()));
  EXPECT_EQ(host.state_reads() - before, 1U);
}

// Damaged in any way, a record is no memory: the document is cleaned by itself, and the lines are
// learnt again.
TEST(CleanMemory, ADamagedRecordIsNoMemory) {
  const auto damages = std::to_array<std::string (*)(std::string)>(
      {[](std::string value) { return value.substr(0, 10); },
       [](std::string) { return std::string(); },
       [](std::string value) { return value + "\xff\xff"; },
       [](std::string value) { return value.replace(12, 1, "\x02"); },
       [](std::string value) { return value + std::string(1 << 16, '\0'); }});
  for (const auto damage : damages) {
    MockHost host(wiremill_plugin);
    for (int i = 1; i <= 3; ++i) clean_one(host, document(i, story(i, "", kPitch)));
    for (auto& [key, value] : host.state()) value = damage(value);
    EXPECT_TRUE(holds(clean_one(host, document(4, story(4, "", kPitch))), kPitch));
    EXPECT_GE(host.counters().at("damaged"), 1U);
    clean_one(host, document(5, story(5, "", kPitch)));
    EXPECT_FALSE(holds(clean_one(host, document(6, story(6, "", kPitch))), kPitch));
  }
}

constexpr std::string_view kFacts = R"(<html><head><title>Bridge opens | The Lantern</title>
<link rel="canonical" href="https://lantern.example/bridge"><link rel="stylesheet" href="x.css">
<meta property="og:site_name" content="The &quot;Lantern&quot;">
<meta name="description" content="Old.  And	open."></head><body><nav>Home</nav>)";

TEST(CleanExtension, HoldsWhatThePageStates) {
  MockHost host(wiremill_plugin);
  const auto result = host.run({document(1, std::string(kFacts) + as_page(story(1)))}).at(0);
  EXPECT_EQ(result.extension, R"({"site":"The \"Lantern\"","description":"Old. And open.",)"
                              R"("canonical":"https://lantern.example/bridge"})");
  EXPECT_FALSE(host.run({document(2, story(2))}).at(0).extension.has_value());
}

TEST(CleanExtension, ARelativeAddressIsResolvedAgainstTheUri) {
  MockHost host(wiremill_plugin);
  const std::string body =
      R"(<head><link rel=canonical href="/stories/../bridge?id=1"></head>)" + as_page(story(1));
  TestDocument page = document(1, body);
  EXPECT_FALSE(host.run({page}).at(0).extension.has_value());
  page.uri = "https://lantern.example/news/today";
  EXPECT_EQ(host.run({page}).at(0).extension,
            R"({"site":"","description":"","canonical":"https://lantern.example/bridge?id=1"})");
}

TEST(CleanExtension, ExplainsEachLineThatIsLeftOut) {
  MockHost host(wiremill_plugin, {{"explain", true}});
  for (int i = 1; i <= 3; ++i) {
    const std::string body =
        "<nav>Home</nav>" + as_page(story(i, "", kPitch)) + "<footer>End</footer>";
    const std::string json = *host.run({document(i, body)}).at(0).extension;
    EXPECT_TRUE(holds(json, R"({"reason":"element","line":"Home"})")) << json;
    EXPECT_TRUE(holds(json, R"({"reason":"element","line":"End"})")) << json;
    EXPECT_EQ(holds(json, R"({"reason":"memory","line":"The Lantern is read)"), i == 3) << json;
  }
  for (int i = 4; i <= 5; ++i) {
    const std::string json =
        *host.run({document(i, "Share:\n\n" + story(i, "", kPitch))}).at(0).extension;
    EXPECT_TRUE(holds(json, R"({"reason":"furniture","line":"Share:"})")) << json;
    EXPECT_TRUE(holds(json, R"({"reason":"memory","line":"The Lantern is read)")) << json;
  }
}

}  // namespace
}  // namespace wiremill::clean
