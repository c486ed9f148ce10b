#include "daemon/pipeline/line.hpp"

#include <algorithm>
#include <utility>

#include "daemon/config/options.hpp"
#include "daemon/host/hosted_stage.hpp"

namespace wiremill {
namespace {

constexpr std::string_view kSpacePrefix = "stage/";

// Reads one list of a descriptor into a set; an unknown name is an error.
Annotations read_names(const char* const* names, const StageConfig& config, ConfigErrors& errors) {
  Annotations set = 0;
  for (; *names != nullptr; ++names) {
    if (const auto annotation = annotation_named(*names))
      set |= *annotation;
    else
      errors.push_back(
          {config.where, fmt::format("stage '{}': its plugin names an unknown annotation '{}'",
                                     config.name, *names)});
  }
  return set;
}

std::string spelled(const char* const* names, Annotations wanted) {
  std::string list;
  for (; *names != nullptr; ++names) {
    const auto annotation = annotation_named(*names);
    if (!annotation || (*annotation & wanted) == 0) continue;
    list += (list.empty() ? "'" : "', '") + std::string(*names);
  }
  return list + "'";
}

// Sentences and tokens are made of text and language, so reading them reads those too.
Annotations with_origins(Annotations wanted) {
  return (wanted & kSegments) != 0 ? wanted | kText | kLanguage : wanted;
}

// What a stage with a condition or with on_error: skip provides, not every document has.
bool is_for_every_document(const LineStage& stage) {
  return !stage.when && stage.skipped_errors == nullptr;
}

Annotations reads_of(const LineStage& stage) {
  Annotations read = stage.wanted;
  if (stage.when)
    for (const StageCondition::Read& each : stage.when->reads()) read |= each.needed;
  return read;
}

ConfigError condition_error(const StageConfig& config, size_t character, std::string_view message) {
  return {config.when_where,
          fmt::format("stage '{}': when, character {}: {}", config.name, character, message)};
}

// Each field of a condition must be known where its stage stands.
void check_condition(const std::vector<LineStage>& stages, size_t index, Annotations before,
                     const StageConfig& config, ConfigErrors& errors) {
  if (!stages[index].when) return;
  for (const StageCondition::Read& read : stages[index].when->reads()) {
    const auto later = std::find_if(
        stages.begin() + static_cast<ptrdiff_t>(index) + 1, stages.end(),
        [&](const LineStage& each) { return (each.provided & with_origins(read.needed)) != 0; });
    std::string message;
    if (later != stages.end())
      message = fmt::format("'{}' is known only behind stage '{}', which stands later", read.field,
                            later->stage->name());
    else if ((read.needed & ~before) != 0)
      message = fmt::format(
          "'{}' is known only behind a stage that provides it, and none stands "
          "before this one",
          read.field);
    if (!message.empty()) errors.push_back(condition_error(config, read.character, message));
  }
}

void check_order(const std::vector<LineStage>& stages,
                 const std::vector<const StageConfig*>& configs, ConfigErrors& errors) {
  Annotations before = kGivenByHost;
  for (size_t i = 0; i < stages.size(); ++i) {
    const wm_descriptor& descriptor = stages[i].stage->descriptor();
    Annotations required = 0;
    for (const char* const* name = descriptor.required; *name != nullptr; ++name)
      required |= annotation_named(*name).value_or(Annotation{});
    Annotations missing = required & ~before;
    for (size_t later = i + 1; later < stages.size(); ++later) {
      const Annotations early = with_origins(stages[i].wanted) & stages[later].provided;
      if (early == 0) continue;
      errors.push_back(
          {configs[i]->where,
           fmt::format("stage '{}' stands before '{}', which provides {} that it reads",
                       stages[i].stage->name(), stages[later].stage->name(),
                       spelled(stages[later].stage->descriptor().provided, early))});
      missing &= ~early;
    }
    if (missing != 0)
      errors.push_back(
          {configs[i]->where,
           fmt::format("stage '{}' requires {}, which no stage of the line provides",
                       stages[i].stage->name(), spelled(descriptor.required, missing))});
    check_condition(stages, i, before, *configs[i], errors);
    before |= stages[i].provided;
  }
}

// Makes the stages of one line.
class Maker {
 public:
  Maker(const std::vector<std::string>& plugin_directories, const StageLog& log,
        const std::stop_token& stop)
      : directories_(plugin_directories), log_(log), stop_(stop) {}

  // Fills what the descriptor says into `entry`. What is wrong is in `errors`, or the answer.
  Result<std::unique_ptr<Stage>> make(const StageConfig& config, LineStage& entry,
                                      ConfigErrors& errors) {
    auto made = config.own_process ? make_hosted(config, entry, errors)
                                   : make_loaded(config, entry, errors);
    if (made) return made;
    return fail(ErrorCode::Config, "stage '{}': {}", config.name, made.error().message);
  }

 private:
  Result<std::unique_ptr<Stage>> make_loaded(const StageConfig& config, LineStage& entry,
                                             ConfigErrors& errors) {
    const auto plugin = Plugin::load(config.plugin, directories_);
    if (!plugin) return tl::unexpected(plugin.error());
    const auto options = resolve((*plugin)->descriptor(), config, entry, errors);
    if (!options) return tl::unexpected(options.error());
    return Stage::create(config.name, *plugin, options->data(), options->size(), log_);
  }

