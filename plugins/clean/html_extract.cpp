// The article's lines of a page: see html_extract.hpp.
//
// A page is cut into blocks: runs of text without a block element's border inside. Each block gets
// a weight: prose (long, punctuated, few links) counts for its length, short or linked text against
// it. Elements that are called furniture (nav, footer, aside, class="share-bar") are left out,
// unless they hold most of the page's prose, in which case the name is wrong. Then the weights are
// summed upwards, a child that would lower its parent's sum being dropped at a small price; the
// container is found by going down from the root as long as one child keeps nearly all of the sum.
// So an article spread over several siblings stays whole, and a sidebar beside it does not come
// along. If what remains is much less than the page's prose, the names are ignored and it is done
// once more (lax).
#include "plugins/clean/html_extract.hpp"

#include <algorithm>
#include <cmath>

#include "plugins/clean/furniture.hpp"

namespace wiremill::clean {
namespace {

struct Block {
  Line line;
  uint32_t node = 0;  // the block element it stands in
  uint32_t first_node = 0;
  float weight = 0;
};

constexpr float kDropPrice = 15;     // for leaving a child out of a container
constexpr float kKeepShare = 0.72F;  // a child with this share of the sum replaces its parent
constexpr float kClaimedKeepShare = 0.97F;
constexpr size_t kLeadsMax = 3;
constexpr float kStoryLetters = 400;  // prose enough to be the story under the page's headline
constexpr float kLinkedShare = 0.3F;  // of its letters: more links than that make a list of links
constexpr size_t kLineBytesMax = 1 << 20;  // a longer run of texts makes several blocks

float weight_of(const Line& line) {
  const auto length = static_cast<float>(std::min<uint32_t>(line.shape.length, 2000));
  if (is_prose(line)) {
    const float full = length * (1 - line.link_share);
    return line.kind == LineKind::kParagraph ? full : full * 0.8F;
  }
  if (line.kind == LineKind::kHeading) return line.link_share > 0.5F ? -15.0F : -2.0F;
  if (line.link_share > 0.5F) return -8 - 0.3F * std::min(length, 100.0F);
  if (line.shape.ends_sentence) return 0.3F * length;
  return line.shape.length < 30 ? -6.0F : -2.0F;
}

// Cuts the page into blocks.
class BlockMaker {
 public:
  explicit BlockMaker(const HtmlTree& tree) : nodes_(tree.nodes()) {}

  std::vector<Block> make() {
    std::vector<uint32_t> open;
    uint32_t link_end = 0;
    for (uint32_t i = 0; i < nodes_.size(); ++i) {
      const HtmlNode& node = nodes_[i];
      while (!open.empty() && nodes_[open.back()].end <= i) {
        finish();
        open.pop_back();
      }
      if (node.tag == Tag::kTitle || node.tag == Tag::kJsonLd || node.tag == Tag::kMeta) {
        i = node.end - 1;
        continue;
      }
      if (node.tag == Tag::kBreak) {
        break_line();
      } else if (is_block(node.tag)) {
        finish();
        open.push_back(i);
      } else if (node.tag == Tag::kLink) {
        link_end = std::max(link_end, node.end);
      } else if (node.tag == Tag::kText && !open.empty()) {
        if (text_.empty()) {
          owner_ = open.back();
          first_node_ = i;
          pre_ = false;
          for (size_t up = open.size(); up-- > 0 && !pre_;)
            pre_ = nodes_[open[up]].tag == Tag::kPre;
        }
        add(node.text, i < link_end);
      }
    }
    finish();
    return std::move(blocks_);
  }

 private:
  void add(std::string_view text, bool in_link) {
    if (text_.size() + text.size() > kLineBytesMax) finish_keeping_owner();
    if (pre_) {
      for (size_t at = 0; at <= text.size();) {
        const size_t end = std::min(text.find('\n', at), text.size());
        text_ += text.substr(at, end - at);
        if (in_link) link_bytes_ += end - at;
        if (end < text.size()) finish_keeping_owner();
        at = end + 1;
      }
      return;
    }
    text_ += text;
    const bool blank = std::all_of(text.begin(), text.end(),
                                   [](char c) { return is_space(static_cast<unsigned char>(c)); });
    if (!blank) after_break_ = false;
    if (in_link && !blank) link_bytes_ += text.size();
  }

