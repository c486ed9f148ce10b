// The article's lines of a flattened page: plain text with the page's furniture left in, or
// Markdown. Called by article.cpp for each document that is not HTML. Any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/clean/explanation.hpp"
#include "plugins/clean/lines.hpp"
#include "plugins/clean/source_memory.hpp"

namespace wiremill::clean {

struct TextArticle {
  std::vector<Line> lines;
  std::string title, byline;
  std::optional<int64_t> published_us;
};

// `text` is valid UTF-8. Linear in the text. `why`, where it is not null, is told which lines stay
// out; those that `known` holds, where that is not null, are out from the beginning.
TextArticle extract_text(std::string_view text, Explanation* why, const KnownLines* known);
TextArticle extract_markdown(std::string_view text, Explanation* why, const KnownLines* known);

// Whether the text is written in Markdown: headings, links and emphasis in its notation.
bool looks_like_markdown(std::string_view text);

}  // namespace wiremill::clean
