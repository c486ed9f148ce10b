#include "daemon/config/yaml_tree.hpp"

#include <fmt/format.h>
#include <unicode/utf8.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <optional>
#include <sstream>
#include <utility>

namespace wiremill {
namespace {

struct Place {
  int line, column;  // from 1
};

// yaml-cpp counts from 0, and answers -1 where it knows no place.
Place place_of(const YAML::Mark& mark) {
  if (mark.is_null()) return {1, 1};
  return {mark.line + 1, mark.column + 1};
}

[[noreturn]] void refuse(const YAML::Mark& mark, const std::string& message) {
  throw YAML::ParserException(mark, message);
}

// Builds the tree from the parser's events, so that limits hold while reading, not afterwards.
class TreeBuilder : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    check(mark, "", anchor);
    add(make(YamlNode::Kind::Null, mark), mark);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    refuse(mark, "aliases (*name) are not supported");
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    check(mark, tag, anchor);
    YamlNode node = make(YamlNode::Kind::Scalar, mark);
    node.scalar = value;
    add(std::move(node), mark);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::List, mark, tag, anchor);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(YamlNode::Kind::Map, mark, tag, anchor);
  }
  void OnMapEnd() override { close(); }

  YamlNode take_root() { return std::move(root_); }

 private:
  struct Level {
    YamlNode node;
    YAML::Mark mark;
    std::optional<YamlNode> key;  // read, its value not yet
  };

  static YamlNode make(YamlNode::Kind kind, const YAML::Mark& mark) {
    YamlNode node;
    node.kind = kind;
    node.line = place_of(mark).line;
    node.column = place_of(mark).column;
    return node;
  }

  // "?" marks a plain value without a tag, "!" a quoted one.
  static void check(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor) {
    if (anchor != 0) refuse(mark, "anchors (&name) are not supported");
    if (!tag.empty() && tag != "?" && tag != "!") refuse(mark, "tags (!name) are not supported");
  }

  void open(YamlNode::Kind kind, const YAML::Mark& mark, const std::string& tag,
            YAML::anchor_t anchor) {
    check(mark, tag, anchor);
    if (levels_.size() == kYamlDepthMax)
      refuse(mark, fmt::format("nested deeper than {} levels", kYamlDepthMax));
    levels_.push_back({make(kind, mark), mark, std::nullopt});
  }

  void close() {
    Level level = std::move(levels_.back());
    levels_.pop_back();
    add(std::move(level.node), level.mark);
  }

  void add(YamlNode node, const YAML::Mark& mark) {
    if (levels_.empty()) {
      root_ = std::move(node);
      return;
    }
    Level& level = levels_.back();
    if (level.node.kind == YamlNode::Kind::List) {
      level.node.list.push_back(std::move(node));
    } else if (!level.key) {
      if (node.kind != YamlNode::Kind::Scalar) refuse(mark, "a key must be a plain word");
      level.key = std::move(node);
    } else {
      // yaml-cpp places a missing value where the next thing begins.
      if (node.kind == YamlNode::Kind::Null) {
        node.line = level.key->line;
        node.column = level.key->column;
      }
      level.node.map.push_back({std::move(*level.key), std::move(node)});
      level.key.reset();
    }
  }

  YamlNode root_;
  std::vector<Level> levels_;
};

// The next character, moving `i` past it; negative where the bytes are not UTF-8.
UChar32 next_character(std::string_view text, size_t& i) {
  UChar32 character;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"  // inside ICU's macro
  U8_NEXT(text.data(), i, text.size(), character);
#pragma GCC diagnostic pop
  return character;
}

// The first byte that no configuration may hold: not UTF-8, or a control character.
std::optional<std::pair<Place, const char*>> find_foreign_byte(std::string_view text) {
  Place place{1, 1};
  for (size_t i = 0; i < text.size();) {
    const UChar32 character = next_character(text, i);
    if (character < 0) return std::pair{place, "not UTF-8"};
    const bool is_space = character == '\n' || character == '\r' || character == '\t';
    if ((character < 0x20 && !is_space) || character == 0x7f)
      return std::pair{place, "a control character"};
    place.column = character == '\n' ? 1 : place.column + 1;
    place.line += character == '\n';
  }
  return std::nullopt;
}

}  // namespace

std::string format_place(const std::string& file_name, int line, int column) {
  return fmt::format("{}:{}:{}", file_name, line, column);
}

tl::expected<YamlNode, ConfigError> parse_yaml(std::string_view text,
                                               const std::string& file_name) {
  const auto error = [&](Place place, const std::string& message) {
    return tl::unexpected(ConfigError{format_place(file_name, place.line, place.column), message});
  };
  if (const auto found = find_foreign_byte(text)) return error(found->first, found->second);
  try {
    std::istringstream stream{std::string(text)};
    YAML::Parser parser(stream);
    TreeBuilder builder;
    if (!parser.HandleNextDocument(builder)) return YamlNode{};
    YamlNode root = builder.take_root();
    TreeBuilder rest;
    if (parser.HandleNextDocument(rest))
      return error({1, 1}, "holds several documents (---); one is allowed");
    return root;
  } catch (const YAML::Exception& exception) {
    return error(place_of(exception.mark), exception.msg);
  } catch (const std::exception& exception) {
    return error({1, 1}, fmt::format("cannot be read: {}", exception.what()));
  }
}

}  // namespace wiremill
