#include "plugins/duplicates/fingerprint.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "plugins/duplicates/test_texts.hpp"

namespace wiremill::duplicates {
namespace {

// The measure that signatures estimate, counted out. For ASCII.
double exact_similarity(const std::string& a, const std::string& b) {
  const auto grams = [](const std::string& text) {
    std::string folded = fold(text);
    std::erase(folded, ' ');
    std::set<std::string> set;
    for (size_t i = 0; i + kGramCharacters <= folded.size(); ++i)
      set.insert(folded.substr(i, kGramCharacters));
    return set;
  };
  const auto first = grams(a), second = grams(b);
  size_t common = 0;
  for (const std::string& gram : first) common += second.count(gram);
  return static_cast<double>(common) / static_cast<double>(first.size() + second.size() - common);
}

TEST(Fold, CaseSpaceAndPunctuationGo) {
  EXPECT_EQ(fold("  The MINISTER\t\n said: \"No!\" -- (again) "), "the minister said no again");
  EXPECT_EQ(fold("U.S. 4,250.5"), "u s 4 250 5");
  EXPECT_EQ(fold(""), "");
  EXPECT_EQ(fold(" …\n—!  "), "");
}

TEST(Fold, FollowsUnicode) {
  EXPECT_EQ(fold("STRASSE Straße"), "strasse strasse");
  EXPECT_EQ(fold("ＡＢＣ１２３"), "abc123");
  EXPECT_EQ(fold("ﬁnance"), "finance");
  EXPECT_EQ(fold("Caf\u00e9"), fold("Cafe\u0301"));
  EXPECT_EQ(fold("ΣΊΣΥΦΟΣ"), fold("σίσυφος"));
  EXPECT_EQ(fold("«Привет»,\u00a0мир!"), "привет мир");
  EXPECT_EQ(fold("soft\u00adhyphen"), "softhyphen");
  EXPECT_EQ(fold("日本、東京。"), "日本 東京");
}

TEST(Fingerprint, AnEmptyTextHasNone) {
  EXPECT_FALSE(make_fingerprint(""));
  EXPECT_FALSE(make_fingerprint(" \n—!"));
}

TEST(Fingerprint, AShortTextHasNoSignature) {
  EXPECT_FALSE(make_fingerprint(std::string(kNearCharactersMin - 1, 'a'))->has_signature);
  EXPECT_TRUE(make_fingerprint(std::string(kNearCharactersMin, 'a'))->has_signature);
  std::string wide;  // counted in characters, not in bytes
  for (size_t i = 1; i < kNearCharactersMin; ++i) wide += "я";
  EXPECT_FALSE(make_fingerprint(wide)->has_signature);
}

TEST(Fingerprint, EqualFoldedTextsHaveEqualOnes) {
  const std::string text = make_text(1, 200);
  std::string shouted = text;
  for (char& c : shouted) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  EXPECT_EQ(*make_fingerprint(text), *make_fingerprint("  " + shouted + "!"));
}

TEST(Fingerprint, SignaturesEstimateTheSharedGrams) {
  double error = 0, bias = 0;
  int pairs = 0;
  for (uint32_t seed = 1; seed <= 60; ++seed) {
    const std::string text = make_text(seed, 200);
    const std::string changed = change_words(text, seed, 1 + seed / 4);
    const double estimate =
        similarity(make_fingerprint(text)->signature, make_fingerprint(changed)->signature);
    const double difference = estimate - exact_similarity(text, changed);
    error += difference * difference;
    bias += difference;
    ++pairs;
  }
  // The standard error of 126 independent numbers is at most 0.045.
  EXPECT_LT(std::sqrt(error / pairs), 0.06);
  EXPECT_LT(std::abs(bias / pairs), 0.02);
}

TEST(Fingerprint, UnrelatedTextsShareNothing) {
  for (uint32_t seed = 1; seed <= 50; ++seed)
    EXPECT_LT(similarity(make_fingerprint(make_text(seed, 200))->signature,
                         make_fingerprint(make_text(seed + 1000, 200))->signature),
              0.1);
}

TEST(Fingerprint, DistinctGramsAreCounted) {
  for (const size_t words : {20U, 200U, 5000U}) {
    std::string folded = fold(make_text(7, words));
    std::erase(folded, ' ');
    std::set<std::string> grams;
    for (size_t i = 0; i + kGramCharacters <= folded.size(); ++i)
      grams.insert(folded.substr(i, kGramCharacters));
    const double distinct = static_cast<double>(grams.size());
    EXPECT_NEAR(make_fingerprint(make_text(7, words))->grams, distinct, 2 + distinct * 0.02);
  }
  EXPECT_EQ(make_fingerprint(std::string(100'000, 'a'))->grams, 1U);
}

TEST(Fingerprint, ContainmentFollowsFromSimilarityAndSizes) {
  EXPECT_DOUBLE_EQ(containment(0.5, 100, 200), 1.0);  // 100 of 200 shared, of 200 in either
  EXPECT_DOUBLE_EQ(containment(0.5, 200, 100), 0.5);
  EXPECT_DOUBLE_EQ(containment(1, 100, 100), 1.0);
  EXPECT_DOUBLE_EQ(containment(0, 100, 100), 0.0);
  EXPECT_DOUBLE_EQ(containment(0.9, 0, 100), 0.0);
}

// Stored records are compared with new ones: a change here needs a new state_version.
TEST(Fingerprint, StaysTheSameFromVersionToVersion) {
  const auto fingerprint = make_fingerprint(
      "The ministers met in the old town hall and agreed on a treaty about the river's water.");
  ASSERT_TRUE(fingerprint && fingerprint->has_signature);
  EXPECT_EQ(fingerprint->signature[0], 62582);
  EXPECT_EQ(fingerprint->signature[62], 47234);
  EXPECT_EQ(fingerprint->signature[125], 5048);
  EXPECT_EQ(static_cast<unsigned char>(fingerprint->exact[0]), 0x18);
  EXPECT_EQ(static_cast<unsigned char>(fingerprint->exact[15]), 0x31);
}

TEST(Fingerprint, SurvivesItsEncoding) {
  for (const std::string& text : {std::string("short"), make_text(3, 100)}) {
    const auto fingerprint = make_fingerprint(text);
    EXPECT_EQ(decode(encode(*fingerprint)), fingerprint);
  }
  const std::string bytes = encode(*make_fingerprint(make_text(3, 100)));
  for (const size_t size : {0U, 1U, 15U, 17U, 271U})
    EXPECT_FALSE(decode(std::string_view(bytes).substr(0, size))) << size;
  EXPECT_FALSE(decode(bytes + "x"));
}

}  // namespace
}  // namespace wiremill::duplicates
