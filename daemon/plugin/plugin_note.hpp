// What a plugin's file says of itself without being loaded: its ELF note (wm_note in plugin.h). The
// file is only read, a few kilobytes at most, never mapped or run: any file may be asked. Called
// before a plugin is loaded and by `wiremill plugin list`. Any thread.
#pragma once

#include <cstdint>
#include <string>

#include "daemon/base/error.hpp"

namespace wiremill {

struct PluginNote {
  std::string id, version;  // visible ASCII characters, neither empty
  uint16_t abi_major = 0, abi_minor = 0;
};

// Errors: Config, naming the file and what is wrong with it: no 64-bit ELF shared object of this
// machine, cut short, without a note of Wiremill's, or with one that is broken. Io where it cannot
// be read.
Result<PluginNote> read_plugin_note(const std::string& path);

}  // namespace wiremill
