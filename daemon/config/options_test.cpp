#include "daemon/config/options.hpp"

#include <gtest/gtest.h>

namespace wiremill {
namespace {

constexpr wm_option kTable[] = {
    {"mode", WM_OPTION_STRING, 0, nullptr, "What to do.", 0, 0},
    {"fast", WM_OPTION_BOOL, 0, "false", "", 0, 0},
    {"near_similarity", WM_OPTION_NUMBER, 0, "0.8", "", 0, 1},
    {"entries", WM_OPTION_INTEGER, 0, "-5", "", 0, 0},
    {"window", WM_OPTION_DURATION, 0, "7d", "", 1000, 86'400'000.0 * 30},
    {"cache", WM_OPTION_BYTES, 0, "10MiB", "", 0, 1 << 30},
    {"languages", WM_OPTION_STRINGS, 0, "[en, no]", "", 0, 0},
    {}};

StageConfig stage_with(std::string_view options) {
  auto config =
      parse_config("stages: [{name: s, options: {" + std::string(options) + "}}]", "t.yaml");
  EXPECT_TRUE(config) << options;
  return config->stages.at(0);
}

std::string errors_of(const wm_option* table, std::string_view options) {
  ConfigErrors errors;
  resolve_options(table, stage_with(options), errors);
  std::string lines;
  for (const ConfigError& error : errors) lines += error.where + ": " + error.message + "\n";
  return lines;
}

std::string text_of(wm_view view) { return {view.data, view.size}; }

TEST(Options, DefaultsFillWhatIsNotWritten) {
  ConfigErrors errors;
  const ResolvedOptions options = resolve_options(kTable, stage_with("mode: no"), errors);
  EXPECT_TRUE(errors.empty());
  ASSERT_EQ(options.size(), 7U);
  const wm_option_value* values = options.data();
  for (size_t i = 0; i < options.size(); ++i) {
    EXPECT_EQ(text_of(values[i].name), kTable[i].name);
    EXPECT_EQ(values[i].type, kTable[i].type);
  }
  EXPECT_EQ(text_of(values[0].text), "no");
  EXPECT_EQ(values[1].integer, 0);
  EXPECT_EQ(values[2].number, 0.8);
  EXPECT_EQ(values[3].integer, -5);
  EXPECT_EQ(values[4].integer, int64_t{7} * 86'400'000);
  EXPECT_EQ(values[5].integer, 10 << 20);
  ASSERT_EQ(values[6].texts_count, 2U);
  EXPECT_EQ(text_of(values[6].texts[1]), "no");
}

TEST(Options, WrittenOnesAreTypedAndSurviveAMove) {
  ConfigErrors errors;
  ResolvedOptions first = resolve_options(
      kTable,
      stage_with("mode: short, fast: true, near_similarity: 1e-1, entries: 9, window: 90s, "
                 "cache: 1KiB, languages: [a, a list item that is longer than a short string]"),
      errors);
  EXPECT_TRUE(errors.empty());
  const ResolvedOptions options = std::move(first);
  const wm_option_value* values = options.data();
  EXPECT_EQ(text_of(values[0].text), "short");
  EXPECT_EQ(values[1].integer, 1);
  EXPECT_EQ(values[2].number, 0.1);
  EXPECT_EQ(values[3].integer, 9);
  EXPECT_EQ(values[4].integer, 90'000);
  EXPECT_EQ(values[5].integer, 1024);
  EXPECT_EQ(text_of(values[6].texts[0]), "a");
  EXPECT_EQ(text_of(values[6].texts[1]), "a list item that is longer than a short string");
}

TEST(Options, EveryErrorHasItsPlace) {
  EXPECT_EQ(errors_of(kTable,
                      "fast: yes, near_similarity: 1.5, entries: 3.0, window: 0, cache: [1], "
                      "languages: en, widow: 7d"),
            "t.yaml:1:122: stage 's': unknown option 'widow'; did you mean 'window'?\n"
            "t.yaml:1:10: stage 's': option 'mode' is required (What to do.)\n"
            "t.yaml:1:36: stage 's': option 'fast' must be true or false, not 'yes'\n"
            "t.yaml:1:58: stage 's': option 'near_similarity' must be from 0 to 1, not 1.5\n"
            "t.yaml:1:72: stage 's': option 'entries' must be a whole number, not '3.0'\n"
            "t.yaml:1:85: stage 's': option 'window' must be from 1s to 30d, not 0\n"
            "t.yaml:1:95: stage 's': option 'cache' must be a size with its unit, such as 64KiB or "
            "10MiB\n"
            "t.yaml:1:111: stage 's': option 'languages' must be a list, such as [a, b]\n");
  EXPECT_EQ(errors_of(kTable, "mode: x, near_similarity: nan"),
            "t.yaml:1:56: stage 's': option 'near_similarity' must be a number, not 'nan'\n");
}

TEST(Options, AStageWithoutATableHasNone) {
  EXPECT_EQ(errors_of(nullptr, ""), "");
  EXPECT_EQ(errors_of(nullptr, "a: 1"),
            "t.yaml:1:33: stage 's': unknown option 'a'; there are none\n");
}

TEST(Options, ABrokenTableIsAnErrorAndNoCrash) {
  constexpr wm_option kBroken[] = {{"a", WM_OPTION_INTEGER, 0, "many", "", 0, 0},
                                   {"b", WM_OPTION_STRINGS, 0, "[", "", 0, 0},
                                   {"c", 99, 0, "1", "", 0, 0},
                                   {}};
  EXPECT_EQ(errors_of(kBroken, ""),
            "t.yaml:1:10: stage 's': option 'a' has a broken default in the plugin: must be a "
            "whole number, not 'many'\n"
            "t.yaml:1:10: stage 's': option 'b' has a broken default in the plugin: must be a "
            "list of values\n"
            "t.yaml:1:10: stage 's': option 'c' has a type that this version does not know\n");
}

}  // namespace
}  // namespace wiremill
