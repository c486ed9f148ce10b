// A page as a flat tree: see html_tree.hpp.
//
// MyHTML is fast (about 240 MB/s) but quadratic in nesting depth: 100,000 nested <div> take it 26
// s. So it is fed in chunks of kChunkTags tags and asked after each how many elements are open; at
// `depth_max` no more is fed. A callback counts the nodes. One chunk can add at most about 2,000 of
// either, so the limits hold to within a chunk.
//
// A third of a page is scripts and styles, which nobody reads. A chunk ends behind the tag that
// opens one; where the parser then says that it is inside, what holds no "</" or "<!" cannot get it
// out, and is not fed. The tree is the same, less the text of those elements.
#include "plugins/clean/html_tree.hpp"

#include <myhtml/myhtml.h>

#include <algorithm>
#include <new>

#include "plugins/clean/lines.hpp"

namespace wiremill::clean {
namespace {

constexpr size_t kChunkTags = 1000;
constexpr size_t kKeptPageBytes = 1 << 20;  // after a larger page the parser's memory is given back

struct Budget {
  size_t nodes = 0;
};

void count_node(myhtml_tree_t*, myhtml_tree_node_t*, void* context) {
  ++static_cast<Budget*>(context)->nodes;
}

Tag tag_of(myhtml_tag_id_t id) {
  switch (id) {
    case MyHTML_TAG__TEXT: return Tag::kText;
    case MyHTML_TAG_BR: return Tag::kBreak;
    case MyHTML_TAG_A: return Tag::kLink;
    case MyHTML_TAG_P: return Tag::kParagraph;
    case MyHTML_TAG_H1: return Tag::kHeading1;
    case MyHTML_TAG_H2:
    case MyHTML_TAG_H3:
    case MyHTML_TAG_H4:
    case MyHTML_TAG_H5:
    case MyHTML_TAG_H6: return Tag::kHeading;
    case MyHTML_TAG_LI:
    case MyHTML_TAG_DT:
    case MyHTML_TAG_DD: return Tag::kListItem;
    case MyHTML_TAG_UL:
    case MyHTML_TAG_OL:
    case MyHTML_TAG_DL: return Tag::kList;
    case MyHTML_TAG_BLOCKQUOTE: return Tag::kQuote;
    case MyHTML_TAG_PRE: return Tag::kPre;
    case MyHTML_TAG_TD:
    case MyHTML_TAG_TH: return Tag::kCell;
    case MyHTML_TAG_TR: return Tag::kRow;
    case MyHTML_TAG_TABLE: return Tag::kTable;
    case MyHTML_TAG_ARTICLE: return Tag::kArticle;
    case MyHTML_TAG_MAIN: return Tag::kMain;
    case MyHTML_TAG_SECTION: return Tag::kSection;
    case MyHTML_TAG_HEADER:
    case MyHTML_TAG_HGROUP: return Tag::kHeader;
    case MyHTML_TAG_FOOTER: return Tag::kFooter;
    case MyHTML_TAG_NAV:
    case MyHTML_TAG_MENU: return Tag::kNav;
    case MyHTML_TAG_ASIDE: return Tag::kAside;
    case MyHTML_TAG_FORM: return Tag::kForm;
    case MyHTML_TAG_FIGURE: return Tag::kFigure;
    case MyHTML_TAG_FIGCAPTION:
    case MyHTML_TAG_CAPTION: return Tag::kCaption;
    case MyHTML_TAG_TIME: return Tag::kTime;
    case MyHTML_TAG_META: return Tag::kMeta;
    case MyHTML_TAG_LINK: return Tag::kLinkElement;
    case MyHTML_TAG_TITLE: return Tag::kTitle;
    case MyHTML_TAG_BODY: return Tag::kBody;
    case MyHTML_TAG_BUTTON:
    case MyHTML_TAG_SELECT:
    case MyHTML_TAG_TEXTAREA:
    case MyHTML_TAG_LABEL:
    case MyHTML_TAG_LEGEND:
    case MyHTML_TAG_DIALOG: return Tag::kControl;
    case MyHTML_TAG_HTML:
    case MyHTML_TAG_HEAD:
    case MyHTML_TAG_DIV:
    case MyHTML_TAG_ADDRESS:
    case MyHTML_TAG_DETAILS:
    case MyHTML_TAG_SUMMARY:
    case MyHTML_TAG_FIELDSET:
    case MyHTML_TAG_CENTER:
    case MyHTML_TAG_TBODY:
    case MyHTML_TAG_THEAD:
    case MyHTML_TAG_TFOOT:
    case MyHTML_TAG_HR: return Tag::kBlock;
    default: return Tag::kInline;
  }
}

// Elements whose content is never the article's text.
bool holds_no_text(myhtml_tag_id_t id) {
  switch (id) {
    case MyHTML_TAG__COMMENT:
    case MyHTML_TAG_STYLE:
    case MyHTML_TAG_NOSCRIPT:
    case MyHTML_TAG_TEMPLATE:
    case MyHTML_TAG_IFRAME:
    case MyHTML_TAG_OBJECT:
    case MyHTML_TAG_EMBED:
    case MyHTML_TAG_APPLET:
    case MyHTML_TAG_CANVAS:
    case MyHTML_TAG_AUDIO:
    case MyHTML_TAG_VIDEO:
    case MyHTML_TAG_IMG:
    case MyHTML_TAG_INPUT:
    case MyHTML_TAG_OPTION:
    case MyHTML_TAG_DATALIST:
    case MyHTML_TAG_NOFRAMES:
    case MyHTML_TAG_SVG:
    case MyHTML_TAG_MATH: return true;
    default: return false;
  }
}

bool is_hiding(std::string_view style) {
  std::string packed;
  for (const char c : style.substr(0, 512))
    if (!is_space(static_cast<unsigned char>(c))) packed.push_back(c);
  packed = lower_ascii(packed);
  return packed.find("display:none") != std::string::npos ||
         packed.find("visibility:hidden") != std::string::npos;
}

// Where the next chunk begins that ends `tags` tags further on, or behind the tag that opens a script
// or a style.
struct Chunk {
  size_t end = 0;
  bool opens_raw = false;  // perhaps; whether it does the parser knows
};

Chunk next_chunk(std::string_view page, size_t at) {
  for (size_t tags = 0; tags < kChunkTags; ++tags) {
    at = page.find('<', at + (tags > 0 ? 1 : 0));
    if (at == std::string_view::npos) return {page.size(), false};
    const char first = at + 1 < page.size() ? page[at + 1] : '\0';
    if (first != 's' && first != 'S') continue;
    const std::string_view tag = page.substr(at + 1, 1024);
    if (!starts_with_ignoring_case(tag, "script") && !starts_with_ignoring_case(tag, "style"))
      continue;
    const size_t close = tag.find('>');
    if (close == std::string_view::npos) continue;
    // What may be JSON-LD is read. An attribute's value may hide its signs behind references.
    const std::string_view attributes = tag.substr(0, close);
    const bool is_read = attributes.find("ld+json") != std::string_view::npos ||
                         attributes.find('&') != std::string_view::npos;
    if (!is_read) return {at + close + 2, true};
  }
  return {at, false};
}

// Where the parser's state may change next, inside a script or a style.
size_t end_of_raw(std::string_view page, size_t at) {
  for (; (at = page.find('<', at)) != std::string_view::npos; ++at)
    if (at + 1 == page.size() || page[at + 1] == '/' || page[at + 1] == '!') return at;
  return page.size();
}

std::string_view view_of(const char* data, size_t size) {
  return data == nullptr ? std::string_view{} : std::string_view(data, size);
}

// False where the element has none that matter.
bool read_attributes(myhtml_tree_node_t* node, HtmlAttributes& out) {
  bool any = false;
  size_t left = 64;  // an element with more attributes than that is no honest one
  for (myhtml_tree_attr_t* attribute = myhtml_node_attribute_first(node);
       attribute != nullptr && left > 0; attribute = myhtml_attribute_next(attribute), --left) {
    size_t key_size = 0, value_size = 0;
    const char* key_data = myhtml_attribute_key(attribute, &key_size);
    const char* value_data = myhtml_attribute_value(attribute, &value_size);
    const std::string_view key = view_of(key_data, key_size);
    const std::string_view value = view_of(value_data, value_size);
    std::string_view* field = nullptr;
    switch (key.size()) {
      case 2: field = key == "id" ? &out.id : nullptr; break;
      case 3: field = key == "rel" ? &out.rel : nullptr; break;
      case 4:
        field = key == "role"   ? &out.role
                : key == "name" ? &out.name
                : key == "href" ? &out.href
                : key == "type" ? &out.type
                                : nullptr;
        break;
      case 5:
        field = key == "class" ? &out.class_ : nullptr;
        if (key == "style") out.hidden = out.hidden || is_hiding(value);
        break;
      case 6: out.hidden = out.hidden || key == "hidden"; break;
      case 7: field = key == "content" ? &out.content : nullptr; break;
      case 8:
        field = key == "itemprop"   ? &out.itemprop
                : key == "property" ? &out.property
                : key == "datetime" ? &out.datetime
                                    : nullptr;
        break;
      default: break;
    }
    if (field != nullptr) *field = value;
    any = any || field != nullptr || out.hidden;
  }
  return any;
}

}  // namespace

struct HtmlTree::Parser {
  Parser() {
    html = myhtml_create();
    tree = html == nullptr ? nullptr : myhtml_tree_create();
    if (tree == nullptr ||
        myhtml_init(html, MyHTML_OPTIONS_PARSE_MODE_SINGLE, 1, 4096) != MyHTML_STATUS_OK ||
        myhtml_tree_init(tree, html) != MyHTML_STATUS_OK) {
      release();
      throw std::bad_alloc();
    }
  }
  ~Parser() { release(); }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;
  void release() {
    if (tree != nullptr) myhtml_tree_destroy(tree);
    if (html != nullptr) myhtml_destroy(html);
    tree = nullptr;
    html = nullptr;
  }

