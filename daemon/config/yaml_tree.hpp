// YAML text to a plain tree whose every node knows its place. The only door to yaml-cpp: its
// headers and its exceptions stay inside yaml_tree.cpp. Used by config.cpp for files and by
// options.cpp for the defaults that plugins write in YAML. Any thread.
//
// Scalars stay the text that was written: `no` is "no", `1e3` is "1e3"; what a scalar means is
// decided by who reads it. Anchors, aliases, tags, several documents, non-scalar keys and control
// characters are refused, and so is nesting deeper than kDepthMax.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "daemon/config/config.hpp"

namespace wiremill {

struct YamlEntry;

struct YamlNode {
  enum class Kind { Null, Scalar, List, Map };
  Kind kind = Kind::Null;
  int line = 1, column = 1;  // from 1
  std::string scalar;
  std::vector<YamlNode> list;
  std::vector<YamlEntry> map;  // in the file's order; a key may stand twice
};

struct YamlEntry {
  YamlNode key;  // a scalar
  YamlNode value;
};

constexpr int kYamlDepthMax = 16;

// An empty text is a Null node.
tl::expected<YamlNode, ConfigError> parse_yaml(std::string_view text, const std::string& file_name);

// "file:3:7"
std::string format_place(const std::string& file_name, int line, int column);

}  // namespace wiremill
