// Markdown as lines; see markdown.hpp. Not a full parser: only what tells text from notation.
#include "plugins/clean/markdown.hpp"

#include <algorithm>

#include "plugins/clean/dates.hpp"
#include "plugins/clean/text_mode.hpp"

namespace wiremill::clean {
namespace {

// Link texts without their targets, images gone, emphasis marks gone.
struct Inline {
  std::string text;
  size_t link_bytes = 0;
};

// Where a mark stands next, for questions that only go forward: all of them cost one walk.
class NextMark {
 public:
  NextMark(std::string_view text, std::string_view mark) : text_(text), mark_(mark) {}

  size_t from(size_t at) {
    if (!is_sought_ || found_ < at) found_ = text_.find(mark_, at);
    is_sought_ = true;
    return found_;
  }

 private:
  std::string_view text_, mark_;
  size_t found_ = 0;
  bool is_sought_ = false;
};

Inline strip_inline(std::string_view text) {
  Inline out;
  NextMark image_turn(text, "]("), image_end(text, ")");
  NextMark link_turn(text, "]"), link_end(text, ")"), label_end(text, "]");
  size_t link_begin = std::string::npos;
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    const char next = at + 1 < text.size() ? text[at + 1] : '\0';
    if (c == '\\' && next != '\0' &&
        std::string_view("\\`*_{}[]()#+-.!|>").find(next) != std::string_view::npos) {
      out.text += next;
      ++at;
    } else if (c == '!' && next == '[') {
      const size_t close = image_turn.from(at);
      const size_t end = close == std::string_view::npos ? close : image_end.from(close);
      if (end == std::string_view::npos)
        out.text += c;
      else
        at = end;
    } else if (c == '[') {
      const size_t close = link_turn.from(at);
      const bool is_link = close != std::string_view::npos && close + 1 < text.size() &&
                           (text[close + 1] == '(' || text[close + 1] == '[');
      if (is_link)
        link_begin = out.text.size();
      else
        out.text += c;
    } else if (c == ']' && link_begin != std::string::npos) {
      const char opener = next;
      const size_t end = (opener == '(' ? link_end : label_end).from(at + 2);
      out.link_bytes += out.text.size() - link_begin;
      link_begin = std::string::npos;
      if (end != std::string_view::npos) at = end;
    } else if (c == '`' || c == '*') {
      continue;
    } else if (c == '_') {
      // snake_case keeps its marks; emphasis stands at a word's edge.
      const bool inner = at > 0 && text[at - 1] != ' ' && text[at - 1] != '_' && next != ' ' &&
                         next != '_' && next != '\0' &&
                         std::isalnum(static_cast<unsigned char>(next)) &&
                         std::isalnum(static_cast<unsigned char>(text[at - 1]));
      if (inner) out.text += c;
    } else {
      out.text += c;
    }
  }
  out.text = tidy(out.text);
  return out;
}

bool is_rule(std::string_view line, std::string_view marks) {
  if (line.size() < 3 || marks.find(line[0]) == std::string_view::npos) return false;
  return std::all_of(line.begin(), line.end(), [&](char c) { return c == line[0] || c == ' '; });
}

// The size of a list marker ("- ", "* ", "12. "), or 0.
size_t marker_size(std::string_view line) {
  if (line.size() > 1 && std::string_view("-*+").find(line[0]) != std::string_view::npos &&
      line[1] == ' ')
    return 2;
  size_t digits = 0;
  while (digits < line.size() && digits < 4 && line[digits] >= '0' && line[digits] <= '9') ++digits;
  if (digits > 0 && line.substr(digits).starts_with(". ")) return digits + 2;
  return 0;
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  MarkdownDocument read() {
    front_matter();
    bool fenced = false;
    while (at_ < text_.size()) {
      const std::string_view line = next_line();
      if (line.starts_with("```") || line.starts_with("~~~")) {
        flush();
        fenced = !fenced;
      } else if (fenced) {
        take(line, LineKind::kOther);
        flush();
      } else {
        plain(line);
      }
    }
    flush();
    return std::move(document_);
  }

 private:
  std::string_view next_line() { return take_line(text_, at_); }

  void front_matter() {
    if (!text_.starts_with("---\n") && !text_.starts_with("---\r\n")) return;
    const size_t end = text_.find("\n---", 3);
    if (end == std::string_view::npos || end > 8192) return;
    next_line();
    while (at_ <= end) {
      const std::string_view line = next_line();
      const size_t colon = line.find(':');
      if (colon == std::string_view::npos) continue;
      const std::string key = lower_ascii(trimmed(line.substr(0, colon)));
      std::string_view value = trimmed(line.substr(colon + 1));
      while (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') &&
             value.back() == value.front())
        value = value.substr(1, value.size() - 2);
      if (key == "title")
        document_.title = tidy(value);
      else if (key == "author")
        document_.byline = tidy(value);
      else if (key == "date") {
        if (const auto date = find_date(value)) document_.published_us = date->at_us;
      }
    }
    next_line();
  }

  void plain(std::string_view line) {
    while (line.starts_with('>')) line = trimmed(line.substr(1));
    if (line.empty()) {
      flush();
      return;
    }
    if (is_rule(line, "=-") && !pending_.empty() && kind_ == LineKind::kOther) {
      kind_ = LineKind::kHeading;  // "Title" underlined
      level_ = line[0] == '=' ? 1 : 2;
      flush();
      return;
    }
    if (is_rule(line, "-*_")) {
      flush();
      return;
    }
    if (line[0] == '#') {
      const size_t level = std::min(line.find_first_not_of('#'), line.size());
      if (level <= 6 && level < line.size() && line[level] == ' ') {
        flush();
        std::string_view heading = trimmed(line.substr(level));
        while (heading.ends_with('#')) heading = trimmed(heading.substr(0, heading.size() - 1));
        level_ = level;
        take(heading, LineKind::kHeading);
        flush();
        return;
      }
    }
    if (const size_t marker = marker_size(line); marker > 0) {
      flush();
      take(trimmed(line.substr(marker)), LineKind::kListItem);
      return;
    }
    if (line.starts_with('[') && line.find("]: ") != std::string_view::npos) return;
    take(line, pending_.empty() ? LineKind::kOther : kind_);
  }

  void take(std::string_view line, LineKind kind) {
    if (pending_.empty()) {
      begin_ = static_cast<size_t>(line.data() - text_.data());
      kind_ = kind;
    } else {
      pending_ += ' ';
    }
    pending_ += line;
    end_ = static_cast<size_t>(line.data() - text_.data()) + line.size();
  }

  void flush() {
    if (pending_.empty()) return;
    Inline stripped = strip_inline(pending_);
    pending_.clear();
    if (stripped.text.empty()) return;
    if (kind_ == LineKind::kHeading && level_ == 1 && document_.title.empty()) {
      document_.title = std::move(stripped.text);
      return;
    }
    Line line;
    line.shape = shape_of(stripped.text);
    line.link_share = static_cast<float>(std::min(stripped.link_bytes, stripped.text.size())) /
                      static_cast<float>(stripped.text.size());
    line.text = std::move(stripped.text);
    line.kind = kind_;
    line.body_begin = static_cast<uint32_t>(begin_);
    line.body_end = static_cast<uint32_t>(end_);
    document_.lines.push_back(std::move(line));
  }

  std::string_view text_;
  size_t at_ = 0, begin_ = 0, end_ = 0, level_ = 0;
  std::string pending_;
  LineKind kind_ = LineKind::kOther;
  MarkdownDocument document_;
};

}  // namespace

MarkdownDocument read_markdown(std::string_view text) { return Reader(text).read(); }

bool looks_like_markdown(std::string_view text) {
  const std::string_view head = text.substr(0, 16 * 1024);
  size_t signs = 0;
  for (size_t at = 0; at < head.size() && signs < 2;) {
    const size_t end = std::min(head.find('\n', at), head.size());
    const std::string_view line = head.substr(at, end - at);
    at = end + 1;
    const size_t level = line.find_first_not_of('#');
    if (level != std::string_view::npos && level > 0 && level <= 6 && line[level] == ' ') ++signs;
    if (line.find("](http") != std::string_view::npos || line.find("](/") != std::string_view::npos)
      ++signs;
    if (is_rule(trimmed(line), "=") && at > 4) ++signs;
  }
  return signs >= 2 || head.starts_with("# ");
}

}  // namespace wiremill::clean
