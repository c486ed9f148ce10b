// The words of a story that carry meaning, and how much of another line is found again in them.
// Made by headline.cpp for each flattened page. Constant after construction; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "plugins/clean/lines.hpp"

namespace wiremill::clean {

// Where the story stands among the lines.
struct Segment {
  size_t begin = 0, end = 0;
  float sum = 0;
};

// How much of a line's words the story holds; a word in every second sentence counts half.
struct Overlap {
  float share = 0, lead_share = 0;  // of the line's words; those in the story's opening
  float found = 0;                  // how many
};

// Words of four letters and more, cut to stems, and figures; of wide scripts every two characters in
// a row. Takes memory and time by the story's size.
class StoryWords {
 public:
  // Of the prose among the story's lines.
  StoryWords(const std::vector<Line>& lines, Segment story);

  // `own` where the line itself is one of the story's.
  Overlap with(std::string_view line, bool own) const;

 private:
  // A word as a number: its first letters, lowered. ASCII stems are their own bytes, the lowest
  // first; the letters of others are mixed into one.
  using WordKey = uint64_t;
  struct Counted {
    WordKey word;
    uint32_t times;  // 0: the slot is free
    bool in_lead;
  };
  // The slot of a word, or the free one that it would take.
  size_t slot_of(WordKey word) const;

  std::vector<Counted> slots_;  // a power of two, at most half of them taken
  size_t total_ = 0;
};

}  // namespace wiremill::clean
