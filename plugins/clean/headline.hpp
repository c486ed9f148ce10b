// Which line of a flattened page is its headline. Called by text_mode.cpp once the story is found.
// Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/clean/lines.hpp"
#include "plugins/clean/story_words.hpp"

namespace wiremill::clean {

enum class LineRole : uint8_t { kPlain, kFurniture, kDate, kByline, kTail };

// What is known of a line: besides its role, which line is the first with the same text.
struct LineNote {
  LineRole role = LineRole::kPlain;
  uint32_t first = 0;
};

struct Headline {
  static constexpr size_t kNone = static_cast<size_t>(-1);
  size_t line = kNone;  // may lie inside the story: then the story begins after it
  std::string text;
  std::optional<int64_t> published_us;  // of a date that was fused with it
};

// `text` is what the lines were cut from, `notes` are theirs, line for line. No line where none
// looks like a headline.
Headline find_headline(std::string_view text, const std::vector<Line>& lines,
                       const std::vector<LineNote>& notes, Segment story);

// A line less the sections of a breadcrumb, and less a date with a word or two about it, that were
// fused with a title ("date 2023-04-27 A headline of five words"). The line itself where nothing
// is fused.
struct FusedTitle {
  std::string title;
  std::optional<int64_t> published_us;
};
FusedTitle split_fused(std::string_view line);

}  // namespace wiremill::clean
