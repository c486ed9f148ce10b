// Which line of a flattened page is its headline: see headline.hpp.
//
// Every line above the story, and the first few of it, is a candidate and gets points. Most come
// from the story itself: a headline names what the story is about, so the words that carry meaning
// are found again in it, above all in its opening; a site's slogan or a section's name says nothing
// of it. The rest comes from the line's looks (length, separators, figures, labels, brackets,
// columns) and its place (a date or byline below it, few rivals between it and the story, the
// page's title repeating it). A standfirst shares its words with the story too, but it is a
// sentence and stands below a headline. The best line is the headline if it has enough points;
// a page whose head is furniture alone has none.
#include "plugins/clean/headline.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "plugins/clean/dates.hpp"
#include "plugins/clean/furniture.hpp"
#include "plugins/clean/letters.hpp"

namespace wiremill::clean {
namespace {

constexpr size_t kReach = 40;       // lines above the story that are candidates
constexpr size_t kReachInside = 8;  // lines of the story that are
constexpr size_t kStemLetters = 6;  // words alike so far are one word, inflected
constexpr size_t kLeadLines = 2;
constexpr size_t kPageTitleLines = 3;  // lines in which a page's own title may stand
constexpr float kPointsMin = 3.4F;

constexpr std::array<std::string_view, 7> kStrongSeparators = {
    "> ", " | ", " :: ", " \xc2\xbb ", " \xe2\x80\xba ", " \xc2\xb7 ", " \xe2\x80\xa2 "};
constexpr std::array<std::string_view, 3> kDashes = {" - ", " \xe2\x80\x93 ", " \xe2\x80\x94 "};

// A word of the story, as a number: its first letters, lowered and cut to a stem, mixed into one.
using WordKey = uint64_t;

constexpr WordKey with_letter(WordKey key, char32_t letter) {
  key = (key ^ letter) * 0x9e3779b97f4a7c15U;
  return key ^ key >> 29;
}

// Visits the words that may carry meaning: four letters or more, or a figure; of wide scripts every
// two characters in a row.
template <class Visit>
void each_content_word(std::string_view line, Visit&& visit) {
  WordKey stem = 1;
  char32_t wide_before = 0;
  size_t letters = 0;
  bool has_digit = false;
  const auto finish = [&] {
    if (letters >= 4 || has_digit) visit(stem);
    stem = 1;
    letters = 0;
    has_digit = false;
  };
  for (size_t at = 0; at < line.size();) {
    const char32_t c = next_character(line, at);
    const uint8_t traits = traits_of(c);
    if (is_wide(c) && (traits & kAlpha) != 0) {
      finish();
      if (wide_before != 0) visit(with_letter(with_letter(2, wide_before), c));
      wide_before = c;
      continue;
    }
    wide_before = 0;
    if ((traits & (kAlphabetic | kDigit)) == 0) {
      if (letters > 0) finish();
      continue;
    }
    has_digit = has_digit || (traits & kDigit) != 0;
    if (letters++ < kStemLetters) stem = with_letter(stem, lowered(c));
  }
  finish();
}

// The words of the story, and how much of a line is found again in them.
class StoryWords {
 public:
  StoryWords(const std::vector<Line>& lines, Segment story) {
    std::vector<WordKey> words;
    size_t leads = 0, lead_words = 0;
    for (size_t i = story.begin; i < story.end; ++i) {
      if (!is_prose(lines[i])) continue;
      const bool is_lead = lines[i].text.ends_with('.') || lines[i].shape.stops > 1;
      const size_t before = words.size();
      each_content_word(lines[i].text, [&](WordKey word) { words.push_back(word); });
      // The words of the opening stand first.
      if (leads < kLeadLines && is_lead) {
        std::rotate(words.begin() + static_cast<ptrdiff_t>(lead_words),
                    words.begin() + static_cast<ptrdiff_t>(before), words.end());
        lead_words += words.size() - before;
      }
      leads += is_lead;
    }
    total_ = words.size();
    slots_.resize(std::bit_ceil(2 * total_ + 1));
    for (size_t i = 0; i < words.size(); ++i) {
      Counted& counted = slots_[slot_of(words[i])];
      counted.word = words[i];
      ++counted.times;
      counted.in_lead = counted.in_lead || i < lead_words;
    }
  }

