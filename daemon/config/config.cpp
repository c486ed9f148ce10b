// Reading goes section by section: each asks for the keys that it knows, and what it was not asked
// for is unknown. An error never ends the reading, it only leaves the default in place.
#include "daemon/config/config.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "daemon/base/units.hpp"
#include "daemon/config/endpoint.hpp"
#include "daemon/config/section.hpp"
#include "daemon/config/suggestion.hpp"
#include "daemon/config/yaml_tree.hpp"

namespace wiremill {
namespace {

constexpr size_t kStagesMax = 64;
constexpr size_t kNameBytesMax = 64;
constexpr int64_t kKiB = 1 << 10, kMiB = 1 << 20, kGiB = 1 << 30;
constexpr int64_t kSecond = 1000, kHour = 3'600'000, kDay = 24 * kHour;

// Endpoints that were read, to find two that collide.
class Endpoints {
 public:
  Endpoints(Reading& reading, bool allow_unencrypted)
      : reading_(reading), allow_unencrypted_(allow_unencrypted) {}

  void read(Section& section, std::string_view name, std::string& out, bool may_be_off) {
    const YamlNode* value = section.find("endpoint");
    const bool is_off = value && (value->kind == YamlNode::Kind::Null ||
                                  (value->kind == YamlNode::Kind::Scalar && value->scalar.empty()));
    if (may_be_off && is_off) {
      out.clear();
      return;
    }
    if (value) {
      const std::string* text = section.scalar("endpoint");
      if (!text) return;
      if (const Status status = check_endpoint(*text, allow_unencrypted_); !status)
        return section.wrong(*value, "endpoint", status.error().message);
      out = *text;
    }
    // Defaults do not collide, so one of the two stands in the file.
    for (const Seen& other : seen_)
      if (endpoints_collide(out, other.endpoint))
        reading_.error(value ? *value : *other.value,
                       fmt::format("'{}' is used by both {} and {}", out, other.name, name));
    seen_.push_back({name, out, value});
  }

 private:
  struct Seen {
    std::string_view name;
    std::string endpoint;
    const YamlNode* value;  // null where it is the default
  };
  Reading& reading_;
  const bool allow_unencrypted_;
  std::vector<Seen> seen_;
};

void read_durability(Section& section, Config::Storage& storage) {
  const std::string* text = section.scalar("durability");
  if (!text) return;
  if (*text == "always") {
    storage.durability = Config::Durability::Always;
  } else if (*text == "none") {
    storage.durability = Config::Durability::None;
  } else if (*text == "interval" || text->starts_with("interval ")) {
    storage.durability = Config::Durability::Interval;
    if (*text == "interval") return;
    const std::string_view rest = std::string_view(*text).substr(text->rfind(' ') + 1);
    const auto interval = parse_duration_ms(rest);
    if (!interval || *interval < 1 || *interval > 10 * kSecond)
      return section.wrong(*section.find("durability"), "durability",
                           fmt::format("the interval must be a duration from 1ms to 10s, such as "
                                       "'interval 50ms', not '{}'",
                                       rest));
    storage.sync_interval_ms = *interval;
  } else {
    section.wrong(*section.find("durability"), "durability",
                  describe_unknown("value", *text, {"always", "interval 50ms", "none"}));
  }
}

std::string resolve_path(const std::string& file_name, const std::string& path) {
  if (path.empty() || path.front() == '/') return path;
  const std::filesystem::path folder = std::filesystem::path(file_name).parent_path();
  const std::string resolved = (folder / path).lexically_normal().string();
  return resolved.find('/') == std::string::npos ? "./" + resolved : resolved;
}

bool is_stage_name(std::string_view name) {
  return !name.empty() && name.size() <= kNameBytesMax &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
         });
}

// Where the kernel takes a string it ends there.
bool has_nul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

OptionNode read_option(Reading& reading, const YamlEntry& entry) {
  OptionNode option;
  option.where = reading.where(entry.value);
  const auto refuse = [&](const YamlNode& node, std::string_view message) {
    reading.error(node, fmt::format("option '{}' {}", entry.key.scalar, message));
  };
  switch (entry.value.kind) {
    case YamlNode::Kind::Scalar: option.scalar = entry.value.scalar; break;
    case YamlNode::Kind::Null: refuse(entry.value, "has no value"); break;
    case YamlNode::Kind::Map: refuse(entry.value, "must be a value or a list of values"); break;
    case YamlNode::Kind::List:
      option.is_list = true;
      for (const YamlNode& item : entry.value.list) {
        if (item.kind == YamlNode::Kind::Scalar)
          option.list.push_back(item.scalar);
        else
          refuse(item, "must hold plain values only");
      }
  }
  return option;
}

