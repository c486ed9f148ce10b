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
#include <cstring>
#include <utility>

#include "daemon/base/eight_bytes.hpp"
#include "plugins/clean/dates.hpp"
#include "plugins/clean/furniture.hpp"
#include "plugins/clean/story_words.hpp"

namespace wiremill::clean {
namespace {

constexpr size_t kReach = 40;          // lines above the story that are candidates
constexpr size_t kReachInside = 8;     // lines of the story that are
constexpr size_t kPageTitleLines = 3;  // lines in which a page's own title may stand
constexpr size_t kNameBytesMax = 200;  // of what may be a site's name
constexpr uint32_t kLengthMax = 220, kFusedLengthMax = 300;  // of a headline, with what it is fused
constexpr float kPointsMin = 3.4F;

constexpr std::array<std::string_view, 7> kStrongSeparators = {
    "> ", " | ", " :: ", " \xc2\xbb ", " \xe2\x80\xba ", " \xc2\xb7 ", " \xe2\x80\xa2 "};
constexpr std::array<std::string_view, 3> kDashes = {" - ", " \xe2\x80\x93 ", " \xe2\x80\x94 "};

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

// Whether a mark may stand in a line: the last byte of one's sign, and a blank behind it.
bool may_hold_mark(std::string_view line) {
  static constexpr auto kSigns = [] {
    std::array<bool, 256> signs{};
    for (const char sign : std::string_view(">|:/-\xbb\xba\xb7\xa2\x93\x94"))
      signs[static_cast<unsigned char>(sign)] = true;
    return signs;
  }();
  for (size_t begin = 0; begin < line.size(); begin += 8) {
    // Most blanks stand behind a letter.
    uint64_t ends = bytes_within(load_eight(line, begin + 1), ' ', ' ') &
                    ~letters_within(load_eight(line, begin));
    for (; ends != 0; ends &= ends - 1)
      if (kSigns[static_cast<unsigned char>(line[begin + bytes_before(ends)])]) return true;
  }
  return false;
}

// Whether a site's name may be parted off the line.
bool holds_name_mark(std::string_view line) {
  const auto holds = [&](std::string_view mark) {
    return rfind_mark(line, mark) != std::string_view::npos;
  };
  return std::any_of(kStrongSeparators.begin(), kStrongSeparators.end(), holds) ||
         std::any_of(kDashes.begin(), kDashes.end(), holds);
}

float points_for_looks(const Line& line, std::string_view raw) {
  const Shape& shape = line.shape;
  const std::string_view text = line.text;
  const bool has_mark = may_hold_mark(text);
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
    if (has_mark) points -= 2 * static_cast<float>(count_of(text, mark));
  if (has_mark) points -= 2 * static_cast<float>(count_of(text, " / "));
  if (raw != text) points -= std::min(6.0F, 1.5F * static_cast<float>(columns_in(raw)));
  const size_t joints = shape.digits >= 2 ? joined_figures(text) : 0;
  points -= joints > 1 ? 4.0F : static_cast<float>(joints);
  if (may_hold_date(shape) && find_date(text)) points -= 2;
  // "Author: Ada Finch  Photo: handout", "Views: 20"
  const size_t colons = has_mark ? count_of(text, ": ") : 0;
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
  Overlap overlap;
  float points = 0;
};

class Finder {
 public:
  Finder(std::string_view text, const std::vector<Line>& lines, const std::vector<LineNote>& notes,
         Segment story)
      : text_(text), lines_(lines), notes_(notes), story_(story) {
    times_above_.resize(story.begin);
    for (size_t k = 0; k < story.begin; ++k) {
      ++times_above_[notes[k].first];
      others_above_ += !signs_story(k);
    }
    for (size_t k = 0; k < std::min(kPageTitleLines, story.begin); ++k)
      page_title_.push_back(fold(lines[k].text));
  }

