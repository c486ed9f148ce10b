#include "cli/plugin_project.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "cli/plugin_templates.hpp"

namespace wiremill::cli {
namespace {

namespace fs = std::filesystem;

constexpr size_t kNameBytesMax = 64;

// Words that a line or CMake has given away: the stages before it in config.yaml, and target names.
constexpr std::string_view kTaken[] = {
    "all",      "clean",   "depend",         "edit_cache", "help",          "install",
    "language", "package", "package_source", "preinstall", "rebuild_cache", "test"};

bool is_letter(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

Status check_name(const std::string& name) {
  const bool words = std::ranges::all_of(
      name, [](char c) { return is_letter(c) || is_digit(c) || c == '_' || c == '-'; });
  if (name.empty() || name.size() > kNameBytesMax || !words || !is_letter(name.front()) ||
      !(is_letter(name.back()) || is_digit(name.back())))
    return fail(
        ErrorCode::Usage,
        "'{}' will not do as a name: lower-case letters, digits, _ and -, from a letter to a "
        "letter or digit, at most {}",
        name, kNameBytesMax);
  if (std::ranges::find(kTaken, name) != std::end(kTaken))
    return fail(ErrorCode::Usage, "the name '{}' is taken", name);
  return {};
}

// "word_count" to "WordCount".
std::string class_name(std::string_view name) {
  std::string out;
  bool begins = true;
  for (const char c : name) {
    if (c == '_' || c == '-') {
      begins = true;
      continue;
    }
    out += begins && is_letter(c) ? static_cast<char>(c - 'a' + 'A') : c;
    begins = false;
  }
  return out;
}

std::string replaced(std::string text, std::string_view word, std::string_view by) {
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + by.size()))
    text.replace(at, word.size(), by);
  return text;
}

Status make_folder(const std::string& folder) {
  std::error_code error;
  if (fs::exists(folder, error) &&
      !(fs::is_directory(folder, error) && fs::is_empty(folder, error)))
    return fail(ErrorCode::Usage, "{} is there already, and no empty folder", folder);
  fs::create_directories(folder, error);
  if (error) return fail_errno(error.value(), "make the folder", folder);
  return {};
}

}  // namespace

Result<std::vector<std::string>> write_plugin_project(const std::string& name,
                                                      const std::string& language,
                                                      const std::string& folder) {
  WM_TRY(check_name(name));
  WM_TRY(make_folder(folder));
  std::vector<std::string> written;
  for (const TemplateFile& file : plugin_templates()) {
    if (!file.path.starts_with(language + "/")) continue;
    const fs::path path = fs::path(folder) / file.path.substr(language.size() + 1);
    std::ofstream out(path, std::ios::binary);
    out << replaced(replaced(std::string(file.text), "NewStage", class_name(name)), "new_stage",
                    name);
    out.close();
    if (!out) return fail_errno(errno, "write", path.string());
    written.push_back(path.string());
  }
  return written;
}

}  // namespace wiremill::cli
