// What reading a configuration file is made of: its errors, and one map of it with a getter for each
// kind of value. Used by config.cpp alone; any thread.
//
// A getter leaves `out` alone where the key is absent or wrong, so an error never ends the reading:
// it only leaves the default in place.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/config/config.hpp"
#include "daemon/config/yaml_tree.hpp"

namespace wiremill {

struct Reading {
  std::string file_name;
  ConfigErrors errors;

  std::string where(const YamlNode& node) const;
  void error(const YamlNode& node, std::string message);
  void refuse_repeated(const YamlNode& map);
};

class Section {
 public:
  // `path` names the section in messages: "intake.", or "" for the whole file. Both `reading` and
  // `node` outlive it.
  Section(Reading& reading, const YamlNode& node, std::string path);

  const YamlNode* find(std::string_view key);
  Section section(std::string_view key);
  const std::string* scalar(std::string_view key);
  // Where a key stands, else where its section begins.
  const YamlNode& place(std::string_view key);

  void flag(std::string_view key, bool& out);
  template <class Integer>
  void integer(std::string_view key, Integer& out, int64_t minimum, int64_t maximum) {
    if (const auto value = whole_number(key, minimum, maximum)) out = static_cast<Integer>(*value);
  }
  void bytes(std::string_view key, int64_t& out, int64_t minimum, int64_t maximum);
  void duration(std::string_view key, int64_t& out, int64_t minimum, int64_t maximum);
  void choice(std::string_view key, std::string& out, const std::vector<std::string_view>& choices);

  void wrong(const YamlNode& node, std::string_view key, std::string_view message);
  // After the last getter: a key that none asked for is unknown.
  void refuse_unknown();

 private:
  std::string name() const { return path_.substr(0, path_.size() - 1); }
  std::optional<int64_t> whole_number(std::string_view key, int64_t minimum, int64_t maximum);
  template <class Parse, class Format>
  std::optional<int64_t> number(std::string_view key, int64_t minimum, int64_t maximum, Parse parse,
                                std::string_view form, Format format);

  Reading& reading_;
  const YamlNode& node_;
  const std::string path_;
  std::vector<std::string_view> known_;
};

}  // namespace wiremill
