// Fuzz target: the clean stage's core (plugins/clean) on any body. The first line of the input is the
// content type, the second the submitted title, the rest the body. What comes out is valid UTF-8 in
// tidy lines, and the paragraphs' spans lie on character boundaries of text and body. The same holds
// where the memory knows every second line of the text: those are gone from it, and the list of what
// was left out is still JSON.
#include "daemon/base/error.hpp"
#include "daemon/document/result_json.hpp"
#include "daemon/text/utf8.hpp"
#include "plugins/clean/article.hpp"

using namespace wiremill;  // NOLINT

namespace {

std::string_view take_first_line(std::string_view& input) {
  const size_t end = std::min(input.find('\n'), input.size());
  const std::string_view line = input.substr(0, end);
  input.remove_prefix(std::min(end + 1, input.size()));
  return line;
}

void expect_lines(std::string_view text) {
  if (text.empty()) return;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    const std::string_view line = text.substr(begin, end - begin);
    WM_INVARIANT(!line.empty() && line == clean::tidy(line));
    begin = end + 1;
  }
}

void expect_sound(const clean::Article& article, std::string_view body) {
  for (const std::string* part : {&article.text, &article.title, &article.byline, &article.dateline,
                                  &article.site, &article.description, &article.canonical})
    WM_INVARIANT(text::is_valid(*part));
  expect_lines(article.text);
  for (const wm_paragraph& span : article.paragraphs) {
    WM_INVARIANT(span.begin <= span.end && text::is_boundary(article.text, span.begin));
    WM_INVARIANT(text::is_boundary(article.text, span.end));
    WM_INVARIANT(span.body_begin <= span.body_end && text::is_boundary(body, span.body_begin));
    WM_INVARIANT(text::is_boundary(body, span.body_end));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static clean::HtmlTree tree;
  std::string_view body(reinterpret_cast<const char*>(data), size);
  const std::string content_type = text::repair(take_first_line(body));
  const std::string title = text::repair(take_first_line(body));
  const clean::Limits limits{.input = clean::InputKind::kAuto,
                             .html = {.nodes_max = 5000, .depth_max = 64}};
  const clean::Submission submission{.body = body,
                                     .content_type = content_type,
                                     .title = title,
                                     .uri = title,
                                     .published_us = WM_NO_TIME};
  const clean::Article article = clean::extract(submission, limits, tree);
  expect_sound(article, body);

  const clean::NotedLines noted = clean::note_lines(article.text, article.title, "id", 1);
  std::string bytes;
  clean::append(noted, bytes);
  std::string_view rest = bytes;
  WM_INVARIANT(clean::read_noted(rest).lines == noted.lines && rest.empty());
  clean::KnownLines known{1, {}};
  for (size_t i = 0; i < noted.lines.size(); i += 2) known.hashes.push_back(noted.lines[i]);
  clean::Explanation why;
  expect_sound(clean::extract(submission, limits, tree, &why, &known), body);
  std::string left = article.text;
  if (clean::leave_out(known, {}, left, &why)) {
    WM_INVARIANT(!left.empty());
    expect_lines(left);
  }
  WM_INVARIANT(is_json_value(why.json()));
  return 0;
}
