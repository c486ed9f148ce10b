// `wiremill plugin new`: a plugin's project, written from the templates. Main thread.
#pragma once

#include <string>
#include <vector>

#include "daemon/base/error.hpp"

namespace wiremill::cli {

// Writes the project of a plugin `name` in `language` ("cpp", "c", "python") to the folder, which
// is made where it does not exist; answers the files written. Errors: Usage for a name that will
// not do or a folder that is not empty, nothing written; Io.
Result<std::vector<std::string>> write_plugin_project(const std::string& name,
                                                      const std::string& language,
                                                      const std::string& folder);

}  // namespace wiremill::cli
