// Configurations written in tests, and all that is wrong with them.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>

#include "daemon/config/config.hpp"

namespace wiremill {

inline std::string lines_of(const ConfigErrors& errors) {
  std::string lines;
  for (const ConfigError& error : errors) lines += error.where + ": " + error.message + "\n";
  return lines;
}

inline Config parsed(std::string_view yaml, const std::string& file_name = "t.yaml") {
  auto config = parse_config(yaml, file_name);
  EXPECT_TRUE(config) << (config ? "" : lines_of(config.error().errors));
  return config ? *std::move(config) : Config{};
}

inline std::string errors_of(std::string_view yaml) {
  const auto config = parse_config(yaml, "t.yaml");
  EXPECT_FALSE(config) << yaml;
  return config ? "" : lines_of(config.error().errors);
}

}  // namespace wiremill
