// What a user relies on: plain sentences give the names a reader would mark, offsets are right in
// any script, odd documents are harmless, and the same document gives the same answer.
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <thread>

#include "daemon/text/segmenter.hpp"
#include "daemon/text/utf8.hpp"
#include "plugins/entities/tagger.hpp"

namespace wiremill::entities {
namespace {

const Tagger& tagger() {
  static const Tagger shared = [] {
    auto model = Model::open(ENTITIES_MODEL);
    if (!model) throw std::runtime_error(model.error().message);
    return Tagger(std::move(*model));
  }();
  return shared;
}

std::vector<Entity> entities_of(const std::string& text, const std::string& language = "en") {
  text::Segmenter segmenter;
  text::Segmentation cut;
  segmenter.segment(text, language, cut);
  return group(text, tagger().mentions({text, cut.tokens, language, {}}));
}

using Names = std::set<std::string>;

// "TYPE name" of every entity.
Names names_in(const std::string& text, const std::string& language = "en") {
  Names names;
  for (const Entity& entity : entities_of(text, language))
    names.insert(std::string(kTypeNames[static_cast<size_t>(entity.type)]) + " " + entity.name);
  return names;
}

const Entity* find(const std::vector<Entity>& entities, Type type, const std::string& name) {
  for (const Entity& entity : entities)
    if (entity.type == type && entity.name == name) return &entity;
  return nullptr;
}

TEST(Entities, FindsPeopleOrganisationsAndPlaces) {
  EXPECT_EQ(names_in("Mary Thompson moved from Chicago to Berlin last year."),
            (Names{"PER Mary Thompson", "LOC Chicago", "LOC Berlin"}));
  EXPECT_EQ(names_in("The World Bank said on Monday that it would lend money to Kenya."),
            (Names{"ORG World Bank", "LOC Kenya"}));
  EXPECT_EQ(names_in("Police in Dublin arrested two men, said Inspector John Murphy."),
            (Names{"LOC Dublin", "PER John Murphy"}));
}

TEST(Entities, FindsNationalities) {
  EXPECT_EQ(names_in("The French and Canadian teams arrived in London on Sunday."),
            (Names{"MISC French", "MISC Canadian", "LOC London"}));
}

TEST(Entities, FindsNothingWhereNothingIsNamed) {
  EXPECT_EQ(names_in("The weather was fine and nobody wanted to go home before dinner."), Names{});
}

TEST(Entities, LeavesTitlesAndPossessivesOutside) {
  const std::string text =
      "President Laura Jensen met reporters in Oslo. Jensen's plan is simple, Dr. Peter Holm said.";
  const auto entities = entities_of(text);
  const Entity* jensen = find(entities, Type::Per, "Laura Jensen");
  ASSERT_NE(jensen, nullptr);
  ASSERT_EQ(jensen->mentions.size(), 2U);
  EXPECT_EQ(
      text.substr(jensen->mentions[1].begin, jensen->mentions[1].end - jensen->mentions[1].begin),
      "Jensen");
  EXPECT_NE(find(entities, Type::Per, "Peter Holm"), nullptr);
}

TEST(Entities, FindsForeignNamesBehindTitles) {
  // Invented people: no name here can have been learnt.
  const std::string text =
      "The talks were attended by Mongolia's Deputy Prime Minister and Minister of Foreign Affairs "
      "Batsorig Enkhtuvaa, Armenia's Minister of Foreign Affairs Ghazarov Levonik Sarkisovich and "
      "Georgia's First Deputy Minister of Foreign Affairs Zurabi Kavtelishvili.";
  const auto entities = entities_of(text);
  for (const char* name :
       {"Batsorig Enkhtuvaa", "Ghazarov Levonik Sarkisovich", "Zurabi Kavtelishvili"})
    EXPECT_NE(find(entities, Type::Per, name), nullptr) << name;
  for (const char* name : {"Mongolia", "Armenia", "Georgia"})
    EXPECT_NE(find(entities, Type::Loc, name), nullptr) << name;
}

TEST(Entities, FindsGermanAndKazakhNames) {
  const Names german =
      names_in("Angela Schneider arbeitet seit drei Jahren in Hamburg und wohnt in Berlin.", "de");
  EXPECT_TRUE(german.contains("PER Angela Schneider"));
  EXPECT_TRUE(german.contains("LOC Hamburg"));
  EXPECT_TRUE(german.contains("LOC Berlin"));
  const Names kazakh = names_in("Қасым-Жомарт Тоқаев Алматы қаласына келді.", "kk");
  EXPECT_FALSE(kazakh.empty());
}

TEST(Entities, OffsetsStandOnCharacterBoundaries) {
  const std::string text =
      "“Zoë Müller” — née Šimková — flew from São Paulo to Zürich…\nÉlodie Lefèvre’s café in "
      "Besançon is closed. 東京 и Москва. Владимир Петров приехал в Алматы.";
  for (const char* language : {"en", "de", "kk", "ja", ""}) {
    for (const Entity& entity : entities_of(text, language)) {
      uint32_t last = 0;
      for (const Mention& mention : entity.mentions) {
        EXPECT_LE(last, mention.begin);
        EXPECT_LT(mention.begin, mention.end);
        EXPECT_LE(mention.end, text.size());
        EXPECT_TRUE(text::is_boundary(text, mention.begin));
        EXPECT_TRUE(text::is_boundary(text, mention.end));
        EXPECT_GT(mention.confidence, 0);
        EXPECT_LE(mention.confidence, 1);
        last = mention.end;
      }
    }
  }
}

TEST(Entities, GivesNoJunkForScriptsWithoutCapitals) {
  EXPECT_EQ(names_in("中国外交部长在北京会见了记者。双方同意加强合作。", "zh"), Names{});
  EXPECT_EQ(names_in("التقى وزير الخارجية الصحفيين في القاهرة.", "ar"), Names{});
}

TEST(Entities, FindsPreciseNamesInLanguagesNotLearnt) {
  for (const Entity& entity : entities_of(
           "Le ministre Jean Dupont est arrivé lundi à Berlin. Les deux dirigeants ont parlé de la "
           "guerre et de l'avenir du pays. Selon lui, la rencontre a duré trois heures.",
           "fr"))
    EXPECT_TRUE(entity.name == "Jean Dupont" || entity.name == "Berlin") << entity.name;
}

TEST(Entities, EmptyTextAndNoTokens) {
  EXPECT_TRUE(entities_of("").empty());
  EXPECT_TRUE(entities_of(" \n\n ").empty());
  EXPECT_TRUE(tagger().mentions({"Mary Thompson lives here.", {}, "en", "A title"}).empty());
}

TEST(Entities, AMegabyteWithoutASentenceEndIsTagged) {
  std::string text;
  while (text.size() < (1U << 20)) text += "and Mary Thompson of Chicago met ";
  const auto entities = entities_of(text);
  const Entity* mary = find(entities, Type::Per, "Mary Thompson");
  ASSERT_NE(mary, nullptr);
  EXPECT_GT(mary->mentions.size(), (1U << 20) / 33 * 9 / 10);
}

TEST(Entities, OneEndlessWordIsHarmless) {
  std::string text(1U << 20, 'A');
  EXPECT_LE(names_in(text).size(), 1U);
  text.clear();
  while (text.size() < (1U << 20)) text += "Ж";
  EXPECT_LE(names_in(text, "kk").size(), 1U);
}

TEST(Entities, TheTitleCannotShiftOffsets) {
  const std::string text = "Turkey was served. He left Turkey for Spain.";
  text::Segmenter segmenter;
  text::Segmentation cut;
  segmenter.segment(text, "en", cut);
  for (const Mention& mention : tagger().mentions({text, cut.tokens, "en", "Cold turkey: a dish"}))
    EXPECT_LE(mention.end, text.size());
}

TEST(Entities, SameAnswerRepeatedlyAndFromManyThreads) {
  const std::string text =
      "Mary Thompson of the World Bank met Kenya's Finance Minister in Nairobi. Thompson said the "
      "Bank would lend $5 million. Reuters reported the Olympic Games were discussed too.";
  text::Segmenter segmenter;
  text::Segmentation cut;
  segmenter.segment(text, "en", cut);
  const auto fingerprint = [&] {
    std::string print;
    for (const Entity& entity : group(text, tagger().mentions({text, cut.tokens, "en", {}}))) {
      print += entity.name;
      for (const Mention& mention : entity.mentions)
        print += " " + std::to_string(mention.begin) + " " +
                 std::to_string(std::bit_cast<uint64_t>(mention.confidence));
    }
    return print;
  };
  const std::string expected = fingerprint();
  EXPECT_FALSE(expected.empty());
  std::vector<std::string> prints(4);
  {
    std::vector<std::jthread> threads;
    for (std::string& print : prints)
      threads.emplace_back([&] {
        for (int i = 0; i < 20; ++i) print = fingerprint();
      });
  }
  for (const std::string& print : prints) EXPECT_EQ(print, expected);
}

}  // namespace
}  // namespace wiremill::entities
