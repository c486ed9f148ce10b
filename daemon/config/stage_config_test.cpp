// What the configuration says of one stage.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "daemon/config/config_test_texts.hpp"

namespace wiremill {
namespace {

TEST(StageConfig, AStageMayHaveAProcessOfItsOwnWithLimits) {
  const Config config = parsed(R"(stages:
  - name: inside
    plugin: clean
  - name: outside
    isolation: process
    deadline: 250ms
    memory_bytes_max: 64MiB
    processes: 4
    timeout: 2s
    crashes_max: 5
    crash_window: 1m
    on_broken: dead_letter
)");
  ASSERT_EQ(config.stages.size(), 2U);
  EXPECT_FALSE(config.stages[0].own_process);
  const StageConfig& outside = config.stages[1];
  EXPECT_TRUE(outside.own_process);
  EXPECT_EQ(outside.deadline_ms, 250);
  EXPECT_EQ(outside.memory_bytes_max, 64 << 20);
  EXPECT_EQ(outside.processes, 4U);
  EXPECT_EQ(outside.timeout_ms, 2000);
  EXPECT_EQ(config.stages[0].timeout_ms, 0);
  EXPECT_EQ(config.stages[0].processes, 1U);
  EXPECT_EQ(outside.crashes_max, 5U);
  EXPECT_EQ(outside.crash_window_ms, 60'000);
  EXPECT_EQ(outside.on_broken, StageConfig::OnBroken::DeadLetter);

  EXPECT_EQ(errors_of("stages:\n  - {name: a, isolation: process, memory_bytes_max: 15MiB}\n"),
            "t.yaml:2:53: stages[0].memory_bytes_max: must be from 16MiB to 1TiB, not 15MiB\n");
  EXPECT_EQ(errors_of("stages:\n  - {name: clean, deadline: 1s}\n"),
            "t.yaml:2:29: stages[0].deadline: needs isolation: process\n");
  EXPECT_EQ(errors_of("stages:\n  - {name: a, isolation: thread, processes: 2}\n"),
            "t.yaml:2:45: stages[0].processes: needs isolation: process\n");
  EXPECT_EQ(errors_of("stages:\n  - {name: a, timeout: 0s}\n"),
            "t.yaml:2:24: stages[0].timeout: must be from 1ms to 1d, not 0s\n");
  EXPECT_EQ(errors_of("stages:\n  - {name: a, command: [\"x\\0y\"]}\n"),
            "t.yaml:2:25: stages[0].command: must hold plain words only, without zero bytes\n");
  EXPECT_EQ(
      errors_of("stages:\n  - {name: a, command: [x], environment: {A: \"b\\0c\"}}\n"),
      "t.yaml:2:46: stages[0].environment: must be a map of NAME: value, without zero bytes\n");
  EXPECT_EQ(errors_of("stages:\n  - {name: a, isolation: fork}\n"),
            "t.yaml:2:26: stages[0].isolation: unknown value 'fork'; known: thread, process\n");
}

TEST(StageConfig, AStageMayBeAnyProgram) {
  const auto config = parse_config(R"(stages:
  - name: numbered
    command: [python3, numbered.py, --fast]
    environment: {MODEL: large, EMPTY: ""}
    cpu_seconds_max: 5
)",
                                   "/etc/wiremill/w.yaml");
  ASSERT_TRUE(config);
  const StageConfig& stage = config->stages.at(0);
  EXPECT_EQ(stage.command, (std::vector<std::string>{"python3", "numbered.py", "--fast"}));
  EXPECT_EQ(stage.folder, "/etc/wiremill/");
  EXPECT_EQ(stage.environment,
            (std::vector<std::pair<std::string, std::string>>{{"MODEL", "large"}, {"EMPTY", ""}}));
  EXPECT_TRUE(stage.own_process);
  EXPECT_EQ(stage.plugin, "");
  EXPECT_EQ(stage.cpu_seconds_max, 5);

  EXPECT_EQ(
      errors_of(R"(stages:
  - {name: a, command: run}
  - {name: b, command: []}
  - {name: c, command: [run, [x]]}
  - {name: d, command: [run], plugin: d}
  - {name: e, command: [run], isolation: thread}
  - {name: f, environment: {A: b}}
  - {name: g, command: [run], environment: {A=: b}}
)"),
      R"(t.yaml:2:24: stages[0].command: must be a list of the program and its arguments, such as [python3, stage.py]
t.yaml:3:24: stages[1].command: must be a list of the program and its arguments, such as [python3, stage.py]
t.yaml:4:30: stages[2].command: must hold plain words only, without zero bytes
t.yaml:5:39: stages[3].plugin: does not go with a command
t.yaml:6:42: stages[4].isolation: must be process for a command
t.yaml:7:28: stages[5].environment: needs a command
t.yaml:8:49: stages[6].environment: must be a map of NAME: value, without zero bytes
)");
}

TEST(StageConfig, OnlyWiremillsOwnPluginsRunInsideTheDaemonUnlessItIsAskedFor) {
  const Config config = parsed(R"(stages:
  - name: language
  - {name: tidy, plugin: clean}
  - name: mine
  - {name: clean, plugin: ./clean.so}
  - {name: trusted, isolation: thread}
  - {name: summary, isolation: process}
)");
  std::vector<bool> outside;
  for (const StageConfig& stage : config.stages) outside.push_back(stage.own_process);
  EXPECT_EQ(outside, (std::vector<bool>{false, false, true, true, false, true}));
  for (const StageConfig& stage : parsed("").stages) EXPECT_FALSE(stage.own_process) << stage.name;
}

// A condition stays as it is written: the line knows what it means.
TEST(StageConfig, AStageMayHaveAConditionAndPassOverErrors) {
  const Config config = parsed(R"(stages:
  - name: plain
    when: language == "en" and source != "test"
    on_error: skip
  - {name: quoted, when: 'title contains " #1: "', on_error: dead_letter}
  - name: folded
    when: >-
      language == "en"
      or source == "test"
  - name: constant
    when: true
)");
  ASSERT_EQ(config.stages.size(), 4U);
  EXPECT_EQ(config.stages[0].when, R"(language == "en" and source != "test")");
  EXPECT_EQ(config.stages[0].when_where, "t.yaml:3:11");
  EXPECT_EQ(config.stages[0].on_error, StageConfig::OnError::Skip);
  EXPECT_EQ(config.stages[1].when, R"(title contains " #1: ")");
  EXPECT_EQ(config.stages[1].on_error, StageConfig::OnError::DeadLetter);
  EXPECT_EQ(config.stages[2].when, R"(language == "en" or source == "test")");
  EXPECT_EQ(config.stages[3].when, "true");
  EXPECT_EQ(config.stages[3].on_error, StageConfig::OnError::DeadLetter);

  EXPECT_EQ(errors_of(R"(stages:
  - name: a
    when:
    on_error: skipp
  - name: b
    when: ""
    on_error: [skip]
  - name: c
    when: [language == "en"]
)"),
            R"(t.yaml:3:5: stages[0].when: has no value
t.yaml:4:15: stages[0].on_error: unknown value 'skipp'; did you mean 'skip'?
t.yaml:6:11: stages[1].when: has no value
t.yaml:7:15: stages[1].on_error: must be a single value
t.yaml:9:11: stages[2].when: must be a single value
)");
}

}  // namespace
}  // namespace wiremill
