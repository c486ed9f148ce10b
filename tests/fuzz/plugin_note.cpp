// Fuzz target: the note of any file (daemon/plugin/plugin_note). What is read can be shown, what is
// refused names the file, and a second reading says the same.
#include <sys/mman.h>
#include <unistd.h>
#include <wiremill/plugin.h>

#include <algorithm>
#include <string>

#include "daemon/plugin/plugin_note.hpp"

using namespace wiremill;  // NOLINT

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const int memory = memfd_create("plugin", MFD_CLOEXEC);
  WM_INVARIANT(memory >= 0 && write(memory, data, size) == static_cast<ssize_t>(size));
  const std::string path = "/proc/self/fd/" + std::to_string(memory);
  const auto note = read_plugin_note(path);
  const auto again = read_plugin_note(path);
  WM_INVARIANT(note.has_value() == again.has_value());
  if (note) {
    const auto shows = [](const std::string& text) {
      return !text.empty() &&
             std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
    };
    WM_INVARIANT(shows(note->id) && note->id.size() < sizeof wm_note::id);
    WM_INVARIANT(shows(note->version) && note->version.size() < sizeof wm_note::version);
    WM_INVARIANT(note->id == again->id && note->abi_minor == again->abi_minor);
  } else {
    WM_INVARIANT(note.error().message.starts_with(path));
    WM_INVARIANT(note.error().message == again.error().message);
  }
  close(memory);
  return 0;
}
