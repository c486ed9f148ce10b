// Which mentions become one entity, and under which name.
#include <gtest/gtest.h>

#include <sstream>

#include "plugins/entities/tagger.hpp"

namespace wiremill::entities {
namespace {

// A mention of each name, in the order given, in a text made of the names.
struct Names {
  std::string text;
  std::vector<Mention> mentions;

  Names& add(Type type, const std::string& name, double confidence = 0.9) {
    if (!text.empty()) text += ", ";
    const auto begin = static_cast<uint32_t>(text.size());
    text += name;
    mentions.push_back({type, begin, static_cast<uint32_t>(text.size()), confidence});
    std::istringstream words(name);
    for (std::string word; words >> word;) {
      for (char& c : word) c = static_cast<char>(std::tolower(c));
      mentions.back().words.push_back(std::hash<std::string>{}(word));
    }
    return *this;
  }
};

TEST(Grouping, SameNameIsOneEntity) {
  const Names names =
      Names().add(Type::Loc, "Oslo", 0.5).add(Type::Per, "Ann Lee").add(Type::Loc, "OSLO", 0.8);
  const auto entities = group(names.text, names.mentions);
  ASSERT_EQ(entities.size(), 2U);
  EXPECT_EQ(entities[0].name, "Oslo");
  EXPECT_EQ(entities[0].confidence, 0.8);
  ASSERT_EQ(entities[0].mentions.size(), 2U);
  EXPECT_LT(entities[0].mentions[0].begin, entities[0].mentions[1].begin);
  EXPECT_EQ(entities[1].name, "Ann Lee");
}

TEST(Grouping, PartsOfANameJoinTheFullestForm) {
  const Names names = Names()
                          .add(Type::Per, "Lee")
                          .add(Type::Per, "Ann Lee")
                          .add(Type::Per, "Ann Marie Lee")
                          .add(Type::Per, "Ann");
  const auto entities = group(names.text, names.mentions);
  ASSERT_EQ(entities.size(), 1U);
  EXPECT_EQ(entities[0].name, "Ann Marie Lee");
  EXPECT_EQ(entities[0].mentions.size(), 4U);
}

TEST(Grouping, ASurnameMeansWhoWasNamedLast) {
  const Names names = Names()
                          .add(Type::Per, "Ann Lee")
                          .add(Type::Per, "Lee")
                          .add(Type::Per, "Bob Stone")
                          .add(Type::Per, "Carl Stone")
                          .add(Type::Per, "Stone");
  const auto entities = group(names.text, names.mentions);
  ASSERT_EQ(entities.size(), 3U);
  EXPECT_EQ(entities[0].mentions.size(), 2U);
  EXPECT_EQ(entities[1].name, "Bob Stone");
  EXPECT_EQ(entities[1].mentions.size(), 1U);
  EXPECT_EQ(entities[2].name, "Carl Stone");
  EXPECT_EQ(entities[2].mentions.size(), 2U);
}

TEST(Grouping, TypesAndOtherNamesStayApart) {
  const Names names = Names()
                          .add(Type::Loc, "Washington")
                          .add(Type::Per, "Denzel Washington")
                          .add(Type::Org, "Lee Bank")
                          .add(Type::Org, "Bank");
  EXPECT_EQ(group(names.text, names.mentions).size(), 4U);
}

TEST(Grouping, BlanksInNamesAreOne) {
  const std::string text = "Ann  \t Lee";
  const auto entities =
      group(text, {{Type::Per, 0, static_cast<uint32_t>(text.size()), 0.9, {1, 2}}});
  ASSERT_EQ(entities.size(), 1U);
  EXPECT_EQ(entities[0].name, "Ann Lee");
}

TEST(Grouping, NothingGivesNothing) { EXPECT_TRUE(group("", {}).empty()); }

}  // namespace
}  // namespace wiremill::entities
