// The stage new_stage: counts the words of a text. What it says of itself stands in kInfo, what it
// does in process(); the contract is explained in wiremill/stage.hpp and wiremill/plugin.h.
#include <wiremill/stage.hpp>

#include <cstdint>
#include <string>

namespace {

class NewStage {
 public:
  static constexpr wm_option kOptions[] = {
      {"words_min", WM_OPTION_INTEGER, 0, "1", "Texts of fewer words are left alone.", 0, 1e6}, {}};
  static constexpr wiremill::StageInfo kInfo = {.id = "org.example.new_stage",
                                                .version = "0.1.0",
                                                .summary = "Counts the words of a text.",
                                                .required = {"tokens"},
                                                .provided = {"extensions.org.example.new_stage"},
                                                .options = kOptions};

  NewStage(const wiremill::Host&, const wiremill::Options& options)
      : words_min_(options.integer("words_min")) {}

  // Called on several threads at once, hence const.
  wiremill::Verdict process(const wiremill::Document& document, wiremill::Output& output) const {
    int64_t words = 0;
    for (const wm_token& token : document.tokens()) words += token.kind == WM_TOKEN_WORD;
    if (words < words_min_) return wiremill::Verdict::skip();
    output.extension("{\"words\":" + std::to_string(words) + "}");
    return wiremill::Verdict::ok();
  }

 private:
  const int64_t words_min_;
};

}  // namespace

WIREMILL_STAGE(NewStage)