  struct Overlap {
    float share = 0, lead_share = 0, found = 0;
  };
  // `own` where the line itself is one of the story's.
  Overlap with(std::string_view line, bool own) const {
    Overlap overlap;
    float all = 0;
    std::vector<WordKey> words;
    each_content_word(line, [&](WordKey word) { words.push_back(word); });
    std::sort(words.begin(), words.end());
    words.erase(std::unique(words.begin(), words.end()), words.end());
    for (const WordKey word : words) {
      const Counted& counted = slots_[slot_of(word)];
      // A word in every second sentence says little.
      const float weight = counted.times > 4 && counted.times * 60 > total_ ? 0.5F : 1;
      all += weight;
      if (counted.times > (own ? 1U : 0U)) {
        overlap.found += weight;
        if (counted.in_lead) overlap.lead_share += weight;
      }
    }
    if (all > 0) {
      overlap.share = overlap.found / all;
      overlap.lead_share /= all;
    }
    return overlap;
  }

 private:
  struct Counted {
    WordKey word = 0;
    uint32_t times = 0;  // 0: the slot is free
    bool in_lead = false;
  };
  // The slot of a word, or the free one that it would take.
  size_t slot_of(WordKey word) const {
    size_t slot = word & (slots_.size() - 1);
    while (slots_[slot].times > 0 && slots_[slot].word != word)
      slot = (slot + 1) & (slots_.size() - 1);
    return slot;
  }

  std::vector<Counted> slots_;  // a power of two, at most half of them taken
  size_t total_ = 0;
};

// Places where two figures are joined as in dates, times and versions.
size_t joined_figures(std::string_view line) {
  const auto is_digit = [&](size_t at) { return line[at] >= '0' && line[at] <= '9'; };
  size_t joints = 0;
  for (size_t i = 1; i + 1 < line.size(); ++i)
    if ((line[i] == ':' || line[i] == '/' || line[i] == '.' || line[i] == '-') && is_digit(i - 1) &&
        is_digit(i + 1))
      ++joints;
  return joints;
}

// A mark is a sign with a blank behind it, perhaps one before it: it is sought by the sign, since
// every line is full of blanks.
constexpr size_t sign_of(std::string_view mark) { return mark.size() - 2; }

size_t rfind_mark(std::string_view line, std::string_view mark) {
  const size_t sign = sign_of(mark);
  for (size_t size = line.size(); size > 0;) {
    const void* found = memrchr(line.data(), mark[sign], size);
    if (found == nullptr) break;
    size = static_cast<size_t>(static_cast<const char*>(found) - line.data());
    if (size >= sign && line.substr(size - sign).starts_with(mark)) return size - sign;
  }
  return std::string_view::npos;
}

size_t count_of(std::string_view line, std::string_view mark) {
  size_t count = 0;
  const size_t sign = sign_of(mark);
  for (size_t at = sign; (at = line.find(mark[sign], at)) != std::string_view::npos;) {
    const bool whole = line.substr(at - sign).starts_with(mark);
    count += whole;
    at += whole ? mark.size() : 1;
  }
  return count;
}

// Runs of blanks inside a line, which part the columns of a menu.
size_t columns_in(std::string_view raw) {
  size_t gaps = 0;
  for (size_t i = 1; i < raw.size(); ++i)
    if ((raw[i] == ' ' && raw[i - 1] == ' ' && (i + 1 == raw.size() || raw[i + 1] != ' ')) ||
        raw[i] == '\t')
      ++gaps;
  return gaps;
}

float points_for_looks(const Line& line, std::string_view raw) {
  const Shape& shape = line.shape;
  const std::string_view text = line.text;
  float points = 0;
  if (shape.words >= 5 && shape.words <= 18)
    points += 2.5F;
  else if (shape.words == 4)
    points += 1.5F;
  else if (shape.words == 3)
    points += 0.5F;
  else if (shape.words <= 2)
    points -= 1.5F;
  else if (shape.words > 26)
    points -= 3;
  if (shape.length > 150) points -= 2;
  if (line.kind == LineKind::kHeading) points += 4;
  if (line.kind == LineKind::kListItem) points -= 3;
  for (const std::string_view mark : kStrongSeparators)
    points -= 2 * static_cast<float>(count_of(text, mark));
  points -= 2 * static_cast<float>(count_of(text, " / "));
  points -= std::min(6.0F, 1.5F * static_cast<float>(columns_in(raw)));
  const size_t joints = joined_figures(text);
  points -= joints > 1 ? 4.0F : static_cast<float>(joints);
  if (find_date(text)) points -= 2;
  // "Author: Ada Finch  Photo: handout", "Views: 20"
  const size_t colons = count_of(text, ": ");
  if (colons > 1) points -= 3;
  if (colons > 0 && shape_of(text.substr(text.find(": "))).words <= 3) points -= 3;
  if (colons > 0 && text.find(' ') > text.find(':') && shape.digits > 3) points -= 2;
  points -= 1.5F * static_cast<float>(std::count(text.begin(), text.end(), '['));
  if (text.find('@') != std::string_view::npos || text.find("www.") != std::string_view::npos)
    points -= 3;
  if (text.ends_with('.') && !text.ends_with(".."))
    points -= 3;
  else if (shape.stops > 1)
    points -= 1.5F;
  return points;
}

struct Candidate {
  size_t line = 0;
  Line shown;  // the line less what was fused with it
  std::optional<int64_t> published_us;
  StoryWords::Overlap overlap;
  float points = 0;
};

class Finder {
 public:
  Finder(std::string_view text, const std::vector<Line>& lines, const std::vector<LineRole>& roles,
         Segment story)
      : text_(text), lines_(lines), roles_(roles), story_(story), words_(lines, story) {
    for (size_t k = 0; k < std::min(kPageTitleLines, story.begin); ++k)
      page_title_.push_back(fold(lines[k].text));
  }

