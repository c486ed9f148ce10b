// Markdown as lines. Called by the text mode. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/clean/lines.hpp"

namespace wiremill::clean {

struct MarkdownDocument {
  std::vector<Line> lines;    // without notation; a paragraph is one line
  std::string title, byline;  // of the front matter, else the first heading of level one
  std::optional<int64_t> published_us;
};

// `text` is valid UTF-8. Reads headings, lists, quotations, links, images, emphasis, code, rules
// and a YAML front matter; what it does not know stays as text.
MarkdownDocument read_markdown(std::string_view text);

}  // namespace wiremill::clean
