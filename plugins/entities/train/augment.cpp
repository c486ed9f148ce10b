// Sentences from a small grammar: see augment.hpp.
#include "plugins/entities/train/augment.hpp"

#include <sstream>

#include "plugins/entities/words.hpp"

namespace wiremill::entities {
namespace {

using Words = std::vector<std::string>;

bool is_plain(std::string_view word) {
  for (const char c : word)
    if (c < 'a' || c > 'z') return false;
  return word.size() >= 4 && word.size() <= 12;
}

std::string capitalised(std::string phrase) {
  bool first = true;
  for (char& c : phrase) {
    if (first && c >= 'a' && c <= 'z') c = static_cast<char>(c - 32);
    first = c == ' ';
  }
  return phrase;
}

class Grammar {
 public:
  explicit Grammar(const std::string& gazetteer) {
    std::istringstream lines(gazetteer);
    for (std::string line; std::getline(lines, line);) {
      const size_t tab = line.find('\t');
      const std::string kind = line.substr(0, tab), phrase = line.substr(tab + 1);
      if (kind == "CTRY" && is_plain(phrase)) countries_.push_back(capitalised(phrase));
      if (kind == "DEM" && is_plain(phrase)) demonyms_.push_back(capitalised(phrase));
      if (kind == "CAP" && is_plain(phrase)) cities_.push_back(capitalised(phrase));
      if (kind == "NM" && is_plain(phrase)) names_.push_back(phrase);
    }
  }

  Example sentence() {
    example_ = Example{.language = "en", .name = "invented", .weight = 0.5F};
    switch (below(8)) {
      case 0:
        add(pick({"The meeting was attended by ", "Among the guests were ", "They were joined by ",
                  "The delegation included "}));
        officials();
        add(".");
        break;
      case 1:
        official();
        add(pick({" arrived in ", " paid a visit to ", " will travel to "}));
        mark(Type::Loc, pick(cities_));
        add(pick({" on Monday.", " for talks.", " last week, officials said."}));
        break;
      case 2:
        add("\"");
        add(pick({"We agreed on every point", "Nothing is decided yet", "This is a step forward"}));
        add(",\" said ");
        official();
        add(".");
        break;
      case 3:
        person();
        add(", ");
        add(pick({"the ", "a former ", "the new "}));
        mark(Type::Misc, pick(demonyms_));
        add(" ");
        add(pick({"minister", "ambassador", "spokesman", "president"}) +
            pick({", said the talks went well.", ", declined to comment."}));
        break;
      case 4:
        add(pick({"On Tuesday, ", "Later, ", "In a statement, "}));
        official();
        add(" and ");
        official();
        add(pick({" signed an agreement.", " called for restraint.", " opened the session."}));
        break;
      case 5:
        mark(Type::Loc, pick(cities_));
        add(", ");
        add(pick({"May 3", "June 14", "October 21"}));
        add(" -- ");
        official();
        add(pick({" held separate talks with ", " met on Friday with "}));
        officials();
        add(".");
        break;
      case 6:
        add(pick({"According to ", "Talks with ", "In a letter to "}));
        official();
        add(", ");
        add(pick({"the two sides", "both countries", "the ministers"}) + " " +
            pick({"will meet again soon.", "support the plan."}));
        break;
      default:
        person();
        add(" ");
        add(pick({"told reporters that ", "said that ", "announced that "}));
        official();
        add(" ");
        add(pick({"would resign.", "had left the hall.", "was ill."}));
    }
    return std::move(example_);
  }

 private:
  size_t below(size_t count) {
    random_ += 0x9e3779b97f4a7c15ULL;
    return static_cast<size_t>(mix(random_, 3) % count);
  }
  const std::string& pick(const Words& words) { return words[below(words.size())]; }
  std::string pick(std::initializer_list<const char*> words) {
    return words.begin()[below(words.size())];
  }

  void add(const std::string& text) { example_.text += text; }
  void mark(Type type, const std::string& name) {
    const auto begin = static_cast<uint32_t>(example_.text.size());
    add(name);
    example_.names.push_back({begin, static_cast<uint32_t>(example_.text.size()), type_set(type)});
  }

  // Half of one word and half of another; sometimes a word as it is.
  std::string name_word() {
    const std::string &head = pick(names_), &tail = pick(names_);
    if (below(3) == 0) return capitalised(head);
    return capitalised(head.substr(0, head.size() / 2 + 1) + tail.substr(tail.size() / 2));
  }
  void person() {
    std::string name = name_word() + " " + name_word();
    if (below(4) == 0) name += " " + name_word();
    mark(Type::Per, name);
  }

  // "Labour", "Foreign Affairs", "Transport and Trade".
  std::string field() {
    const auto one = [&] {
      return pick(
          {"Foreign Affairs", "Defence",          "Defense", "Finance",         "Education",
           "Health",          "the Interior",     "Justice", "Trade",           "Energy",
           "Transport",       "Agriculture",      "Culture", "the Environment", "Home Affairs",
           "Labour",          "Internal Affairs", "Economy", "Foreign Trade",   "Public Works",
           "Tourism",         "Science"});
    };
    return below(4) == 0 ? one() + " and " + one() : one();
  }
  std::string office() {
    const std::string rank = pick({"", "", "", "Deputy ", "First Deputy ", "Vice ", "Acting "});
    switch (below(5)) {
      case 0:
        return rank + pick({"Foreign Minister", "Defence Minister", "Finance Minister",
                            "Prime Minister", "Interior Minister", "Health Minister"});
      case 1:
        return rank + pick({"President", "Chairman", "Speaker", "Governor", "Ambassador",
                            "Secretary of State", "Chief of Staff", "Director General",
                            "State Councilor", "Attorney General", "Secretary General"});
      default:
        return rank + pick({"Minister of ", "Minister of ", "Minister for ", "Secretary of "}) +
               field();
    }
  }
  // A country or demonym, one or two offices, and a person.
  void official() {
    switch (below(4)) {
      case 0: break;
      case 1:
        mark(Type::Misc, pick(demonyms_));
        add(" ");
        break;
      default: mark(Type::Loc, pick(countries_)); add("'s ");
    }
    add(office() + " ");
    if (below(4) == 0) add("and ");
    add(office() + " ");
    person();
  }
  void officials() {
    const size_t count = 1 + below(4);
    for (size_t i = 0; i < count; ++i) {
      if (i > 0) add(i + 1 < count ? ", " : pick({" and ", ", and "}));
      official();
    }
  }

  Words countries_, demonyms_, cities_, names_;
  Example example_;
  uint64_t random_ = 1;
};

}  // namespace

std::vector<Example> invent_sentences(const std::string& gazetteer, size_t count) {
  Grammar grammar(gazetteer);
  std::vector<Example> sentences;
  for (size_t i = 0; i < count; ++i) sentences.push_back(grammar.sentence());
  return sentences;
}

}  // namespace wiremill::entities
