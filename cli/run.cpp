// `wiremill run`: the pipeline without a daemon. Reads on a worker, prints where results come out
// in order; the state of stages lives in memory and ends with the program.

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <thread>

#include "cli/command.hpp"
#include "cli/explanation.hpp"
#include "cli/input.hpp"
#include "cli/pretty.hpp"
#include "cli/terminal.hpp"
#include "daemon/base/thread.hpp"
#include "daemon/document/result_json.hpp"
#include "daemon/pipeline/pipeline.hpp"
#include "daemon/pipeline/topics.hpp"
#include "wiremill/v1/record.pb.h"

namespace wiremill::cli {
namespace {

struct RunOptions {
  std::string config_path;
  std::vector<std::string> stages;
  InputKind input = InputKind::Auto;
  std::string format = "pretty";
  std::string source;
  uint32_t threads = 0;
  bool timings = false;
  bool explain = false;
  std::vector<std::string> files;
};

// The configured stages of these names, in the order given; a name that is not configured is a
// plugin with its defaults.
tl::expected<std::vector<StageConfig>, ConfigErrors> choose_stages(
    const Config& config, const std::vector<std::string>& names) {
  if (names.empty()) return config.stages;
  std::vector<StageConfig> chosen;
  for (const std::string& name : names) {
    if (std::ranges::find(chosen, name, &StageConfig::name) != chosen.end())
      return tl::unexpected(ConfigErrors{{"--stages", fmt::format("'{}' stands twice", name)}});
    StageConfig stage;
    stage.where = "--stages";
    stage.name = stage.plugin = name;
    for (const StageConfig& configured : config.stages)
      if (configured.name == name) stage = configured;
    chosen.push_back(std::move(stage));
  }
  return chosen;
}

// Feeds the pipeline from the input and prints what comes out.
class Run {
 public:
  Run(const RunOptions& options, const Config& config, StateStore& state)
      : options_(options),
        config_(config),
        state_(state),
        input_(options.files, options.input, options.source) {}

  int execute(std::unique_ptr<Line> line) {
    PipelineOptions pipeline_options;
    pipeline_options.threads = thread_count();
    pipeline_options.batch_documents_max = config_.pipeline.batch_documents_max;
    pipeline_options.batch_bytes_max = config_.pipeline.batch_bytes_max;
    pipeline_options.window_documents = config_.pipeline.window_documents;
    pipeline_options.window_bytes = config_.pipeline.window_bytes;
    pipeline_options.topics_max = config_.feed.topics_max;
    pipeline_options.timings = options_.timings;
    PipelinePorts ports;
    ports.read = [this](size_t documents_max, size_t bytes_max, std::vector<LogRecord>& records) {
      return read(documents_max, bytes_max, records);
    };
    ports.emit = [this](uint64_t sequence, std::string record) { return emit(sequence, record); };
    ports.failed = [this](const Error& error) { finish(error); };
    auto pipeline = Pipeline::make(std::move(line), state_, pipeline_options, std::move(ports));
    if (!pipeline) {
      print_error(pipeline.error().message);
      return wiremill::exit_code(pipeline.error().code);
    }
    pipeline_ = std::move(*pipeline);
    pipeline_->start();
    {
      const MutexLock lock(mutex_);
      while (!finished_) condition_.wait(mutex_);
    }
    pipeline_->stop();
    if (failure_) {
      print_error(failure_->message);
      return wiremill::exit_code(failure_->code);
    }
    return refused_ ? wiremill::exit_code(ErrorCode::Malformed) : 0;
  }

 private:
  uint32_t thread_count() const {
    if (options_.threads != 0) return options_.threads;
    if (config_.pipeline.threads != 0) return config_.pipeline.threads;
    return std::max(1U, std::thread::hardware_concurrency());
  }

  Status read(size_t documents_max, size_t bytes_max, std::vector<LogRecord>& records) {
    size_t bytes = 0;
    while (records.size() < documents_max && bytes < bytes_max) {
      if (interrupted()) return fail(ErrorCode::Unavailable, "interrupted");
      if (!records.empty() && !input_.ready()) break;
      InputDocument input;
      Error refusal;
      const DocumentInput::Next next = input_.next(input, refusal);
      if (next == DocumentInput::Next::End) {
        if (records.empty()) end_of_input();
        break;
      }
      if (next == DocumentInput::Next::Document &&
          static_cast<int64_t>(input.document.ByteSizeLong()) > config_.intake.document_bytes_max) {
        refusal = {ErrorCode::TooLarge, input.where + ": larger than intake.document_bytes_max"};
        refuse(refusal);
        continue;
      }
      if (next == DocumentInput::Next::Refused) {
        refuse(refusal);
        continue;
      }
      records.push_back(make_record(input.document));
      bytes += records.back().payload.size();
    }
    return {};
  }

  LogRecord make_record(const v1::Document& document) {
    LogRecord record;
    record.sequence = ++sequence_;
    v1::IntakeRecord intake;
    intake.set_id(document.id().empty() ? fmt::format("seq:{}", sequence_) : document.id());
    intake.set_document(document.SerializeAsString());
    record.payload = intake.SerializeAsString();
    return record;
  }

