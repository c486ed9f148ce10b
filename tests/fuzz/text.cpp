// Fuzz target: sentences and tokens of any text (daemon/text). The first line of the input is the
// language. Spans ascend, lie on character boundaries and do not overlap; every token stands in the
// sentence that it names; a second call says the same.
#include "daemon/base/error.hpp"
#include "daemon/text/segmenter.hpp"
#include "daemon/text/utf8.hpp"

using namespace wiremill;  // NOLINT

namespace {

template <class Span>
void expect_spans(std::string_view text, const std::vector<Span>& spans) {
  uint32_t from = 0;
  for (const Span& span : spans) {
    WM_INVARIANT(span.begin >= from && span.begin < span.end && span.end <= text.size());
    WM_INVARIANT(text::is_boundary(text, span.begin) && text::is_boundary(text, span.end));
    from = span.end;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static text::Segmenter segmenter;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t line = std::min(input.find('\n'), input.size());
  const std::string language = text::repair(input.substr(0, line));
  const std::string body = text::repair(input.substr(std::min(line + 1, input.size())));
  WM_INVARIANT(text::is_valid(body) && text::repair(body) == body);

  text::Segmentation made;
  segmenter.segment(body, language, made);
  expect_spans(body, made.sentences);
  expect_spans(body, made.tokens);
  uint32_t sentence = 0;
  for (const wm_token& token : made.tokens) {
    WM_INVARIANT(token.sentence >= sentence && token.sentence < made.sentences.size());
    sentence = token.sentence;
    WM_INVARIANT(token.begin >= made.sentences[sentence].begin);
    WM_INVARIANT(token.end <= made.sentences[sentence].end && token.kind <= WM_TOKEN_SYMBOL);
  }
  for (const wm_span& span : made.sentences)
    WM_INVARIANT(body.substr(span.begin, span.end - span.begin).find('\n') == body.npos);

  text::Segmentation again;
  segmenter.segment(body, language, again);
  WM_INVARIANT(again.tokens.size() == made.tokens.size());
  WM_INVARIANT(again.sentences.size() == made.sentences.size());
  return 0;
}
