#include "daemon/pipeline/annotations.hpp"

#include <string_view>

namespace wiremill {
namespace {

struct Row {
  std::string_view name;
  Annotation annotation;
  v1::Result::Annotation in_result;  // UNSPECIFIED: always present, or not in the result
};

constexpr Row kRows[] = {
    {"title", kTitle, v1::Result::ANNOTATION_UNSPECIFIED},
    {"published", kPublished, v1::Result::ANNOTATION_UNSPECIFIED},
    {"byline", kByline, v1::Result::BYLINE},
    {"dateline", kDateline, v1::Result::DATELINE},
    {"text", kText, v1::Result::TEXT},
    {"sentences", kSentences, v1::Result::SENTENCES},
    {"tokens", kTokens, v1::Result::ANNOTATION_UNSPECIFIED},
    {"language", kLanguage, v1::Result::LANGUAGE},
    {"entities", kEntities, v1::Result::ENTITIES},
    {"duplicate", kDuplicate, v1::Result::DUPLICATE},
    {"summary", kSummary, v1::Result::SUMMARY},
    {"extensions", kExtensions, v1::Result::EXTENSIONS},
    {"paragraphs", kParagraphs, v1::Result::PARAGRAPHS},
};

}  // namespace

std::optional<Annotation> annotation_named(std::string_view name) {
  if (name.starts_with("extensions.")) return kExtensions;
  for (const Row& row : kRows)
    if (row.name == name) return row.annotation;
  return std::nullopt;
}

void set_provided(Annotations provided, v1::Result& result) {
  result.clear_provided();
  for (const Row& row : kRows)
    if ((provided & row.annotation) != 0 && row.in_result != v1::Result::ANNOTATION_UNSPECIFIED)
      result.add_provided(row.in_result);
}

}  // namespace wiremill
