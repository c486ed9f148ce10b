// The article's lines of a page. Called by article.cpp for each HTML document. Any thread.
#pragma once

#include <string>
#include <vector>

#include "plugins/clean/html_tree.hpp"
#include "plugins/clean/lines.hpp"

namespace wiremill::clean {

struct HtmlArticle {
  std::vector<Line> lines;
  uint32_t container = kNoNode;
};

HtmlArticle extract_lines(const HtmlTree& tree);

}  // namespace wiremill::clean
