// The rooms' start and end, and how they wake each other. Recovery runs on a thread of its own
// ("start") while main already serves the admin endpoint, so that an operator can see a long start.
#include "daemon/service/daemon.hpp"

#include <utility>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <csignal>
#include <optional>
#include <thread>

#include "daemon/admin/admin_api.hpp"
#include "daemon/base/clock.hpp"
#include "daemon/base/logging.hpp"
#include "daemon/base/thread.hpp"
#include "daemon/pipeline/line.hpp"
#include "daemon/plugin/state_store.hpp"
#include "daemon/service/committer.hpp"
#include "daemon/service/housekeeper.hpp"
#include "daemon/service/intake_reader.hpp"
#include "daemon/service/liveness.hpp"
#include "daemon/service/rates.hpp"
#include "daemon/service/room_options.hpp"
#include "daemon/service/state_folder.hpp"
#include "daemon/service/supervisor.hpp"
#include "daemon/sockets/socket_loop.hpp"

namespace wiremill {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;
using Phase = DaemonReport::Phase;

constexpr milliseconds kDrainPoll{5};
constexpr std::chrono::seconds kTick{1};
constexpr int kTicksPerCheckpoint = 10;
constexpr std::chrono::minutes kPatience{1};  // where no service manager says how much

void log_stage(std::string_view stage, uint32_t level, std::string_view message) {
  log_line(level <= WM_LOG_ERROR ? static_cast<LogLevel>(level) : LogLevel::Error,
           fmt::format("stage {}: {}", stage, message));
}

StartFailure failure_of(const std::string& where, const Error& error) {
  return {{{where, error.message}}, exit_code(error.code)};
}

template <class T>
Status take(Result<T>&& result, T& into) {
  if (!result) return tl::unexpected(std::move(result).error());
  into = std::move(*result);
  return {};
}

// Ok until something failed for good. Any thread.
class Failure {
 public:
  void set(const Error& error) {
    const MutexLock lock(mutex_);
    status_ = tl::unexpected(error);
  }
  Status get() const {
    const MutexLock lock(mutex_);
    return status_;
  }

 private:
  mutable Mutex mutex_;
  Status status_ WM_GUARDED_BY(mutex_);
};

}  // namespace

class Daemon::Impl {
 public:
  Impl(const Config& config, std::string state_dir, ConfigLoader load_again, StateFolder folder,
       std::unique_ptr<Line> line)
      : config_(config),
        state_dir_(std::move(state_dir)),
        load_again_(std::move(load_again)),
        folder_(std::move(folder)),
        line_(std::move(line)) {}
  ~Impl() { close_admin(); }

  Status open_admin() {
    if (config_.admin.endpoint.empty()) return {};
    WM_TRY(take(AdminServer::open(admin_options(config_), context_), admin_));
    api_ = std::make_unique<AdminApi>(*admin_, [this] { return report(); });
    log_info("admin: {}", admin_->endpoint());
    return {};
  }

  // Opens and recovers what is on disk and binds the sockets, while main serves.
  std::optional<StartFailure> recover() {
    std::optional<StartFailure> failure;
    wait_for_signal();
    supervisor_.status("recovering");
    const auto busy = boost::asio::make_work_guard(context_);
    std::thread starter([&] {
      set_thread_name("start");
      failure = open_rooms();
      boost::asio::post(context_, [&] { context_.stop(); });
    });
    context_.run();
    starter.join();
    context_.restart();
    return failure;
  }

  void serve() {
    pipeline_->start();
    loop_->start();
    open_reload();
    folder_.keep();
    phase_ = Phase::Serving;
    if (api_)
      api_->serve({*intake_log_, *results_, *state_, *dead_letters_, *pipeline_, *intake_, *feed_,
                   [this](const std::vector<uint64_t>& sequences) { return discard(sequences); },
                   [this](ReloadWaiter waiter) { reload_->request(std::move(waiter)); }});
    log_info("serving: intake {}, feed {}, replay {}{}{}; {} stages; next sequence {}",
             intake_->endpoint(), feed_->endpoint(), feed_->replay_endpoint(),
             config_.firehose.endpoint.empty() ? "" : ", firehose ", intake_->firehose_endpoint(),
             pipeline_->stages().size(), intake_log_->next());
    supervisor_.ready("serving");
  }

  void run() {
    tick();
    context_.run();
    stop();
  }

 private:
  // On the thread "start".
  std::optional<StartFailure> open_rooms() {
    if (const Status opened = open_storage(); !opened)
      return failure_of(state_dir_, opened.error());
    if (StartFailure failure = open_sockets(); !failure.errors.empty()) return failure;
    if (const Status opened = open_line(); !opened) return failure_of(state_dir_, opened.error());
    return std::nullopt;
  }

