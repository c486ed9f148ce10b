// `wiremill tail`: results from a daemon's log, replayed and followed, without gap or repeat; with a
// named cursor over its own end, too.

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <deque>
#include <map>
#include <memory>

#include "cli/command.hpp"
#include "cli/pretty.hpp"
#include "cli/terminal.hpp"
#include "daemon/base/clock.hpp"
#include "daemon/document/result_json.hpp"
#include "wiremill/client.hpp"

namespace wiremill::cli {
namespace {

constexpr std::chrono::milliseconds kPoll{200};
constexpr std::chrono::milliseconds kCommitPeriod{100};
constexpr std::chrono::seconds kToldAfter{2}, kLastCommitMax{5};

struct TailOptions {
  std::string config_path;
  std::string replay;
  std::string since;   // empty: live, or where the cursor stands
  std::string cursor;  // empty: without one
  std::vector<std::string> topics, sources, languages;
  std::vector<ReplayEvent::Status> statuses;
  uint64_t count = 0;
  bool no_follow = false;
  std::string format = "pretty";
};

// False: `since` is neither a word, a sequence nor a time.
bool read_since(const std::string& since, ReplayClientOptions& options) {
  using From = ReplayClientOptions::From;
  if (since.empty() || since == "live" || since == "first") {
    options.from = since == "first" ? From::First : From::Live;
    return true;
  }
  const char* end = since.data() + since.size();
  if (const auto [at, error] = std::from_chars(since.data(), end, options.sequence);
      error == std::errc{} && at == end) {
    options.from = From::Sequence;
    return true;
  }
  const auto time_us = parse_time(since);
  if (!time_us) return false;
  options.from = From::Time;
  options.time_us = *time_us;
  return true;
}

// The text for one result, or why it cannot be read.
Result<std::string> printed(const ReplayEvent& event, const std::string& format,
                            const Style& style) {
  v1::Result result;
  if (!result.ParseFromString(event.result))
    return fail(ErrorCode::Malformed, "result {} cannot be read", event.sequence);
  if (format == "pretty") return pretty_result(result, style);
  std::string line;
  append_result_json(result, {}, line);
  return line + "\n";
}

// Moves the cursor behind what was printed and taken. In a pipe something is taken only when its
// reader has read it: were it committed when it was written, the reader's end would lose it.
class Commits {
 public:
  using Clock = std::chrono::steady_clock;
  using Place = ReplayClient::Place;

  explicit Commits(ReplayClient& client) : client_(client) {}

  // `bytes` more were written, and with them everything up to `place` was printed.
  void printed(size_t bytes, Place place) {
    written_ += bytes;
    if (place.epoch == 0 || place == newest()) return;
    if (!printed_.empty() && printed_.back().written == written_)
      printed_.back().place = place;
    else
      printed_.push_back({written_, place});
  }
  // Commits what was taken, if it is time.
  void commit(bool now) {
    for (const uint64_t taken = written_ - in_pipe();
         !printed_.empty() && printed_.front().written <= taken; printed_.pop_front())
      taken_ = printed_.front().place;
    if (taken_ == asked_ || (!now && Clock::now() < next_)) return;
    client_.commit(taken_.epoch, taken_.sequence);
    asked_ = taken_;
    next_ = Clock::now() + kCommitPeriod;
  }
  void committed(Place place) { committed_ = place; }
  // Cursors could not be stored: asked for again.
  void refused() { asked_ = committed_; }
  bool complete() const { return printed_.empty() && asked_ == taken_ && committed_ == asked_; }
  bool waits() const { return !printed_.empty() || asked_ != taken_; }
  Place last() const { return committed_; }

 private:
  struct Printed {
    uint64_t written;
    Place place;
  };
  uint64_t in_pipe() const {
    int bytes = 0;
    return is_pipe_ && ioctl(STDOUT_FILENO, FIONREAD, &bytes) == 0 && bytes > 0 ? bytes : 0;
  }
  static bool is_pipe() {
    struct stat status {};
    return fstat(STDOUT_FILENO, &status) == 0 && S_ISFIFO(status.st_mode);
  }
  Place newest() const { return printed_.empty() ? taken_ : printed_.back().place; }

