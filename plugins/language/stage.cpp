// The plugin `language`: puts the text's language, script and, where languages are mixed, their
// spans onto the document. `process` runs on several threads at once.
#include <wiremill/stage.hpp>

#include "plugins/language/language_core.hpp"

namespace wiremill::language {

class LanguageStage {
 public:
  static constexpr wm_option kOptions[] = {
      {"languages", WM_OPTION_STRINGS, 0, "[]",
       "The candidates, ISO 639-1 (or 639-3) codes; empty for all.", 0, 0},
      {"bytes_max", WM_OPTION_BYTES, 0, "64KiB", "How much of a text is looked at.", 64,
       16 * 1024 * 1024},
      {}};
  static constexpr StageInfo kInfo = {.id = "wiremill.language",
                                      .version = "2.0.0",
                                      .summary = "Tells the language and script of the text.",
                                      .required = {"text"},
                                      .provided = {"language"},
                                      .options = kOptions};

  LanguageStage(const Host& host, const Options& options) : detector_(open(host)) {
    settings_.languages = options.texts("languages");
    settings_.bytes_max = static_cast<size_t>(options.integer("bytes_max"));
    for (const std::string& code : settings_.languages)
      if (!is_code(code))
        throw std::invalid_argument("languages: '" + code + "' is no ISO 639 code");
  }

  Verdict process(const Document& document, Output& output) const {
    const Detection found = detector_.detect(document.text(), settings_);
    std::vector<wm_alternative> alternatives;
    for (const Alternative& alternative : found.alternatives)
      alternatives.push_back({to_view(alternative.code), alternative.confidence});
    std::vector<wm_language_span> spans;
    for (const Span& span : found.spans)
      spans.push_back({{span.begin, span.end}, to_view(span.code)});
    output.language({to_view(found.code), found.confidence, to_view(found.script),
                     alternatives.data(), alternatives.size(), spans.data(), spans.size()});
    return Verdict::ok();
  }

 private:
  static Detector open(const Host& host) {
    auto detector = Detector::open(std::string(host.plugin_dir()) + "/language.model");
    if (!detector) throw std::runtime_error(detector.error().message);
    return std::move(*detector);
  }
  static bool is_code(std::string_view code) {
    return (code.size() == 2 || code.size() == 3) &&
           code.find_first_not_of("abcdefghijklmnopqrstuvwxyz") == std::string_view::npos;
  }

  Detector detector_;
  Settings settings_;
};

}  // namespace wiremill::language

WIREMILL_STAGE(wiremill::language::LanguageStage)