// `command: [PROGRAM, ARGUMENT…]` and its environment.
void read_command(Reading& reading, Section& section, StageConfig& stage) {
  const YamlNode* command = section.find("command");
  const YamlNode* environment = section.find("environment");
  if (environment != nullptr && command == nullptr)
    section.wrong(*environment, "environment", "needs a command");
  if (command == nullptr) return;
  if (const YamlNode* plugin = section.find("plugin"))
    section.wrong(*plugin, "plugin", "does not go with a command");
  stage.plugin.clear();
  stage.folder = (std::filesystem::path(reading.file_name).parent_path() / "").string();
  if (command->kind != YamlNode::Kind::List || command->list.empty())
    return section.wrong(*command, "command",
                         "must be a list of the program and its arguments, such as "
                         "[python3, stage.py]");
  for (const YamlNode& word : command->list) {
    if (word.kind == YamlNode::Kind::Scalar && !word.scalar.empty() && !has_nul(word.scalar))
      stage.command.push_back(word.scalar);
    else
      section.wrong(word, "command", "must hold plain words only, without zero bytes");
  }
  if (environment == nullptr) return;
  if (environment->kind != YamlNode::Kind::Map)
    return section.wrong(*environment, "environment", "must be a map of NAME: value");
  reading.refuse_repeated(*environment);
  for (const YamlEntry& entry : environment->map) {
    const std::string& name = entry.key.scalar;
    if (name.empty() || name.find('=') != std::string::npos || has_nul(name) ||
        entry.value.kind != YamlNode::Kind::Scalar || has_nul(entry.value.scalar))
      section.wrong(entry.value, "environment", "must be a map of NAME: value, without zero bytes");
    stage.environment.emplace_back(name, entry.value.scalar);
  }
}

// Wiremill's own, which run inside the daemon where nothing else is said; in the order of the default
// line.
constexpr std::array<std::string_view, 5> kOwnPlugins = {"clean", "language", "entities",
                                                         "duplicates", "summary"};

void read_isolation(Section& section, StageConfig& stage) {
  const bool is_program = section.find("command") != nullptr;
  const bool is_own =
      !is_program && std::ranges::find(kOwnPlugins, stage.plugin) != kOwnPlugins.end();
  std::string isolation = is_own ? "thread" : "process";
  section.choice("isolation", isolation, {"thread", "process"});
  if (is_program && isolation == "thread")
    section.wrong(*section.find("isolation"), "isolation", "must be process for a command");
  stage.own_process = isolation == "process" || is_program;
  section.duration("deadline", stage.deadline_ms, 1, kDay);
  section.bytes("memory_bytes_max", stage.memory_bytes_max, 16 * kMiB, 1LL << 40);
  section.integer("processes", stage.processes, 1, 1000);
  section.integer("cpu_seconds_max", stage.cpu_seconds_max, 1, kDay / kSecond);
  section.integer("crashes_max", stage.crashes_max, 1, 1'000'000);
  section.duration("crash_window", stage.crash_window_ms, kSecond, kDay);
  std::string on_broken = "stop";
  section.choice("on_broken", on_broken, {"stop", "skip", "dead_letter"});
  stage.on_broken = on_broken == "stop"   ? StageConfig::OnBroken::Stop
                    : on_broken == "skip" ? StageConfig::OnBroken::Skip
                                          : StageConfig::OnBroken::DeadLetter;
  for (const char* key : {"deadline", "memory_bytes_max", "processes", "cpu_seconds_max",
                          "crashes_max", "crash_window", "on_broken"})
    if (const YamlNode* node = section.find(key); node != nullptr && !stage.own_process)
      section.wrong(*node, key, "needs isolation: process");
}

