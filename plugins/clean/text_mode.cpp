// The article's lines of a flattened page: see text_mode.hpp.
//
// A flattened page is menus, the headline, date and byline, the story, and menus again, one line
// each. Every line gets a weight from what it looks like: running text counts for its length,
// furniture, links and repeated lines against it. The story is the segment of lines with the
// largest sum (Kadane's algorithm, one pass), which bridges a short caption or a subheading inside
// the story but not a menu of twenty links. The headline is then sought upwards from the story's
// first line, the date and the byline between the two.
#include "plugins/clean/text_mode.hpp"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <bit>

#include "plugins/clean/dateline.hpp"
#include "plugins/clean/dates.hpp"
#include "plugins/clean/furniture.hpp"
#include "plugins/clean/headline.hpp"
#include "plugins/clean/markdown.hpp"

namespace wiremill::clean {
namespace {

constexpr float kTailPenalty = 400;
constexpr uint32_t kFirmLength = 220;  // a line this long needs no neighbours to be believed

// How many bytes the bullet takes that a line begins with, or 0.
size_t bullet_size(std::string_view raw) {
  if (raw.size() < 2) return 0;
  const char sign = raw[0];
  if (sign == '*' || sign == '+' || sign == '-' || sign == 'o') return raw[1] == ' ' ? 1 : 0;
  if (sign == '\xe2') return raw.starts_with("\xe2\x80\xa2") ? 3 : 0;
  if (sign == '\xc2') return raw.starts_with("\xc2\xb7 ") ? 2 : 0;
  return 0;
}

// A line of a text that was wrapped at a fixed width goes on in the next one.
bool goes_on(const Line& line, std::string_view next) {
  if (line.shape.length < 50 || line.shape.length > 110 || line.shape.ends_sentence) return false;
  if (next.empty()) return false;
  const char c = next[0];
  return (c >= 'a' && c <= 'z') && bullet_size(next) == 0;
}

void classify(Line& line) { line.shape = shape_of(line.text); }

std::vector<Line> cut_lines(std::string_view text) {
  std::vector<Line> lines;
  lines.reserve(text.size() / 32);
  std::vector<size_t> joined;
  bool adjacent = false;  // no blank line since the last one
  for (size_t at = 0; at < text.size();) {
    std::string_view raw = take_line(text, at);
    Line line;
    if (const size_t bullet = bullet_size(raw); bullet > 0) {
      line.kind = LineKind::kListItem;
      raw = trimmed(raw.substr(bullet));
    }
    if (!raw.empty()) line.text = tidy(raw);
    if (line.text.empty()) {
      adjacent = false;
      continue;
    }
    line.body_begin = static_cast<uint32_t>(raw.data() - text.data());
    line.body_end = static_cast<uint32_t>(line.body_begin + raw.size());
    if (adjacent && line.kind != LineKind::kListItem && goes_on(lines.back(), raw)) {
      Line& last = lines.back();
      last.text += ' ';
      last.text += line.text;
      last.body_end = line.body_end;
      // The shape of the last part says whether the paragraph goes on.
      last.shape = shape_of(line.text);
      if (joined.empty() || joined.back() != lines.size() - 1) joined.push_back(lines.size() - 1);
      continue;
    }
    classify(line);
    lines.push_back(std::move(line));
    adjacent = true;
  }
  for (const size_t index : joined) classify(lines[index]);
  return lines;
}

struct Scored {
  float weight = 0;
  bool furniture = false, byline = false, date = false, repeated = false, tail = false;
  uint32_t first = 0;  // line of the same text
};

// Finds lines of the same text.
class SameLines {
 public:
  explicit SameLines(const std::vector<Line>& lines)
      : lines_(lines), slots_(std::bit_ceil(2 * lines.size() + 1), kFree) {}

  // The first of the lines up to `i` that has its text.
  uint32_t first_like(uint32_t i) {
    const std::string& text = lines_[i].text;
    size_t slot = XXH3_64bits(text.data(), text.size()) & (slots_.size() - 1);
    while (slots_[slot] != kFree && lines_[slots_[slot]].text != text)
      slot = (slot + 1) & (slots_.size() - 1);
    if (slots_[slot] == kFree) slots_[slot] = i;
    return slots_[slot];
  }

