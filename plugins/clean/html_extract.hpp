// The article's lines of a page. Called by article.cpp for each HTML document. Any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "plugins/clean/explanation.hpp"
#include "plugins/clean/html_tree.hpp"
#include "plugins/clean/lines.hpp"

namespace wiremill::clean {

struct HtmlArticle {
  std::vector<Line> lines;
  uint32_t container = kNoNode;
};

// `title` tells the story from its neighbours where a page holds several; it may be empty. `why`,
// where it is not null, is told which lines stay out.
HtmlArticle extract_lines(const HtmlTree& tree, std::string_view title, Explanation* why);

}  // namespace wiremill::clean
