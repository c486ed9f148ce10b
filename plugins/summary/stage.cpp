// The plugin `summary`: chooses the sentences that stand for the document, and its keywords.
// `process` runs on several threads at once.
#include <wiremill/stage.hpp>

#include <algorithm>

#include "plugins/summary/summarizer.hpp"

namespace wiremill::summary {

class SummaryStage {
 public:
  static constexpr wm_option kOptions[] = {
      {"sentences", WM_OPTION_INTEGER, 0, "3", "How many sentences a summary has at most.", 1, 50},
      {"characters_max", WM_OPTION_INTEGER, 0, "0",
       "How many characters a summary has at most; 0 for no bound.", 0, 1'000'000},
      {}};
  static constexpr StageInfo kInfo = {.id = "wiremill.summary",
                                      .version = "1.0.0",
                                      .summary = "Chooses the sentences that stand for the text.",
                                      .required = {"sentences", "tokens"},
                                      .used = {"language", "entities", "title"},
                                      .provided = {"summary"},
                                      .options = kOptions};

  SummaryStage(const Host&, const Options& options) {
    settings_.sentences = static_cast<size_t>(options.integer("sentences"));
    settings_.characters_max = static_cast<size_t>(options.integer("characters_max"));
  }

  Verdict process(const Document& document, Output& output) const {
    Input input;
    input.text = document.text();
    input.language = document.language();
    input.title = document.title();
    input.sentences = document.sentences();
    input.tokens = document.tokens();
    for (const wm_entity& entity : document.entities())
      for (size_t i = 0; i < entity.mentions_count; ++i)
        input.names.push_back(entity.mentions[i].span);
    std::sort(input.names.begin(), input.names.end(),
              [](const wm_span& a, const wm_span& b) { return a.begin < b.begin; });

    const Summary summary = summarize(input, settings_);
    std::vector<wm_view> keywords;
    for (const std::string& keyword : summary.keywords) keywords.push_back(to_view(keyword));
    output.summary({to_view(summary.text), summary.sentences.data(), summary.sentences.size(),
                    keywords.data(), keywords.size()});
    return Verdict::ok();
  }

 private:
  Settings settings_;
};

}  // namespace wiremill::summary

WIREMILL_STAGE(wiremill::summary::SummaryStage)