  ReplayClient& client_;
  const bool is_pipe_ = is_pipe();
  uint64_t written_ = 0;
  std::deque<Printed> printed_;  // not yet taken; a pipe holds few
  Place taken_, asked_, committed_;
  Clock::time_point next_{};
};

class Tail {
 public:
  Tail(const TailOptions& options, ReplayClient& client, std::string endpoint)
      : options_(options), client_(client), endpoint_(std::move(endpoint)), commits_(client) {}

  int execute() {
    while (!interrupted() && !client_.done() && exit_code_ == 0 &&
           (options_.count == 0 || shown_ < options_.count))
      step(with_cursor() && commits_.waits() ? kCommitPeriod : kPoll);
    if (with_cursor()) finish();
    return exit_code_;
  }

 private:
  bool with_cursor() const { return !options_.cursor.empty(); }

  void step(std::chrono::milliseconds timeout) {
    ReplayEvent event;
    size_t bytes = 0;
    if (client_.poll(timeout, event)) {
      const auto printed = handle(event);
      if (!printed) {
        print_error(printed.error().message);
        exit_code_ = wiremill::exit_code(printed.error().code);
        return;
      }
      bytes = *printed;
    } else {
      watch_connection();
    }
    if (!with_cursor()) return;
    commits_.printed(bytes, client_.position());
    commits_.commit(false);
  }

  // Answers how many bytes were printed.
  Result<size_t> handle(const ReplayEvent& event) {
    switch (event.kind) {
      case ReplayEvent::Kind::Result: {
        const auto text = printed(event, options_.format, style_);
        if (!text) return tl::unexpected(text.error());
        if (const Status written = write_out(*text); !written)
          return tl::unexpected(written.error());
        ++shown_;
        return text->size();
      }
      case ReplayEvent::Kind::Head: break;
      case ReplayEvent::Kind::Lagged:
        print_error(
            fmt::format("results {} to {} are no longer kept", event.lagged_from, event.lagged_to));
        break;
      case ReplayEvent::Kind::Rewound:
        print_error(fmt::format(
            "the daemon lost results from {} on in a crash; what it made of them since follows",
            event.sequence));
        break;
      case ReplayEvent::Kind::Committed:
        commits_.committed({event.epoch, event.sequence});
        refusal_.clear();
        break;
      case ReplayEvent::Kind::CommitRefused: {
        std::string refusal = fmt::format("{}: {}", event.code, event.message);
        // Cursors that cannot be stored just now may be again; else the cursor will never move.
        if (event.code != "CURSOR") return fail(ErrorCode::Unavailable, "{}", refusal);
        if (refusal_.empty()) print_error(refusal);
        refusal_ = std::move(refusal);
        commits_.refused();
        break;
      }
      case ReplayEvent::Kind::Error:
        return fail(ErrorCode::Unavailable, "{}: {}", event.code, event.message);
    }
    return 0;
  }

  void watch_connection() {
    const auto away = client_.disconnected_for();
    if (!away) told_ = false;
    if (away && *away >= kToldAfter && !std::exchange(told_, true))
      print_error(fmt::format("no daemon answers at {}; trying on", endpoint_));
  }

  // The last commit, which is waited for.
  void finish() {
    const auto until = Commits::Clock::now() + kLastCommitMax;
    commits_.commit(true);
    while (!commits_.complete() && Commits::Clock::now() < until) {
      ReplayEvent event;
      if (client_.poll(kPoll / 10, event) && event.kind == ReplayEvent::Kind::Committed)
        commits_.committed({event.epoch, event.sequence});
      else if (event.kind == ReplayEvent::Kind::CommitRefused)
        commits_.refused();
      commits_.commit(true);
    }
    if (commits_.complete() || exit_code_ != 0) return;
    print_error(fmt::format("cursor {}: what was shown behind {} is not committed and comes again",
                            options_.cursor, commits_.last().sequence));
    exit_code_ = wiremill::exit_code(ErrorCode::Unavailable);
  }

