#include <gtest/gtest.h>
#include <wiremill/testing.hpp>

#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "plugins/duplicates/test_texts.hpp"

namespace wiremill::duplicates {
namespace {

using testing::MockHost;
using testing::TestDocument;
using testing::TestDuplicate;
using testing::TestResult;

constexpr int64_t kSecond = 1'000'000, kDay = 86'400 * kSecond;

TestDuplicate settle(MockHost& host, const std::string& id, const std::string& text,
                     int64_t accepted_at_us = 0) {
  const auto results = host.run({{.id = id, .text = text, .accepted_at_us = accepted_at_us}});
  EXPECT_EQ(results.at(0).verdict, static_cast<uint32_t>(WM_OK)) << results[0].message;
  return results.at(0).duplicate.value_or(TestDuplicate{});
}

void expect_none(const TestDuplicate& duplicate, const std::string& id) {
  EXPECT_EQ(duplicate, (TestDuplicate{.cluster = id})) << duplicate.of;
}

TEST(Duplicates, AnExactCopyIsOneUnderFolding) {
  MockHost host(wiremill_plugin);
  expect_none(settle(host, "a", "Ministers met in Berlin."), "a");
  EXPECT_EQ(settle(host, "b", "  MINISTERS met -- in Berlin"),
            (TestDuplicate{WM_DUPLICATE_EXACT, "a", "a", "", "", 1, 1}));
  expect_none(settle(host, "c", "Ministers met in Bonn."), "c");
}

TEST(Duplicates, ANearCopyNamesItsOriginal) {
  MockHost host(wiremill_plugin);
  const std::string text = make_text(1, 200);
  settle(host, "other", make_text(2, 200));
  expect_none(settle(host, "a", text), "a");
  const TestDuplicate edited = settle(host, "b", change_words(text, 1, 4));
  EXPECT_EQ(edited.kind, static_cast<uint32_t>(WM_DUPLICATE_NEAR));
  EXPECT_EQ(edited.of, "a");
  EXPECT_EQ(edited.cluster, "a");
  EXPECT_GT(edited.similarity, 0.8);
  EXPECT_LT(edited.similarity, 1);
  EXPECT_EQ(edited.story, "");
  EXPECT_EQ(edited.follows, "");
}

TEST(Duplicates, ContainmentTellsAPartFromTheWhole) {
  const std::string whole = make_text(1, 300), part = make_text(1, 150);
  MockHost host(wiremill_plugin);
  settle(host, "whole", whole);
  const TestDuplicate cut = settle(host, "part", part);
  EXPECT_EQ(cut.of, "whole");
  EXPECT_NEAR(cut.similarity, 0.5, 0.15);
  EXPECT_GT(cut.containment, 0.85);

  MockHost reversed(wiremill_plugin);
  settle(reversed, "part", part);
  const TestDuplicate extended = settle(reversed, "whole", whole);
  EXPECT_EQ(extended.of, "part");
  EXPECT_NEAR(extended.containment, 0.5, 0.15);
}

TEST(Duplicates, TheOriginalIsTheEarliestOfTheClusterThatMatches) {
  MockHost host(wiremill_plugin);
  std::string text = make_text(1, 200);
  settle(host, "first", text);
  for (uint32_t i = 0; i < 30; ++i) {
    const std::string id = "copy" + std::to_string(i);
    const TestDuplicate copy = settle(host, id, change_words(text, i, 3));
    EXPECT_EQ(copy.of, "first") << id;
    EXPECT_EQ(copy.cluster, "first") << id;
  }
  // Edit upon edit: the first no longer matches, the cluster stays.
  std::string drifted = text;
  TestDuplicate last;
  for (uint32_t i = 0; i < 30; ++i) {
    drifted = change_words(drifted, 100 + i, 10);
    last = settle(host, "drift" + std::to_string(i), drifted);
    EXPECT_EQ(last.cluster, "first");
  }
  EXPECT_NE(last.of, "first");
}

TEST(Duplicates, AFloodOfCopiesKeepsItsOriginal) {
  MockHost host(wiremill_plugin);
  const std::string text = make_text(1, 100);
  settle(host, "first", text);
  for (int i = 0; i < 100; ++i)
    EXPECT_EQ(settle(host, "copy" + std::to_string(i), text),
              (TestDuplicate{WM_DUPLICATE_EXACT, "first", "first", "", "", 1, 1}));
}

TEST(Duplicates, ShortTextsAreOnlyComparedExactly) {
  MockHost host(wiremill_plugin);
  settle(host, "a", "Rates unchanged, the bank says on Monday");
  expect_none(settle(host, "b", "Rates unchanged, the bank says on Tuesday"), "b");
  EXPECT_EQ(settle(host, "c", "rates unchanged the bank says on monday").of, "a");
}

TEST(Duplicates, AnEmptyTextIsNeverACopy) {
  MockHost host(wiremill_plugin);
  for (const char* id : {"a", "b", "c"}) expect_none(settle(host, id, " \n "), id);
  EXPECT_TRUE(host.state().empty());
}

TEST(Duplicates, ADocumentIsNeverACopyOfItself) {
  MockHost host(wiremill_plugin);
  const std::string text = make_text(1, 200);
  settle(host, "a", text);
  expect_none(settle(host, "a", text), "a");                      // sent again
  expect_none(settle(host, "a", change_words(text, 1, 3)), "a");  // revised
  EXPECT_EQ(settle(host, "b", text).of, "a");
  EXPECT_EQ(settle(host, "b", text).of, "a");
  expect_none(settle(host, "a", text), "a");  // nor of its own copies
}

TestDuplicate retry(MockHost& host, const std::string& id, const std::string& text,
                    uint64_t first_sequence) {
  const auto results = host.run({{.id = id, .text = text, .first_sequence = first_sequence}});
  return results.at(0).duplicate.value();
}

// It entered the index, and a later stage failed.
TEST(Duplicates, ARetryIsNoCopyOfItsEarlierAttemptsNorCountedTwice) {
  for (const std::string& text : {make_text(1, 200), std::string("A short text")}) {
    MockHost host(wiremill_plugin);
    expect_none(settle(host, "a", text), "a");  // sequence 1
    EXPECT_EQ(settle(host, "b", text).of, "a");
    const auto before = host.state();
    expect_none(retry(host, "a", text, 1), "a");
    expect_none(retry(host, "a", text, 1), "a");  // of the retry
    EXPECT_EQ(host.state(), before);
    EXPECT_EQ(settle(host, "c", text).of, "a");
  }
}

TEST(Duplicates, ARetryOfACopyIsStillACopy) {
  MockHost host(wiremill_plugin);
  const std::string text = make_text(1, 200);
  settle(host, "a", text);
  EXPECT_EQ(settle(host, "b", text).of, "a");  // sequence 2
  EXPECT_EQ(retry(host, "b", text, 2).of, "a");
}

// Its first attempt died before this stage; a copy came in between.
TEST(Duplicates, ARetryThatWasNotHereBeforeIsEnteredOnce) {
  MockHost host(wiremill_plugin);
  const std::string text = make_text(1, 200), other = make_text(2, 200);
  host.set_next_sequence(10);
  expect_none(settle(host, "a", text), "a");
  EXPECT_EQ(retry(host, "late", text, 3).of, "a");
  EXPECT_EQ(settle(host, "copy", text).of, "a");
  expect_none(retry(host, "alone", other, 4), "alone");
  const size_t keys = host.state().size();
  expect_none(retry(host, "alone", other, 4), "alone");
  EXPECT_EQ(host.state().size(), keys);
  EXPECT_EQ(settle(host, "b", other).of, "alone");
}

// A stage before this one was changed since, and makes another text of it.
TEST(Duplicates, ARetryWithAnotherTextTakesThePlaceOfTheEarlierAttempt) {
  MockHost host(wiremill_plugin);
  const std::string text = make_text(1, 200), cleaned = make_text(2, 200);
  settle(host, "a", text);
  const size_t keys = host.state().size();
  expect_none(retry(host, "a", cleaned, 1), "a");
  EXPECT_EQ(host.state().size(), keys);
  expect_none(settle(host, "b", text), "b");
  EXPECT_EQ(settle(host, "c", cleaned).of, "a");
}

TEST(Duplicates, WhatIsOlderThanTheWindowIsForgotten) {
  MockHost host(wiremill_plugin, {{"window", int64_t{86'400'000}}});
  const std::string text = make_text(1, 200);
  settle(host, "a", text, 0);
  EXPECT_EQ(settle(host, "b", text, kDay).of, "a");
  const TestDuplicate later = settle(host, "c", text, kDay + 1);
  EXPECT_EQ(later.of, "b");
  EXPECT_EQ(later.cluster, "a");
  expect_none(settle(host, "d", text, 3 * kDay), "d");
}

// They are removed in small steps, so many are still there.
TEST(Duplicates, WhatIsForgottenDoesNotMatchWhileItAwaitsRemoval) {
  MockHost host(wiremill_plugin, {{"window", int64_t{1000}}});
  for (uint32_t i = 0; i < 20; ++i) settle(host, std::to_string(i), make_text(i, 100), 0);
  expect_none(settle(host, "late", make_text(15, 100), 10 * kSecond), "late");
}

TEST(Duplicates, TheOldestAreForgottenBeyondDocumentsMax) {
  MockHost host(wiremill_plugin, {{"documents_max", int64_t{10}}});
  const std::string text = make_text(1, 200);
  settle(host, "a", text);
  for (uint32_t i = 0; i < 9; ++i) settle(host, "x" + std::to_string(i), make_text(100 + i, 200));
  EXPECT_EQ(settle(host, "a", text).kind, static_cast<uint32_t>(WM_DUPLICATE_NONE));
  EXPECT_EQ(settle(host, "b", text).of, "a");  // the second "a": the first is gone
  for (uint32_t i = 0; i < 10; ++i) settle(host, "y" + std::to_string(i), make_text(200 + i, 200));
  expect_none(settle(host, "c", text), "c");
}

// A record each, 42 buckets and one for the exact text, as many that await the sweep; and the counts.
constexpr size_t kBucketsPerDocument = 43, kRemovalsPerStep = 2, kSweptPerRemoval = 86;
size_t keys_max(size_t documents) { return documents * (1 + 2 * kBucketsPerDocument) + 1; }

// Without the sequences in buckets that have no record, and how far the sweep has come: what is left
// to sweep may depend on the cuts.
std::map<std::string, std::string, std::less<>> swept(
    std::map<std::string, std::string, std::less<>> state) {
  for (auto entry = state.begin(); entry != state.end();) {
    auto& [key, value] = *entry;
    const bool is_bucket = key.front() == 'b' || key.front() == 'x';
    std::string left;
    for (size_t at = 0; is_bucket && at < value.size(); at += 8)
      if (state.contains("d" + value.substr(at, 8))) left += value.substr(at, 8);
    if (is_bucket) value = left;
    if (key == "m") value.resize(16);
    entry = value.empty() ? state.erase(entry) : std::next(entry);
  }
  return state;
}

TEST(Duplicates, StateStaysBounded) {
  MockHost host(wiremill_plugin, {{"documents_max", int64_t{50}}});
  for (uint32_t i = 0; i < 40; ++i) {
    std::vector<TestDocument> batch;
    for (uint32_t j = 0; j < 20; ++j)
      batch.push_back(
          {.id = std::to_string(i * 20 + j), .text = make_text(j % 3 ? i * 20 + j : j, 60 + j)});
    host.run(batch);
    EXPECT_LE(host.state().size(), keys_max(50));
  }
  // What a feed that stands still leaves is swept by the next ones.
  for (uint32_t i = 0; i < 120; ++i) settle(host, "short" + std::to_string(i), std::to_string(i));
  EXPECT_LE(host.state().size(), 50 * 3 + 1) << "a record, a bucket, and one to be swept";
}

TEST(Duplicates, StateShrinksWhenTheWindowHasPassed) {
  MockHost host(wiremill_plugin, {{"window", int64_t{1000}}});
  for (uint32_t i = 0; i < 200; ++i) settle(host, std::to_string(i), make_text(i, 60), 0);
  EXPECT_GT(host.state().size(), 190 * (1 + kBucketsPerDocument));
  size_t before = host.state().size();
  for (uint32_t i = 0; i < 200; ++i) {
    settle(host, "late" + std::to_string(i), make_text(1000 + i, 60), 10 * kSecond);
    EXPECT_GE(host.state().size() + kRemovalsPerStep * (1 + kSweptPerRemoval), before)
        << "more than a step at once";
    before = host.state().size();
  }
  for (uint32_t i = 0; i < 101; ++i)
    settle(host, "last" + std::to_string(i), make_text(2000 + i, 60), 20 * kSecond);
  EXPECT_LE(host.state().size(), keys_max(101));
}

// Originals, copies, repeats of an id, short and empty texts, and some that are tried again, over a
// moving window.
std::vector<TestDocument> make_stream(size_t documents) {
  std::mt19937 random(5);
  std::vector<TestDocument> stream;
  for (size_t i = 0; i < documents; ++i) {
    TestDocument document{.id = std::to_string(i)};
    if (i % 11 == 10) document.first_sequence = i + 1 - random() % 10;
    document.accepted_at_us = static_cast<int64_t>(i) * kSecond;
    const size_t earlier = i == 0 ? 0 : i - 1 - random() % std::min<size_t>(i, 30);
    switch (i == 0 ? 9 : random() % 10) {
      case 0: document.text = ""; break;
      case 1: document.text = "short " + std::to_string(random() % 5); break;
      case 2:
      case 3: document.text = stream[earlier].text; break;
      case 4: document.id = stream[earlier].id; [[fallthrough]];
      case 5:
      case 6:
        if (stream[earlier].text.size() > 100) {
          document.text =
              change_words(stream[earlier].text, static_cast<uint32_t>(i), 1 + random() % 8);
          break;
        }
        [[fallthrough]];
      default: document.text = make_text(static_cast<uint32_t>(i), 30 + random() % 100);
    }
    stream.push_back(std::move(document));
  }
  return stream;
}

TEST(Duplicates, AnswersDoNotDependOnWhereBatchesAreCut) {
  const std::vector<TestDocument> stream = make_stream(600);
  const std::map<std::string, testing::OptionValue> small[] = {
      {},
      {{"documents_max", int64_t{7}}},
      {{"documents_max", int64_t{100}}},
      {{"window", int64_t{10'000}}},
      {{"window", int64_t{50'000}}, {"documents_max", int64_t{30}}}};
  for (const auto& options : small) {
    std::vector<TestDuplicate> reference;
    std::map<std::string, std::string, std::less<>> reference_state;
    int copies = 0;
    for (const size_t cut : {1U, 2U, 7U, 32U, 600U}) {
      MockHost host(wiremill_plugin, options);
      std::vector<TestDuplicate> answers;
      for (size_t begin = 0; begin < stream.size(); begin += cut) {
        const size_t end = std::min(begin + cut, stream.size());
        for (const TestResult& result :
             host.run(std::vector(stream.begin() + static_cast<ptrdiff_t>(begin),
                                  stream.begin() + static_cast<ptrdiff_t>(end))))
          answers.push_back(result.duplicate.value());
      }
      if (cut == 1) {
        reference = answers;
        reference_state = swept(host.state());
        for (const TestDuplicate& answer : answers) copies += answer.kind != WM_DUPLICATE_NONE;
      }
      EXPECT_EQ(answers, reference) << "batches of " << cut;
      EXPECT_EQ(swept(host.state()), reference_state) << "batches of " << cut;
    }
    EXPECT_GT(copies, 50);
  }
}

// A host may pay a crossing of processes for each: counts, oldest records, buckets, candidates, the
// sweep; and the earlier attempts of those that are tried again.
TEST(Duplicates, ABatchReadsTheStateInFewSteps) {
  for (const bool has_retries : {false, true}) {
    MockHost host(wiremill_plugin, {{"documents_max", int64_t{100}}});
    std::vector<TestDocument> stream = make_stream(320);
    if (!has_retries)
      for (TestDocument& document : stream) document.first_sequence = 0;
    for (size_t begin = 0; begin < stream.size(); begin += 32) {
      const size_t before = host.state_reads();
      host.run(std::vector(stream.begin() + static_cast<ptrdiff_t>(begin),
                           stream.begin() + static_cast<ptrdiff_t>(begin) + 32));
      EXPECT_LE(host.state_reads() - before, has_retries ? 6U : 5U);
    }
  }
}

TEST(Duplicates, CopiesCanLeaveTheLine) {
  MockHost host(wiremill_plugin, {{"on_duplicate", "drop"}});
  const std::string text = make_text(1, 200);
  const auto results = host.run({{.id = "a", .text = text},
                                 {.id = "b", .text = text},
                                 {.id = "c", .text = change_words(text, 1, 3)},
                                 {.id = "d", .text = make_text(2, 200)}});
  EXPECT_EQ(results[0].verdict, static_cast<uint32_t>(WM_OK));
  EXPECT_EQ(results[1].verdict, static_cast<uint32_t>(WM_DROP));
  EXPECT_EQ(results[1].code, "DUPLICATE");
  EXPECT_EQ(results[1].message, "an exact copy of a");
  EXPECT_EQ(results[2].verdict, static_cast<uint32_t>(WM_DROP));
  EXPECT_EQ(results[2].message, "a near copy of a");
  EXPECT_EQ(results[3].verdict, static_cast<uint32_t>(WM_OK));
}

TEST(Duplicates, AnUnknownActionIsRefused) {
  try {
    MockHost host(wiremill_plugin, {{"on_duplicate", "delete"}});
    FAIL();
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ(error.what(), "on_duplicate must be 'annotate' or 'drop', not 'delete'");
  }
}

TEST(Duplicates, ADamagedRecordFailsTheBatchAndNothingElse) {
  MockHost host(wiremill_plugin);
  const std::string text = make_text(1, 200);
  settle(host, "a", text);
  for (auto& [key, value] : host.state())
    if (key.front() == 'd') value.resize(10);
  const auto results = host.run({{.id = "b", .text = text}});
  EXPECT_EQ(results[0].verdict, static_cast<uint32_t>(WM_FAILED));
}

}  // namespace
}  // namespace wiremill::duplicates
