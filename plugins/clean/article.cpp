// From a body to an article: see article.hpp. Decides the kind of input, has it decoded and cut
// into lines, then does what is the same for all kinds: head and tail of the story, the dateline,
// which title wins, the map back to the body.
#include "plugins/clean/article.hpp"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "plugins/clean/charset.hpp"
#include "plugins/clean/dateline.hpp"
#include "plugins/clean/dates.hpp"
#include "plugins/clean/furniture.hpp"
#include "plugins/clean/html_extract.hpp"
#include "plugins/clean/html_metadata.hpp"
#include "plugins/clean/text_mode.hpp"

namespace wiremill::clean {
namespace {

constexpr size_t kSniffBytes = 2048;
constexpr size_t kHeadLines = 8;  // in which headline, byline and date may stand again
constexpr size_t kTitleBytesMax = 1024;
constexpr size_t kBylineBytesMax = 300;
constexpr size_t kSiteBytesMax = 300;
constexpr size_t kDescriptionBytesMax = 2048;
constexpr size_t kAddressBytesMax = 2048;

// Text that is mostly markup: a page's opening, or several closing tags.
bool looks_like_html(std::string_view body) {
  if (body.substr(0, kSniffBytes).find('<') == std::string_view::npos) return false;
  std::string head;  // UTF-16 is seen through
  for (const char c : body.substr(0, kSniffBytes))
    if (c != '\0') head.push_back(c);
  head = lower_ascii(head);
  const size_t first = head.find_first_not_of(" \t\r\n\xef\xbb\xbf\xff\xfe");
  if (first == std::string::npos) return false;
  const std::string_view rest = std::string_view(head).substr(first);
  for (const std::string_view opening : {"<!doctype html", "<html", "<head", "<body", "<!--"})
    if (rest.starts_with(opening)) return true;
  size_t tags = 0;
  for (const std::string_view tag :
       {"</p>", "<p>", "<br", "</div>", "<div", "</a>", "</span>", "</li>", "</h1>", "</script>"})
    for (size_t at = 0; tags < 2 && (at = head.find(tag, at)) != std::string::npos; ++at) ++tags;
  return tags >= 2;
}

bool says(std::string_view content_type, std::string_view type) {
  return lower_ascii(content_type).find(type) != std::string::npos;
}

std::string bounded(std::string text, size_t bytes_max) {
  if (text.size() <= bytes_max) return text;
  size_t size = bytes_max;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xc0) == 0x80) --size;
  return tidy(std::string_view(text).substr(0, size));
}

bool has_prose(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    if (is_prose({.text = {}, .shape = shape_of(text.substr(at, end - at))})) return true;
    at = end + 1;
  }
  return false;
}

// The lines of a story that is printed twice on its page (for two widths of screen): two lines in a
// row that stood there before. One alone may be a refrain.
std::vector<uint8_t> find_reprints(const std::vector<Line>& lines) {
  std::unordered_set<std::string_view> seen;
  std::vector<uint8_t> again(lines.size(), 0), reprinted(lines.size(), 0);
  for (size_t i = 0; i < lines.size(); ++i)
    if (is_prose(lines[i])) again[i] = !seen.insert(lines[i].text).second;
  for (size_t i = 0; i < lines.size(); ++i)
    reprinted[i] = again[i] && ((i > 0 && again[i - 1]) || (i + 1 < lines.size() && again[i + 1]));
  return reprinted;
}

// For each line, how many letters of running text stand from it on.
std::vector<size_t> letters_of_prose_from(const std::vector<Line>& lines) {
  std::vector<size_t> letters(lines.size(), 0);
  size_t sum = 0;
  for (size_t i = lines.size(); i-- > 0;)
    letters[i] = sum += is_prose(lines[i]) ? lines[i].shape.length : 0;
  return letters;
}

// "Write to Ada Finch at ada@example.org": how to reach the writer, at a story's end.
bool is_contact(const Line& line) {
  const size_t at = line.text.find('@');
  return line.shape.length <= 140 && line.shape.words <= 16 && at != std::string::npos && at > 0 &&
         line.text[at - 1] != ' ' && line.text.find('.', at) != std::string::npos;
}