  const TailOptions& options_;
  ReplayClient& client_;
  const std::string endpoint_;
  const Style style_;
  Commits commits_;
  std::string refusal_;  // of the last commit
  uint64_t shown_ = 0;
  bool told_ = false;
  int exit_code_ = 0;
};

int tail(const TailOptions& options) {
  const auto config = read_config(options.config_path);
  if (!config) return config.error();
  ReplayClientOptions client_options;
  client_options.endpoint = options.replay.empty() ? config->replay.endpoint : options.replay;
  client_options.topics = options.topics;
  client_options.sources = options.sources;
  client_options.languages = options.languages;
  client_options.statuses = options.statuses;
  client_options.follow = !options.no_follow;
  client_options.cursor = options.cursor;
  if (!options.cursor.empty() && !options.since.empty()) {
    print_error("--since and --cursor: the cursor says where to begin, so only one can be given");
    return wiremill::exit_code(ErrorCode::Usage);
  }
  if (!options.cursor.empty()) {
    client_options.from = ReplayClientOptions::From::Cursor;
  } else if (!read_since(options.since, client_options)) {
    print_error(
        fmt::format("--since {}: neither live, first, a sequence nor a time", options.since));
    return wiremill::exit_code(ErrorCode::Usage);
  }
  std::string error;
  const auto client = ReplayClient::connect(client_options, error);
  if (client == nullptr) {
    print_error(error);
    return wiremill::exit_code(ErrorCode::Usage);
  }
  return Tail(options, *client, client_options.endpoint).execute();
}

}  // namespace

void add_tail(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<TailOptions>();
  CLI::App* command = app.add_subcommand("tail", "Follow a daemon's results, from the log.");
  command
      ->add_option("--config", options->config_path, "Take the endpoint from this configuration.")
      ->type_name("FILE");
  command
      ->add_option("--replay", options->replay,
                   "The daemon's replay endpoint (default: tcp://127.0.0.1:5752).")
      ->type_name("ENDPOINT");
  command
      ->add_option(
          "--since", options->since,
          "live, first, a sequence, or a time such as 2024-05-01T12:00:00Z (default: live).")
      ->type_name("WHERE");
  command
      ->add_option("--cursor", options->cursor,
                   "Go on behind this named cursor and move it; a new one begins at the oldest.")
      ->type_name("NAME");
  command
      ->add_option("--topic", options->topics, "Only topics that begin so: en/, en/example.org/ …")
      ->allow_extra_args(false)
      ->option_text("PREFIX");
  command->add_option("--source", options->sources, "Only results of this source.")
      ->allow_extra_args(false)
      ->option_text("NAME");
  command->add_option("--language", options->languages, "Only results in this language: en, und …")
      ->allow_extra_args(false)
      ->option_text("CODE");
  command->add_option("--status", options->statuses, "Only processed, dropped or dead ones.")
      ->transform(CLI::CheckedTransformer(
          std::map<std::string, ReplayEvent::Status>{{"processed", ReplayEvent::Status::Processed},
                                                     {"dropped", ReplayEvent::Status::Dropped},
                                                     {"dead", ReplayEvent::Status::Dead}},
          CLI::ignore_case))
      ->allow_extra_args(false)
      ->option_text("STATUS");
  command->add_option("--count", options->count, "End after so many results.")->option_text("N");
  command->add_flag("--no-follow", options->no_follow, "End at the newest result.");
  command
      ->add_option("--format", options->format,
                   "pretty or json, one result a line (default: pretty).")
      ->check(CLI::IsMember({"pretty", "json"}))
      ->option_text("FORMAT");
  command->footer(
      "Topics are LANGUAGE/SOURCE/, with und where the language is unknown. When the daemon "
      "restarts,\n"
      "tail reconnects and goes on behind the last result that it showed. With --cursor the next "
      "tail\n"
      "of that name goes on there, too: a result counts as shown when it was printed and, in a "
      "pipe,\n"
      "read. After a crash some may come twice, none is missed.\n"
      "Examples:\n"
      "  wiremill tail --since first --format json --no-follow > results.jsonl\n"
      "  wiremill tail --topic en/ --topic de/\n"
      "  wiremill tail --cursor indexer --status processed --format json | indexer\n"
      "Exit codes: 0 done, 64 usage, 69 refused by the daemon, 74 output failed.");
  command->callback([options, &exit_code] { exit_code = tail(*options); });
}

}  // namespace wiremill::cli
