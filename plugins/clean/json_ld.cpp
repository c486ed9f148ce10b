// JSON-LD; see json_ld.hpp. A scanner with a stack instead of a parser: publishers' JSON is often
// broken (raw line breaks, trailing commas), and a strict parser would lose all of it.
#include "plugins/clean/json_ld.hpp"

#include <unicode/utf8.h>

#include <vector>

#include "daemon/text/utf8.hpp"
#include "plugins/clean/lines.hpp"

namespace wiremill::clean {
namespace {

constexpr size_t kDepthMax = 64;

struct Level {
  bool is_object = false;
  bool wants_value = false;
  std::string key;  // of an object: the key whose value is read; of an array: its parent's
  std::string name, headline, published, authors, publisher;
  bool is_article = false;
};

bool is_article_type(std::string_view type) {
  for (const std::string_view kind : {"Article", "BlogPosting", "Report", "LiveBlogPosting"})
    if (type.ends_with(kind)) return true;
  return false;
}

class Scanner {
 public:
  explicit Scanner(std::string_view json) : json_(json) {}

  JsonLdArticle scan() {
    while (at_ < json_.size() && !found_.found) {
      const char c = json_[at_];
      if (c == '{' || c == '[')
        open(c == '{');
      else if (c == '}' || c == ']')
        close();
      else if (c == '"')
        string();
      else if (c == ':' && !levels_.empty())
        levels_.back().wants_value = true;
      else if (c == ',' && !levels_.empty() && levels_.back().is_object)
        levels_.back().wants_value = false;
      if (c != '"') ++at_;
    }
    return std::move(found_);
  }

 private:
  void open(bool is_object) {
    if (levels_.size() >= kDepthMax) {
      at_ = json_.size();
      return;
    }
    Level level;
    level.is_object = is_object;
    level.wants_value = !is_object;
    if (!levels_.empty()) level.key = is_object ? std::string() : levels_.back().key;
    levels_.push_back(std::move(level));
  }

  void close() {
    if (levels_.empty()) return;
    Level level = std::move(levels_.back());
    levels_.pop_back();
    if (level.is_article && !level.headline.empty()) {
      found_ = {tidy(text::repair(level.headline)), level.published,
                tidy(text::repair(level.authors)), tidy(text::repair(level.publisher)), true};
      return;
    }
    if (levels_.empty()) return;
    Level& parent = levels_.back();
    if (parent.key == "author") {
      add_author(parent, level.is_object ? level.name : level.authors);
    } else if (parent.key == "publisher" && level.is_object) {
      parent.publisher = std::move(level.name);
    }
    if (parent.is_object) parent.wants_value = false;
  }

  static void add_author(Level& level, std::string_view name) {
    if (name.empty() || name.find("://") != std::string_view::npos) return;
    if (!level.authors.empty()) level.authors += ", ";
    level.authors += name;
  }

  void string() {
    std::string value = read_string();
    if (levels_.empty()) return;
    Level& level = levels_.back();
    if (level.is_object && !level.wants_value) {
      level.key = std::move(value);
      return;
    }
    if (level.key == "@type") {
      Level& owner = level.is_object || levels_.size() < 2 ? level : levels_[levels_.size() - 2];
      owner.is_article = owner.is_article || is_article_type(value);
    } else if (level.key == "author") {
      add_author(level, value);
    } else if (level.is_object) {
      if (level.key == "headline")
        level.headline = std::move(value);
      else if (level.key == "name")
        level.name = std::move(value);
      else if (level.key == "datePublished")
        level.published = std::move(value);
    }
    if (level.is_object) level.wants_value = false;
  }

  int hex4(size_t at) const {
    int value = 0;
    for (size_t i = at; i < at + 4; ++i) {
      const char c = i < json_.size() ? json_[i] : ' ';
      int digit = -1;
      if (c >= '0' && c <= '9')
        digit = c - '0';
      else if (c >= 'a' && c <= 'f')
        digit = c - 'a' + 10;
      else if (c >= 'A' && c <= 'F')
        digit = c - 'A' + 10;
      if (digit < 0) return -1;
      value = value * 16 + digit;
    }
    return value;
  }

  std::string read_string() {
    std::string value;
    for (++at_; at_ < json_.size() && json_[at_] != '"'; ++at_) {
      if (json_[at_] != '\\') {
        value.push_back(json_[at_]);
        continue;
      }
      if (++at_ >= json_.size()) break;
      switch (json_[at_]) {
        case 'n':
        case 'r':
        case 't': value.push_back(' '); break;
        case 'u': escaped(value); break;
        default: value.push_back(json_[at_]);
      }
    }
    if (at_ < json_.size()) ++at_;
    return value;
  }

  void escaped(std::string& value) {
    int code = hex4(at_ + 1);
    if (code < 0) return;
    at_ += 4;
    if (code >= 0xd800 && code < 0xdc00 && json_.substr(at_ + 1, 2) == "\\u") {
      const int low = hex4(at_ + 3);
      if (low >= 0xdc00 && low < 0xe000) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        at_ += 6;
      }
    }
    if (code >= 0xd800 && code < 0xe000) code = 0xfffd;
    if (code == 0) return;
    char buffer[4];
    int32_t size = 0;
    U8_APPEND_UNSAFE(buffer, size, code);
    value.append(buffer, static_cast<size_t>(size));
  }

  std::string_view json_;
  size_t at_ = 0;
  std::vector<Level> levels_;
  JsonLdArticle found_;
};

}  // namespace

JsonLdArticle read_json_ld(std::string_view json) { return Scanner(json).scan(); }

}  // namespace wiremill::clean