 private:
  static constexpr uint32_t kFree = UINT32_MAX;
  const std::vector<Line>& lines_;
  std::vector<uint32_t> slots_;  // a power of two, at most half of them taken
};

bool is_date_line(const Line& line) {
  if (line.shape.length > 120 || !may_hold_date(line.shape)) return false;
  const auto date = find_date(line.text);
  // The date is most of the line, but for a few words such as "Published" or a place.
  return date && line.shape.words <= 14 && (line.text.size() - (date->end - date->begin) <= 45);
}

// `flattened`: links stand among the story's sentences; Markdown leaves no teasers.
std::vector<Scored> score(const std::vector<Line>& lines, bool flattened) {
  std::vector<Scored> scored(lines.size());
  SameLines same(lines);
  for (uint32_t i = 0; i < lines.size(); ++i) {
    scored[i].first = same.first_like(i);
    if (scored[i].first != i) scored[scored[i].first].repeated = scored[i].repeated = true;
  }
  for (size_t i = 0; i < lines.size(); ++i) {
    const Line& line = lines[i];
    const Shape& shape = line.shape;
    Scored& out = scored[i];
    const auto length = static_cast<float>(std::min<uint32_t>(shape.length, 800));
    out.furniture = is_furniture_or_pitch(line.text, shape);
    out.repeated = out.repeated && shape.words > 1;
    out.tail = opens_tail(line.text, shape);
    out.date = !out.furniture && is_date_line(line);
    out.byline = !out.furniture && !out.date && !find_byline(line.text).empty();
    if (out.tail)
      out.weight = -kTailPenalty;
    else if (out.furniture)
      out.weight = -14;
    else if (out.repeated)
      out.weight = -20;
    else if (out.byline || out.date)
      out.weight = -12;
    else if (is_prose(line))
      out.weight = length * (line.kind == LineKind::kListItem ? 0.8F : 1);
    else if (shape.ends_sentence && shape.words >= 3)
      out.weight = 0.5F * length;
    else if (line.kind == LineKind::kListItem)
      out.weight = -12;
    else if (line.kind == LineKind::kHeading)
      out.weight = -4;
    else if (shape.ends_colon)
      out.weight = -4;
    else
      out.weight = shape.words <= 3 ? -24.0F : -20.0F;
  }
  // A teaser is a sentence among links; a story's sentences stand together.
  const auto reads = [&](size_t i) {
    return i < lines.size() && scored[i].weight > 0 ? (lines[i].shape.length >= 60 ? 1.0F : 0.6F)
                                                    : 0.0F;
  };
  for (size_t i = 0; flattened && i < lines.size(); ++i) {
    if (scored[i].weight <= 0 || lines[i].shape.length >= kFirmLength) continue;
    const float around = reads(i - 1) + reads(i + 1) + 0.5F * (reads(i - 2) + reads(i + 2));
    scored[i].weight *= std::min(1.0F, 0.2F + 0.4F * around);  // keeps its sign, which others ask
  }
  return scored;
}

Segment best_segment(const std::vector<Scored>& scored) {
  Segment best, current;
  for (size_t i = 0; i < scored.size(); ++i) {
    if (current.sum <= 0) current = {i, i, 0};
    current.sum += scored[i].weight;
    current.end = i + 1;
    if (current.sum > best.sum) best = current;
  }
  return best;
}

// Menus and link lists inside the story: runs of three or more short lines without a sentence.
void drop_link_runs(std::vector<Line>& lines, std::vector<uint8_t>& keep) {
  for (size_t i = 0; i < lines.size();) {
    size_t end = i;
    size_t counted = 0;
    while (end < lines.size() && !is_prose(lines[end]) && !lines[end].shape.ends_sentence &&
           lines[end].kind != LineKind::kHeading) {
      ++end;
      ++counted;
    }
    if (counted >= 5)
      for (size_t k = i; k < end; ++k) keep[k] = 0;
    i = end + 1;
  }
}

bool says_updated(std::string_view line) {
  const std::string lowered = lower(line.substr(0, 60));
  for (const std::string_view word : {"updat", "modif", "aktualis", "mis à jour", "actualiz"})
    if (lowered.find(word) != std::string::npos) return true;
  return false;
}

std::vector<LineNote> notes_of(const std::vector<Scored>& scored) {
  std::vector<LineNote> notes;
  notes.reserve(scored.size());
  for (const Scored& as : scored)
    notes.push_back({as.furniture ? LineRole::kFurniture
                     : as.tail    ? LineRole::kTail
                     : as.date    ? LineRole::kDate
                     : as.byline  ? LineRole::kByline
                                  : LineRole::kPlain,
                     as.first});
  return notes;
}

// Why a line is not of the story.
Reason reason_of(const Scored& as, Reason otherwise) {
  return as.tail        ? Reason::kTail
         : as.furniture ? Reason::kFurniture
         : as.date      ? Reason::kDate
         : as.byline    ? Reason::kByline
         : as.repeated  ? Reason::kRepeated
                        : otherwise;
}

void drop_known(std::vector<Line>& lines, Explanation* why, const KnownLines* known) {
  if (known == nullptr) return;
  std::erase_if(lines, [&](const Line& line) {
    const bool is_known = known->holds(line.text);
    if (is_known && why != nullptr) why->add(line.text, Reason::kMemory);
    return is_known;
  });
}

TextArticle article_of(std::string_view text, std::vector<Line> lines, bool flattened,
                       Explanation* why, const KnownLines* known) {
  drop_known(lines, why, known);
  TextArticle article;
  if (lines.empty()) return article;
  const std::vector<Scored> scored = score(lines, flattened);
  Segment story = best_segment(scored);
  if (story.end == story.begin) {  // a snippet: nothing that reads like a story
    for (size_t i = 0; i < lines.size(); ++i) {
      if (!scored[i].furniture || lines.size() == 1)
        article.lines.push_back(std::move(lines[i]));
      else if (why != nullptr)
        why->add(lines[i].text, Reason::kFurniture);
    }
    return article;
  }

  const Headline head = find_headline(text, lines, notes_of(scored), story);
  article.title = head.text;
  article.published_us = head.published_us;
  if (head.line != Headline::kNone) story.begin = std::max(story.begin, head.line + 1);
  const size_t near = head.line == Headline::kNone ? (story.begin > 4 ? story.begin - 4 : 0)
                                                   : (head.line > 3 ? head.line - 3 : 0);
  std::optional<int64_t> updated;
  for (size_t i = near; i < std::min(story.begin + 3, lines.size()); ++i) {
    if (is_prose(lines[i]) && i != head.line) continue;
    if (article.byline.empty()) article.byline = find_byline(lines[i].text);
    if (lines[i].shape.length > 140 || !may_hold_date(lines[i].shape)) continue;
    const auto date = find_date(lines[i].text);
    if (!date) continue;
    std::optional<int64_t>& slot = says_updated(lines[i].text) ? updated : article.published_us;
    if (!slot) slot = date->at_us;
  }
  if (!article.published_us) article.published_us = updated;

  std::vector<Line> kept;
  kept.reserve(story.end - std::min(story.begin, story.end));
  for (size_t i = 0; i < lines.size(); ++i) {
    const Scored& as = scored[i];
    const bool is_inside = i >= story.begin && i < story.end;
    if (is_inside && !as.furniture && !as.tail && !as.date && !as.byline &&
        (!as.repeated || is_prose(lines[i]) || lines[i].shape.ends_sentence))
      kept.push_back(std::move(lines[i]));
    else if (why != nullptr)
      why->add(lines[i].text, i == head.line ? Reason::kHeadline : reason_of(as, Reason::kOutside));
  }
  std::vector<uint8_t> keep(kept.size(), 1);
  drop_link_runs(kept, keep);
  article.lines.reserve(kept.size());
  for (size_t i = 0; i < kept.size(); ++i) {
    if (keep[i])
      article.lines.push_back(std::move(kept[i]));
    else if (why != nullptr)
      why->add(kept[i].text, Reason::kLinks);
  }
  return article;
}

}  // namespace

TextArticle extract_text(std::string_view text, Explanation* why, const KnownLines* known) {
  return article_of(text, cut_lines(text), true, why, known);
}

TextArticle extract_markdown(std::string_view text, Explanation* why, const KnownLines* known) {
  MarkdownDocument document = read_markdown(text);
  TextArticle article = article_of(text, std::move(document.lines), false, why, known);
  if (!document.title.empty()) article.title = document.title;
  if (!document.byline.empty()) article.byline = document.byline;
  if (document.published_us) article.published_us = document.published_us;
  return article;
}

}  // namespace wiremill::clean
