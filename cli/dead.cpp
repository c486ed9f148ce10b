// `wiremill dead`: documents that a stage could not take, to be looked at, tried again or discarded.

#include <fmt/format.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
#include <unistd.h>

#include <algorithm>
#include <iostream>
#include <memory>
#include <thread>

#include "cli/admin_client.hpp"
#include "cli/command.hpp"
#include "cli/terminal.hpp"
#include "daemon/base/clock.hpp"
#include "daemon/base/units.hpp"

namespace wiremill::cli {
namespace {

using Json = rapidjson::Value;

constexpr size_t kLettersPerRequest = 200;  // so that the progress bar moves
constexpr std::chrono::milliseconds kBusyPause{100};

struct DeadOptions {
  AdminAddress address;
  std::string stage, code, since, until;
  std::vector<uint64_t> sequences;
  bool all = false, yes = false, body = false;
  uint64_t limit = 0;
  std::string format = "pretty";
};

// "2024-05-01T12:00:00Z" as it is, "24h" as so long ago. Nothing else.
Result<std::string> read_time(const std::string& option, const std::string& text) {
  if (const auto ago_ms = parse_duration_ms(text)) return format_time(now_us() - *ago_ms * 1000);
  if (parse_time(text)) return text;
  return fail(ErrorCode::Usage, "{} {}: neither a time such as 2024-05-01T12:00:00Z nor 24h",
              option, text);
}

// The filter as a query, without its ends.
Result<std::string> query_of(const DeadOptions& options) {
  std::string query;
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) query += fmt::format("&{}={}", name, percent_encoded(value));
  };
  add("stage", options.stage);
  add("code", options.code);
  for (const auto& [name, text] : {std::pair("since", &options.since), {"until", &options.until}}) {
    if (text->empty()) continue;
    const auto time = read_time(std::string("--") + name, *text);
    if (!time) return tl::unexpected(time.error());
    add(name, *time);
  }
  return query;
}

bool filtered(const DeadOptions& options) {
  return options.all || !options.stage.empty() || !options.code.empty() || !options.since.empty() ||
         !options.until.empty();
}

// Calls `each` for the letters that fit, page by page, until it answers an error or false.
template <class Each>
Status each_letter(AdminClient& client, const DeadOptions& options, const Each& each) {
  const auto query = query_of(options);
  if (!query) return tl::unexpected(query.error());
  uint64_t from = 0;
  do {
    const auto page = client.ask_json("GET", fmt::format("/api/dead?from={}{}", from, *query));
    if (!page) return tl::unexpected(page.error());
    for (const Json& letter : member_of(*page, "letters").GetArray()) {
      const Result<bool> more = each(letter);
      if (!more) return tl::unexpected(more.error());
      if (!*more) return {};
    }
    from = number_of(*page, "next");
  } while (from != 0 && !interrupted());
  return {};
}

std::string json_line(const Json& letter) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  letter.Accept(writer);
  return std::string(buffer.GetString(), buffer.GetSize()) + "\n";
}

std::string row(const Json& letter, const Style& style) {
  const std::string id = shortened(text_of(letter, "id"), 28);
  const std::string head =
      fmt::format("{:>10}  {}  {}  {} ", number_of(letter, "sequence"),
                  text_of(letter, "accepted_at").substr(0, 19), id, text_of(letter, "stage"));
  const std::string code = text_of(letter, "code");
  const size_t used = std::min(style.width() - 20, head.size() + code.size() + 1);
  return head + style.red(code) + " " +
         style.dim(shortened(text_of(letter, "message"), style.width() - used)) + "\n";
}

int list(const DeadOptions& options) {
  const auto client = AdminClient::choose(options.address);
  if (!client) return client.error();
  const Style style;
  uint64_t shown = 0;
  const Status listed = each_letter(**client, options, [&](const Json& letter) -> Result<bool> {
    WM_TRY(write_out(options.format == "json" ? json_line(letter) : row(letter, style)));
    return ++shown != options.limit;
  });
  if (!listed) return report(listed.error());
  if (options.format == "pretty" && shown == 0) print_error("no dead letters fit");
  return 0;
}