  // One <br> after a full sentence, or two in a row, part paragraphs; otherwise it is a blank.
  void break_line() {
    const size_t last = text_.find_last_not_of(" \t\r\n");
    const bool after_sentence =
        last != std::string::npos &&
        std::string_view(".!?:\"").find(text_[last]) != std::string_view::npos;
    if (after_break_ || after_sentence) {
      finish_keeping_owner();
    } else {
      text_ += ' ';
      after_break_ = true;
    }
  }

  void finish_keeping_owner() {
    const uint32_t owner = owner_, first = first_node_;
    const bool pre = pre_;
    finish();
    owner_ = owner;
    first_node_ = first;
    pre_ = pre;
    text_ = " ";
  }

  void finish() {
    Block block;
    block.line.text = tidy(text_);
    if (!block.line.text.empty() && owner_ != kNoNode) {
      block.line.shape = shape_of(block.line.text);
      block.line.link_share = std::min(
          1.0F, static_cast<float>(link_bytes_) / static_cast<float>(block.line.text.size()));
      block.line.kind = kind_of(owner_);
      block.node = owner_;
      block.first_node = first_node_;
      block.weight = weight_of(block.line);
      blocks_.push_back(std::move(block));
    }
    text_.clear();
    link_bytes_ = 0;
    after_break_ = false;
  }

  LineKind kind_of(uint32_t owner) const {
    switch (nodes_[owner].tag) {
      case Tag::kParagraph:
      case Tag::kQuote: return LineKind::kParagraph;
      case Tag::kHeading1:
      case Tag::kHeading: return LineKind::kHeading;
      case Tag::kListItem: return LineKind::kListItem;
      default: return LineKind::kOther;
    }
  }

  const std::vector<HtmlNode>& nodes_;
  std::vector<Block> blocks_;
  std::string text_;
  size_t link_bytes_ = 0;
  uint32_t owner_ = kNoNode, first_node_ = 0;
  bool pre_ = false, after_break_ = false;
};

enum class Strictness : uint8_t { kStrict, kLax };

// Whether a node is left out by its name, and as what.
constexpr uint8_t kExcluded = 1, kExcludedComments = 2;

class Chooser {
 public:
  Chooser(const HtmlTree& tree, const std::vector<Block>& blocks, std::string_view title)
      : tree_(tree), nodes_(tree.nodes()), blocks_(blocks) {
    const std::string wanted = fold(title);
    for (const Block& block : blocks_) {
      if (block.line.kind != LineKind::kHeading) continue;
      if (first_heading_ == kNoNode && nodes_[block.node].tag == Tag::kHeading1)
        first_heading_ = block.node;
      if (wanted.empty() || fold(block.line.text) != wanted) continue;
      headline_ = block.node;
      break;
    }
    prose_.assign(nodes_.size(), 0);
    letters_.assign(nodes_.size(), 0);
    linked_.assign(nodes_.size(), 0);
    quotes_.assign(nodes_.size(), 0);
    for (const Block& block : blocks_) {
      const auto letters = static_cast<float>(block.line.shape.length);
      letters_[block.node] += letters;
      linked_[block.node] += letters * block.line.link_share;
      if (is_prose(block.line)) prose_[block.node] += letters;
    }
    for (size_t i = nodes_.size(); i-- > 1;) {
      if (nodes_[i].tag == Tag::kQuote || nodes_[i].tag == Tag::kPre) ++quotes_[i];
      const uint32_t parent = nodes_[i].parent;
      if (parent == kNoNode) continue;
      prose_[parent] += prose_[i];
      letters_[parent] += letters_[i];
      linked_[parent] += linked_[i];
      quotes_[parent] += quotes_[i];
    }
  }

  float prose() const { return prose_.empty() ? 0 : prose_[0]; }

  HtmlArticle choose(Strictness strictness, Explanation* why) {
    mark_excluded(strictness);
    sum_up();
    HtmlArticle article;
    article.container = descend();
    collect(article, why);
    return article;
  }

