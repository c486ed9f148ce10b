// See explanation.hpp.
#include "plugins/clean/explanation.hpp"

#include <algorithm>

#include "daemon/text/utf8.hpp"

namespace wiremill::clean {
namespace {

constexpr size_t kLinesMax = 1000;
constexpr size_t kLineBytesMax = 300;

}  // namespace

std::string_view reason_name(Reason reason) {
  switch (reason) {
    case Reason::kOutside: return "outside";
    case Reason::kNamed: return "element";
    case Reason::kComments: return "comments";
    case Reason::kLinks: return "links";
    case Reason::kHeadline: return "headline";
    case Reason::kByline: return "byline";
    case Reason::kDate: return "date";
    case Reason::kFurniture: return "furniture";
    case Reason::kPitch: return "pitch";
    case Reason::kTail: return "tail";
    case Reason::kRepeated: return "repeated";
    case Reason::kContact: return "contact";
    case Reason::kHeading: return "heading";
    case Reason::kMemory: return "memory";
  }
  return "";
}

void Explanation::add(std::string_view line, Reason reason) {
  if (removed_.size() == kLinesMax) {
    ++more_;
    return;
  }
  size_t size = std::min(line.size(), kLineBytesMax);
  while (!text::is_boundary(line, size)) --size;
  removed_.push_back({std::string(line.substr(0, size)), reason});
}

void Explanation::add(const Explanation& other) {
  for (const Removed& removed : other.removed_) add(removed.line, removed.reason);
  more_ += other.more_;
}

std::string Explanation::json() const {
  std::string out = "[";
  for (const Removed& removed : removed_) {
    if (out.size() > 1) out += ',';
    out += "{\"reason\":\"";
    out += reason_name(removed.reason);
    out += "\",\"line\":";
    append_json(removed.line, out);
    out += '}';
  }
  if (more_ > 0) out += ",{\"more\":" + std::to_string(more_) + "}";
  return out + "]";
}

void append_json(std::string_view text, std::string& out) {
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      out.append("\\u00").append({kHex[c >> 4], kHex[c & 15]});
    } else {
      out += c;
    }
  }
  out += '"';
}

}  // namespace wiremill::clean