  Headline find() {
    std::vector<Draft> drafts = gather();
    if (drafts.empty()) return {};
    if (drafts.size() == 1 && is_sure(drafts.front()))
      return {drafts.front().line, lines_[drafts.front().line].text, std::nullopt};
    words_.emplace(lines_, story_);
    for (Draft& draft : drafts) consider(draft);
    mark_down_standfirsts();
    const Candidate* best = nullptr;
    for (const Candidate& candidate : candidates_)
      if (candidate.points >= kPointsMin && (!best || candidate.points > best->points))
        best = &candidate;
    if (!best) return {};
    return {best->line, best->shown.text, best->published_us};
  }

 private:
  // A line that may become a candidate, as far as can be told without the story's words.
  struct Draft {
    size_t line = 0;
    std::optional<FusedTitle> fused;  // of a line that may be fused with something
    bool is_signed = false, again = false;
  };

  std::vector<Draft> gather() const {
    std::vector<Draft> drafts;
    size_t letters_all = 0, letters_before = 0;
    for (size_t i = story_.begin; i < story_.end; ++i) letters_all += lines_[i].shape.length;
    const size_t begin = story_.begin > kReach ? story_.begin - kReach : 0;
    const size_t end = std::min(story_.begin + kReachInside, story_.end);
    for (size_t i = begin; i < end; ++i) {
      if (i >= story_.begin) {
        if (letters_before * 3 > letters_all) break;
        letters_before += lines_[i].shape.length;
      }
      if (lines_[i].shape.length > kFusedLengthMax) continue;
      Draft draft{.line = i, .fused = fused_in(lines_[i])};
      if (draft.fused || may_be_headline(lines_[i], notes_[i].role, draft))
        drafts.push_back(std::move(draft));
    }
    return drafts;
  }

  // What a line may be fused with; nothing where it is surely whole.
  static std::optional<FusedTitle> fused_in(const Line& line) {
    if (!may_hold_mark(line.text) && !may_hold_date(line.shape)) return std::nullopt;
    FusedTitle fused = split_fused(line.text);
    if (fused.title == line.text && !holds_name_mark(line.text)) return std::nullopt;
    return fused;
  }

  // Whether a draft, shown as `line`, may be the headline by all but the story's words.
  bool may_be_headline(const Line& line, LineRole role, Draft& draft) const {
    const size_t i = draft.line;
    const Shape& shape = line.shape;
    const bool may_be_plain =
        role == LineRole::kPlain || (role == LineRole::kFurniture && shape.symbols == 1);
    if (!may_be_plain || shape.words < 2 || shape.length < 8 || shape.length > kLengthMax ||
        shape.ends_colon)
      return false;
    const bool inside = i >= story_.begin;
    // A paragraph or a subheading of the story, unless the page says otherwise.
    if (inside && (line.text.ends_with('.') || shape.length > 160 || shape.words < 4)) return false;
    draft.is_signed = signed_below(i);
    draft.again = repeated_in_page_title(i, line.text);
    return !inside || (i == story_.begin && shape.ends_sentence) || draft.is_signed || draft.again;
  }

  // Whether a draft has enough points whatever the story says: its words can only add to them.
  bool is_sure(const Draft& draft) const {
    return !draft.fused && notes_[draft.line].role == LineRole::kPlain &&
           points_for(lines_[draft.line], draft, {}) >= kPointsMin;
  }

  void consider(Draft& draft) {
    const size_t i = draft.line;
    Candidate candidate{.line = i, .shown = {}, .published_us = {}, .overlap = {}};
    LineRole role = notes_[i].role;
    if (draft.fused) {
      const std::string_view title = without_names(draft.fused->title);
      if (title != lines_[i].text) {
        Line& line = candidate.shown;
        line = lines_[i];
        line.text = title;
        line.shape = shape_of(title);
        role = is_furniture(title, line.shape) ? LineRole::kFurniture : LineRole::kPlain;
        candidate.published_us = draft.fused->published_us;
      }
    }
    const Line& line = candidate.shown.text.empty() ? lines_[i] : candidate.shown;
    if (draft.fused && !may_be_headline(line, role, draft)) return;
    candidate.overlap = words_->with(line.text, i >= story_.begin && is_prose(line));
    // A headline may hold a separator; a breadcrumb does not speak of the story.
    if (role == LineRole::kFurniture &&
        (candidate.overlap.found < 3 || candidate.overlap.share < 0.6F))
      return;
    candidate.points = points_for(line, draft, candidate.overlap);
    if (candidate.shown.text.empty()) candidate.shown = line;
    candidates_.push_back(std::move(candidate));
  }

