// `wiremill plugin list`, `show` and `new` (`check` is plugin_check.cpp). List and show read each
// file's note first; a file whose note will do is then loaded by wiremill-stagehost for its
// descriptor, so its static constructors and its init run in a process that may do little.

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <vector>

#include "cli/command.hpp"
#include "cli/plugin_check.hpp"
#include "cli/plugin_project.hpp"
#include "cli/terminal.hpp"
#include "daemon/config/options.hpp"
#include "daemon/document/result_json.hpp"
#include "daemon/host/hosted_stage.hpp"
#include "daemon/plugin/plugin.hpp"
#include "daemon/plugin/plugin_note.hpp"

namespace wiremill::cli {
namespace {

namespace fs = std::filesystem;

constexpr size_t kTextColumnsMax = 500;

int failed(const Error& error) {
  print_error(error.message);
  return wiremill::exit_code(error.code);
}

// The plugin in a process of its own, which ends with the answer. Errors name the file.
Result<std::unique_ptr<HostedStage>> load_outside(const std::string& path) {
  StageConfig config;
  config.name = "plugin";
  auto loaded = HostedStage::load(config, stagehost_program(), path, {});
  if (loaded || loaded.error().message.find(path) != std::string::npos) return loaded;
  return fail(loaded.error().code, "{}: {}", path, loaded.error().message);
}

struct Row {
  std::string name, id, version, abi, summary, path;
  bool refused = false;  // then `summary` says why
};

Row read_row(const fs::path& path) {
  Row row;
  row.name = shortened(path.stem().string(), kTextColumnsMax);
  row.path = path.string();
  row.id = row.version = row.abi = "-";
  const auto note = read_plugin_note(row.path);
  if (note) {
    row.id = note->id;
    row.version = note->version;
    row.abi = fmt::format("{}.{}", note->abi_major, note->abi_minor);
  }
  const auto plugin = note ? load_outside(row.path) : tl::unexpected(note.error());
  row.refused = !plugin;
  row.summary = plugin ? (*plugin)->descriptor().summary : plugin.error().message;
  if (row.summary.starts_with(row.path + ": ")) row.summary.erase(0, row.path.size() + 2);
  return row;
}

std::string table(const std::vector<Row>& rows, const Style& style) {
  const auto width = [&](std::string Row::*column) {
    size_t columns = 0;
    for (const Row& row : rows) columns = std::max(columns, (row.*column).size());
    return columns;
  };
  const size_t name = width(&Row::name), id = width(&Row::id), version = width(&Row::version);
  std::string out;
  for (const Row& row : rows)
    out += fmt::format(
        "{}  {:<{}}  {:<{}}  {:>4}  {}  {}\n", style.bold(fmt::format("{:<{}}", row.name, name)),
        row.id, id, row.version, version, row.abi,
        row.refused ? style.red("refused: " + shortened(row.summary, kTextColumnsMax))
                    : shortened(row.summary, kTextColumnsMax),
        style.dim(shortened(row.path, kTextColumnsMax)));
  return out;
}

int list(const std::string& directory) {
  std::vector<fs::path> paths;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error))
    if (entry->path().extension() == ".so") paths.push_back(entry->path());
  if (error) return failed(fail_errno(error.value(), "read", directory).value());
  std::ranges::sort(paths);
  std::vector<Row> rows;
  for (const fs::path& path : paths) rows.push_back(read_row(path));
  if (const Status written = write_out(table(rows, Style())); !written)
    return failed(written.error());
  if (std::ranges::all_of(rows, &Row::refused))
    return failed(
        {ErrorCode::Config, fmt::format("no plugin that can be loaded in {}", directory)});
  return 0;
}

struct ShowOptions {
  std::string plugin, directory;
  std::string format = "text";
};

std::string joined(const char* const* list) {
  std::string out;
  for (; *list != nullptr; ++list) out += (out.empty() ? "" : ", ") + std::string(*list);
  return out.empty() ? "none" : shortened(out, kTextColumnsMax);
}

std::string_view type_name(uint32_t type) {
  constexpr std::string_view kNames[] = {"bool",    "integer",  "number", "string",
                                         "strings", "duration", "bytes"};
  return type < std::size(kNames) ? kNames[type] : "unknown";
}

std::string as_text(const wm_descriptor& plugin, const PluginNote& note, const std::string& path,
                    const Style& style) {
  const auto line = [](std::string_view text) { return shortened(text, kTextColumnsMax); };
  std::string out =
      fmt::format("{}  {}, ABI {}.{}\n{}\n{}\n", style.bold(note.id), note.version, note.abi_major,
                  note.abi_minor, line(plugin.summary), style.dim(path));
  const auto row = [&](std::string_view name, std::string_view text) {
    out += fmt::format("{}{}\n", style.bold(fmt::format("{:<10}", name)), text);
  };
  out += '\n';
  row("requires", joined(plugin.required));
  row("uses", joined(plugin.used));
  row("provides", joined(plugin.provided));
  row("settles",
      plugin.settle == nullptr ? "no" : fmt::format("yes, state version {}", plugin.state_version));
  if (plugin.options == nullptr || plugin.options->name == nullptr)
    row("options", "none");
  else
    out += style.bold("options") + "\n";
  for (const wm_option* option = plugin.options; option && option->name; ++option) {
    const std::string range = option_range(*option);
    out += fmt::format(
        "  {}  {}{}, {}\n      {}\n", style.bold(line(option->name)), type_name(option->type),
        range.empty() ? "" : " from " + range,
        option->default_value == nullptr
            ? "required"
            : "default " + (*option->default_value == '\0' ? "\"\"" : line(option->default_value)),
        line(option->help == nullptr ? "" : option->help));
  }
  return out;
}

