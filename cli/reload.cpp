// `wiremill reload`: has the daemon take up its changed configuration.

#include <fmt/format.h>

#include <memory>

#include "cli/admin_client.hpp"
#include "cli/command.hpp"
#include "cli/terminal.hpp"

namespace wiremill::cli {
namespace {

struct ReloadOptions {
  AdminAddress address;
  std::string format = "pretty";
};

constexpr unsigned kRefused = 422;

// As `validate` shows them.
void print_errors(const rapidjson::Value& answer) {
  const rapidjson::Value& errors = member_of(answer, "errors");
  if (errors.IsArray())
    for (const auto& error : errors.GetArray())
      fmt::print(stderr, "{}: {}\n", text_of(error, "where"), text_of(error, "message"));
  print_error(text_of(answer, "error"));
}

std::string summary(const rapidjson::Value& answer) {
  std::string names;
  const rapidjson::Value& stages = member_of(answer, "stages");
  if (stages.IsArray())
    for (const auto& stage : stages.GetArray())
      if (stage.IsString()) names += (names.empty() ? "" : " → ") + std::string(stage.GetString());
  return fmt::format("reloaded. From sequence {} on documents go through: {}\n",
                     number_of(answer, "first_sequence"), names.empty() ? "no stage" : names);
}

int reload(const ReloadOptions& options) {
  const auto client = AdminClient::choose(options.address);
  if (!client) return client.error();
  const auto answer = (*client)->ask("POST", "/api/reload");
  if (!answer) return report(answer.error());
  const bool is_refused = answer->status == kRefused;
  if (answer->status != 200 && !is_refused) return report(refusal(*answer));
  rapidjson::Document json;
  json.Parse<rapidjson::kParseIterativeFlag>(answer->body.data(), answer->body.size());
  if (json.HasParseError() || !json.IsObject())
    return report({ErrorCode::Unavailable, "what answers there is no Wiremill"});
  const bool as_json = options.format == "json";
  if (as_json || !is_refused)
    if (const Status written = write_out(as_json ? answer->body + '\n' : summary(json)); !written)
      return report(written.error());
  if (!is_refused) return 0;
  if (!as_json) print_errors(json);
  return wiremill::exit_code(ErrorCode::Config);
}

}  // namespace

void add_reload(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<ReloadOptions>();
  CLI::App* command =
      app.add_subcommand("reload", "Have the daemon take up its changed stages and plugins.");
  add_admin_options(*command, options->address);
  command->add_option("--format", options->format, "pretty or json (default: pretty).")
      ->check(CLI::IsMember({"pretty", "json"}))
      ->option_text("FORMAT");
  command->footer(
      "The daemon reads the configuration file that it was started with. Only `stages` and "
      "log.level\n"
      "can change while it runs. Each stage is tried on recent documents first; whatever is wrong, "
      "all\n"
      "of it is shown and the stages before go on. Replace a plugin's file by renaming another "
      "over it\n"
      "(`install` does), never by writing into it.\n"
      "Exit codes: 0 the new stages serve, 64 usage, 69 no daemon, 78 refused.");
  command->callback([options, &exit_code] { exit_code = reload(*options); });
}

}  // namespace wiremill::cli