  myhtml_t* html = nullptr;
  myhtml_tree_t* tree = nullptr;
  size_t page_bytes = 0;
};

HtmlTree::HtmlTree() = default;
HtmlTree::~HtmlTree() = default;

void HtmlTree::parse(std::string_view page, const HtmlLimits& limits) {
  nodes_.clear();
  attributes_.clear();
  parsed_nodes_ = 0;
  is_cut_ = false;
  if (page.empty()) return;  // myhtml_parse_chunk_end without a chunk before it crashes
  if (!parser_ || parser_->page_bytes > kKeptPageBytes)
    parser_ = std::make_unique<Parser>();
  else
    myhtml_tree_clean(parser_->tree);
  parser_->page_bytes = page.size();

  Budget budget;
  myhtml_tree_t* tree = parser_->tree;
  tree->parse_flags =
      static_cast<myhtml_tree_parse_flags_t>(MyHTML_TREE_PARSE_FLAGS_WITHOUT_DOCTYPE_IN_TREE);
  myhtml_callback_tree_node_insert_set(tree, &count_node, &budget);
  myhtml_encoding_set(tree, MyENCODING_UTF_8);
  for (size_t at = 0; at < page.size() && !is_cut_;) {
    const Chunk chunk = next_chunk(page, at);
    // MyHTML looks for a token's bytes from here on; they are in this chunk or in one right before.
    tree->incoming_buf_first = tree->incoming_buf;
    if (myhtml_parse_chunk_single(tree, page.data() + at, chunk.end - at) != MyHTML_STATUS_OK)
      break;
    at = chunk.end;
    if (chunk.opens_raw && (tree->state == MyHTML_TOKENIZER_STATE_SCRIPT_DATA ||
                            tree->state == MyHTML_TOKENIZER_STATE_RAWTEXT))
      at = end_of_raw(page, at);
    is_cut_ = budget.nodes > limits.nodes_max ||
              (tree->open_elements != nullptr && tree->open_elements->length > limits.depth_max);
  }
  myhtml_parse_chunk_end(tree);
  myhtml_callback_tree_node_insert_set(tree, nullptr, nullptr);
  parsed_nodes_ = budget.nodes;
  flatten();
}

void HtmlTree::flatten() {
  myhtml_tree_node_t* node = parser_->tree->node_html;
  if (node == nullptr) return;
  const myhtml_tree_node_t* const root = node;
  std::vector<uint32_t> open;  // indices of the ancestors that were kept
  for (;;) {
    const myhtml_tag_id_t id = myhtml_node_tag_id(node);
    bool descend = !holds_no_text(id);
    if (id == MyHTML_TAG_SCRIPT) descend = false;
    HtmlNode entry;
    bool keep = descend;
    entry.tag = tag_of(id);
    entry.parent = open.empty() ? kNoNode : open.back();
    if (entry.tag == Tag::kText) {
      size_t size = 0;
      const char* data = myhtml_node_text(node, &size);
      entry.text = view_of(data, size);
      keep = !entry.text.empty();
    } else if (keep || id == MyHTML_TAG_SCRIPT) {
      HtmlAttributes attributes;
      if (read_attributes(node, attributes)) {
        entry.attributes = static_cast<uint32_t>(attributes_.size());
        attributes_.push_back(attributes);
        if (attributes.hidden && id != MyHTML_TAG_BODY && id != MyHTML_TAG_HTML)
          entry.tag = Tag::kHidden;
      }
      if (id == MyHTML_TAG_SCRIPT && attributes.type.find("ld+json") != std::string_view::npos &&
          node->child != nullptr) {
        size_t size = 0;
        const char* data = myhtml_node_text(node->child, &size);
        entry.tag = Tag::kJsonLd;
        entry.text = view_of(data, size);
        keep = true;
      }
    }
    const auto index = static_cast<uint32_t>(nodes_.size());
    if (keep) {
      entry.end = index + 1;
      nodes_.push_back(entry);
    }
    if (descend && keep && node->child != nullptr) {
      open.push_back(index);
      node = node->child;
      continue;
    }
    while (node != root && node->next == nullptr) {
      node = node->parent;
      if (!open.empty()) {
        nodes_[open.back()].end = static_cast<uint32_t>(nodes_.size());
        open.pop_back();
      }
    }
    if (node == root) break;
    node = node->next;
  }
}

std::string HtmlTree::text_of(uint32_t index) const {
  std::string text;
  for (uint32_t i = index; i < nodes_[index].end; ++i) {
    if (nodes_[i].tag == Tag::kText)
      text += nodes_[i].text;
    else if (nodes_[i].tag != Tag::kInline && nodes_[i].tag != Tag::kLink)
      text += ' ';
  }
  return tidy(text);
}

}  // namespace wiremill::clean
