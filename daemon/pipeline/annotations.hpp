// The names by which descriptors say what a stage requires, uses and provides, as a set of bits.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "wiremill/v1/document.pb.h"

namespace wiremill {

enum Annotation : uint32_t {
  kTitle = 1U << 0,
  kPublished = 1U << 1,
  kByline = 1U << 2,
  kDateline = 1U << 3,
  kText = 1U << 4,
  kSentences = 1U << 5,
  kTokens = 1U << 6,
  kLanguage = 1U << 7,
  kEntities = 1U << 8,
  kDuplicate = 1U << 9,
  kSummary = 1U << 10,
  kExtensions = 1U << 11,
  kParagraphs = 1U << 12,
};
using Annotations = uint32_t;

// What the host gives without any stage: title and published as submitted, text from the body,
// sentences and tokens from text and language.
inline constexpr Annotations kGivenByHost = kTitle | kPublished | kText | kSentences | kTokens;
inline constexpr Annotations kSegments = kSentences | kTokens;

// The bit of a name in a descriptor's list ("extensions.<id>" is kExtensions); nullopt for no such
// name.
std::optional<Annotation> annotation_named(std::string_view name);

// Lists in `result` what is provided, for the fields of Result that distinguish empty from absent.
void set_provided(Annotations provided, v1::Result& result);

}  // namespace wiremill