StageConfig read_stage(Reading& reading, const YamlNode& node, size_t index) {
  Section section(reading, node, fmt::format("stages[{}].", index));
  StageConfig stage;
  stage.where = reading.where(node);
  if (node.kind != YamlNode::Kind::Map) return stage;
  if (const std::string* name = section.scalar("name")) {
    stage.name = *name;
    if (!is_stage_name(*name))
      section.wrong(*section.find("name"), "name",
                    fmt::format("must have 1 to {} of a-z, 0-9, _ and -", kNameBytesMax));
  } else if (!section.find("name")) {
    reading.error(node, fmt::format("stages[{}] has no name", index));
  }
  stage.plugin = stage.name;
  if (const std::string* plugin = section.scalar("plugin")) {
    stage.plugin = *plugin;
    if (plugin->find('/') != std::string::npos)
      stage.plugin = resolve_path(reading.file_name, *plugin);
    else if (!is_stage_name(*plugin))
      section.wrong(*section.find("plugin"), "plugin",
                    "must be a plugin's name, or a path with a slash such as ./my_stage.so");
  }
  if (const std::string* when = section.scalar("when")) {
    stage.when = *when;
    stage.when_where = reading.where(section.place("when"));
    if (when->empty()) section.wrong(section.place("when"), "when", "has no value");
  }
  section.integer("attempts_max", stage.attempts_max, 1, 100);
  section.duration("timeout", stage.timeout_ms, 1, kDay);
  std::string on_error = "dead_letter";
  section.choice("on_error", on_error, {"dead_letter", "skip"});
  if (on_error == "skip") stage.on_error = StageConfig::OnError::Skip;
  read_command(reading, section, stage);
  read_isolation(section, stage);
  if (const YamlNode* options = section.find("options")) {
    if (options->kind != YamlNode::Kind::Map && options->kind != YamlNode::Kind::Null)
      section.wrong(*options, "options", "must be a map of option: value");
    reading.refuse_repeated(*options);
    for (const YamlEntry& entry : options->map)
      stage.options.emplace_back(entry.key.scalar, read_option(reading, entry));
  }
  section.refuse_unknown();
  return stage;
}

// A file without `stages` has those of config/wiremill.yaml, with their defaults.
std::vector<StageConfig> default_stages(const std::string& file_name) {
  std::vector<StageConfig> stages;
  for (const std::string_view name : kOwnPlugins)
    stages.push_back({.where = file_name,
                      .name = std::string(name),
                      .plugin = std::string(name),
                      .options = {}});
  return stages;
}

void read_stages(Reading& reading, Section& file, Config& config) {
  const YamlNode* node = file.find("stages");
  if (!node || node->kind == YamlNode::Kind::Null) {
    config.stages = default_stages(reading.file_name);
    return;
  }
  config.lists_stages = true;
  if (node->kind != YamlNode::Kind::List)
    return reading.error(*node, "stages must be a list, each item beginning with '- name:'");
  if (node->list.size() > kStagesMax)
    return reading.error(*node, fmt::format("at most {} stages", kStagesMax));
  for (size_t i = 0; i < node->list.size(); ++i) {
    StageConfig stage = read_stage(reading, node->list[i], i);
    const auto same =
        std::find_if(config.stages.begin(), config.stages.end(),
                     [&](const StageConfig& other) { return other.name == stage.name; });
    if (same != config.stages.end() && !stage.name.empty())
      reading.error(node->list[i], fmt::format("two stages are named '{}' (the first at {})",
                                               stage.name, same->where));
    config.stages.push_back(std::move(stage));
  }
}