  Status open_storage() {
    WM_TRY(take(Log::open(result_log_options(config_, state_dir_)), results_));
    LogOptions intake_log = intake_log_options(config_, state_dir_);
    // A power cut may have cost the intake log more than the result log, where neither waits for the
    // disk: what has its result is done.
    if (intake_log.durability != Durability::Always) intake_log.next_min = results_->durable() + 1;
    WM_TRY(take(Log::open(intake_log), intake_log_));
    if (intake_log_->durable() < results_->durable())
      return fail(ErrorCode::Damaged,
                  "the intake log ends at {}, but there are results up to {}: the log lost its end",
                  intake_log_->durable(), results_->durable());
    WM_TRY(take(open_state(state_dir_ + "/state", Pipeline::spaces(*line_), *results_), state_));
    return take(DeadLetters::load(*state_, dead_letter_limits(config_)), dead_letters_);
  }

  // Binds all sockets; answers of each why it cannot.
  StartFailure open_sockets() {
    StartFailure failure{{}, exit_code(ErrorCode::Io)};
    const auto note = [&](const char* room, const Status& status) {
      if (!status) failure.errors.push_back({room, status.error().message});
    };
    note("sockets", take(SocketLoop::make(), loop_));
    if (!failure.errors.empty()) return failure;
    note("intake",
         take(Intake::open(intake_options(config_, state_dir_), *loop_, *intake_log_), intake_));
    note("feed", take(Feed::open(feed_options(config_, state_dir_), *loop_, *results_), feed_));
    loop_->add_tick(kTick, [this] { liveness_.beat(); });
    return failure;
  }

  Status open_line() {
    committer_ = std::make_unique<Committer>(
        *state_, [this](uint64_t sequence) { pipeline_->release(sequence); },
        [](const Error& error) { log_error("state: {}", error.message); });
    reader_ = std::make_unique<IntakeReader>(*intake_log_, results_->durable() + 1, kIntakeFirst);
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
    ports.failed = [this](const Error& error) {
      log_error("the pipeline has stopped: {}; documents are still taken, and wait on disk",
                error.message);
      pipeline_failure_.set(error);
    };
    PipelineOptions options = pipeline_options(config_, state_dir_);
    options.dead_letters = dead_letters_.get();
    WM_TRY(take(read_totals(*results_), options.totals));
    WM_TRY(take(Pipeline::make(std::move(line_), *state_, options, std::move(ports)), pipeline_));
    HousekeeperPorts housekeeping;
    housekeeping.hold = [this](std::string why) { intake_->hold(std::move(why)); };
    housekeeping.checkpointed = [this] { return committer_->checkpointed(); };
    housekeeping.intake_needed_above = [this] { return intake_->records_needed_above(); };
    WM_TRY(take(Housekeeper::open(housekeeper_options(config_, state_dir_), *intake_log_, *results_,
                                  std::move(housekeeping)),
                housekeeper_));
    connect_logs();
    return {};
  }

  // What each durable report sets going. The documents between both are in flight.
  void connect_logs() {
    in_flight_ = static_cast<int64_t>(intake_log_->durable() - results_->durable());
    results_->on_durable([this, seen = results_->durable()](uint64_t sequence) mutable {
      in_flight_ -= static_cast<int64_t>(sequence - std::exchange(seen, sequence));
      committer_->durable(sequence);
      loop_->wake();
    });
    intake_log_->on_durable([this, seen = intake_log_->durable()](uint64_t sequence) mutable {
      in_flight_ += static_cast<int64_t>(sequence - std::exchange(seen, sequence));
      pipeline_->wake();
      loop_->wake();
    });
  }

  Result<size_t> discard(const std::vector<uint64_t>& sequences) {
    size_t discarded = 0;
    WM_TRY(committer_->run(
        [&]() -> Status { return take(dead_letters_->discard(sequences), discarded); }));
    return discarded;
  }

  void open_reload() {
    const auto on_main = [this](auto say) {
      return [this, say] {
        boost::asio::post(context_, [this, say] {
          if (phase_ == Phase::Serving) say(supervisor_);
        });
      };
    };
    reload_ = std::make_unique<Reload>(
        config_, load_again_,
        ReloadPorts{*pipeline_, *state_, *intake_log_, *results_, log_stage,
                    on_main([](Supervisor& supervisor) { supervisor.reloading(); }),
                    on_main([](Supervisor& supervisor) { supervisor.ready("serving"); })});
  }

