// `wiremill cursor`: where named subscribers are, and setting or removing that.

#include <fmt/format.h>

#include <memory>

#include "cli/admin_client.hpp"
#include "cli/command.hpp"
#include "cli/terminal.hpp"

namespace wiremill::cli {
namespace {

struct CursorOptions {
  AdminAddress address;
  std::string name;
  uint64_t sequence = 0;
  std::string format = "pretty";
};

// What every cursor request answers: all cursors.
int print_cursors(const std::string& body, const std::string& format, const std::string& only) {
  rapidjson::Document answer;
  answer.Parse<rapidjson::kParseIterativeFlag>(body.data(), body.size());
  std::string text = format == "json" ? body : "";
  const rapidjson::Value& cursors = member_of(answer, "cursors");
  if (format == "pretty" && cursors.IsArray())
    for (const auto& cursor : cursors.GetArray())
      if (only.empty() || text_of(cursor, "name") == only)
        text +=
            fmt::format("{:<32}  {:>12}  {:>10} behind  epoch {}  {}\n", text_of(cursor, "name"),
                        number_of(cursor, "sequence"), number_of(cursor, "lag"),
                        number_of(cursor, "epoch"), text_of(cursor, "committed_at").substr(0, 19));
  if (const Status written = write_out(text); !written) return report(written.error());
  return 0;
}

int request(const CursorOptions& options, const std::string& method, const std::string& body) {
  const auto client = AdminClient::choose(options.address);
  if (!client) return client.error();
  const std::string target =
      method == "GET" ? "/api/cursors" : "/api/cursors/" + percent_encoded(options.name);
  const auto answer = (*client)->ask(method, target, body);
  if (!answer) return report(answer.error());
  if (answer->status != 200) return report(refusal(*answer));
  if (method == "DELETE") return 0;
  return print_cursors(answer->body, options.format, options.name);
}

}  // namespace

void add_cursor(CLI::App& app, int& exit_code) {
  CLI::App* cursor = app.add_subcommand("cursor", "See, set or remove named cursors.");
  cursor->require_subcommand(1);

  auto list_options = std::make_shared<CursorOptions>();
  CLI::App* list = cursor->add_subcommand("list", "A line each.");
  add_admin_options(*list, list_options->address);
  list->add_option("--format", list_options->format, "pretty or json (default: pretty).")
      ->check(CLI::IsMember({"pretty", "json"}))
      ->option_text("FORMAT");
  list->callback([list_options, &exit_code] { exit_code = request(*list_options, "GET", ""); });

  auto set_options = std::make_shared<CursorOptions>();
  CLI::App* set = cursor->add_subcommand(
      "set", "Put it behind this result, as if its subscriber had committed that.");
  add_admin_options(*set, set_options->address);
  set->add_option("name", set_options->name, "The cursor.")->required()->option_text("NAME");
  set->add_option("sequence", set_options->sequence, "0: back to the beginning.")
      ->required()
      ->option_text("SEQUENCE");
  set->callback([set_options, &exit_code] {
    exit_code =
        request(*set_options, "PUT", fmt::format("{{\"sequence\":{}}}", set_options->sequence));
  });

  auto remove_options = std::make_shared<CursorOptions>();
  CLI::App* remove = cursor->add_subcommand("remove", "Forget it.");
  add_admin_options(*remove, remove_options->address);
  remove->add_option("name", remove_options->name, "The cursor.")->required()->option_text("NAME");
  remove->callback(
      [remove_options, &exit_code] { exit_code = request(*remove_options, "DELETE", ""); });

  cursor->footer(
      "A cursor is made by the first COMMIT under its name (`wiremill tail --cursor NAME`), or by "
      "set.\n"
      "A stream that runs goes on where it is: a new place counts from its next FETCH on.\n"
      "Exit codes: 0 done, 64 usage, 65 there is no such cursor, 69 no daemon.");
}

}  // namespace wiremill::cli
