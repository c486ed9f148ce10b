// Bylines and datelines; see dateline.hpp.
//
// A dateline is [PLACE[, Region][, Month day]] [(Agency)] dash, within the first 90 bytes of a
// line. It is told from a sentence with a dash ("Paris - the city of light") by one of two marks: a
// place in capitals, or an agency in parentheses right before the dash.
#include "plugins/clean/dateline.hpp"

#include <algorithm>
#include <array>

#include "plugins/clean/dates.hpp"
#include "plugins/clean/lines.hpp"
#include "plugins/clean/phrases.hpp"

namespace wiremill::clean {
namespace {

constexpr size_t kDatelineBytesMax = 90;
constexpr size_t kMarkBytesMax = 24;  // longer than any word that opens a byline

// How many bytes the word takes that opens a byline ("by ", "Autor: "); 0 where none does.
size_t byline_mark(std::string_view line) {
  static constexpr std::array<std::string_view, 23> kMarks = {
      "by: ",    "by ",     "written by ",   "posted by ", "reported by ", "von ",
      "par ",    "por ",    "di ",           "door ",      "autor: ",      "author: ",
      "text: ",  "автор: ", "reporting by ", "words by ",  "story by ",    "autora: ",
      "yazan: ", "記者 ",   "文/",           "作者：",     "作者:"};
  static const Phrases kPhrases(kMarks);
  if (!kPhrases.may_begin(line)) return 0;
  const std::string lowered = lower(line.substr(0, kMarkBytesMax));
  size_t size = 0;
  for (const std::string_view mark : kPhrases.like(lowered))
    if (lowered.starts_with(mark)) size = std::max(size, mark.size());
  return size;
}

// Whether the first word is in capitals (two letters at least, in a script that has case).
bool opens_in_capitals(std::string_view text) {
  const std::string word(text.substr(0, text.find_first_of(" ,(")));
  const Shape shape = shape_of(word);
  return shape.cased > 0 && word.size() >= 3 && lower(word) != word && [&] {
    size_t uppers = 0;
    for (size_t at = 0; at < word.size();) {
      const size_t begin = at;
      next_character(word, at);
      const std::string one = word.substr(begin, at - begin);
      const std::string folded = lower(one);
      if (folded != one)
        ++uppers;
      else if (one[0] >= 'a' && one[0] <= 'z')
        return false;
    }
    return uppers >= 2;
  }();
}

// The first dash that may follow a dateline, with the blanks about it; of size 0 where there is none.
struct Dash {
  size_t at = 0, size = 0;
};
Dash find_dash(std::string_view head) {
  for (size_t at = 0; at < head.size(); ++at) {
    if (head[at] != '-' && head[at] != '\xe2') continue;
    const auto size_of_one = [&](std::initializer_list<std::string_view> dashes) -> size_t {
      for (const std::string_view dash : dashes)
        if (head.substr(at).starts_with(dash)) return dash.size();
      return 0;
    };
    const char before = at > 0 ? head[at - 1] : '\0';
    size_t size = 0;
    if (before == ' ') size = size_of_one({"-- ", "- ", "\xe2\x80\x94 ", "\xe2\x80\x93 ", "--"});
    if (size > 0) return {at - 1, size + 1};
    if (before == ')') size = size_of_one({"-- ", "\xe2\x80\x93", "- "});
    if (size == 0) size = size_of_one({"\xe2\x80\x94"});
    if (size > 0) return {at, size};
  }
  return {};
}

}  // namespace

Dateline find_dateline(std::string_view line) {
  const std::string_view head = line.substr(0, kDatelineBytesMax + 8);
  const Dash dash = find_dash(head);
  if (dash.size == 0 || dash.at == 0 || dash.at > kDatelineBytesMax) return {};
  const std::string_view place = head.substr(0, dash.at);
  const Shape shape = shape_of(place);
  // "U.S." or "St." may stand in a place, a sentence's end may not.
  if (shape.words > 12 || shape.ends_colon || place.find("? ") != std::string_view::npos) return {};
  const size_t open = place.rfind('(');
  const bool agency =
      place.ends_with(')') && open != std::string_view::npos && place.size() - open <= 42;
  const std::string_view before = agency ? place.substr(0, open) : place;
  const bool capitals = opens_in_capitals(place);
  if (!capitals && !agency) return {};
  if (!agency) {
    // Capitals alone: a place in capitals, perhaps a date, nothing else in lower case.
    const std::string_view first = before.substr(0, before.find(','));
    if (lower(first) == first || shape_of(first).words > 4 || shape.words > 8) return {};
    size_t lowers = 0;
    for (const char c : first) lowers += c >= 'a' && c <= 'z';
    if (lowers > 0) return {};
  } else {
    // Prose with a parenthesis has words in lower case; a place in capitals may be followed by a
    // date whose month is written small.
    const Shape around = shape_of(before), inside = shape_of(place.substr(open));
    if (around.capitals + (capitals ? 2 : 0) < around.cased) return {};
    if (inside.cased > 0 && inside.capitals == 0) return {};
  }
  Dateline dateline;
  dateline.rest = dash.at + dash.size;
  while (dateline.rest < line.size() && line[dateline.rest] == ' ') ++dateline.rest;
  if (dateline.rest >= line.size() || line.size() - dateline.rest < 10) return {};
  dateline.text = tidy(place);
  return dateline;
}

std::string find_byline(std::string_view line) {
  const size_t begin = byline_mark(line);
  if (begin == 0) return {};
  const Shape shape = shape_of(line);
  if (shape.length > 140 || shape.words > 18 || shape.words < 2) return {};
  std::string_view names = line.substr(begin);
  if (const auto date = find_date(names)) names = names.substr(0, date->begin);
  for (const std::string_view mark :
       {" | ", " \xc2\xb7 ", " \xe2\x80\xa2 ", " - ", " \xe2\x80\x93 ", " \xe2\x80\x94 ", " @",
        ". ", "; ", " on ", " (", " / "})
    names = names.substr(0, names.find(mark));
  while (!names.empty() && std::string_view(" ,|.:-").find(names.back()) != std::string_view::npos)
    names.remove_suffix(1);
  const Shape name_shape = shape_of(names);
  if (name_shape.words == 0 || name_shape.words > 14 || name_shape.digits > 0) return {};
  // Names are capitalised; a sentence's words are not.
  const bool named = name_shape.cased == 0 ||
                     (name_shape.capitals * 3 >= name_shape.cased * 2 && name_shape.capitals > 0);
  if (!named || (shape.ends_sentence && name_shape.words > 4)) return {};
  return tidy(names);
}

}  // namespace wiremill::clean