void read_rooms(Reading& reading, Section& file, Config& config) {
  Endpoints endpoints(reading, config.allow_unencrypted);
  Section intake = file.section("intake");
  endpoints.read(intake, "intake", config.intake.endpoint, false);
  intake.bytes("document_bytes_max", config.intake.document_bytes_max, kKiB, kGiB);
  intake.integer("credit", config.intake.credit, 1, 1'000'000);
  intake.bytes("queue_bytes_max", config.intake.queue_bytes_max, kMiB, 64 * kGiB);
  intake.duration("idempotency_window", config.intake.idempotency_window_ms, 0, 30 * kDay);
  intake.integer("idempotency_entries_max", config.intake.idempotency_entries_max, 0, 100'000'000);
  intake.integer("clients_max", config.intake.clients_max, 1, 1'000'000);
  if (config.intake.queue_bytes_max < config.intake.document_bytes_max)
    intake.wrong(intake.place("queue_bytes_max"), "queue_bytes_max",
                 fmt::format("{} holds no document of document_bytes_max ({})",
                             format_bytes(config.intake.queue_bytes_max),
                             format_bytes(config.intake.document_bytes_max)));
  intake.refuse_unknown();

  Section firehose = file.section("firehose");
  endpoints.read(firehose, "firehose", config.firehose.endpoint, true);
  firehose.refuse_unknown();

  Section feed = file.section("feed");
  endpoints.read(feed, "feed", config.feed.endpoint, false);
  feed.integer("topics_max", config.feed.topics_max, 1, 10'000'000);
  feed.duration("heartbeat", config.feed.heartbeat_ms, 100, 60 * kSecond);
  feed.refuse_unknown();

  Section replay = file.section("replay");
  endpoints.read(replay, "replay", config.replay.endpoint, false);
  replay.integer("subscribers_max", config.replay.subscribers_max, 1, 100'000);
  replay.integer("cursors_max", config.replay.cursors_max, 1, 1'000'000);
  replay.refuse_unknown();

  Section admin = file.section("admin");
  endpoints.read(admin, "admin", config.admin.endpoint, true);
  if (!config.admin.endpoint.empty() && !config.admin.endpoint.starts_with("tcp://"))
    admin.wrong(
        admin.place("endpoint"), "endpoint",
        fmt::format("must be tcp://ADDRESS:PORT for HTTP, not '{}'", config.admin.endpoint));
  admin.refuse_unknown();
}

void read_inside(Reading& reading, Section& file, Config& config) {
  Section storage = file.section("storage");
  if (const std::string* folder = storage.scalar("state_dir"))
    config.storage.state_dir = resolve_path(reading.file_name, *folder);
  read_durability(storage, config.storage);
  storage.bytes("segment_bytes", config.storage.segment_bytes, kMiB, 4 * kGiB);
  storage.bytes("free_bytes_min", config.storage.free_bytes_min, 0, 1024 * kGiB);
  storage.duration("result_age_max", config.storage.result_age_max_ms, 0, 36'500 * kDay);
  storage.bytes("result_bytes_max", config.storage.result_bytes_max, 0, 1'048'576 * kGiB);
  storage.bytes("scrub_bytes_per_second", config.storage.scrub_bytes_per_second, 0, 16 * kGiB);
  storage.refuse_unknown();

  Section dead = file.section("dead");
  dead.duration("age_max", config.dead.age_max_ms, 0, 36'500 * kDay);
  dead.integer("documents_max", config.dead.documents_max, 0, 100'000'000);
  dead.bytes("bytes_max", config.dead.bytes_max, 0, 1'048'576 * kGiB);
  dead.refuse_unknown();

  Section pipeline = file.section("pipeline");
  Config::Pipeline& limits = config.pipeline;
  pipeline.integer("threads", limits.threads, 0, 256);
  pipeline.integer("batch_documents_max", limits.batch_documents_max, 1, 1024);
  pipeline.bytes("batch_bytes_max", limits.batch_bytes_max, 64 * kKiB, kGiB);
  pipeline.integer("window_documents", limits.window_documents, 1, 1'000'000);
  pipeline.bytes("window_bytes", limits.window_bytes, kMiB, 256 * kGiB);
  if (limits.window_documents < limits.batch_documents_max)
    pipeline.wrong(pipeline.place("window_documents"), "window_documents",
                   fmt::format("{} is less than batch_documents_max ({})", limits.window_documents,
                               limits.batch_documents_max));
  if (limits.window_bytes < config.intake.document_bytes_max)
    pipeline.wrong(pipeline.place("window_bytes"), "window_bytes",
                   fmt::format("{} holds no document of intake.document_bytes_max ({})",
                               format_bytes(limits.window_bytes),
                               format_bytes(config.intake.document_bytes_max)));
  pipeline.refuse_unknown();

  Section log = file.section("log");
  log.choice("level", config.log.level, {"debug", "info", "warning", "error"});
  log.choice("format", config.log.format, {"auto", "text", "json"});
  log.refuse_unknown();
}

Config read_config(Reading& reading, const YamlNode& root) {
  Config config;
  Section file(reading, root, "");
  file.flag("allow_unencrypted", config.allow_unencrypted);
  file.duration("drain_timeout", config.drain_timeout_ms, 0, kHour);
  if (const std::string* folder = file.scalar("plugin_dir"))
    config.plugin_dir = resolve_path(reading.file_name, *folder);
  read_rooms(reading, file, config);
  read_inside(reading, file, config);
  read_stages(reading, file, config);
  file.refuse_unknown();
  return config;
}

// In the file's order, and not without end.
ConfigErrors arrange(ConfigErrors errors, const std::string& file_name) {
  const auto place = [](const ConfigError& error) {
    int line = 0, column = 0;
    const size_t before_column = error.where.rfind(':');
    const size_t before_line = error.where.rfind(':', before_column - 1);
    std::from_chars(error.where.data() + before_line + 1, error.where.data() + before_column, line);
    std::from_chars(error.where.data() + before_column + 1, error.where.data() + error.where.size(),
                    column);
    return std::pair(line, column);
  };
  std::stable_sort(errors.begin(), errors.end(),
                   [&](const ConfigError& a, const ConfigError& b) { return place(a) < place(b); });
  if (errors.size() > kConfigErrorsMax) {
    const size_t further = errors.size() - kConfigErrorsMax;
    errors.resize(kConfigErrorsMax);
    errors.push_back({file_name, fmt::format("and {} further errors", further)});
  }
  return errors;
}

}  // namespace

tl::expected<Config, ConfigFailure> parse_config(std::string_view yaml_text,
                                                 const std::string& file_name) {
  const auto refuse = [](ConfigError error) {
    return tl::unexpected(ConfigFailure{{std::move(error)}, {}});
  };
  if (std::ssize(yaml_text) > kConfigBytesMax)
    return refuse({file_name, fmt::format("is larger than {}", format_bytes(kConfigBytesMax))});
  auto root = parse_yaml(yaml_text, file_name);
  if (!root) return refuse(std::move(root.error()));
  Reading reading{file_name, {}};
  Config config = read_config(reading, *root);
  if (!reading.errors.empty())
    return tl::unexpected(
        ConfigFailure{arrange(std::move(reading.errors), file_name), std::move(config)});
  return config;
}

tl::expected<Config, ConfigFailure> load_config(const std::string& path) {
  const auto refuse = [&](std::string message) {
    return tl::unexpected(ConfigFailure{{{path, std::move(message)}}, {}});
  };
  const auto refuse_errno = [&] {
    return refuse(fmt::format("cannot be read: {}", std::strerror(errno)));
  };
  struct File {
    int descriptor;
    ~File() {
      if (descriptor >= 0) close(descriptor);
    }
  };
  // O_NONBLOCK: opening a named pipe that nobody writes to must not hang.
  const File file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.descriptor < 0) return refuse_errno();
  struct stat status {};
  if (fstat(file.descriptor, &status) != 0) return refuse_errno();
  if (S_ISDIR(status.st_mode)) return refuse("is a directory, not a configuration file");
  if (!S_ISREG(status.st_mode)) return refuse("is not a regular file");
  std::string text;
  char block[65536];
  while (std::ssize(text) <= kConfigBytesMax) {
    const ssize_t bytes = read(file.descriptor, block, sizeof block);
    if (bytes < 0 && errno == EINTR) continue;
    if (bytes < 0) return refuse_errno();
    if (bytes == 0) break;
    text.append(block, static_cast<size_t>(bytes));
  }
  return parse_config(text, path);
}

Result<std::string> choose_state_dir(const std::string& command_line, const Config& config) {
  if (!command_line.empty()) return command_line;
  if (!config.storage.state_dir.empty()) return config.storage.state_dir;
  // The XDG base directory specification wants relative paths ignored.
  if (const char* state_home = std::getenv("XDG_STATE_HOME"); state_home && *state_home == '/')
    return std::string(state_home) + "/wiremill";
  if (const char* home = std::getenv("HOME"); home && *home == '/')
    return std::string(home) + "/.local/state/wiremill";
  return fail(ErrorCode::Config,
              "no folder for the state: give --state, storage.state_dir, XDG_STATE_HOME or HOME");
}

}  // namespace wiremill
