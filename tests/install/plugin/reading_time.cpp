// How long a reader needs for an article: the smallest plugin that does something. Built outside
// the tree against the installed package by tests/install, and shown in README.md.
#include <wiremill/stage.hpp>

struct ReadingTime {
  static constexpr wm_option kOptions[] = {
      {"words_per_minute", WM_OPTION_INTEGER, 0, "230", "How fast people read.", 1, 2000}, {}};
  static constexpr wiremill::StageInfo kInfo = {
      .id = "org.example.reading_time",
      .version = "1.0.0",
      .summary = "Words, and the minutes that they take to read.",
      .required = {"tokens"},
      .provided = {"extensions.org.example.reading_time"},
      .options = kOptions};

  ReadingTime(const wiremill::Host&, const wiremill::Options& options)
      : words_per_minute_(options.integer("words_per_minute")) {}

  wiremill::Verdict process(const wiremill::Document& document, wiremill::Output& output) const {
    int64_t words = 0;
    for (const wm_token& token : document.tokens()) words += token.kind == WM_TOKEN_WORD;
    const int64_t minutes = (words + words_per_minute_ - 1) / words_per_minute_;
    output.extension("{\"words\":" + std::to_string(words) +
                     ",\"minutes\":" + std::to_string(minutes) + "}");
    return wiremill::Verdict::ok();
  }

 private:
  int64_t words_per_minute_;
};
WIREMILL_STAGE(ReadingTime)