  float points_for(const Line& line, const Draft& draft, const Overlap& overlap) const {
    const bool inside = draft.line >= story_.begin;
    float points = points_for_looks(line, raw_of(draft.line));
    points += 7 * overlap.share * std::min(1.0F, overlap.found / 3) + 3 * overlap.lead_share;
    if (overlap.found == 0) points -= 2.5F;
    if (draft.is_signed) points += 2;
    if (draft.again) points += 3;
    if (!inside && stands_again(draft.line)) points += 2;
    if (inside) points -= 1.5F;
    return points + points_for_place(draft.line);
  }

  std::string_view raw_of(size_t i) const {
    return text_.substr(lines_[i].body_begin, lines_[i].body_end - lines_[i].body_begin);
  }

  // A line less the site's name, which the story does not know.
  std::string_view without_names(std::string_view line) const {
    const auto part = [&](std::string_view mark, bool strong) {
      const size_t at = rfind_mark(line, mark);
      if (at == std::string_view::npos) return;
      const std::string_view head = trimmed(line.substr(0, at));
      const std::string_view tail = trimmed(line.substr(at + mark.size()));
      if (is_name(tail, strong) && speaks_of_story(head))
        line = head;
      else if (is_name(head, strong) && speaks_of_story(tail))
        line = tail;
    };
    for (const std::string_view mark : kStrongSeparators) part(mark, true);
    for (const std::string_view mark : kDashes) part(mark, false);
    return line;
  }

  bool is_name(std::string_view text, bool strong) const {
    if (text.size() > kNameBytesMax) return false;
    const Shape shape = shape_of(text);
    if (strong) return shape.words <= 8 && words_->with(text, false).share < 0.4F;
    return shape.words <= 5 && shape.capitals == shape.cased &&
           words_->with(text, false).found == 0;
  }

  bool speaks_of_story(std::string_view text) const {
    return shape_of(text).words >= 4 && words_->with(text, false).found >= 2;
  }

  bool signs_story(size_t i) const {
    return notes_[i].role == LineRole::kDate || notes_[i].role == LineRole::kByline;
  }

  // A date or a byline among the next lines.
  bool signed_below(size_t i) const {
    size_t plain = 0;
    for (size_t k = i + 1; k < std::min(i + 5, lines_.size()); ++k) {
      if (signs_story(k)) return true;
      if (is_prose(lines_[k]) && lines_[k].shape.length > 200) return false;
      if (notes_[k].role == LineRole::kPlain && ++plain > 1) return false;
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
    return lines_[i].shape.words >= 4 && times_above_[notes_[i].first] > 1;
  }

  // Against lines that might be headlines themselves between this one and the story; for a line
  // that has the head of the page to itself.
  float points_for_place(size_t i) const {
    float points = 0;
    for (size_t k = i + 1; k < story_.begin; ++k) {
      if (notes_[k].role == LineRole::kFurniture)
        points -= 0.05F;
      else if (notes_[k].role == LineRole::kPlain && notes_[k].first != notes_[i].first)
        points -= lines_[k].shape.words > 2 ? 0.4F : 0.2F;
    }
    points = std::max(points, -4.0F);
    const size_t own = i < story_.begin && !signs_story(i) ? 1 : 0;
    if (others_above_ == own) points += 3;
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
  const std::vector<LineNote>& notes_;
  const Segment story_;
  std::vector<uint32_t> times_above_;    // how often a text stands there, by its first line
  size_t others_above_ = 0;              // lines there that are neither date nor byline
  std::optional<StoryWords> words_;      // where they are needed
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
                       const std::vector<LineNote>& notes, Segment story) {
  return Finder(text, lines, notes, story).find();
}

}  // namespace wiremill::clean