  Result<std::unique_ptr<Stage>> make_hosted(const StageConfig& config, LineStage& entry,
                                             ConfigErrors& errors) {
    const auto file = config.command.empty() ? find_plugin(config.plugin, directories_) : "";
    if (!file) return tl::unexpected(file.error());
    auto stage = HostedStage::load(config, stagehost_program(), *file, log_, stop_);
    if (!stage) return tl::unexpected(std::move(stage).error());
    const auto options = resolve((*stage)->descriptor(), config, entry, errors);
    if (!options) return tl::unexpected(options.error());
    WM_TRY((*stage)->start(options->data(), options->size()));
    return stage;
  }

  static Result<ResolvedOptions> resolve(const wm_descriptor& descriptor, const StageConfig& config,
                                         LineStage& entry, ConfigErrors& errors) {
    const size_t errors_before = errors.size();
    ResolvedOptions options = resolve_options(descriptor.options, config, errors);
    entry.wanted = read_names(descriptor.required, config, errors) |
                   read_names(descriptor.used, config, errors);
    entry.provided = read_names(descriptor.provided, config, errors);
    if (errors.size() == errors_before) return options;
    return fail(ErrorCode::Config, "its options or names are wrong");
  }

  const std::vector<std::string>& directories_;
  const StageLog& log_;
  const std::stop_token& stop_;
};

}  // namespace

ConfigErrors all_errors(ConfigFailure failure, const std::stop_token& stop) {
  std::erase_if(failure.read.stages, [](const StageConfig& stage) {
    return stage.plugin.empty() && stage.command.empty();
  });
  auto line =
      Line::build(failure.read.stages, plugin_directories(failure.read.plugin_dir), {}, stop);
  if (!line) failure.errors.insert(failure.errors.end(), line.error().begin(), line.error().end());
  return std::move(failure.errors);
}

tl::expected<std::unique_ptr<Line>, std::vector<ConfigError>> Line::build(
    const std::vector<StageConfig>& stages, const std::vector<std::string>& plugin_directories,
    const StageLog& log, const std::stop_token& stop) {
  ConfigErrors errors;
  std::unique_ptr<Line> line(new Line);
  std::vector<const StageConfig*> configs;
  Maker maker(plugin_directories, log, stop);
  for (const StageConfig& config : stages) {
    const size_t errors_before = errors.size();
    LineStage entry;
    entry.attempts_max = config.attempts_max;
    entry.deadline_ms = config.own_process ? config.deadline_ms : 0;
    entry.timeout_ms = config.timeout_ms;
    entry.calls = &line->calls_;
    if (config.on_error == StageConfig::OnError::Skip)
      entry.skipped_errors = std::make_shared<SkippedErrors>(config.name, log);
    if (!config.when.empty()) {
      entry.left_out = std::make_shared<std::atomic<uint64_t>>(0);
      if (auto condition = StageCondition::parse(config.when))
        entry.when = std::move(*condition);
      else
        errors.push_back(
            condition_error(config, condition.error().character, condition.error().message));
    }
    const size_t errors_of_condition = errors.size();
    auto stage = maker.make(config, entry, errors);
    if (!stage && errors.size() == errors_of_condition)
      errors.push_back({config.where, stage.error().message});
    if (errors.size() != errors_before) continue;
    entry.stage = stage->get();
    line->owned_.push_back(std::move(*stage));
    line->stages_.push_back(std::move(entry));
    configs.push_back(&config);
  }
  // The order of an incomplete line says nothing.
  if (line->stages_.size() == stages.size()) check_order(line->stages_, configs, errors);
  if (!errors.empty()) return tl::unexpected(std::move(errors));
  line->plan();
  return line;
}

void Line::plan() {
  int64_t shortest_ms = 0;
  for (const LineStage& stage : stages_)
    if (stage.timeout_ms > 0 && (shortest_ms == 0 || stage.timeout_ms < shortest_ms))
      shortest_ms = stage.timeout_ms;
  if (shortest_ms > 0) calls_.start_timeouts(shortest_ms);
  bool with_text = false, segmented = false;  // every document
  const auto give_text = [&] {
    if (!with_text) steps_.push_back({Step::Kind::RepairText});
    with_text = true;
  };
  const auto segment = [&] {
    if (!segmented) steps_.push_back({Step::Kind::Segment});
    segmented = true;
  };
  Annotations in_results = 0;
  for (size_t i = 0; i < stages_.size(); ++i) {
    const LineStage& stage = stages_[i];
    const Annotations read = reads_of(stage);
    if ((with_origins(read) & kText) != 0) give_text();
    if ((read & kSegments) != 0) segment();
    steps_.push_back({Step::Kind::Process, i});
    if (stage.stage->settles()) steps_.push_back({Step::Kind::Settle, i});
    if ((stage.provided & kText) != 0) {
      with_text |= is_for_every_document(stage);
      segmented = false;
    }
    in_results |= with_origins(read) | stage.provided;
  }
  // Whoever gets the text gets its sentences too.
  if ((in_results & kText) != 0) {
    give_text();
    segment();
  }
}

std::vector<std::string> Line::spaces() const {
  std::vector<std::string> names;
  for (const LineStage& stage : stages_)
    if (stage.stage->settles()) names.push_back(std::string(kSpacePrefix) + stage.stage->name());
  return names;
}

std::vector<StageCounts> Line::counts() const {
  std::vector<StageCounts> all;
  for (const LineStage& stage : stages_) {
    all.push_back({stage.stage->name(), stage.stage->metrics()});
    if (stage.skipped_errors != nullptr) all.back().skipped_errors = stage.skipped_errors->count();
    if (stage.left_out != nullptr) all.back().left_out = stage.left_out->load();
  }
  return all;
}

void Line::bind(const StateStore& state) {
  for (LineStage& stage : stages_)
    if (stage.stage->settles())
      stage.space = state.space(std::string(kSpacePrefix) + stage.stage->name());
}

}  // namespace wiremill