std::string sheet(const Json& letter, const Style& style) {
  std::string out = fmt::format("{} {}   id {}\n", style.bold("dead letter"),
                                number_of(letter, "sequence"), style.bold(text_of(letter, "id")));
  const auto add = [&](std::string_view name, const std::string& text) {
    if (!text.empty())
      out += fmt::format("  {:<14}{}\n", name, shortened(text, style.width() - 16));
  };
  add("failure", fmt::format("{} in stage {} after {} attempts", text_of(letter, "code"),
                             text_of(letter, "stage"), number_of(letter, "attempts")));
  add("message", text_of(letter, "message"));
  add("accepted", text_of(letter, "accepted_at"));
  add("client", text_of(letter, "client"));
  for (const char* name : {"source", "uri", "title", "published"}) add(name, text_of(letter, name));
  add("content type", text_of(letter, "content_type"));
  add("body", fmt::format("{} bytes: --body writes them", number_of(letter, "body_bytes")));
  if (const uint64_t before = number_of(letter, "retries"); before != 0)
    add("retries", std::to_string(before));
  if (const Json& attributes = member_of(letter, "attributes"); attributes.IsObject())
    for (const auto& entry : attributes.GetObject())
      add(entry.name.GetString(), entry.value.GetString());
  return out;
}

int show(const DeadOptions& options) {
  const auto client = AdminClient::choose(options.address);
  if (!client) return client.error();
  const std::string target =
      fmt::format("/api/dead/{}{}", options.sequences.front(), options.body ? "/body" : "");
  const auto answer = (*client)->ask("GET", target);
  if (!answer) return report(answer.error());
  if (answer->status != 200) return report(refusal(*answer));
  std::string text = answer->body;
  if (!options.body && options.format == "pretty") {
    rapidjson::Document letter;
    letter.Parse<rapidjson::kParseIterativeFlag>(text.data(), text.size());
    text = sheet(letter, Style());
  }
  if (const Status written = write_out(text); !written) return report(written.error());
  return 0;
}

// True: the person at the terminal agrees, or nobody is there to ask.
bool confirmed(const std::string& question) {
  if (isatty(STDIN_FILENO) == 0 || isatty(STDERR_FILENO) == 0) return true;
  std::cerr << question << " [y/N] " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "yes";
}

// retry and discard: the letters named, or all that fit, in requests of kLettersPerRequest.
class Many {
 public:
  Many(const DeadOptions& options, bool retry) : options_(options), retry_(retry) {}

  int execute() {
    auto client = AdminClient::choose(options_.address);
    if (!client) return client.error();
    client_ = std::move(*client);
    if (const Status chosen = choose(); !chosen) return report(chosen.error());
    if (options_.sequences.empty() && !options_.yes && !letters_.empty() &&
        !confirmed(
            fmt::format("{} {} dead letters?", retry_ ? "Retry" : "Discard", letters_.size())))
      return 0;
    const Status done = work();
    const Status written = write_out(summary());
    if (!done) return report(done.error());
    if (!written) return report(written.error());
    return failed_ > 0 ? wiremill::exit_code(ErrorCode::Malformed) : 0;
  }

 private:
  Status choose() {
    letters_ = options_.sequences;
    if (!letters_.empty()) return {};
    if (!filtered(options_))
      return fail(ErrorCode::Usage, "which ones? Name sequences, a filter, or --all");
    return each_letter(*client_, options_, [&](const Json& letter) -> Result<bool> {
      letters_.push_back(number_of(letter, "sequence"));
      return true;
    });
  }

  Status work() {
    Progress progress(retry_ ? "retried" : "discarded", letters_.size());
    for (size_t begin = 0; begin < letters_.size() && !interrupted();) {
      const size_t end = std::min(letters_.size(), begin + kLettersPerRequest);
      WM_TRY(retry_ ? retry(begin, end) : discard(begin, end));
      begin = end;
      progress.update(begin);
    }
    return {};
  }

  std::string body_of(const std::vector<uint64_t>& sequences) {
    std::string body = "{\"sequences\":[";
    for (const uint64_t sequence : sequences)
      body += (body.back() == '[' ? "" : ",") + std::to_string(sequence);
    return body + "]}";
  }

  // What the intake had no room for is handed over again.
  Status retry(size_t begin, size_t end) {
    std::vector<uint64_t> waiting(letters_.begin() + static_cast<ptrdiff_t>(begin),
                                  letters_.begin() + static_cast<ptrdiff_t>(end));
    while (!waiting.empty() && !interrupted()) {
      const auto answer = client_->ask_json("POST", "/api/dead/retry", body_of(waiting));
      if (!answer) return tl::unexpected(answer.error());
      waiting.clear();
      for (const Json& letter : member_of(*answer, "letters").GetArray()) {
        const uint64_t sequence = number_of(letter, "sequence");
        if (const uint64_t as = number_of(letter, "retried_as"); as != 0) {
          ++done_;
          WM_TRY(write_out(fmt::format("{}\t{}\n", sequence, as)));
        } else if (text_of(letter, "code") == "busy") {
          waiting.push_back(sequence);
        } else {
          ++failed_;
          print_error(fmt::format("{}: {}", sequence, text_of(letter, "message")));
        }
      }
      if (!waiting.empty()) std::this_thread::sleep_for(kBusyPause);
    }
    return {};
  }

