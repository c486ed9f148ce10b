// Which lines of a document were left out of its text, and why: what `wiremill run --explain`
// shows. Filled by the extractors where somebody asked (a null pointer elsewhere, at no cost), then
// by the stage's memory. One document's, one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace wiremill::clean {

enum class Reason : uint8_t {
  kOutside,    // not in the part of the page that holds the story
  kNamed,      // in an element that is called furniture: nav, footer, class="share-bar"
  kComments,   // in an element that is called readers' comments
  kLinks,      // mostly links, or a run of short lines
  kHeadline,   // the headline again, or a line above it
  kByline,     // who wrote it
  kDate,       // when it was published
  kFurniture,  // says what furniture says: "Share:", "Read more"
  kPitch,      // the page speaks of itself
  kTail,       // behind a line that opens the page's tail
  kRepeated,   // stands on the page more than once
  kContact,    // how to reach the writer
  kHeading,    // a heading with nothing under it
  kMemory,     // stood in several documents of the source
};

// The lower-case word for it.
std::string_view reason_name(Reason reason);

class Explanation {
 public:
  void add(std::string_view line, Reason reason);
  void add(const Explanation& other);
  // [{"reason":"links","line":"Home"},…]: valid JSON for lines in valid UTF-8. Lines are cut to 300
  // bytes, and the list to 1,000 lines, the last entry then telling how many more there were.
  std::string json() const;

 private:
  struct Removed {
    std::string line;
    Reason reason;
  };
  std::vector<Removed> removed_;
  size_t more_ = 0;
};

// Appends `text` as a JSON string. `text` is valid UTF-8.
void append_json(std::string_view text, std::string& out);

}  // namespace wiremill::clean
