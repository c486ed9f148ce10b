#include "daemon/service/daemon.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include <csignal>
#include <filesystem>
#include <thread>

#include "daemon/base/logging.hpp"
#include "daemon/feed/feed.hpp"
#include "daemon/intake/intake.hpp"
#include "daemon/log/log.hpp"
#include "daemon/pipeline/line.hpp"
#include "daemon/pipeline/pipeline.hpp"
#include "daemon/pipeline/topics.hpp"
#include "daemon/plugin/state_store.hpp"
#include "daemon/service/committer.hpp"
#include "daemon/sockets/socket_loop.hpp"

namespace wiremill {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kDrainPoll{5};
constexpr std::chrono::seconds kCheckpointPeriod{10};

// The state folder, held by this process alone. A start that fails leaves none behind that it made.
class StateFolder {
 public:
  static Result<StateFolder> open(const std::string& path) {
    std::error_code error;
    const bool made = std::filesystem::create_directories(path, error);
    if (error) return fail(ErrorCode::Io, "make state folder {}: {}", path, error.message());
    const std::string lock_path = path + "/LOCK";
    const int fd = ::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) return fail_errno(errno, "open", lock_path);
    StateFolder folder(fd, made ? path : "");
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
      return fail(ErrorCode::Locked, "state folder {} is in use by another wiremilld", path);
    return folder;
  }
  StateFolder(StateFolder&& other) noexcept
      : fd_(std::exchange(other.fd_, -1)), made_(std::exchange(other.made_, "")) {}
  StateFolder& operator=(StateFolder&&) = delete;
  ~StateFolder() {
    std::error_code ignored;
    if (!made_.empty()) std::filesystem::remove_all(made_, ignored);
    if (fd_ >= 0) close(fd_);
  }

  // The start succeeded: what it made stays.
  void keep() { made_.clear(); }

 private:
  StateFolder(int fd, std::string made) : fd_(fd), made_(std::move(made)) {}
  int fd_;
  std::string made_;  // the folder, where this start made it and has not succeeded yet
};

LogOptions log_options(const Config& config, const std::string& state_dir,
                       const std::string& name) {
  LogOptions options;
  options.directory = state_dir + "/" + name;
  options.name = name;
  options.segment_bytes = config.storage.segment_bytes;
  options.sync_interval_ms = config.storage.sync_interval_ms;
  switch (config.storage.durability) {
    case Config::Durability::Always: options.durability = Durability::Always; break;
    case Config::Durability::Interval: options.durability = Durability::Interval; break;
    case Config::Durability::None: options.durability = Durability::None; break;
  }
  return options;
}

IntakeOptions intake_options(const Config& config, const std::string& state_dir) {
  IntakeOptions options;
  options.endpoint = config.intake.endpoint;
  options.firehose_endpoint = config.firehose.endpoint;
  options.ledger_directory = state_dir + "/ledger";
  options.document_bytes_max = config.intake.document_bytes_max;
  options.credit = config.intake.credit;
  options.clients_max = config.intake.clients_max;
  options.idempotency_window_ms = config.intake.idempotency_window_ms;
  options.idempotency_documents_max = static_cast<uint64_t>(config.intake.idempotency_entries_max);
  return options;
}

FeedOptions feed_options(const Config& config, const std::string& state_dir) {
  FeedOptions options;
  options.endpoint = config.feed.endpoint;
  options.replay_endpoint = config.replay.endpoint;
  options.heartbeat_ms = config.feed.heartbeat_ms;
  options.subscribers_max = config.replay.subscribers_max;
  options.cursors_directory = state_dir + "/cursors";
  options.cursors_max = config.replay.cursors_max;
  return options;
}

PipelineOptions pipeline_options(const Config& config) {
  PipelineOptions options;
  options.threads = config.pipeline.threads != 0
                        ? config.pipeline.threads
                        : std::max(1U, std::thread::hardware_concurrency());
  options.batch_documents_max = config.pipeline.batch_documents_max;
  options.batch_bytes_max = config.pipeline.batch_bytes_max;
  options.window_documents = config.pipeline.window_documents;
  options.window_bytes = config.pipeline.window_bytes;
  options.topics_max = config.feed.topics_max;
  return options;
}

