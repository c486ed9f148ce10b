// The files that `wiremill plugin new` starts a project from: sdk/templates as it was when the program
// was built. Any thread.
#pragma once

#include <span>
#include <string_view>

namespace wiremill::cli {

struct TemplateFile {
  std::string_view path;  // below sdk/templates: "cpp/stage.cpp"
  std::string_view text;  // with the words new_stage and NewStage where the name belongs
};

std::span<const TemplateFile> plugin_templates();

}  // namespace wiremill::cli
