// `wiremill status`: how the daemon is, on one screen.

#include <fmt/format.h>

#include <memory>
#include <thread>

#include "cli/admin_client.hpp"
#include "cli/command.hpp"
#include "cli/terminal.hpp"

namespace wiremill::cli {
namespace {

using Json = rapidjson::Value;

constexpr size_t kShownMax = 20;  // rows of a list

struct StatusOptions {
  AdminAddress address;
  std::string format = "pretty";
  uint32_t watch_s = 0;
};

std::string grouped(uint64_t number) {
  std::string digits = std::to_string(number);
  for (size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, 1, ',');
  return digits;
}

std::string about(uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  double amount = static_cast<double>(bytes);
  size_t unit = 0;
  for (; amount >= 1024 && unit + 1 < std::size(kUnits); ++unit) amount /= 1024;
  return unit == 0 ? fmt::format("{} B", bytes) : fmt::format("{:.1f} {}", amount, kUnits[unit]);
}

std::string lasting(double seconds) {
  const auto s = static_cast<uint64_t>(seconds);
  if (s < 120) return fmt::format("{} s", s);
  if (s < 7200) return fmt::format("{} min", s / 60);
  if (s < 172'800) return fmt::format("{} h {} min", s / 3600, s / 60 % 60);
  return fmt::format("{} d {} h", s / 86'400, s / 3600 % 24);
}

std::string texts(const Json& list) {
  std::string out;
  if (list.IsArray())
    for (const Json& text : list.GetArray())
      if (text.IsString()) out += (out.empty() ? "" : "; ") + std::string(text.GetString());
  return out;
}

// "BUSY 3, TOO_LARGE 1"
std::string counts(const Json& object) {
  std::string out;
  if (object.IsObject())
    for (const auto& entry : object.GetObject())
      if (entry.value.IsUint64())
        out += fmt::format("{}{} {}", out.empty() ? "" : ", ", entry.name.GetString(),
                           grouped(entry.value.GetUint64()));
  return out;
}

class Table {
 public:
  explicit Table(const Style& style) : style_(style) {}
  void row(std::string_view name, const std::string& text) {
    out_ += fmt::format("{}{:{}}{}\n", style_.bold(name), "",
                        name.size() < 14 ? 14 - name.size() : 1, text);
  }
  void more(const std::string& text) { out_ += fmt::format("{:14}{}\n", "", text); }
  const Style& style() const { return style_; }
  std::string take() { return std::move(out_); }

 private:
  const Style& style_;
  std::string out_;
};

// The head of a list's rows, with a word on those that are not shown.
template <class Row>
void list(Table& table, std::string_view name, const Json& rows, const Row& row) {
  if (!rows.IsArray() || rows.Empty()) return;
  size_t shown = 0;
  for (const Json& each : rows.GetArray()) {
    if (shown == kShownMax) {
      table.more(table.style().dim(fmt::format("and {} more", rows.Size() - shown)));
      break;
    }
    if (shown++ == 0)
      table.row(name, row(each));
    else
      table.more(row(each));
  }
}

void add_state(Table& table, const Json& status) {
  const Style& style = table.style();
  const std::string phase = text_of(status, "phase");
  const std::string word = !flag_of(status, "healthy") ? style.red("failed")
                           : phase != "serving"        ? style.yellow(phase)
                           : flag_of(status, "ready")  ? style.green("serving")
                                                       : style.yellow("serving, held");
  table.row("daemon",
            fmt::format("{}   version {}, up {}, state in {}", word, text_of(status, "version"),
                        lasting(real_of(status, "uptime_seconds")), text_of(status, "state_dir")));
  const Json& configuration = member_of(status, "configuration");
  if (number_of(configuration, "reloads_done") + number_of(configuration, "reloads_refused") > 0)
    table.row("configuration", fmt::format("since {}, {} reloads done, {} refused",
                                           text_of(configuration, "since").substr(0, 19),
                                           grouped(number_of(configuration, "reloads_done")),
                                           grouped(number_of(configuration, "reloads_refused"))));
  if (const std::string why = texts(member_of(status, "failures")); !why.empty())
    table.row("failures", style.red(why));
  if (const std::string why = texts(member_of(status, "holds")); !why.empty())
    table.row("held", style.yellow(why));
}

void add_documents(Table& table, const Json& status) {
  const Json& documents = member_of(status, "documents");
  const uint64_t accepted = number_of(documents, "accepted");
  table.row(
      "documents",
      fmt::format("{} accepted = {} processed + {} dropped + {} dead + {} in flight",
                  grouped(accepted), grouped(number_of(documents, "processed")),
                  grouped(number_of(documents, "dropped")), grouped(number_of(documents, "dead")),
                  grouped(number_of(documents, "in_flight"))));
  const Json& rates = member_of(status, "rates");
  table.row("rates", fmt::format("{:.0f} accepted/s, {:.0f} results/s",
                                 real_of(rates, "accepted_per_second"),
                                 real_of(rates, "results_per_second")));
  const Json& intake = member_of(status, "intake");
  std::string said =
      fmt::format("{} connections, {} sessions, {} waiting for the disk, {} repeats",
                  number_of(intake, "connections"), number_of(intake, "sessions"),
                  number_of(intake, "waiting"), grouped(number_of(intake, "repeats")));
  if (const std::string refused = counts(member_of(intake, "refused")); !refused.empty())
    said += "; refused: " + refused;
  table.row("intake", said);
  if (!text_of(intake, "firehose_endpoint").empty())
    table.row("firehose", fmt::format("{} accepted, {} dropped",
                                      grouped(number_of(intake, "firehose_accepted")),
                                      grouped(number_of(intake, "firehose_dropped"))));
  const Json& line = member_of(status, "pipeline");
  std::string stages;
  if (const Json& list = member_of(line, "stages"); list.IsArray())
    for (const Json& stage : list.GetArray())
      stages += (stages.empty() ? "" : " → ") + text_of(stage, "name");
  const uint64_t suspects = number_of(line, "suspects");
  table.row("line", fmt::format("{} in it; {}{}", number_of(line, "in_line"),
                                stages.empty() ? "no stages" : stages,
                                suspects == 0 ? "" : fmt::format("; {} suspects", suspects)));
}

void add_log(Table& table, const char* title, const Json& log) {
  std::string said =
      fmt::format("{} to {}, epoch {}, {} in {} segments", grouped(number_of(log, "first")),
                  grouped(number_of(log, "durable")), number_of(log, "epoch"),
                  about(number_of(log, "bytes")), number_of(log, "segments"));
  if (const uint64_t damaged = number_of(log, "damaged_records"); damaged != 0)
    said += table.style().red(fmt::format(", {} damaged", grouped(damaged)));
  if (const std::string health = text_of(log, "health"); health != "ok")
    said += "; " + table.style().red(health);
  table.row(title, said);
}

void add_storage(Table& table, const Json& status) {
  const Json& logs = member_of(status, "logs");
  add_log(table, "intake log", member_of(logs, "intake"));
  add_log(table, "result log", member_of(logs, "result"));
  const Json& disk = member_of(status, "disk");
  table.row("disk",
            fmt::format("{} free of {}; documents are refused below {}",
                        about(number_of(disk, "free_bytes")), about(number_of(disk, "disk_bytes")),
                        about(number_of(disk, "free_bytes_min"))));
  const Json& dead = member_of(status, "dead_letters");
  table.row("dead letters", fmt::format("{} kept, {}", grouped(number_of(dead, "documents")),
                                        about(number_of(dead, "bytes"))));
}

void add_peers(Table& table, const Json& status) {
  list(table, "subscribers", member_of(status, "subscribers"), [](const Json& subscriber) {
    const std::string cursor = text_of(subscriber, "cursor");
    return fmt::format(
        "{:<24} at {}, {} behind, {} sent{}", cursor.empty() ? "-" : cursor,
        grouped(number_of(subscriber, "position")), grouped(number_of(subscriber, "lag")),
        grouped(number_of(subscriber, "sent")), flag_of(subscriber, "follow") ? ", follows" : "");
  });
  list(table, "cursors", member_of(status, "cursors"), [](const Json& cursor) {
    return fmt::format("{:<24} at {}, {} behind", text_of(cursor, "name"),
                       grouped(number_of(cursor, "sequence")), grouped(number_of(cursor, "lag")));
  });
  list(table, "clients", member_of(status, "clients"), [](const Json& client) {
    const std::string refused = counts(member_of(client, "refused"));
    return fmt::format(
        "{:<24} {} accepted, {} repeats{}{}", shortened(text_of(client, "client"), 24),
        grouped(number_of(client, "accepted")), grouped(number_of(client, "repeats")),
        refused.empty() ? "" : ", refused: " + refused,
        flag_of(client, "firehose") ? " (firehose)" : "");
  });
}

std::string pretty(const Json& status, const Style& style) {
  Table table(style);
  add_state(table, status);
  if (!member_of(status, "documents").IsObject()) return table.take();
  add_documents(table, status);
  add_storage(table, status);
  add_peers(table, status);
  return table.take();
}

int show_once(AdminClient& client, const StatusOptions& options, const Style& style) {
  const auto answer = client.ask("GET", "/api/status");
  if (!answer) return report(answer.error());
  if (answer->status != 200) return report(refusal(*answer));
  std::string text = answer->body;
  if (options.format == "pretty") {
    rapidjson::Document status;
    status.Parse<rapidjson::kParseIterativeFlag>(text.data(), text.size());
    if (status.HasParseError())
      return report({ErrorCode::Unavailable, "what answers is no Wiremill"});
    text = pretty(status, style);
    if (options.watch_s > 0 && style.terminal()) text.insert(0, "\x1b[H\x1b[J");
  }
  if (const Status written = write_out(text); !written) return report(written.error());
  return 0;
}

int status(const StatusOptions& options) {
  const auto client = AdminClient::choose(options.address);
  if (!client) return client.error();
  const Style style;
  for (;;) {
    const int code = show_once(**client, options, style);
    if (code != 0 || options.watch_s == 0) return code;
    const auto next = std::chrono::steady_clock::now() + std::chrono::seconds(options.watch_s);
    while (!interrupted() && std::chrono::steady_clock::now() < next)
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    if (interrupted()) return 0;
  }
}

}  // namespace

void add_status(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<StatusOptions>();
  CLI::App* command = app.add_subcommand("status", "Show how a daemon is: counts, logs, lags.");
  add_admin_options(*command, options->address);
  command->add_option("--format", options->format, "pretty or json (default: pretty).")
      ->check(CLI::IsMember({"pretty", "json"}))
      ->option_text("FORMAT");
  command->add_option("--watch", options->watch_s, "Show it again every so many seconds.")
      ->check(CLI::Range(1, 86'400))
      ->option_text("S");
  command->footer(
      "Counts of documents reach back to the logs' beginning, over all restarts; the others to "
      "the\n"
      "daemon's start. JSON: docs/operations.md.\n"
      "Exit codes: 0 done, 64 usage, 69 no daemon.");
  command->callback([options, &exit_code] { exit_code = status(*options); });
}

}  // namespace wiremill::cli