// The headline again, bylines and dates above the story, and furniture anywhere in it.
void trim_html_lines(std::vector<Line>& lines, Article& article, Explanation* why) {
  const auto leave_out = [&](const Line& line, Reason reason) {
    if (why != nullptr) why->add(line.text, reason);
  };
  const std::string title = fold(article.title);
  size_t head = std::min(lines.size(), kHeadLines);
  for (size_t i = head; i-- > 0;) {
    const std::string line = fold(lines[i].text);
    const bool is_title =
        !title.empty() && line.size() >= 8 &&
        (line == title ||
         (lines[i].kind == LineKind::kHeading &&
          (title.find(line) != std::string::npos || line.find(title) != std::string::npos)));
    if (!is_title) continue;
    // Prose above the headline is no furniture.
    const bool prose_above = std::any_of(lines.begin(), lines.begin() + static_cast<long>(i),
                                         [](const Line& above) { return is_prose(above); });
    const size_t first = prose_above ? i : 0;
    for (size_t k = first; k <= i; ++k) leave_out(lines[k], Reason::kHeadline);
    lines.erase(lines.begin() + static_cast<long>(first), lines.begin() + static_cast<long>(i) + 1);
    break;
  }

  bool above_story = true;
  size_t letters = 0;
  const std::vector<uint8_t> reprinted = find_reprints(lines);
  const std::vector<size_t> prose_from = letters_of_prose_from(lines);
  article.line_visits += lines.size();
  std::vector<Line> kept;
  for (size_t i = 0; i < lines.size(); ++i) {
    ++article.line_visits;
    Line& line = lines[i];
    if (i >= 2 && letters > 300 && opens_tail(line.text, line.shape)) {
      // What follows belongs to the page, if the story's larger part is already there.
      if (prose_from[i] < letters) {
        for (size_t k = i; k < lines.size(); ++k) leave_out(lines[k], Reason::kTail);
        break;
      }
      leave_out(line, Reason::kTail);
      continue;
    }
    const bool is_phrase = is_furniture(line.text, line.shape);
    if (is_phrase || is_pitch(line.text, line.shape)) {
      leave_out(line, is_phrase ? Reason::kFurniture : Reason::kPitch);
      continue;
    }
    if (above_story && !is_prose(line)) {
      std::string byline = find_byline(line.text);
      if (!byline.empty()) {
        if (article.byline.empty()) article.byline = std::move(byline);
        leave_out(line, Reason::kByline);
        continue;
      }
      const auto date = find_date(line.text);
      if (date && line.shape.length <= 110 && line.shape.words <= 16 && !line.shape.ends_sentence) {
        if (article.published_us == WM_NO_TIME) article.published_us = date->at_us;
        leave_out(line, Reason::kDate);
        continue;
      }
    }
    if (reprinted[i] || (i + 3 >= lines.size() && is_contact(line))) {
      leave_out(line, reprinted[i] ? Reason::kRepeated : Reason::kContact);
      continue;
    }
    if (is_prose(line)) above_story = false;
    letters += line.shape.length;
    kept.push_back(std::move(line));
  }
  while (kept.size() > 1 && kept.back().kind == LineKind::kHeading) {
    leave_out(kept.back(), Reason::kHeading);
    kept.pop_back();
  }
  lines = std::move(kept);
}

// Joins the lines into the article's text; the dateline leaves the first of them.
void compose(std::vector<Line>& lines, std::string_view decoded, size_t body_offset,
             Article& article) {
  size_t bytes = 0;
  for (const Line& line : lines) bytes += line.text.size() + 1;
  article.text.reserve(bytes);
  if (body_offset != std::string_view::npos) article.paragraphs.reserve(lines.size());
  for (size_t i = 0; i < lines.size(); ++i) {
    Line& line = lines[i];
    if (i < 3 && article.dateline.empty()) {
      if (Dateline dateline = find_dateline(line.text); !dateline.text.empty()) {
        const std::string rest = line.text.substr(dateline.rest);
        // Where the sentence begins in the body: at its first word after the dateline.
        const std::string_view raw =
            decoded.substr(line.body_begin, line.body_end - line.body_begin);
        const size_t word_size = std::min(rest.find(' '), rest.size());
        const size_t found = raw.find(std::string_view(rest).substr(0, word_size),
                                      std::min(dateline.rest, raw.size()));
        if (found != std::string_view::npos) line.body_begin += static_cast<uint32_t>(found);
        line.text = rest;
        article.dateline = std::move(dateline.text);
      }
    }
    if (!article.text.empty()) article.text += '\n';
    const auto begin = static_cast<uint32_t>(article.text.size());
    article.text += line.text;
    if (body_offset == std::string_view::npos) continue;
    const auto offset = static_cast<uint32_t>(body_offset);
    article.paragraphs.push_back({begin, static_cast<uint32_t>(article.text.size()),
                                  line.body_begin + offset, line.body_end + offset});
  }
}

}  // namespace