  void refuse(const Error& refusal) {
    print_error(refusal.message);
    refused_ = true;
  }

  Status emit(uint64_t sequence, const std::string& bytes) {
    v1::ResultRecord record;
    v1::Result result;
    if (!record.ParseFromString(bytes) || !result.ParseFromString(record.result()))
      return fail(ErrorCode::Internal, "a result that cannot be read");
    std::string text;
    if (options_.format == "json") {
      append_result_json(result, {.timings = options_.timings}, text);
      text += '\n';
    } else {
      const std::string explanations =
          options_.explain ? take_explanations(result, style_) : std::string();
      text = pretty_result(result, style_) + explanations;
    }
    WM_TRY(write_out(text));
    WM_TRY(state_.commit(sequence));
    const MutexLock lock(mutex_);
    emitted_ = sequence;
    pipeline_->release(sequence);
    if (ended_ && emitted_ == sequence_) {
      finished_ = true;
      condition_.notify_one();
    }
    return {};
  }

  void end_of_input() {
    const MutexLock lock(mutex_);
    ended_ = true;
    if (emitted_ < sequence_) return;
    finished_ = true;
    condition_.notify_one();
  }

  void finish(const Error& error) {
    const MutexLock lock(mutex_);
    failure_ = error;
    finished_ = true;
    condition_.notify_one();
  }

  const RunOptions& options_;
  const Config& config_;
  StateStore& state_;
  const Style style_;
  DocumentInput input_;    // read() only, one call at a time
  bool refused_ = false;   // read() only
  uint64_t sequence_ = 0;  // written by read(); complete once ended_ is set

  Mutex mutex_;
  Condition condition_;
  std::unique_ptr<Pipeline> pipeline_;
  uint64_t emitted_ WM_GUARDED_BY(mutex_) = 0;
  bool ended_ WM_GUARDED_BY(mutex_) = false;
  bool finished_ WM_GUARDED_BY(mutex_) = false;
  std::optional<Error> failure_;
};

void log_stage(std::string_view stage, uint32_t level, std::string_view message) {
  if (level >= WM_LOG_WARNING) print_error(fmt::format("stage {}: {}", stage, message));
}

int run(const RunOptions& options) {
  const auto config = read_config(options.config_path);
  if (!config) return config.error();
  auto stages = choose_stages(*config, options.stages);
  if (!stages) return print_config_errors(stages.error());
  const std::vector<std::string> directories = plugin_directories(config->plugin_dir);
  if (options.explain && !ask_for_explanations(*stages, directories))
    return print_config_errors({{"--explain", "no stage of the line has an option 'explain'"}});
  auto line = Line::build(*stages, directories, log_stage);
  if (!line) return print_config_errors(line.error());
  auto state = StateStore::open("", Pipeline::spaces(**line));
  if (!state) {
    print_error(state.error().message);
    return wiremill::exit_code(state.error().code);
  }
  return Run(options, *config, **state).execute(std::move(*line));
}

}  // namespace

void add_run(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<RunOptions>();
  CLI::App* command = app.add_subcommand("run", "Run the stages on files, without a daemon.");
  command->add_option("--config", options->config_path, "Take the stages from this configuration.")
      ->type_name("FILE");
  command->add_option("--stages", options->stages, "Only these stages, in this order.")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->option_text("NAME,...");
  command->add_option("--input", options->input, "auto, text, html, json or jsonl (default: auto).")
      ->transform(CLI::CheckedTransformer(input_kinds()))
      ->option_text("KIND");
  command
      ->add_option("--format", options->format,
                   "pretty or json, one result a line (default: pretty).")
      ->check(CLI::IsMember({"pretty", "json"}))
      ->option_text("FORMAT");
  command->add_option("--source", options->source, "The source of documents that name none.")
      ->type_name("NAME");
  command->add_option("--threads", options->threads, "Worker threads (default: one for each core).")
      ->check(CLI::Range(1, 256))
      ->option_text("N");
  command->add_flag("--timings", options->timings, "Show how long each stage took.");
  command->add_flag("--explain", options->explain,
                    "Show each line that was left out of the text, and why.");
  command->add_option("files", options->files, "Files, or - for standard input.")
      ->required()
      ->option_text("FILE...");
  command->footer(
      "Examples:\n"
      "  wiremill run article.html\n"
      "  wiremill run --stages clean,language --format json articles.jsonl\n"
      "  wiremill run --stages clean --explain page.html\n"
      "  cat page.txt | wiremill run --input text -\n"
      "JSON lines hold one document each: {\"id\",\"source\",\"uri\",\"title\",\"body\","
      "\"content_type\",\n\"published\",\"attributes\"}. The same input gives the same bytes for "
      "any "
      "--threads.");
  command->callback([options, &exit_code] { exit_code = run(*options); });
}

}  // namespace wiremill::cli
