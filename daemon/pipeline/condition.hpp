// A stage's `when`: a condition on what is known of a document (docs/conditions.md has the
// language). Parsed when the line is built, constant afterwards; workers hold it against documents.
//
// A condition becomes a list of instructions over one truth value: a comparison sets it, `not` turns
// it, `and` and `or` step over their right side where the left one has decided. So nothing is
// allocated and nothing recurses while documents pass.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <variant>
#include <vector>

#include "daemon/pipeline/annotations.hpp"
#include "daemon/pipeline/flight.hpp"

namespace wiremill {

struct ConditionError {
  size_t character = 1;  // of the condition, from 1
  std::string message;
};

class StageCondition {
 public:
  static constexpr size_t kBytesMax = 4096;
  static constexpr size_t kDepthMax = 32;  // of parentheses
  static constexpr size_t kListMax = 256;  // values after `in`

  // Any thread.
  static tl::expected<StageCondition, ConditionError> parse(std::string_view text);

  // Whether it is true of the document as it stands. Allocates nothing. Any thread.
  bool holds(const Flight& flight) const;

  // A field that it looks at, once for each place.
  struct Read {
    std::string field;
    Annotations needed = 0;  // what provides it; none for what was submitted
    size_t character = 1;
  };
  const std::vector<Read>& reads() const { return reads_; }

 private:
  friend class ConditionParser;
  enum class Field {
    Id,
    Source,
    Uri,
    ContentType,
    Attribute,
    Retries,
    Revises,
    Title,
    Published,
    Byline,
    Dateline,
    Text,
    TextBytes,
    Language,
    LanguageConfidence,
    LanguageScript,
    SentencesCount,
    EntitiesCount,
    Duplicate,
    DuplicateSimilarity,
    DuplicateContainment,
    SummaryText,
  };
  enum class Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Contains,
    StartsWith,
    EndsWith,
  };
  using Time = std::optional<int64_t>;  // microseconds since 1970; nullopt: not known
  using Value = std::variant<std::string_view, double, Time>;
  using Literal = std::variant<std::string, double, Time>;  // the same alternatives, owned
  struct Comparison {
    Field field{};
    Operator op{};
    std::string attribute;          // its name, where `field` is Attribute
    std::vector<Literal> literals;  // one; several after `in`
  };
  struct Instruction {
    enum class Kind { Constant, Compare, Not, SkipIfTrue, SkipIfFalse };
    Kind kind{};
    size_t operand = 0;  // Constant: 0 or 1; Compare: which; Skip…: where to go on
  };

  StageCondition() = default;
  static Value value_of(const Comparison& comparison, const Flight& flight);
  static bool holds(const Comparison& comparison, const Flight& flight);

  std::vector<Instruction> instructions_;
  std::vector<Comparison> comparisons_;
  std::vector<Read> reads_;
};

}  // namespace wiremill
