#include "daemon/config/config.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "daemon/config/config_test_texts.hpp"
#include "daemon/config/yaml_tree.hpp"

namespace wiremill {
namespace {

std::string read_file(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

void expect_default_values(const Config& config) {
  const Config defaults;
  EXPECT_EQ(config.allow_unencrypted, defaults.allow_unencrypted);
  EXPECT_EQ(config.drain_timeout_ms, defaults.drain_timeout_ms);
  EXPECT_EQ(config.plugin_dir, defaults.plugin_dir);
  EXPECT_EQ(config.intake, defaults.intake);
  EXPECT_EQ(config.firehose, defaults.firehose);
  EXPECT_EQ(config.feed, defaults.feed);
  EXPECT_EQ(config.replay, defaults.replay);
  EXPECT_EQ(config.admin, defaults.admin);
  EXPECT_EQ(config.storage, defaults.storage);
  EXPECT_EQ(config.dead, defaults.dead);
  EXPECT_EQ(config.pipeline, defaults.pipeline);
  EXPECT_EQ(config.log, defaults.log);
  std::vector<std::string> names;
  for (const StageConfig& stage : config.stages) {
    EXPECT_EQ(stage.plugin, stage.name);
    EXPECT_EQ(stage.attempts_max, 3U);
    names.push_back(stage.name);
  }
  EXPECT_EQ(names,
            (std::vector<std::string>{"clean", "language", "entities", "duplicates", "summary"}));
}

TEST(Config, EveryShippedFileIsRight) {
  int files = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(WIREMILL_CONFIG_DIR)) {
    if (entry.path().extension() != ".yaml") continue;
    ++files;
    const auto config = load_config(entry.path().string());
    EXPECT_TRUE(config) << (config ? "" : lines_of(config.error().errors));
  }
  EXPECT_GE(files, 3);
}

TEST(Config, TheEmbeddedDefaultIsTheFileThatOperatorsRead) {
  EXPECT_EQ(default_config_yaml(), read_file(WIREMILL_CONFIG_DIR "/wiremill.yaml"));
}

TEST(Config, TheDefaultFileSaysWhatThePlainStructHolds) {
  expect_default_values(parsed(default_config_yaml()));
}

TEST(Config, AnEmptyFileHasTheDefaults) {
  for (const char* text : {"", "\n", "# nothing\n", "---\n", "{}", "intake:\nstages:\n"})
    expect_default_values(parsed(text));
}

// The message for an unknown key lists the known ones: each must stand in the default file.
TEST(Config, TheDefaultFileShowsEveryKey) {
  const auto tree = parse_yaml(default_config_yaml(), "wiremill.yaml");
  ASSERT_TRUE(tree);
  const auto check = [](const YamlNode& node, const std::string& errors) {
    const size_t list = errors.find("known: ");
    ASSERT_NE(list, std::string::npos) << errors;
    std::istringstream words(errors.substr(list + 7));
    for (std::string key; words >> key;) {
      if (key.back() == ',') key.pop_back();
      const bool is_there =
          std::any_of(node.map.begin(), node.map.end(),
                      [&](const YamlEntry& entry) { return entry.key.scalar == key; });
      EXPECT_TRUE(is_there) << key;
    }
  };
  check(*tree, errors_of("qqqqqqqqqq: 1"));
  int sections = 0;
  for (const YamlEntry& entry : tree->map) {
    if (entry.value.kind != YamlNode::Kind::Map) continue;
    ++sections;
    check(entry.value, errors_of(entry.key.scalar + ": {qqqqqqqqqq: 1}"));
  }
  EXPECT_EQ(sections, 9);
}

TEST(Config, EveryErrorIsShownWithItsPlace) {
  EXPECT_EQ(
      errors_of(R"(drain_timeout: 10
intakes: {}
intake:
  endpoint: tcp://0.0.0.0:5750
  document_bytes_max: 2GiB
  credit: many
  clients_mx: 5
  queue_bytes_max: [1]
firehose:
  endpoint: tcp://127.0.0.1:5751
replay: 7
storage:
  durability: intervall 50ms
  state_dir:
pipeline:
  threads: 257
  batch_documents_max: 64
  window_documents: 32
  threads: 3
log:
  level: inform
stages:
  - name: clean
    atempts_max: 2
  - plugin: ./mine.so
  - name: clean
    attempts_max: 0
    options: [1]
  - name: Bad Name
    plugin: a plugin
  - language
  - name: x
    options:
      a:
      b: {c: 1}
      d: [[1]]
colour: true
)"),
      R"(t.yaml:1:16: drain_timeout: must be a duration with its unit, such as 250ms, 10s or 24h, not '10'
t.yaml:2:1: unknown key 'intakes'; did you mean 'intake'?
t.yaml:4:13: intake.endpoint: 'tcp://0.0.0.0:5750' is not loopback and its traffic is not encrypted; bind 127.0.0.1 or say 'allow_unencrypted: true'
t.yaml:5:23: intake.document_bytes_max: must be from 1KiB to 1GiB, not 2GiB
t.yaml:6:11: intake.credit: must be a whole number such as 32, not 'many'
t.yaml:7:3: unknown key in intake 'clients_mx'; did you mean 'clients_max'?
t.yaml:8:20: intake.queue_bytes_max: must be a single value
t.yaml:10:13: 'tcp://127.0.0.1:5751' is used by both firehose and feed
t.yaml:11:9: replay must be a map of key: value
t.yaml:13:15: storage.durability: unknown value 'intervall 50ms'; did you mean 'interval 50ms'?
t.yaml:14:3: storage.state_dir: has no value
t.yaml:16:12: pipeline.threads: must be from 0 to 256, not 257
t.yaml:18:21: pipeline.window_documents: 32 is less than batch_documents_max (64)
t.yaml:19:3: 'threads' is given twice (first on line 16)
t.yaml:21:10: log.level: unknown value 'inform'; did you mean 'info'?
t.yaml:24:5: unknown key in stages[0] 'atempts_max'; did you mean 'attempts_max'?
t.yaml:25:5: stages[1] has no name
t.yaml:26:5: two stages are named 'clean' (the first at t.yaml:23:5)
t.yaml:27:19: stages[2].attempts_max: must be from 1 to 100, not 0
t.yaml:28:14: stages[2].options: must be a map of option: value
t.yaml:29:11: stages[3].name: must have 1 to 64 of a-z, 0-9, _ and -
t.yaml:30:13: stages[3].plugin: must be a plugin's name, or a path with a slash such as ./my_stage.so
t.yaml:31:5: stages[4] must be a map of key: value
t.yaml:34:7: option 'a' has no value
t.yaml:35:10: option 'b' must be a value or a list of values
t.yaml:36:11: option 'd' must hold plain values only
t.yaml:37:1: unknown key 'colour'; known: admin, allow_unencrypted, dead, drain_timeout, feed, firehose, intake, log, pipeline, plugin_dir, replay, stages, storage
)");
}

TEST(Config, ValuesAreRead) {
  const Config config = parsed(R"(
allow_unencrypted: true
drain_timeout: 0
plugin_dir: plugins
intake: {endpoint: "tcp://*:6000", document_bytes_max: 1MiB, credit: 7, idempotency_window: 7d}
firehose: {endpoint: null}
replay: {cursors_max: 9}
admin: {endpoint: null}
storage: {state_dir: /s, durability: interval 5ms, segment_bytes: 1GiB, free_bytes_min: 5MiB,
          result_age_max: 0, result_bytes_max: 2GiB, scrub_bytes_per_second: 0}
dead: {age_max: 1d, documents_max: 7, bytes_max: 1MiB}
pipeline: {threads: 3}
log: {level: debug, format: json}
stages:
  - name: language
    plugin: ../lib/language.so
    attempts_max: 1
    options: {languages: [no, en, "1.0"], fast: yes, floor: 0x10}
)",
                               "/etc/wiremill/w.yaml");
  EXPECT_TRUE(config.allow_unencrypted);
  EXPECT_EQ(config.drain_timeout_ms, 0);
  EXPECT_EQ(config.plugin_dir, "/etc/wiremill/plugins");
  EXPECT_EQ(config.intake.endpoint, "tcp://*:6000");
  EXPECT_EQ(config.intake.document_bytes_max, 1 << 20);
  EXPECT_EQ(config.intake.credit, 7U);
  EXPECT_EQ(config.intake.idempotency_window_ms, int64_t{7} * 86'400'000);
  EXPECT_EQ(config.firehose.endpoint, "");
  EXPECT_EQ(config.storage.state_dir, "/s");
  EXPECT_EQ(config.storage.durability, Config::Durability::Interval);
  EXPECT_EQ(config.storage.sync_interval_ms, 5);
  EXPECT_EQ(config.storage.segment_bytes, 1 << 30);
  EXPECT_EQ(config.storage.free_bytes_min, 5 << 20);
  EXPECT_EQ(config.storage.result_age_max_ms, 0);
  EXPECT_EQ(config.storage.result_bytes_max, int64_t{2} << 30);
  EXPECT_EQ(config.storage.scrub_bytes_per_second, 0);
  EXPECT_EQ(config.replay.cursors_max, 9U);
  EXPECT_EQ(config.admin.endpoint, "");
  EXPECT_EQ(config.dead.age_max_ms, 86'400'000);
  EXPECT_EQ(config.dead.documents_max, 7);
  EXPECT_EQ(config.dead.bytes_max, 1 << 20);
  EXPECT_EQ(config.pipeline.threads, 3U);
  EXPECT_EQ(config.log.level, "debug");
  ASSERT_EQ(config.stages.size(), 1U);
  const StageConfig& stage = config.stages[0];
  EXPECT_EQ(stage.plugin, "/etc/lib/language.so");
  EXPECT_EQ(stage.attempts_max, 1U);
  ASSERT_EQ(stage.options.size(), 3U);
  EXPECT_EQ(stage.options[0].first, "languages");
  EXPECT_EQ(stage.options[0].second.list, (std::vector<std::string>{"no", "en", "1.0"}));
  EXPECT_EQ(stage.options[1].second.scalar, "yes");
  EXPECT_EQ(stage.options[2].second.scalar, "0x10");
  EXPECT_EQ(stage.options[2].second.where, "/etc/wiremill/w.yaml:18:61");
}

TEST(Config, NoStagesIsALineThatHandsOn) { EXPECT_TRUE(parsed("stages: []").stages.empty()); }

TEST(Config, ALaterDefaultThatCollidesIsShownWhereTheFileCausesIt) {
  EXPECT_EQ(errors_of("intake:\n  endpoint: tcp://127.0.0.1:5752\n"),
            "t.yaml:2:13: 'tcp://127.0.0.1:5752' is used by both intake and replay\n");
}

TEST(Config, TheAdminEndpointIsForHttp) {
  EXPECT_EQ(errors_of("admin: {endpoint: \"ipc:///run/w\"}"),
            "t.yaml:1:19: admin.endpoint: must be tcp://ADDRESS:PORT for HTTP, not "
            "'ipc:///run/w'\n");
}

TEST(Config, DocumentsMustFitThroughTheQueues) {
  EXPECT_EQ(errors_of("intake: {document_bytes_max: 512MiB}"),
            "t.yaml:1:1: pipeline.window_bytes: 256MiB holds no document of "
            "intake.document_bytes_max (512MiB)\n"
            "t.yaml:1:9: intake.queue_bytes_max: 64MiB holds no document of document_bytes_max "
            "(512MiB)\n");
}

TEST(Config, SyntaxErrorsHaveAPlace) {
  EXPECT_EQ(errors_of("intake:\n  endpoint: [1\n").substr(0, 7), "t.yaml:");
  EXPECT_EQ(errors_of("a: b: c"), "t.yaml:1:5: illegal map value\n");
  EXPECT_NE(errors_of("a: 1\n---\nb: 2\n").find("several documents"), std::string::npos);
  EXPECT_EQ(errors_of("- 1"), "t.yaml:1:1: the file must be a map of key: value\n");
  EXPECT_EQ(errors_of("[a]: 1"), "t.yaml:1:1: a key must be a plain word\n");
}

TEST(Config, AnchorsAliasesAndTagsAreRefused) {
  EXPECT_EQ(errors_of("a: &x 1\nb: *x\n"), "t.yaml:1:4: anchors (&name) are not supported\n");
  EXPECT_EQ(errors_of("a: !!binary AAAA"), "t.yaml:1:4: tags (!name) are not supported\n");
  std::string laughs = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 12; ++i) {
    laughs += fmt::format("a{}: &a{} [", i, i);
    for (int j = 0; j < 10; ++j) laughs += fmt::format("*a{},", i - 1);
    laughs += "]\n";
  }
  EXPECT_NE(errors_of(laughs).find("anchors"), std::string::npos);
}