  Headline find() {
    gather();
    mark_down_standfirsts();
    const Candidate* best = nullptr;
    for (const Candidate& candidate : candidates_)
      if (candidate.points >= kPointsMin && (!best || candidate.points > best->points))
        best = &candidate;
    if (!best) return {};
    return {best->line, best->shown.text, best->published_us};
  }

 private:
  void gather() {
    size_t letters_all = 0, letters_before = 0;
    for (size_t i = story_.begin; i < story_.end; ++i) letters_all += lines_[i].shape.length;
    const size_t begin = story_.begin > kReach ? story_.begin - kReach : 0;
    const size_t end = std::min(story_.begin + kReachInside, story_.end);
    for (size_t i = begin; i < end; ++i) {
      if (i >= story_.begin) {
        if (letters_before * 3 > letters_all) break;
        letters_before += lines_[i].shape.length;
      }
      consider(i);
    }
  }

  void consider(size_t i) {
    Candidate candidate{.line = i, .shown = lines_[i], .published_us = {}, .overlap = {}};
    Line& line = candidate.shown;
    FusedTitle fused = split_fused(line.text);
    const std::string whole = without_names(fused.title);
    LineRole role = roles_[i];
    if (whole != line.text) {
      line.text = whole;
      line.shape = shape_of(whole);
      role = is_furniture(whole, line.shape) ? LineRole::kFurniture : LineRole::kPlain;
      candidate.published_us = fused.published_us;
    }
    const Shape& shape = line.shape;
    candidate.overlap = words_.with(line.text, i >= story_.begin && is_prose(line));
    // A headline may hold a separator; a breadcrumb does not speak of the story.
    if (role == LineRole::kFurniture && shape.symbols == 1 && candidate.overlap.found >= 3 &&
        candidate.overlap.share >= 0.6F)
      role = LineRole::kPlain;
    if (role != LineRole::kPlain || shape.words < 2 || shape.length < 8 || shape.length > 220 ||
        shape.ends_colon)
      return;
    const bool inside = i >= story_.begin;
    const bool is_signed = signed_below(i);
    const bool again = repeated_in_page_title(i, line.text);
    if (inside) {
      // A paragraph or a subheading of the story, unless the page says otherwise.
      if (line.text.ends_with('.') || shape.length > 160 || shape.words < 4) return;
      if (!(i == story_.begin && line.shape.ends_sentence) && !is_signed && !again) return;
    }
    float& points = candidate.points;
    points = points_for_looks(line, raw_of(i));
    points += 7 * candidate.overlap.share * std::min(1.0F, candidate.overlap.found / 3) +
              3 * candidate.overlap.lead_share;
    if (candidate.overlap.found == 0) points -= 2.5F;
    if (is_signed) points += 2;
    if (again) points += 3;
    if (!inside && stands_again(i)) points += 2;
    if (inside) points -= 1.5F;
    points += points_for_place(i);
    candidates_.push_back(std::move(candidate));
  }