std::string quoted(const char* text) {
  if (text == nullptr) return "null";
  std::string out;
  append_json_string(text, out);
  return out;
}

std::string quoted(const char* const* list) {
  std::string out;
  for (; *list != nullptr; ++list) out += (out.empty() ? "" : ",") + quoted(*list);
  return "[" + out + "]";
}

std::string as_json(const wm_descriptor& plugin, const PluginNote& note, const std::string& path) {
  std::string out = fmt::format(
      R"({{"id":{},"version":{},"abi":"{}.{}","summary":{},"path":{},"required":{},"used":{},)"
      R"("provided":{},"settles":{},"state_version":{},"options":[)",
      quoted(plugin.id), quoted(plugin.version), note.abi_major, note.abi_minor,
      quoted(plugin.summary), quoted(path.c_str()), quoted(plugin.required), quoted(plugin.used),
      quoted(plugin.provided), plugin.settle != nullptr, plugin.state_version);
  for (const wm_option* option = plugin.options; option && option->name; ++option)
    out +=
        fmt::format(R"({}{{"name":{},"type":"{}","default":{},"range":{},"help":{}}})",
                    option == plugin.options ? "" : ",", quoted(option->name),
                    type_name(option->type), quoted(option->default_value),
                    option_range(*option).empty() ? "null" : quoted(option_range(*option).c_str()),
                    quoted(option->help));
  return out + "]}\n";
}

int show(const ShowOptions& options) {
  // What ends like a file is one, with a slash or without.
  const bool is_file =
      options.plugin.ends_with(".so") && options.plugin.find('/') == std::string::npos;
  const auto path =
      find_plugin(is_file ? "./" + options.plugin : options.plugin, {options.directory});
  if (!path) return failed(path.error());
  const auto note = read_plugin_note(*path);
  if (!note) return failed(note.error());
  const auto plugin = load_outside(*path);
  if (!plugin) return failed(plugin.error());
  const wm_descriptor& descriptor = (*plugin)->descriptor();
  const Status written =
      write_out(options.format == "json" ? as_json(descriptor, *note, *path)
                                         : as_text(descriptor, *note, *path, Style()));
  return written ? 0 : failed(written.error());
}

struct NewOptions {
  std::string name, folder;
  std::string language = "cpp";
};

int make_new(const NewOptions& options) {
  const auto files = write_plugin_project(options.name, options.language, options.folder);
  if (!files) return failed(files.error());
  std::string out;
  for (const std::string& file : *files) out += file + "\n";
  const Status written = write_out(out);
  return written ? 0 : failed(written.error());
}

void add_directory(CLI::App& command, std::string& directory) {
  directory = plugin_directories("").front();
  command
      .add_option("--plugin-dir", directory, "Where to look (default: where wiremill's own are).")
      ->type_name("DIR");
}

}  // namespace

void add_plugin(CLI::App& app, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("plugin", "See what plugins there are, check one, or begin one.");
  command->require_subcommand(1);

  auto directory = std::make_shared<std::string>();
  CLI::App* list_command = command->add_subcommand("list", "The plugins of a folder, a line each.");
  add_directory(*list_command, *directory);
  list_command->footer(
      "Name, id, version, ABI, summary and path; a file that is refused is named with the reason.\n"
      "Loads what is not refused, each in a process of its own.\n"
      "Exit codes: 0 done, 74 no such folder, 78 none can be loaded.");
  list_command->callback([directory, &exit_code] { exit_code = list(*directory); });

  auto show_options = std::make_shared<ShowOptions>();
  CLI::App* show_command =
      command->add_subcommand("show", "What a plugin reads, provides and can be told.");
  add_directory(*show_command, show_options->directory);
  show_command->add_option("plugin", show_options->plugin, "Its name, or its file.")
      ->required()
      ->option_text("NAME|FILE.so");
  show_command->add_option("--format", show_options->format, "text or json (default: text).")
      ->check(CLI::IsMember({"text", "json"}))
      ->option_text("FORMAT");
  show_command->footer("Loads it, in a process of its own. Exit codes: 0 done, 78 refused.");
  show_command->callback([show_options, &exit_code] { exit_code = show(*show_options); });

  add_plugin_check(*command, exit_code);

  auto new_options = std::make_shared<NewOptions>();
  CLI::App* new_command =
      command->add_subcommand("new", "Begin a plugin: a stage, its test and what builds them.");
  new_command->add_option("name", new_options->name, "Its name, such as word_count.")
      ->required()
      ->option_text("NAME");
  new_command->add_option("dir", new_options->folder, "An empty folder, or one to be made.")
      ->required()
      ->option_text("DIR");
  new_command->add_option("--lang", new_options->language, "cpp, c or python (default: cpp).")
      ->check(CLI::IsMember({"cpp", "c", "python"}))
      ->option_text("LANGUAGE");
  new_command->footer(
      "Example:\n"
      "  wiremill plugin new word_count word_count && cd word_count\n"
      "  cmake -S . -B build && cmake --build build && ctest --test-dir build\n"
      "  wiremill run --config config.yaml article.txt\n"
      "docs/write-a-stage.md goes on from there; for Python, docs/external-stage.md.\n"
      "Exit codes: 0 done, 64 the name or the folder will not do, 74 it could not be written.");
  new_command->callback([new_options, &exit_code] { exit_code = make_new(*new_options); });
}

}  // namespace wiremill::cli