TEST(Config, HostileBytesAreRefused) {
  EXPECT_EQ(errors_of(std::string_view("a: 1\nb: \0x\n", 11)), "t.yaml:2:4: a control character\n");
  EXPECT_EQ(errors_of("a: \xff\xfe"), "t.yaml:1:4: not UTF-8\n");
  EXPECT_EQ(errors_of("a: \xc3\xa4\xed\xa0\x80"), "t.yaml:1:5: not UTF-8\n");
  std::string binary;
  uint32_t random = 1;
  for (int i = 0; i < 100'000; ++i)
    binary += static_cast<char>((random = random * 1664525 + 1013904223) >> 24);
  EXPECT_FALSE(parse_config(binary, "t.yaml"));
  EXPECT_EQ(errors_of(std::string(10 << 20, 'a')), "t.yaml: is larger than 256KiB\n");
}

// What the size limit lets through must still cost little and end in errors.
TEST(Config, HostileShapesAreRefused) {
  const auto repeat = [](std::string_view part, size_t bytes) {
    std::string text;
    while (text.size() + part.size() <= bytes) text += part;
    return text;
  };
  const auto size = static_cast<size_t>(kConfigBytesMax);
  EXPECT_NE(errors_of(repeat("[", size)).find("nested deeper"), std::string::npos);
  EXPECT_NE(errors_of(repeat("{a: ", size)).find("nested deeper"), std::string::npos);
  EXPECT_NE(errors_of(repeat("- ", size)).find("nested deeper"), std::string::npos);
  std::string steps;
  for (int depth = 0; depth < 300; ++depth) steps += std::string(depth, ' ') + "a:\n";
  EXPECT_NE(errors_of(steps).find("nested deeper"), std::string::npos);
  EXPECT_NE(errors_of(repeat("a:\n", size)).find("further errors"), std::string::npos);
  std::string keys;
  for (int i = 0; keys.size() + 20 < size; ++i) keys += fmt::format("key{}: 1\n", i);
  EXPECT_NE(errors_of(keys).find("further errors"), std::string::npos);
  EXPECT_NE(errors_of("stages:\n" + repeat("- name: a\n", size - 10)).find("at most 64 stages"),
            std::string::npos);
  EXPECT_FALSE(parse_config("stages: [" + repeat("{},", size - 20) + "]", "t.yaml"));
  EXPECT_FALSE(parse_config(std::string(size, 'a'), "t.yaml"));
  EXPECT_FALSE(parse_config(repeat("? ", size), "t.yaml"));
  EXPECT_FALSE(parse_config(repeat("\"a\" ", size), "t.yaml"));
  EXPECT_FALSE(parse_config("a: |" + repeat("\n\n  b", size - 10) + "\n c", "t.yaml"));
}

class ConfigFile : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = testing::TempDir() + "wiremill_config_test";
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string error_of(const std::string& path) {
    const auto config = load_config(path);
    EXPECT_FALSE(config);
    return config ? "" : lines_of(config.error().errors);
  }
  std::string folder_;
};