  Status discard(size_t begin, size_t end) {
    const std::vector<uint64_t> some(letters_.begin() + static_cast<ptrdiff_t>(begin),
                                     letters_.begin() + static_cast<ptrdiff_t>(end));
    const auto answer = client_->ask_json("POST", "/api/dead/discard", body_of(some));
    if (!answer) return tl::unexpected(answer.error());
    const uint64_t discarded = number_of(*answer, "discarded");
    done_ += discarded;
    failed_ += some.size() - discarded;
    return {};
  }

  std::string summary() const {
    if (retry_) {
      print_error(fmt::format("{} of {} dead letters are tried again", done_, letters_.size()));
      return "";
    }
    return fmt::format("{} dead letters discarded{}\n", done_,
                       failed_ == 0 ? "" : fmt::format(", {} were not there", failed_));
  }

  const DeadOptions& options_;
  const bool retry_;
  std::unique_ptr<AdminClient> client_;
  std::vector<uint64_t> letters_;
  uint64_t done_ = 0, failed_ = 0;
};

using Options = std::shared_ptr<DeadOptions>;

void add_filter(CLI::App& command, DeadOptions& options) {
  command.add_option("--stage", options.stage, "Only those that died in this stage.")
      ->type_name("NAME");
  command.add_option("--code", options.code, "Only those with this code.")->type_name("CODE");
  command
      .add_option("--since", options.since,
                  "Only those accepted from then on: a time, or 24h for so long ago.")
      ->type_name("TIME");
  command.add_option("--until", options.until, "Only those accepted before.")->type_name("TIME");
}

void add_format(CLI::App& command, DeadOptions& options) {
  command.add_option("--format", options.format, "pretty or json (default: pretty).")
      ->check(CLI::IsMember({"pretty", "json"}))
      ->option_text("FORMAT");
}

void add_many(CLI::App& dead, const char* name, const char* help, bool retry, int& exit_code) {
  auto options = std::make_shared<DeadOptions>();
  CLI::App* command = dead.add_subcommand(name, help);
  add_admin_options(*command, options->address);
  add_filter(*command, *options);
  auto* all = command->add_flag("--all", options->all, "All of them.");
  command->add_flag("--yes", options->yes, "Do not ask.");
  command->add_option("sequences", options->sequences, "The letters.")
      ->option_text("SEQUENCE...")
      ->excludes(all);
  command->callback([options, retry, &exit_code] { exit_code = Many(*options, retry).execute(); });
}

}  // namespace

void add_dead(CLI::App& app, int& exit_code) {
  CLI::App* dead = app.add_subcommand(
      "dead", "Look at documents that a stage could not take; try them again or discard them.");
  dead->require_subcommand(1);

  auto list_options = std::make_shared<DeadOptions>();
  CLI::App* list_command = dead->add_subcommand("list", "A line each, the oldest first.");
  add_admin_options(*list_command, list_options->address);
  add_filter(*list_command, *list_options);
  add_format(*list_command, *list_options);
  list_command->add_option("--limit", list_options->limit, "At most so many.")->option_text("N");
  list_command->callback([list_options, &exit_code] { exit_code = list(*list_options); });

  auto show_options = std::make_shared<DeadOptions>();
  CLI::App* show_command = dead->add_subcommand("show", "One of them, or its submitted body.");
  add_admin_options(*show_command, show_options->address);
  add_format(*show_command, *show_options);
  show_command->add_flag("--body", show_options->body, "Write the submitted bytes, nothing else.");
  show_command->add_option("sequence", show_options->sequences, "The letter.")
      ->required()
      ->expected(1)
      ->option_text("SEQUENCE");
  show_command->callback([show_options, &exit_code] { exit_code = show(*show_options); });

  add_many(*dead, "retry", "Hand them to the line once more, under new sequences.", true,
           exit_code);
  add_many(*dead, "discard", "Forget them for good.", false, exit_code);
  dead->footer(
      "retry prints the old and the new SEQUENCE of each. A letter leaves when its retry has a "
      "result.\n"
      "Examples:\n"
      "  wiremill dead list --stage clean --since 24h\n"
      "  wiremill dead show 17 --body > body.html\n"
      "  wiremill dead retry --code TIMEOUT\n"
      "Exit codes: 0 done, 64 usage, 65 some letter was not there, 69 no daemon.");
}

}  // namespace wiremill::cli