 private:
  // Whether the element is called furniture by its tag, role, class or id.
  bool is_called_furniture(uint32_t index, Strictness strictness, bool& comments) const {
    const HtmlNode& node = nodes_[index];
    comments = false;
    switch (node.tag) {
      case Tag::kNav:
      case Tag::kHidden:
      case Tag::kControl:
      case Tag::kCaption:
      case Tag::kFooter:
      case Tag::kAside:
      case Tag::kFigure: return true;
      case Tag::kHeader:
      case Tag::kForm: return strictness == Strictness::kStrict;
      case Tag::kBody:
      case Tag::kText: return false;
      default: break;
    }
    if (node.attributes == kNoNode || node.parent == kNoNode) return false;
    const HtmlAttributes& attributes = tree_.attributes(node);
    for (const std::string_view role : {"navigation", "banner", "complementary", "contentinfo",
                                        "dialog", "alert", "search", "menu", "menubar", "button"})
      if (attributes.role == role) return true;
    const Hint hint = hint_of(attributes.class_, attributes.id);
    comments = hint == Hint::kComments;
    if (comments) return true;
    // A lead that is linked is the teaser of another story.
    if (hint == Hint::kLead && strictness == Strictness::kStrict)
      return linked_[index] > 0.2F * letters_[index];
    // A post quoted from elsewhere stands in a box that is called social.
    return hint == Hint::kFurniture && strictness == Strictness::kStrict &&
           (quotes_[index] == 0 || node.tag == Tag::kList);
  }

  void mark_excluded(Strictness strictness) {
    excluded_.assign(nodes_.size(), 0);
    const float total = prose();
    for (uint32_t i = 0; i < nodes_.size(); ++i) {
      bool comments = false;
      if (nodes_[i].tag == Tag::kText || !is_called_furniture(i, strictness, comments)) continue;
      // A name is not believed where it would take most of the page's prose away.
      const float left = total - prose_[i];
      const bool believed = comments ? left >= 400 || left >= 0.4F * total
                                     : prose_[i] <= 0.4F * total || prose_[i] < 80;
      if (!believed) continue;
      std::fill(excluded_.begin() + i, excluded_.begin() + nodes_[i].end,
                comments ? kExcludedComments : kExcluded);
      i = nodes_[i].end - 1;
    }
  }

  void sum_up() {
    sum_.assign(nodes_.size(), 0);
    for (const Block& block : blocks_)
      if (!excluded_[block.first_node]) sum_[block.node] += block.weight;
    for (size_t i = nodes_.size(); i-- > 1;) {
      if (nodes_[i].parent == kNoNode || nodes_[i].tag == Tag::kText) continue;
      sum_[nodes_[i].parent] += std::max(sum_[i], -kDropPrice);
    }
  }

  // A factor by which what an element says it is counts.
  float claim(uint32_t index) const {
    const HtmlNode& node = nodes_[index];
    const HtmlAttributes& attributes = tree_.attributes(node);
    if (attributes.itemprop == "articleBody") return 1.6F;
    if (node.tag == Tag::kArticle || node.tag == Tag::kMain || attributes.role == "main" ||
        attributes.role == "article")
      return 1.15F;
    if (hint_of(attributes.class_, attributes.id) == Hint::kContent) return 1.25F;
    return 1;
  }

  // Whether the block, or one of the two elements around it, is called a lead.
  bool is_called_lead(uint32_t index) const {
    for (int up = 0; up < 3 && index != kNoNode; ++up, index = nodes_[index].parent) {
      const HtmlAttributes& attributes = tree_.attributes(nodes_[index]);
      if (hint_of(attributes.class_, attributes.id) == Hint::kLead) return true;
    }
    return false;
  }