InputKind kind_of(std::string_view body, std::string_view content_type) {
  if (says(content_type, "html")) return InputKind::kHtml;
  if (looks_like_html(body)) return InputKind::kHtml;
  if (says(content_type, "markdown")) return InputKind::kMarkdown;
  if (says(content_type, "text/plain")) return InputKind::kText;
  return looks_like_markdown(body) ? InputKind::kMarkdown : InputKind::kText;
}

Article extract(const Submission& submission, const Limits& limits, HtmlTree& tree,
                Explanation* why, const KnownLines* known) {
  Article article;
  article.kind = limits.input == InputKind::kAuto
                     ? kind_of(submission.body, submission.content_type)
                     : limits.input;
  const Decoded decoded =
      decode(submission.body, submission.content_type, article.kind == InputKind::kHtml);
  article.repaired = decoded.repaired;

  std::vector<Line> lines;
  size_t body_offset = std::string_view::npos;
  if (article.kind == InputKind::kHtml) {
    tree.parse(decoded.text, limits.html);
    article.html_nodes = tree.parsed_nodes();
    article.cut = tree.is_cut();
    HtmlMetadata metadata = read_metadata(tree, submission.uri);
    article.title = std::move(metadata.title);
    article.byline = std::move(metadata.byline);
    article.site = bounded(std::move(metadata.site), kSiteBytesMax);
    article.description = bounded(std::move(metadata.description), kDescriptionBytesMax);
    if (metadata.canonical.size() <= kAddressBytesMax)
      article.canonical = std::move(metadata.canonical);
    article.published_us = metadata.published_us.value_or(WM_NO_TIME);
    lines = extract_lines(tree, article.title, why).lines;
    trim_html_lines(lines, article, why);
  } else {
    TextArticle found = article.kind == InputKind::kMarkdown
                            ? extract_markdown(decoded.text, why, known)
                            : extract_text(decoded.text, why, known);
    article.title = std::move(found.title);
    article.byline = std::move(found.byline);
    article.published_us = found.published_us.value_or(WM_NO_TIME);
    lines = std::move(found.lines);
    body_offset = decoded.body_offset;
  }
  compose(lines, decoded.text, body_offset, article);

  if (std::string submitted = tidy(submission.title);
      !submitted.empty() && !is_suffixed_form(submitted, article.title)) {
    article.title = std::move(submitted);
    article.title_is_submitted = true;
  }
  if (submission.published_us != WM_NO_TIME) article.published_us = submission.published_us;
  article.title = bounded(std::move(article.title), kTitleBytesMax);
  article.byline = bounded(std::move(article.byline), kBylineBytesMax);
  return article;
}

bool may_replace(std::string_view text, std::string_view before, const FurnitureShare& share) {
  if (text.empty() || (has_prose(before) && !has_prose(text))) return false;
  if (text.size() >= before.size()) return true;
  const size_t lost_percents = (before.size() - text.size()) * 100;
  const auto first_line = [](std::string_view lines) { return lines.substr(0, lines.find('\n')); };
  if (lost_percents < share.percent_min * before.size() && first_line(text) == first_line(before))
    return false;
  return lost_percents <= share.percent_max * before.size();
}

bool leave_out(const KnownLines& known, const FurnitureShare& share, std::string& text,
               Explanation* why) {
  std::string kept;
  std::vector<std::string_view> left;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = std::string_view(text).substr(at, end - at);
    at = end + 1;
    if (known.holds(line)) {
      left.push_back(line);
      continue;
    }
    if (!kept.empty()) kept += '\n';
    kept += line;
  }
  if (left.empty() || !may_replace(kept, text, share)) return false;
  for (const std::string_view line : left)
    if (why != nullptr) why->add(line, Reason::kMemory);
  text = std::move(kept);
  return true;
}

}  // namespace wiremill::clean
