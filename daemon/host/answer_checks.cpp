// See answer_checks.hpp.
#include "daemon/host/answer_checks.hpp"

#include <algorithm>

#include "daemon/document/result_json.hpp"
#include "daemon/text/utf8.hpp"

namespace wiremill {
namespace {

constexpr size_t kExtensionBytesMax = 1 << 20;

bool lies_in(wm_span span, std::string_view text) {
  return span.begin <= span.end && text::is_boundary(text, span.begin) &&
         text::is_boundary(text, span.end);
}

// The bytes of a list and of what each of its items points to.
template <typename Item, typename Bytes>
size_t bytes_of(std::span<const Item> list, const Bytes& pointed_to) {
  size_t bytes = list.size_bytes();
  for (const Item& item : list) bytes += pointed_to(item);
  return bytes;
}

}  // namespace

bool is_valid_text(wm_view text) {
  return text.size <= kAnnotationBytesMax && text::is_valid(as_string_view(text));
}

bool are_valid(std::span<const wm_paragraph> paragraphs, std::string_view text, size_t body_bytes) {
  if (paragraphs.size_bytes() > kAnnotationBytesMax) return false;
  return std::all_of(paragraphs.begin(), paragraphs.end(), [&](const wm_paragraph& paragraph) {
    return lies_in({paragraph.begin, paragraph.end}, text) &&
           paragraph.body_begin <= paragraph.body_end && paragraph.body_end <= body_bytes;
  });
}

bool is_valid(const wm_language& language, std::string_view text) {
  const std::span alternatives(language.alternatives, language.alternatives_count);
  const std::span spans(language.spans, language.spans_count);
  const size_t bytes =
      bytes_of(alternatives, [](const wm_alternative& each) { return each.code.size; }) +
      bytes_of(spans, [](const wm_language_span& each) { return each.code.size; });
  return bytes <= kAnnotationBytesMax && is_valid_text(language.code) &&
         is_valid_text(language.script) &&
         std::all_of(alternatives.begin(), alternatives.end(),
                     [](const wm_alternative& each) { return is_valid_text(each.code); }) &&
         std::all_of(spans.begin(), spans.end(), [&](const wm_language_span& each) {
           return lies_in(each.span, text) && is_valid_text(each.code);
         });
}

bool are_valid(std::span<const wm_entity> entities, std::string_view text) {
  const size_t bytes = bytes_of(entities, [](const wm_entity& entity) {
    return entity.type.size + entity.name.size + entity.mentions_count * sizeof(wm_mention);
  });
  if (bytes > kAnnotationBytesMax) return false;
  return std::all_of(entities.begin(), entities.end(), [&](const wm_entity& entity) {
    const std::span mentions(entity.mentions, entity.mentions_count);
    return is_valid_text(entity.type) && is_valid_text(entity.name) &&
           std::all_of(mentions.begin(), mentions.end(),
                       [&](const wm_mention& mention) { return lies_in(mention.span, text); });
  });
}

bool is_valid(const wm_duplicate& duplicate) {
  return duplicate.kind <= WM_DUPLICATE_REWRITE && is_valid_text(duplicate.of) &&
         is_valid_text(duplicate.cluster) && is_valid_text(duplicate.story) &&
         is_valid_text(duplicate.follows);
}

bool is_valid(const wm_summary& summary, std::string_view text) {
  const std::span sentences(summary.sentences, summary.sentences_count);
  const std::span keywords(summary.keywords, summary.keywords_count);
  const size_t bytes =
      sentences.size_bytes() + bytes_of(keywords, [](wm_view keyword) { return keyword.size; });
  return bytes <= kAnnotationBytesMax && is_valid_text(summary.text) &&
         std::all_of(sentences.begin(), sentences.end(),
                     [&](wm_span span) { return lies_in(span, text); }) &&
         std::all_of(keywords.begin(), keywords.end(), is_valid_text);
}

bool is_valid_extension(wm_view json) {
  return json.size <= kExtensionBytesMax && is_json_value(as_string_view(json));
}

}  // namespace wiremill
