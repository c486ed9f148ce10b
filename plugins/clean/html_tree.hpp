// A page as a flat tree: what MyHTML parsed, without what can hold no text. Made and read by the
// HTML side of the clean stage, one page at a time; each thread has its own.
//
// Nodes stand in document order, a parent before its children, so that sums over subtrees are one
// pass backwards and nothing recurses. Work is bounded: parsing stops at `nodes_max` nodes or
// `depth_max` open elements, and what was read until then is the page.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace wiremill::clean {

// What a node is, as far as cleaning cares.
enum class Tag : uint8_t {
  kText,
  kBreak,
  kInline,
  kLink,
  kBlock,
  kParagraph,
  kHeading1,
  kHeading,
  kListItem,
  kList,
  kQuote,
  kPre,
  kCell,
  kRow,
  kTable,
  kArticle,
  kMain,
  kSection,
  kHeader,
  kFooter,
  kNav,
  kAside,
  kForm,
  kFigure,
  kCaption,
  kTime,
  kMeta,
  kLinkElement,
  kTitle,
  kJsonLd,
  kBody,
  kHidden,
  kControl,
};

struct HtmlAttributes {
  std::string_view class_, id, role, itemprop, property, name, content, datetime, rel, href, style,
      type;
  bool hidden = false;
};

inline constexpr uint32_t kNoNode = std::numeric_limits<uint32_t>::max();

struct HtmlNode {
  Tag tag = Tag::kInline;
  uint32_t parent = kNoNode;
  uint32_t end = 0;  // the subtree is [own index, end)
  uint32_t attributes = kNoNode;
  std::string_view text;  // of kText and kJsonLd
};

struct HtmlLimits {
  size_t nodes_max = 500'000;
  size_t depth_max = 512;
};

class HtmlTree {
 public:
  HtmlTree();
  ~HtmlTree();
  HtmlTree(const HtmlTree&) = delete;
  HtmlTree& operator=(const HtmlTree&) = delete;

  // Replaces what the tree held. `page` is valid UTF-8. Views in nodes live until the next parse.
  void parse(std::string_view page, const HtmlLimits& limits);

  const std::vector<HtmlNode>& nodes() const { return nodes_; }
  const HtmlAttributes& attributes(const HtmlNode& node) const {
    static const HtmlAttributes kNoAttributes;
    return node.attributes == kNoNode ? kNoAttributes : attributes_[node.attributes];
  }
  size_t parsed_nodes() const { return parsed_nodes_; }  // elements and texts MyHTML made
  bool is_cut() const { return is_cut_; }                // a limit ended the parse

  // The text under a node, tidied.
  std::string text_of(uint32_t index) const;

 private:
  struct Parser;
  void flatten();

  std::unique_ptr<Parser> parser_;
  std::vector<HtmlNode> nodes_;
  std::vector<HtmlAttributes> attributes_;
  size_t parsed_nodes_ = 0;
  bool is_cut_ = false;
};

inline bool is_block(Tag tag) {
  switch (tag) {
    case Tag::kText:
    case Tag::kBreak:
    case Tag::kInline:
    case Tag::kLink:
    case Tag::kTime:
    case Tag::kMeta:
    case Tag::kLinkElement: return false;
    default: return true;
  }
}

}  // namespace wiremill::clean