TEST_F(ConfigFile, OneThatCannotBeReadSaysWhy) {
  EXPECT_EQ(error_of(folder_ + "/none.yaml"),
            folder_ + "/none.yaml: cannot be read: No such file or directory\n");
  EXPECT_EQ(error_of(folder_), folder_ + ": is a directory, not a configuration file\n");
  const std::string pipe = folder_ + "/pipe";
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(error_of(pipe), pipe + ": is not a regular file\n");
  const std::string large = folder_ + "/large.yaml";
  std::ofstream(large) << std::string(10 << 20, '#');
  EXPECT_EQ(error_of(large), large + ": is larger than 256KiB\n");
}

TEST_F(ConfigFile, IsReadWithItsFolder) {
  const std::string path = folder_ + "/w.yaml";
  std::ofstream(path) << "stages: [{name: mine, plugin: ./mine.so}]\n";
  const auto config = load_config(path);
  ASSERT_TRUE(config);
  EXPECT_EQ(config->stages.at(0).plugin, folder_ + "/mine.so");
  EXPECT_EQ(config->stages.at(0).where, path + ":1:10");
}

TEST(StateDir, TheNearestWordCounts) {
  Config config;
  setenv("XDG_STATE_HOME", "/xdg", 1);
  setenv("HOME", "/home/x", 1);
  EXPECT_EQ(choose_state_dir("", config), "/xdg/wiremill");
  setenv("XDG_STATE_HOME", "relative", 1);
  EXPECT_EQ(choose_state_dir("", config), "/home/x/.local/state/wiremill");
  unsetenv("XDG_STATE_HOME");
  unsetenv("HOME");
  const auto none = choose_state_dir("", config);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, ErrorCode::Config);
  config.storage.state_dir = "/configured";
  EXPECT_EQ(choose_state_dir("", config), "/configured");
  EXPECT_EQ(choose_state_dir("given", config), "given");
}

}  // namespace
}  // namespace wiremill
