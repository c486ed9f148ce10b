// Fuzz target: a configuration file of arbitrary bytes (daemon/config), and its stages' options
// against a plugin's table of every type. Every error has its place in the file and a message; what
// is accepted is accepted again, with the same meaning.
#include "daemon/config/config.hpp"

#include <wiremill/plugin.h>

#include "daemon/config/options.hpp"
#include "daemon/text/utf8.hpp"

using namespace wiremill;  // NOLINT

namespace {

constexpr wm_option kOptions[] = {{"flag", WM_OPTION_BOOL, 0, "false", "", 0, 0},
                                  {"count", WM_OPTION_INTEGER, 0, "3", "", 1, 100},
                                  {"share", WM_OPTION_NUMBER, 0, "0.5", "", 0, 1},
                                  {"window", WM_OPTION_DURATION, 0, "7d", "", 1000, 1e12},
                                  {"memory", WM_OPTION_BYTES, 0, "1MiB", "", 1, 1e12},
                                  {"mode", WM_OPTION_STRING, 0, "plain", "", 0, 0},
                                  {"names", WM_OPTION_STRINGS, 0, "[]", "", 0, 0},
                                  {}};

void expect_places(const ConfigErrors& errors) {
  for (const ConfigError& error : errors) {
    WM_INVARIANT(error.where == "fuzz.yaml" || error.where.starts_with("fuzz.yaml:"));
    WM_INVARIANT(!error.message.empty() && text::is_valid(error.message));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view yaml(reinterpret_cast<const char*>(data), size);
  const auto config = parse_config(yaml, "fuzz.yaml");
  if (!config) {
    const ConfigErrors& errors = config.error().errors;
    WM_INVARIANT(!errors.empty() && errors.size() <= kConfigErrorsMax + 1);
    expect_places(errors);
  } else {
    const auto again = parse_config(yaml, "fuzz.yaml");
    WM_INVARIANT(again && again->intake == config->intake && again->storage == config->storage);
    WM_INVARIANT(again->pipeline == config->pipeline && again->stages == config->stages);
    WM_INVARIANT(config->intake.document_bytes_max > 0 && config->storage.segment_bytes > 0);
  }
  for (const StageConfig& stage : (config ? *config : config.error().read).stages) {
    ConfigErrors errors;
    const ResolvedOptions options = resolve_options(kOptions, stage, errors);
    expect_places(errors);
    if (errors.empty()) WM_INVARIANT(options.size() == std::size(kOptions) - 1);
  }
  return 0;
}
