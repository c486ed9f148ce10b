// From a submitted body to an article: the whole of the clean stage without the plugin's border.
// Called by stage.cpp, the tests, the measuring program and the fuzz target, on any thread.
#pragma once

#include <wiremill/plugin.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/clean/explanation.hpp"
#include "plugins/clean/html_tree.hpp"
#include "plugins/clean/lines.hpp"
#include "plugins/clean/source_memory.hpp"

namespace wiremill::clean {

enum class InputKind : uint8_t { kAuto, kText, kHtml, kMarkdown };

struct Submission {
  std::string_view body{};          // any bytes
  std::string_view content_type{};  // as submitted, or empty
  std::string_view title{};         // as submitted, or empty
  std::string_view uri{};           // the document's address, or empty
  int64_t published_us = WM_NO_TIME;
};

struct Limits {
  InputKind input = InputKind::kAuto;
  HtmlLimits html;
};

// All text is valid UTF-8 in NFC. `text` holds one line for each paragraph, heading or list item,
// trimmed, none empty, parted by one \n.
struct Article {
  std::string title, byline, dateline, text;
  std::string site, description, canonical;  // as a page in HTML states them
  int64_t published_us = WM_NO_TIME;
  std::vector<wm_paragraph> paragraphs;  // only where the body was plain text in UTF-8
  InputKind kind = InputKind::kText;     // as which it was read
  bool title_is_submitted = false;
  bool repaired = false;
  size_t html_nodes = 0;   // what the parser made, at most a chunk's worth over the limit
  bool cut = false;        // a limit ended the parse
  size_t line_visits = 0;  // how often a line of HTML was asked whether it stays: twice each
};

// `tree` is scratch memory, reused from call to call; one thread at a time. `why`,
// where it is not null, is told which lines stayed out of the text. Text and Markdown are read
// without the lines that `known` holds, where it is not null.
Article extract(const Submission& submission, const Limits& limits, HtmlTree& tree,
                Explanation* why = nullptr, const KnownLines* known = nullptr);

// How much of a text may be taken out as its source's furniture, in percent of its bytes. Less stays
// unless it opens the text: a note on rights or sources is often called the article's own.
struct FurnitureShare {
  size_t percent_min = 3, percent_max = 75;
};
// Whether `text` may take the place of `before`, whose known lines are left out of it: it is within
// the bounds, and does not lack all running text where that has some.
bool may_replace(std::string_view text, std::string_view before, const FurnitureShare& share);
// Takes the lines that `known` holds out of an article's text, where what stays may replace it.
// False: nothing was taken out.
bool leave_out(const KnownLines& known, const FurnitureShare& share, std::string& text,
               Explanation* why);

// By the content type, else by what the first bytes look like. Never kAuto.
InputKind kind_of(std::string_view body, std::string_view content_type);

}  // namespace wiremill::clean
