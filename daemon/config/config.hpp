// The configuration as typed structs. Read once at start by the daemon, by `wiremill validate` and
// by every command that takes --config; any thread.
//
// All errors of a file are collected, each with its place, so that an operator mends them in one
// go. What is left out has the default that config/wiremill.yaml shows; that file is the very text
// that default_config_yaml() returns. Durations and sizes are written with a unit ("250ms",
// "64MiB"); relative paths in the file start from the file's own folder.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "daemon/base/error.hpp"

namespace wiremill {

struct ConfigError {
  std::string where;  // "wiremill.yaml:3:7", or only the path where no line is at fault
  std::string message;
  friend bool operator==(const ConfigError&, const ConfigError&) = default;
};
using ConfigErrors = std::vector<ConfigError>;

// One option of a stage as it was written: what type it has is known only once the plugin is
// loaded (see options.hpp).
struct OptionNode {
  std::string where;
  bool is_list = false;
  std::string scalar;
  std::vector<std::string> list;
  friend bool operator==(const OptionNode&, const OptionNode&) = default;
};

struct StageConfig {
  // What becomes of a document that the stage cannot take.
  enum class OnError {
    DeadLetter,
    Skip,  // it goes on as if the stage had not seen it
  };

  std::string where;
  std::string name;
  std::string plugin;  // a name, looked up in the plugin folders, or a path (with a slash)
  // Instead of a plugin: a program with its arguments, run in `folder`, the configuration file's own
  // ("": here).
  std::vector<std::string> command{};
  std::string folder{};
  std::vector<std::pair<std::string, std::string>> environment{};  // beside what the daemon gives
  std::string when{};  // a condition, parsed where the line is built; empty: every document
  std::string when_where{};
  uint32_t attempts_max = 3;
  OnError on_error = OnError::DeadLetter;
  int64_t timeout_ms = 0;    // of a document's attempts together; 0: none
  bool own_process = false;  // isolation: process, or a command; what follows is for such a stage
  int64_t deadline_ms = 10'000;
  int64_t memory_bytes_max = 1LL << 30;
  uint32_t processes = 1;       // it and those that it starts
  int64_t cpu_seconds_max = 0;  // of processor time a document; 0: no limit
  uint32_t crashes_max = 1000;  // within the window, and the stage is broken
  int64_t crash_window_ms = 600'000;
  enum class OnBroken { Stop, Skip, DeadLetter } on_broken = OnBroken::Stop;
  std::vector<std::pair<std::string, OptionNode>> options;  // in the file's order
  friend bool operator==(const StageConfig&, const StageConfig&) = default;
};

struct Config {
  enum class Durability {
    Always,    // fdatasync before an acknowledgement
    Interval,  // fdatasync every sync_interval_ms
    None,      // the kernel decides
  };

  bool allow_unencrypted = false;
  int64_t drain_timeout_ms = 10'000;
  std::string plugin_dir;  // searched before the folder that belongs to the program; empty: none

  struct Intake {
    std::string endpoint = "tcp://127.0.0.1:5750";
    int64_t document_bytes_max = 10 << 20;
    uint32_t credit = 2048;
    int64_t queue_bytes_max = 64 << 20;
    int64_t idempotency_window_ms = 86'400'000;
    int64_t idempotency_entries_max = 1'000'000;
    uint32_t clients_max = 10'000;
    friend bool operator==(const Intake&, const Intake&) = default;
  } intake;

  struct Firehose {
    std::string endpoint = "tcp://127.0.0.1:5753";  // empty: off
    friend bool operator==(const Firehose&, const Firehose&) = default;
  } firehose;

  struct Feed {
    std::string endpoint = "tcp://127.0.0.1:5751";
    uint32_t topics_max = 100'000;
    int64_t heartbeat_ms = 1000;
    friend bool operator==(const Feed&, const Feed&) = default;
  } feed;

  struct Replay {
    std::string endpoint = "tcp://127.0.0.1:5752";
    uint32_t subscribers_max = 1000;
    uint32_t cursors_max = 1000;
    friend bool operator==(const Replay&, const Replay&) = default;
  } replay;

  struct Admin {
    std::string endpoint = "tcp://127.0.0.1:5754";  // HTTP; empty: off
    friend bool operator==(const Admin&, const Admin&) = default;
  } admin;

  struct Storage {
    std::string state_dir;  // empty: see choose_state_dir
    Durability durability = Durability::Always;
    int64_t sync_interval_ms = 50;
    int64_t segment_bytes = 64 << 20;
    int64_t free_bytes_min = 1 << 30;
    int64_t result_age_max_ms = 30LL * 86'400'000;  // 0: no limit
    int64_t result_bytes_max = 0;                   // 0: no limit
    int64_t scrub_bytes_per_second = 8 << 20;       // 0: no scrub
    friend bool operator==(const Storage&, const Storage&) = default;
  } storage;

  struct Dead {
    int64_t age_max_ms = 90LL * 86'400'000;  // 0: no limit
    int64_t documents_max = 100'000;
    int64_t bytes_max = 1 << 30;
    friend bool operator==(const Dead&, const Dead&) = default;
  } dead;

  struct Pipeline {
    uint32_t threads = 0;  // 0: one for each core
    uint32_t batch_documents_max = 32;
    int64_t batch_bytes_max = 4 << 20;
    uint32_t window_documents = 1024;
    int64_t window_bytes = 256 << 20;
    friend bool operator==(const Pipeline&, const Pipeline&) = default;
  } pipeline;

  struct Log {
    std::string level = "info";   // debug, info, warning, error
    std::string format = "auto";  // auto (text on a terminal, else json), text, json
    friend bool operator==(const Log&, const Log&) = default;
  } log;

  std::vector<StageConfig> stages;  // in the order in which documents pass them
  bool lists_stages = false;        // the file does; else they are the default ones
};

constexpr int64_t kConfigBytesMax = 256 << 10;
constexpr size_t kConfigErrorsMax = 100;  // further ones are counted in a last line

// What is wrong, and what could be read all the same: its stages let plugins be checked in one go.
struct ConfigFailure {
  ConfigErrors errors;
  Config read;
};

tl::expected<Config, ConfigFailure> load_config(const std::string& path);

// `file_name` stands in the errors, and its folder is where relative paths start.
tl::expected<Config, ConfigFailure> parse_config(std::string_view yaml_text,
                                                 const std::string& file_name);

// config/wiremill.yaml, embedded when the program was built.
std::string_view default_config_yaml();

// Where the state lives: the command line's word, else the configuration's, else
// $XDG_STATE_HOME/wiremill, else ~/.local/state/wiremill. Errors: Config (no home either).
Result<std::string> choose_state_dir(const std::string& command_line, const Config& config);

}  // namespace wiremill
