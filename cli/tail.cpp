// `wiremill tail`: results from a daemon's log, replayed and followed, without gap or repeat.

#include <fmt/format.h>

#include <charconv>
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
constexpr std::chrono::seconds kToldAfter{2};

struct TailOptions {
  std::string config_path;
  std::string replay;
  std::string since = "live";
  std::vector<std::string> topics;
  uint64_t count = 0;
  bool no_follow = false;
  std::string format = "pretty";
};

// False: `since` is neither a word, a sequence nor a time.
bool read_since(const std::string& since, ReplayClientOptions& options) {
  using From = ReplayClientOptions::From;
  if (since == "live" || since == "first") {
    options.from = since == "live" ? From::Live : From::First;
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

int follow(ReplayClient& client, const TailOptions& options, const std::string& endpoint) {
  const Style style;
  bool told = false;
  uint64_t shown = 0;
  ReplayEvent event;
  while (!interrupted() && !client.done() && (options.count == 0 || shown < options.count)) {
    if (!client.poll(kPoll, event)) {
      const auto away = client.disconnected_for();
      if (!away) told = false;
      if (away && *away >= kToldAfter && !std::exchange(told, true))
        print_error(fmt::format("no daemon answers at {}; trying on", endpoint));
      continue;
    }
    Status status;
    switch (event.kind) {
      case ReplayEvent::Kind::Result: {
        const auto text = printed(event, options.format, style);
        status = text ? write_out(*text) : Status(tl::unexpected(text.error()));
        ++shown;
        break;
      }
      case ReplayEvent::Kind::Head: break;
      case ReplayEvent::Kind::Lagged:
        print_error(
            fmt::format("results {} to {} are no longer kept", event.lagged_from, event.lagged_to));
        break;
      case ReplayEvent::Kind::Error:
        status = fail(ErrorCode::Unavailable, "{}: {}", event.code, event.message);
        break;
    }
    if (!status) {
      print_error(status.error().message);
      return wiremill::exit_code(status.error().code);
    }
  }
  return 0;
}

int tail(const TailOptions& options) {
  const auto config = read_config(options.config_path);
  if (!config) return config.error();
  ReplayClientOptions client_options;
  client_options.endpoint = options.replay.empty() ? config->replay.endpoint : options.replay;
  client_options.topics = options.topics;
  client_options.follow = !options.no_follow;
  if (!read_since(options.since, client_options)) {
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
  return follow(*client, options, client_options.endpoint);
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
      ->add_option("--topic", options->topics, "Only topics that begin so: en/, en/example.org/ …")
      ->allow_extra_args(false)
      ->option_text("PREFIX");
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
      "tail reconnects and goes on behind the last result that it showed.\n"
      "Examples:\n"
      "  wiremill tail --since first --format json --no-follow > results.jsonl\n"
      "  wiremill tail --topic en/ --topic de/\n"
      "Exit codes: 0 done, 64 usage, 69 refused by the daemon, 74 output failed.");
  command->callback([options, &exit_code] { exit_code = tail(*options); });
}

}  // namespace wiremill::cli
