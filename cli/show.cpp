// `wiremill show`: one document's whole history.

#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "cli/admin_client.hpp"
#include "cli/command.hpp"
#include "cli/terminal.hpp"

namespace wiremill::cli {
namespace {

using Json = rapidjson::Value;

struct ShowOptions {
  AdminAddress address;
  std::string what;
  bool is_id = false;
  std::string format = "pretty";
};

class Sheet {
 public:
  explicit Sheet(const Style& style) : style_(style) {}
  void title(const std::string& text) { out_ += text + "\n"; }
  void row(std::string_view name, const std::string& text) {
    if (!text.empty())
      out_ += fmt::format("  {:<14}{}\n", name, shortened(text, style_.width() - 16));
  }
  void number(std::string_view name, uint64_t value, const char* unit = "") {
    if (value != 0) row(name, fmt::format("{}{}", value, unit));
  }
  std::string take() { return std::move(out_); }

 private:
  const Style& style_;
  std::string out_;
};

std::string coloured(const std::string& state, const Style& style) {
  if (state == "PROCESSED") return style.green(state);
  if (state == "IN_FLIGHT" || state == "DROPPED") return style.yellow(state);
  return style.red(state);
}

void add_accepted(Sheet& sheet, const Json& history, const Style& style) {
  const Json& accepted = member_of(history, "accepted");
  const std::string kept = text_of(accepted, "kept");
  sheet.title(style.bold("accepted") + " " + text_of(history, "accepted_at") +
              (kept == "yes"  ? ""
               : kept == "no" ? style.dim("  (its intake record is no longer kept)")
                              : style.red("  (its intake record is damaged)")));
  if (kept != "yes") return;
  const uint64_t number = number_of(accepted, "number");
  if (number != 0)
    sheet.row("client", fmt::format("{}, session {}, number {}", text_of(accepted, "client"),
                                    text_of(accepted, "session"), number));
  else
    sheet.row("client", text_of(accepted, "client").empty() ? "a bare message or the firehose"
                                                            : text_of(accepted, "client"));
  sheet.row("source", text_of(accepted, "source"));
  sheet.row("uri", text_of(accepted, "uri"));
  sheet.row("title", text_of(accepted, "title"));
  sheet.row("content type", text_of(accepted, "content_type"));
  sheet.row("body", fmt::format("{} bytes", number_of(accepted, "body_bytes")));
}

void add_result(Sheet& sheet, const Json& history, const Style& style) {
  const Json& result = member_of(history, "result");
  const std::string kept = text_of(result, "kept");
  if (kept != "yes") {
    if (text_of(history, "state") == "IN_FLIGHT")
      sheet.title(style.bold("result") + "   none yet");
    else
      sheet.title(style.bold("result") + "   " +
                  (kept == "no" ? style.dim("no longer kept") : style.red("damaged")));
    return;
  }
  sheet.title(style.bold("result") + "   " + coloured(text_of(result, "status"), style));
  sheet.row("topic", text_of(result, "topic"));
  sheet.row("title", text_of(result, "title"));
  sheet.row("language", text_of(result, "language"));
  sheet.number("text", number_of(result, "text_bytes"), " bytes");
  if (const Json& duplicate = member_of(result, "duplicate");
      duplicate.IsObject() && text_of(duplicate, "kind") != "NONE")
    sheet.row("duplicate", text_of(duplicate, "kind") + " of " + text_of(duplicate, "of"));
  if (const Json& failure = member_of(result, "failure"); failure.IsObject())
    sheet.row("failure", fmt::format("{} in stage {} after {} attempts: {}",
                                     text_of(failure, "code"), text_of(failure, "stage"),
                                     number_of(failure, "attempts"), text_of(failure, "message")));
}

std::string pretty(const Json& history, const Style& style) {
  Sheet sheet(style);
  sheet.title(fmt::format("{} {}   id {}", style.bold("document"), number_of(history, "sequence"),
                          style.bold(text_of(history, "id"))) +
              "   " + coloured(text_of(history, "state"), style));
  if (const uint64_t before = number_of(history, "retries"); before != 0)
    sheet.row("retries", fmt::format("{}, a dead letter", before));
  if (const uint64_t before = number_of(history, "revises"); before != 0)
    sheet.row("revises", fmt::format("{}, which had other content", before));
  add_accepted(sheet, history, style);
  add_result(sheet, history, style);
  if (const Json& letter = member_of(history, "dead_letter"); text_of(letter, "kept") == "yes")
    sheet.title(fmt::format("{}   kept, {} bytes: wiremill dead retry {}",
                            style.bold("dead letter"), number_of(letter, "bytes"),
                            number_of(history, "sequence")));
  if (const Json& others = member_of(history, "same_id"); others.IsArray() && others.Size() > 1) {
    sheet.title(style.bold("with this id"));
    for (const Json& other : others.GetArray()) {
      const uint64_t retries = number_of(other, "retries"), revises = number_of(other, "revises");
      sheet.row(fmt::format("{}", number_of(other, "sequence")),
                fmt::format("{:<15} {}{}", text_of(other, "state"), text_of(other, "accepted_at"),
                            retries != 0   ? fmt::format("  retries {}", retries)
                            : revises != 0 ? fmt::format("  revises {}", revises)
                                           : ""));
    }
  }
  return sheet.take();
}

int show(const ShowOptions& options) {
  const auto client = AdminClient::choose(options.address);
  if (!client) return client.error();
  const bool sequence = !options.is_id && std::all_of(options.what.begin(), options.what.end(),
                                                      [](char c) { return c >= '0' && c <= '9'; });
  const std::string target = sequence ? "/api/documents/" + options.what
                                      : "/api/documents?id=" + percent_encoded(options.what);
  const auto answer = (*client)->ask("GET", target);
  if (!answer) return report(answer.error());
  if (answer->status != 200) return report(refusal(*answer));
  std::string text = answer->body;
  if (options.format == "pretty") {
    rapidjson::Document history;
    history.Parse<rapidjson::kParseIterativeFlag>(text.data(), text.size());
    text = pretty(history, Style());
  }
  if (const Status written = write_out(text); !written) return report(written.error());
  return 0;
}

}  // namespace

void add_show(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<ShowOptions>();
  CLI::App* command =
      app.add_subcommand("show", "Show what became of one document, by its sequence or id.");
  add_admin_options(*command, options->address);
  command->add_flag("--id", options->is_id, "It is an id, even if it looks like a sequence.");
  command->add_option("--format", options->format, "pretty or json (default: pretty).")
      ->check(CLI::IsMember({"pretty", "json"}))
      ->option_text("FORMAT");
  command->add_option("what", options->what, "A sequence, or an id.")
      ->required()
      ->option_text("SEQUENCE|ID");
  command->footer(
      "An id means the newest document that came with it, as long as the daemon remembers it\n"
      "(intake.idempotency_window).\n"
      "Exit codes: 0 done, 64 usage, 65 there is no such document, 69 no daemon.");
  command->callback([options, &exit_code] { exit_code = show(*options); });
}

}  // namespace wiremill::cli