void log_stage(std::string_view stage, uint32_t level, std::string_view message) {
  log_line(level <= WM_LOG_ERROR ? static_cast<LogLevel>(level) : LogLevel::Error,
           fmt::format("stage {}: {}", stage, message));
}

StartFailure failure_of(const std::string& where, const Error& error) {
  return {{{where, error.message}}, exit_code(error.code)};
}

}  // namespace

class Daemon::Impl {
 public:
  Impl(const Config& config, StateFolder folder, std::unique_ptr<Line> line)
      : config_(config), folder_(std::move(folder)), line_(std::move(line)) {}

  Status open_storage(const std::string& state_dir) {
    LogOptions result_options = log_options(config_, state_dir, "result");
    result_options.queue_bytes_max = INT64_MAX;  // the pipeline's window bounds what waits
    WM_TRY(take(Log::open(result_options), results_));
    LogOptions intake_log_options = log_options(config_, state_dir, "intake");
    intake_log_options.queue_bytes_max = config_.intake.queue_bytes_max;
    WM_TRY(take(Log::open(intake_log_options), intake_log_));
    if (intake_log_->durable() < results_->durable())
      return fail(ErrorCode::Damaged,
                  "the intake log ends at {}, but there are results up to {}: the log lost its end",
                  intake_log_->durable(), results_->durable());
    std::vector<std::string> spaces = line_->spaces();
    spaces.emplace_back(Topics::kSpace);
    WM_TRY(take(StateStore::open(state_dir + "/state", spaces), state_));
    return recover_state(*results_, *state_);
  }

  // Binds all sockets, and says of each why it cannot.
  void open_sockets(const std::string& state_dir, std::vector<Error>& errors) {
    const auto note = [&](const Status& status) {
      if (!status) errors.push_back(status.error());
    };
    note(take(SocketLoop::make(), loop_));
    if (!errors.empty()) return;
    note(take(Intake::open(intake_options(config_, state_dir), *loop_, *intake_log_), intake_));
    note(take(Feed::open(feed_options(config_, state_dir), *loop_, *results_), feed_));
  }

  Status start() {
    committer_ = std::make_unique<Committer>(
        *state_, [this](uint64_t sequence) { pipeline_->release(sequence); },
        [](const Error& error) { log_error("state: {}", error.message); });
    reader_ = intake_log_->reader(results_->durable() + 1);
    PipelinePorts ports;
    ports.read = [this](size_t documents_max, size_t bytes_max, std::vector<LogRecord>& records) {
      return reader_->read(documents_max, bytes_max, records);
    };
    ports.emit = [this](uint64_t sequence, std::string record) -> Status {
      const auto appended = results_->append(std::move(record));
      if (!appended) return tl::unexpected(appended.error());
      WM_INVARIANT(*appended == sequence);
      return {};
    };
    ports.failed = [](const Error& error) {
      log_error("the pipeline has stopped: {}; documents are still taken, and wait on disk",
                error.message);
    };
    WM_TRY(take(Pipeline::make(*line_, *state_, pipeline_options(config_), std::move(ports)),
                pipeline_));
    results_->on_durable([this](uint64_t sequence) {
      committer_->durable(sequence);
      loop_->wake();
    });
    intake_log_->on_durable([this](uint64_t) {
      pipeline_->wake();
      loop_->wake();
    });
    pipeline_->start();
    loop_->start();
    folder_.keep();
    log_info("serving: intake {}, feed {}, replay {}{}{}; {} stages; next sequence {}",
             intake_->endpoint(), feed_->endpoint(), feed_->replay_endpoint(),
             config_.firehose.endpoint.empty() ? "" : ", firehose ", intake_->firehose_endpoint(),
             line_->stages().size(), intake_log_->next());
    return {};
  }

  void run() {
    wait_for_signal();
    schedule_checkpoint();
    context_.run();
    stop();
  }

 private:
  template <class T>
  static Status take(Result<T>&& result, T& into) {
    if (!result) return tl::unexpected(std::move(result).error());
    into = std::move(*result);
    return {};
  }

