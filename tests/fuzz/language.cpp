// Fuzz target: the language of any text, all languages or a few. Confidences are probabilities,
// spans ascend, do not overlap and lie on character boundaries; a second call says the same.
#include "daemon/base/error.hpp"
#include "daemon/text/utf8.hpp"
#include "plugins/language/language_core.hpp"

using namespace wiremill;  // NOLINT

namespace {

const language::Detector& detector() {
  static const language::Detector kDetector = [] {
    auto opened = language::Detector::open(LANGUAGE_MODEL);
    WM_INVARIANT(opened.has_value());
    return std::move(*opened);
  }();
  return kDetector;
}

void expect_sound(std::string_view text, const language::Settings& settings) {
  const language::Detection found = detector().detect(text, settings);
  WM_INVARIANT(!found.code.empty() && found.confidence >= 0 && found.confidence <= 1);
  for (const language::Alternative& alternative : found.alternatives)
    WM_INVARIANT(alternative.code != found.code && alternative.confidence >= 0 &&
                 alternative.confidence <= 1);
  uint32_t from = 0;
  for (const language::Span& span : found.spans) {
    WM_INVARIANT(span.begin >= from && span.begin < span.end && span.end <= text.size());
    WM_INVARIANT(text::is_boundary(text, span.begin) && text::is_boundary(text, span.end));
    from = span.end;
  }
  const language::Detection again = detector().detect(text, settings);
  WM_INVARIANT(again.code == found.code && again.spans.size() == found.spans.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text =
      text::repair(std::string_view(reinterpret_cast<const char*>(data), size));
  expect_sound(text, {});
  expect_sound(text, {.languages = {"no", "nn", "ru", "gl"}, .bytes_max = 300});
  return 0;
}
