// The charset of a submitted body, and the body in UTF-8. Called once per document. Any thread.
#pragma once

#include <string>
#include <string_view>

namespace wiremill::clean {

struct Decoded {
  std::string text;       // valid UTF-8 without NUL and without a byte order mark
  std::string charset;    // what it was read as, in ICU's or WHATWG's spelling, lower case
  bool repaired = false;  // something could not be decoded and became U+FFFD
  // Where `text` is byte for byte the body from this offset on; npos where it was converted.
  size_t body_offset = std::string_view::npos;
};

// In this order: a byte order mark, the charset in `content_type`, the page's own <meta> where
// `is_html`, zeros at every second byte (UTF-16), valid UTF-8, a guess by uchardet. A declared
// charset that cannot be true (UTF-8 that is not, an unknown name) is passed over.
Decoded decode(std::string_view body, std::string_view content_type, bool is_html);

}  // namespace wiremill::clean