  uint32_t descend() const {
    uint32_t at = 0;
    for (;;) {
      uint32_t best = kNoNode;
      float best_sum = 0;
      uint32_t titled = kNoNode;  // an <article> that holds the headline
      for (uint32_t child = at + 1; child < nodes_[at].end; child = nodes_[child].end) {
        if (nodes_[child].tag == Tag::kText || excluded_[child]) continue;
        const float sum = sum_[child] * claim(child);
        if (sum > best_sum) best_sum = sum, best = child;
        if (nodes_[child].tag == Tag::kArticle && child < headline_ &&
            headline_ < nodes_[child].end && sum_[child] > kStoryLetters)
          titled = child;
      }
      // Several stories on one page: the one under the page's own headline.
      if (titled != kNoNode) {
        at = titled;
        continue;
      }
      // What calls itself the story's body is left only for a child that holds all of it.
      const float keep = claim(at) > 1.2F ? kClaimedKeepShare : kKeepShare;
      if (best == kNoNode || best_sum < keep * sum_[at]) return at;
      // A single paragraph is no container.
      if (nodes_[best].tag == Tag::kParagraph || nodes_[best].tag == Tag::kListItem) return at;
      at = best;
    }
  }

  // Text that stays: prose, and what is short but stands among prose as a paragraph, heading or
  // item. Elements whose sum is negative and that hold mostly links go.
  void collect(HtmlArticle& article, Explanation* why) const {
    if (article.container >= nodes_.size()) return;
    const uint32_t begin = article.container, end = nodes_[begin].end;
    std::vector<uint8_t> dropped(end - begin, 0);
    for (uint32_t i = begin + 1; i < end; ++i) {
      if (excluded_[i]) continue;
      const Tag tag = nodes_[i].tag;
      if (!is_block(tag) || tag == Tag::kHeading || tag == Tag::kHeading1 || tag == Tag::kParagraph)
        continue;
      if (sum_[i] < -kDropPrice && linked_[i] > kLinkedShare * letters_[i]) {
        std::fill(dropped.begin() + (i - begin), dropped.begin() + (nodes_[i].end - begin),
                  uint8_t{1});
        i = nodes_[i].end - 1;
      }
    }
    const uint32_t heading = headline_ != kNoNode ? headline_ : first_heading_;
    size_t leads = 0;
    for (const Block& block : blocks_) {
      const uint32_t node = block.first_node;
      // A lead paragraph between the headline and the story's container.
      if (heading < node && node < begin && !excluded_[node] && is_prose(block.line) &&
          block.line.link_share < 0.2F && leads < kLeadsMax && is_called_lead(block.node)) {
        article.lines.push_back(block.line);
        ++leads;
        continue;
      }
      const Line& line = block.line;
      const bool is_inside = node >= begin && node < end;
      const bool is_link =
          line.link_share > 0.75F && line.kind != LineKind::kHeading && !line.shape.ends_sentence;
      if (is_inside && !excluded_[node] && !dropped[node - begin] && !is_link)
        article.lines.push_back(line);
      else if (why != nullptr)
        why->add(line.text, excluded_[node] == kExcludedComments ? Reason::kComments
                            : excluded_[node] == kExcluded       ? Reason::kNamed
                            : is_inside                          ? Reason::kLinks
                                                                 : Reason::kOutside);
    }
  }

  const HtmlTree& tree_;
  const std::vector<HtmlNode>& nodes_;
  const std::vector<Block>& blocks_;
  uint32_t headline_ = kNoNode;       // the heading that says the page's title
  uint32_t first_heading_ = kNoNode;  // of level one, up to that
  // By node, of what stands under it.
  std::vector<float> prose_, letters_, linked_;
  std::vector<uint32_t> quotes_;
  std::vector<float> sum_;
  std::vector<uint8_t> excluded_;
};

float letters_of(const HtmlArticle& article) {
  float letters = 0;
  for (const Line& line : article.lines) letters += static_cast<float>(line.shape.length);
  return letters;
}

}  // namespace

HtmlArticle extract_lines(const HtmlTree& tree, std::string_view title, Explanation* why) {
  if (tree.nodes().empty()) return {};
  const std::vector<Block> blocks = BlockMaker(tree).make();
  Chooser chooser(tree, blocks, title);
  HtmlArticle strict = chooser.choose(Strictness::kStrict, why);
  const float letters = letters_of(strict);
  if (letters >= 500 || letters >= 0.5F * chooser.prose()) return strict;
  Explanation lax_why;
  HtmlArticle lax = chooser.choose(Strictness::kLax, why == nullptr ? nullptr : &lax_why);
  if (letters_of(lax) <= 2 * letters) return strict;
  if (why != nullptr) *why = std::move(lax_why);
  return lax;
}

}  // namespace wiremill::clean