  void wait_for_signal() {
    signals_.async_wait([this](const boost::system::error_code& error, int signal) {
      if (error) return;
      if (draining_) {
        log_warning("second signal: leaving at once; the next start goes on where this one ends");
        std::_Exit(0);
      }
      draining_ = true;
      log_info("{}: draining for at most {} ms", signal == SIGINT ? "SIGINT" : "SIGTERM",
               config_.drain_timeout_ms);
      intake_->stop_accepting();
      drain_until_ = std::chrono::steady_clock::now() + milliseconds(config_.drain_timeout_ms);
      checkpoint_timer_.cancel();
      drain();
      wait_for_signal();
    });
  }

  void drain() {
    const bool done =
        intake_->counters().waiting == 0 && results_->durable() + 1 == intake_log_->next();
    if (done || std::chrono::steady_clock::now() >= drain_until_) {
      if (!done)
        log_warning("drain timeout: {} documents are left for the next start",
                    intake_log_->next() - 1 - results_->durable());
      context_.stop();
      return;
    }
    drain_timer_.expires_after(kDrainPoll);
    drain_timer_.async_wait([this](const boost::system::error_code&) { drain(); });
  }

  void schedule_checkpoint() {
    checkpoint_timer_.expires_after(kCheckpointPeriod);
    checkpoint_timer_.async_wait([this](const boost::system::error_code& error) {
      if (error) return;
      committer_->request_checkpoint();
      schedule_checkpoint();
    });
  }

  // From the source of the stream to its end, so that each room still finds the next one.
  void stop() {
    pipeline_->stop();
    const Status flushed = results_->flush();
    if (!flushed) log_error("result log: {}", flushed.error().message);
    results_->on_durable({});
    intake_log_->on_durable({});
    loop_->stop();
    committer_.reset();
    const auto counters = pipeline_->counters();
    for (const LineStage& stage : line_->stages())
      for (const auto& [name, count] : stage.stage->counters())
        log_info("stage {}: {} {}", stage.stage->name(), count, name);
    log_info("stopped: {} processed, {} dropped, {} dead", counters.processed, counters.dropped,
             counters.dead);
  }

  // Members are destroyed from the last to the first.
  const Config config_;
  StateFolder folder_;
  std::unique_ptr<Line> line_;
  std::unique_ptr<Log> results_, intake_log_;
  std::unique_ptr<StateStore> state_;
  std::unique_ptr<SocketLoop> loop_;
  std::unique_ptr<Intake> intake_;
  std::unique_ptr<Feed> feed_;
  std::unique_ptr<LogReader> reader_;
  std::unique_ptr<Committer> committer_;
  std::unique_ptr<Pipeline> pipeline_;

  // Main thread.
  boost::asio::io_context context_{1};
  boost::asio::signal_set signals_{context_, SIGINT, SIGTERM};
  boost::asio::steady_timer drain_timer_{context_}, checkpoint_timer_{context_};
  std::chrono::steady_clock::time_point drain_until_{};
  bool draining_ = false;
};

tl::expected<std::unique_ptr<Daemon>, StartFailure> Daemon::open(const Config& config,
                                                                 const std::string& state_dir) {
  StartFailure failure;
  auto line = Line::build(config.stages, plugin_directories(config.plugin_dir), log_stage);
  if (!line) failure.errors = std::move(line).error();
  auto folder = StateFolder::open(state_dir);
  if (!folder) {
    if (failure.errors.empty()) failure.exit_code = exit_code(folder.error().code);
    failure.errors.push_back({state_dir, folder.error().message});
  }
  if (!failure.errors.empty()) return tl::unexpected(std::move(failure));

  auto impl = std::make_unique<Impl>(config, std::move(*folder), std::move(*line));
  if (const Status opened = impl->open_storage(state_dir); !opened)
    return tl::unexpected(failure_of(state_dir, opened.error()));
  std::vector<Error> errors;
  impl->open_sockets(state_dir, errors);
  for (const Error& error : errors) {
    failure.exit_code = exit_code(ErrorCode::Io);
    failure.errors.push_back({"sockets", error.message});
  }
  if (!errors.empty()) return tl::unexpected(std::move(failure));
  if (const Status started = impl->start(); !started)
    return tl::unexpected(failure_of(state_dir, started.error()));
  return std::unique_ptr<Daemon>(new Daemon(std::move(impl)));
}

Daemon::Daemon(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Daemon::~Daemon() = default;
void Daemon::run() { impl_->run(); }

}  // namespace wiremill