  void wait_for_signal() {
    signals_.async_wait([this](const boost::system::error_code& error, int signal) {
      if (error) return;
      if (signal == SIGHUP) {
        if (phase_ == Phase::Serving)
          reload_->request();
        else
          log_warning("SIGHUP: the daemon does not serve, so there is nothing to reload");
        return wait_for_signal();
      }
      const char* name = signal == SIGINT ? "SIGINT" : "SIGTERM";
      if (phase_ != Phase::Serving) {
        log_warning("{}: leaving at once; the next start goes on where this one ends",
                    phase_ == Phase::Recovering ? "stopped while recovering" : "second signal");
        std::_Exit(0);
      }
      phase_ = Phase::Draining;
      log_info("{}: draining for at most {} ms", name, config_.drain_timeout_ms);
      supervisor_.stopping();
      reload_->cancel();
      intake_->stop_accepting();
      drain_until_ = steady_clock::now() + milliseconds(config_.drain_timeout_ms);
      drain();
      wait_for_signal();
    });
  }

  void drain() {
    // A log that can no longer be written keeps the sequences that it gave out.
    const bool all_written =
        intake_log_->durable() + 1 == intake_log_->next() || !intake_log_->health();
    const bool done = all_written && intake_->counters().waiting == 0 &&
                      results_->durable() == intake_log_->durable() && reload_->is_idle();
    if (done || steady_clock::now() >= drain_until_) {
      if (!done)
        log_warning("drain timeout: {} documents are left for the next start",
                    intake_log_->durable() - results_->durable());
      // Behind the answers that are on their way.
      boost::asio::post(context_, [this] { context_.stop(); });
      return;
    }
    drain_timer_.expires_after(kDrainPoll);
    drain_timer_.async_wait([this](const boost::system::error_code&) { drain(); });
  }

  // Each second.
  void tick() {
    const auto now = steady_clock::now();
    const Pipeline::Counters line = pipeline_->counters();
    const uint64_t results = line.processed + line.dropped + line.dead;
    accepted_rate_.sample(now, intake_->counters().accepted);
    results_rate_.sample(now, results);
    const bool alive = liveness_.alive(now, pipeline_failure_.get() ? line : Pipeline::Counters());
    if (!alive && std::exchange(alive_, alive))
      log_error("no progress for more than {} s: {} documents are in the line",
                std::chrono::duration_cast<std::chrono::seconds>(patience_).count(), line.in_line);
    alive_ = alive;
    if (alive && supervisor_.watchdog().count() > 0) supervisor_.beat();
    if (++ticks_ % kTicksPerCheckpoint == 0 && phase_ == Phase::Serving) {
      committer_->request_checkpoint();
      supervisor_.status(fmt::format("{} accepted, {} in flight, {:.0f} results/s",
                                     intake_->counters().accepted.load(), in_flight_.load(),
                                     results_rate_.per_second()));
    }
    tick_timer_.expires_after(kTick);
    tick_timer_.async_wait([this](const boost::system::error_code& error) {
      if (!error) tick();
    });
  }

  DaemonReport report() const {
    DaemonReport now;
    now.phase = phase_;
    now.started_at_us = started_at_us_;
    now.uptime_ms =
        std::chrono::duration_cast<milliseconds>(steady_clock::now() - started_).count();
    now.state_dir = state_dir_;
    now.free_bytes_min = config_.storage.free_bytes_min;
    if (phase_ != Phase::Serving) now.holds.emplace_back(phase_name(phase_));
    if (phase_ == Phase::Recovering) return now;
    const auto note = [&](const char* where, const Status& status) {
      if (status) return;
      (status.error().code == ErrorCode::NoSpace ? now.holds : now.failures)
          .push_back(fmt::format("{}: {}", where, status.error().message));
    };
    note("intake log", intake_log_->health());
    note("result log", results_->health());
    note("state", committer_->health());
    note("intake", intake_->health());
    note("pipeline", pipeline_failure_.get());
    const Housekeeper::Report house = housekeeper_->report();
    if (!house.hold.empty()) now.holds.push_back(house.hold);
    now.held_for_space = !house.hold.empty();
    now.free_bytes = house.free_bytes;
    now.disk_bytes = house.disk_bytes;
    now.in_flight = std::max<int64_t>(0, in_flight_.load());
    now.checkpointed = committer_->checkpointed();
    now.accepted_per_second = accepted_rate_.per_second();
    now.results_per_second = results_rate_.per_second();
    const auto scrubbed = [](const Scrub::Progress& progress) {
      return DaemonReport::Scrubbed{progress.rounds, progress.records, progress.bytes};
    };
    if (reload_ != nullptr) {
      const Reload::Report reloads = reload_->report();
      now.reloads_done = reloads.done;
      now.reloads_refused = reloads.refused;
      now.configured_at_us = reloads.configured_at_us;
    }
    now.intake_scrubbed = scrubbed(house.intake_scrubbed);
    now.results_scrubbed = scrubbed(house.results_scrubbed);
    return now;
  }

