// A stage for tests that leaves the text its first sentence. With COUNTING it leaves the text alone,
// and says how many sentences it has; of one whose body is "undeclared" it replaces the text all the
// same, which its descriptor does not say.

#include <wiremill/stage.hpp>

#include <stdexcept>
#include <string>

namespace {

struct Shortening {
#ifdef COUNTING
  static constexpr wiremill::StageInfo kInfo = {.id = "test.counting",
                                                .version = "1.0.0",
                                                .summary = "Counts sentences.",
                                                .required = {"sentences"},
                                                .provided = {"extensions.test.counting"}};
#else
  static constexpr wiremill::StageInfo kInfo = {.id = "test.shortening",
                                                .version = "1.0.0",
                                                .summary = "Leaves the first sentence.",
                                                .required = {"sentences"},
                                                .provided = {"text"}};
#endif

  Shortening(const wiremill::Host&, const wiremill::Options&) {}

  wiremill::Verdict process(const wiremill::Document& document, wiremill::Output& output) const {
    const std::string_view text = document.text();
    for (const wm_span& sentence : document.sentences())
      if (sentence.end > text.size()) throw std::out_of_range("a sentence behind the text");
#ifdef COUNTING
    if (document.body() == "undeclared") output.text("short");
    output.extension(std::to_string(document.sentences().size()));
#else
    output.text(text.substr(0, document.sentences()[0].end));
#endif
    return {};
  }
};

}  // namespace

WIREMILL_STAGE(Shortening)
