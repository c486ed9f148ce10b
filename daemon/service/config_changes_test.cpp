#include "daemon/service/config_changes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace wiremill {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Config parsed(const std::string& text) {
  auto config = parse_config(text, "wiremill.yaml");
  EXPECT_TRUE(config.has_value()) << config.error().errors.front().message;
  return std::move(*config);
}

TEST(ConfigChanges, StagesAndTheLevelOfTheLogNeedNoRestart) {
  EXPECT_THAT(keys_for_a_restart(parsed("stages: []"),
                                 parsed("{stages: [{name: language}], log: {level: debug}}")),
              IsEmpty());
}

TEST(ConfigChanges, EveryOtherKeyIsNamed) {
  const Config running = parsed("stages: []");
  const auto keys = [&](const std::string& text) {
    return keys_for_a_restart(running, parsed(text));
  };
  EXPECT_THAT(keys("{intake: {credit: 7, endpoint: \"tcp://127.0.0.1:9\"}, drain_timeout: 1s}"),
              ElementsAre("drain_timeout", "intake.endpoint", "intake.credit"));
  EXPECT_THAT(keys("{storage: {durability: none, free_bytes_min: 1MiB}, plugin_dir: /p}"),
              ElementsAre("plugin_dir", "storage.durability", "storage.free_bytes_min"));
  EXPECT_THAT(keys("{pipeline: {threads: 3}, dead: {age_max: 1d}, log: {format: json}}"),
              ElementsAre("dead.age_max", "pipeline.threads", "log.format"));
  EXPECT_THAT(
      keys("{feed: {heartbeat: 2s}, replay: {cursors_max: 2}, admin: {endpoint: \"\"}, "
           "firehose: {endpoint: \"\"}}"),
      ElementsAre("firehose.endpoint", "feed.heartbeat", "replay.cursors_max", "admin.endpoint"));
}

}  // namespace
}  // namespace wiremill