  std::string_view raw_of(size_t i) const {
    return text_.substr(lines_[i].body_begin, lines_[i].body_end - lines_[i].body_begin);
  }

  // A line less the site's name, which the story does not know.
  std::string without_names(std::string_view line) const {
    std::string rest(line);
    const auto part = [&](std::string_view mark, bool strong) {
      const size_t at = rfind_mark(rest, mark);
      if (at == std::string::npos) return;
      const std::string head = tidy(std::string_view(rest).substr(0, at));
      const std::string tail = tidy(std::string_view(rest).substr(at + mark.size()));
      const auto in_head = words_.with(head, false), in_tail = words_.with(tail, false);
      const auto is_name = [&](const std::string& text, const StoryWords::Overlap& overlap) {
        const Shape shape = shape_of(text);
        if (strong) return shape.words <= 8 && overlap.share < 0.4F;
        return shape.words <= 5 && overlap.found == 0 && shape.capitals == shape.cased;
      };
      if (shape_of(head).words >= 4 && in_head.found >= 2 && is_name(tail, in_tail))
        rest = head;
      else if (shape_of(tail).words >= 4 && in_tail.found >= 2 && is_name(head, in_head))
        rest = tail;
    };
    for (const std::string_view mark : kStrongSeparators) part(mark, true);
    for (const std::string_view mark : kDashes) part(mark, false);
    return rest;
  }

  // A date or a byline among the next lines.
  bool signed_below(size_t i) const {
    size_t plain = 0;
    for (size_t k = i + 1; k < std::min(i + 5, lines_.size()); ++k) {
      if (roles_[k] == LineRole::kDate || roles_[k] == LineRole::kByline) return true;
      if (is_prose(lines_[k]) && lines_[k].shape.length > 200) return false;
      if (roles_[k] == LineRole::kPlain && ++plain > 1) return false;
    }
    return false;
  }

  // Whether the page's own title, among its first lines, begins or ends with the line; or the line
  // stands there again.
  bool repeated_in_page_title(size_t i, const std::string& shown) const {
    const std::string folded = fold(shown);
    if (folded.size() < 12) return false;
    for (size_t k = 0; k < page_title_.size(); ++k)
      if (k != i && (page_title_[k].starts_with(folded) || page_title_[k].ends_with(folded)))
        return true;
    return false;
  }

  // Headlines are printed twice (for two widths of screen), menus of four words and more are not.
  bool stands_again(size_t i) const {
    if (lines_[i].shape.words < 4) return false;
    size_t count = 0;
    for (size_t k = 0; k < story_.begin; ++k) count += lines_[k].text == lines_[i].text;
    return count > 1;
  }