  void close_admin() {
    admin_.reset();
    api_.reset();
  }

  // From the source of the stream to its end, so that each room still finds the next one.
  void stop() {
    // Nobody waits for signals any more, but a stage that hangs may hold this up.
    boost::system::error_code ignored;
    signals_.clear(ignored);
    for (const int signal : {SIGINT, SIGTERM}) std::signal(signal, [](int) { std::_Exit(0); });
    std::signal(SIGHUP, SIG_IGN);
    pipeline_->stop();
    reload_->stop();
    // On a full disk this does not wait for space: what has no durable result is processed again.
    if (const Status flushed = results_->flush(); !flushed)
      log_error("result log: {}", flushed.error().message);
    results_->on_durable({});
    intake_log_->on_durable({});
    loop_->stop();
    close_admin();
    housekeeper_.reset();
    committer_.reset();
    const auto counters = pipeline_->counters();
    for (const StageCounts& stage : pipeline_->stages())
      for (const auto& [name, count] : stage.metrics.counters())
        log_info("stage {}: {} {}", stage.name, count, name);
    log_info("stopped: {} processed, {} dropped, {} dead; {} read since the start",
             counters.processed, counters.dropped, counters.dead, counters.read);
  }

  const Config config_;
  const std::string state_dir_;
  const ConfigLoader load_again_;
  const int64_t started_at_us_ = now_us();
  const steady_clock::time_point started_ = steady_clock::now();

  // Main thread. The context outlives the rooms: they may hold a request's reply.
  boost::asio::io_context context_{1};
  boost::asio::signal_set signals_{context_, SIGINT, SIGTERM, SIGHUP};
  boost::asio::steady_timer drain_timer_{context_}, tick_timer_{context_};
  Supervisor supervisor_;
  steady_clock::time_point drain_until_{};
  Phase phase_ = Phase::Recovering;
  int ticks_ = 0;
  bool alive_ = true;
  Rate accepted_rate_, results_rate_;

  // Any thread.
  const steady_clock::duration patience_ = supervisor_.watchdog().count() > 0
                                               ? steady_clock::duration(supervisor_.watchdog())
                                               : steady_clock::duration(kPatience);
  Liveness liveness_{patience_, steady_clock::now()};
  Failure pipeline_failure_;
  std::atomic<int64_t> in_flight_{0};

  // Destroyed from the last to the first.
  StateFolder folder_;
  std::unique_ptr<Line> line_;
  std::unique_ptr<Log> results_, intake_log_;
  std::unique_ptr<StateStore> state_;
  std::unique_ptr<DeadLetters> dead_letters_;
  std::unique_ptr<SocketLoop> loop_;
  std::unique_ptr<Intake> intake_;
  std::unique_ptr<Feed> feed_;
  std::unique_ptr<IntakeReader> reader_;
  std::unique_ptr<Committer> committer_;
  std::unique_ptr<Pipeline> pipeline_;
  std::unique_ptr<Reload> reload_;
  std::unique_ptr<Housekeeper> housekeeper_;
  std::unique_ptr<AdminServer> admin_;
  std::unique_ptr<AdminApi> api_;
};

tl::expected<std::unique_ptr<Daemon>, StartFailure> Daemon::open(const Config& config,
                                                                 const std::string& state_dir,
                                                                 ConfigLoader load_again) {
  StartFailure failure;
  auto line = Line::build(config.stages, plugin_directories(config.plugin_dir), log_stage);
  if (!line) failure.errors = std::move(line).error();
  auto folder = StateFolder::open(state_dir);
  if (!folder) {
    if (failure.errors.empty()) failure.exit_code = exit_code(folder.error().code);
    failure.errors.push_back({state_dir, folder.error().message});
  }
  if (!failure.errors.empty()) return tl::unexpected(std::move(failure));

  auto impl = std::make_unique<Impl>(config, state_dir, std::move(load_again), std::move(*folder),
                                     std::move(*line));
  if (const Status opened = impl->open_admin(); !opened)
    return tl::unexpected(
        StartFailure{{{"admin", opened.error().message}}, exit_code(ErrorCode::Io)});
  if (auto refused = impl->recover()) return tl::unexpected(std::move(*refused));
  impl->serve();
  return std::unique_ptr<Daemon>(new Daemon(std::move(impl)));
}

Daemon::Daemon(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Daemon::~Daemon() = default;
void Daemon::run() { impl_->run(); }

}  // namespace wiremill