  // Against lines that might be headlines themselves between this one and the story; for a line
  // that has the head of the page to itself.
  float points_for_place(size_t i) const {
    float points = 0;
    for (size_t k = i + 1; k < story_.begin; ++k) {
      if (roles_[k] == LineRole::kFurniture)
        points -= 0.05F;
      else if (roles_[k] == LineRole::kPlain && lines_[k].text != lines_[i].text)
        points -= lines_[k].shape.words > 2 ? 0.4F : 0.2F;
    }
    points = std::max(points, -4.0F);
    bool alone = true;
    for (size_t k = 0; k < story_.begin; ++k)
      alone = alone && (k == i || roles_[k] == LineRole::kDate || roles_[k] == LineRole::kByline);
    if (alone) points += 3;
    if (i + 1 == story_.begin) points += 1.5F;
    return points;
  }

  // Of two lines of the story's words, one right below the other, the longer lower one explains.
  void mark_down_standfirsts() {
    for (size_t k = candidates_.size(); k-- > 1;) {
      const Candidate& upper = candidates_[k - 1];
      Candidate& lower = candidates_[k];
      if (upper.line + 1 == lower.line && upper.overlap.share >= 0.3F && upper.overlap.found >= 1 &&
          upper.shown.shape.words >= 4 && !upper.shown.text.ends_with('.') &&
          lower.shown.shape.length * 5 > upper.shown.shape.length * 6)
        lower.points -= 2.5F;
    }
  }

  std::string_view text_;
  const std::vector<Line>& lines_;
  const std::vector<LineRole>& roles_;
  const Segment story_;
  const StoryWords words_;
  std::vector<std::string> page_title_;  // the first lines above the story, folded
  std::vector<Candidate> candidates_;
};

constexpr std::string_view kEdges = " -|,:;([)]\t";

std::string_view without_edges(std::string_view text) {
  const size_t begin = text.find_first_not_of(kEdges);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kEdges) - begin + 1);
}

// "What happened on" before a date: the date belongs to the sentence.
bool leads_to_date(std::string_view before) {
  const size_t blank = before.find_last_of(' ');
  const std::string_view last = blank == std::string_view::npos ? before : before.substr(blank + 1);
  const Shape shape = shape_of(last);
  return shape.words == 1 && shape.length <= 3 && shape.capitals == 0 && shape.cased == 1;
}

}  // namespace

FusedTitle split_fused(std::string_view line) {
  FusedTitle fused{std::string(line), std::nullopt};
  if (line.size() > 300) return fused;
  // "A > B > The headline itself"
  size_t crumb = std::string_view::npos, after_crumb = 0;
  for (const std::string_view mark : {"> ", "\xc2\xbb ", "\xe2\x80\xba ", " / ", " :: "}) {
    const size_t found = rfind_mark(line, mark);
    if (found != std::string_view::npos &&
        (crumb == std::string_view::npos || found + mark.size() > after_crumb))
      crumb = found, after_crumb = found + mark.size();
  }
  if (crumb != std::string_view::npos && shape_of(line.substr(after_crumb)).words >= 5 &&
      shape_of(line.substr(0, crumb)).words <= 8)
    fused.title = tidy(line.substr(after_crumb));
  const auto date = find_date(fused.title);
  if (!date) return fused;
  const std::string_view text = fused.title;
  const std::string_view before = without_edges(text.substr(0, date->begin));
  const std::string_view after = text.substr(date->end);
  const size_t after_begin = after.find_first_not_of(kEdges);
  const std::string_view rest =
      after_begin == std::string_view::npos ? std::string_view{} : after.substr(after_begin);
  const bool above = shape_of(before).words <= 2 && shape_of(rest).words >= 4;
  const bool below =
      shape_of(before).words >= 4 && shape_of(rest).words <= 2 && !leads_to_date(before);
  // A label of one or two words before the date, the headline after it; or the reverse.
  if (above || below) {
    fused.published_us = date->at_us;
    fused.title = tidy(above ? rest : before);
  }
  return fused;
}

Headline find_headline(std::string_view text, const std::vector<Line>& lines,
                       const std::vector<LineRole>& roles, Segment story) {
  return Finder(text, lines, roles, story).find();
}

}  // namespace wiremill::clean
