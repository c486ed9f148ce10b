#include "daemon/pipeline/condition.hpp"

#include <algorithm>
#include <cmath>

namespace wiremill {
namespace {

// As the result shows it: three decimals from 0 to 1.
double share(double value) {
  if (!(value > 0)) return 0;  // NaN too
  return static_cast<double>(std::lround(std::min(value, 1.0) * 1000)) / 1000;
}

std::string_view kind_of(const Flight& flight) {
  if ((flight.provided & kDuplicate) == 0) return {};
  switch (flight.result.duplicate().kind()) {
    case v1::Duplicate::EXACT: return "EXACT";
    case v1::Duplicate::NEAR: return "NEAR";
    case v1::Duplicate::REWRITE: return "REWRITE";
    default: return "NONE";
  }
}

std::string_view language_of(const Flight& flight) {
  const std::string& code = flight.result.language().code();
  if (code.empty() && (flight.provided & kLanguage) != 0) return "und";
  return code;
}

bool equal(const auto& value, const auto& literal) {
  if (value.index() != literal.index()) return false;
  switch (value.index()) {
    case 0: return *std::get_if<0>(&value) == *std::get_if<0>(&literal);
    case 1: return *std::get_if<1>(&value) == *std::get_if<1>(&literal);
    default: return *std::get_if<2>(&value) == *std::get_if<2>(&literal);
  }
}

// -1, 0, 1, or nullopt where one is not known.
template <class Number>
std::optional<int> order(Number a, Number b) {
  return a < b ? -1 : a > b ? 1 : 0;
}
std::optional<int> order(std::optional<int64_t> a, std::optional<int64_t> b) {
  if (!a || !b) return std::nullopt;
  return order(*a, *b);
}

}  // namespace

StageCondition::Value StageCondition::value_of(const Comparison& comparison, const Flight& flight) {
  const v1::Result& result = flight.result;
  const auto count = [](auto value) { return Value(static_cast<double>(value)); };
  const auto text = [](std::string_view value) { return Value(value); };
  switch (comparison.field) {
    case Field::Id: return text(result.id());
    case Field::Source: return text(result.source());
    case Field::Uri: return text(result.uri());
    case Field::ContentType: return text(flight.document.content_type());
    case Field::Attribute: {
      const auto& attributes = flight.document.attributes();
      const auto found = attributes.find(comparison.attribute);
      return text(found == attributes.end() ? std::string_view() : found->second);
    }
    case Field::Retries: return count(result.retries());
    case Field::Revises: return count(result.revises());
    case Field::Title: return text(result.title());
    case Field::Published: return result.has_published_us() ? Time(result.published_us()) : Time();
    case Field::Byline: return text(result.byline());
    case Field::Dateline: return text(result.dateline());
    case Field::Text: return text(result.text());
    case Field::TextBytes: return count(result.text().size());
    case Field::Language: return text(language_of(flight));
    case Field::LanguageConfidence: return share(result.language().confidence());
    case Field::LanguageScript: return text(result.language().script());
    case Field::SentencesCount: return count(result.sentences_size());
    case Field::EntitiesCount: return count(result.entities_size());
    case Field::Duplicate: return text(kind_of(flight));
    case Field::DuplicateSimilarity: return share(result.duplicate().similarity());
    case Field::DuplicateContainment: return share(result.duplicate().containment());
    case Field::SummaryText: return text(result.summary().text());
  }
  return {};
}

bool StageCondition::holds(const Comparison& comparison, const Flight& flight) {
  const Value value = value_of(comparison, flight);
  const Literal& literal = comparison.literals.front();
  const auto ordered = [&](auto fits) {
    const auto* number = std::get_if<double>(&value);
    const auto* time = std::get_if<Time>(&value);
    const std::optional<int> sign = number != nullptr
                                        ? order(*number, *std::get_if<double>(&literal))
                                        : order(*time, *std::get_if<Time>(&literal));
    return sign && fits(*sign);
  };
  const auto text = [&](auto fits) {
    return fits(*std::get_if<std::string_view>(&value),
                std::string_view(*std::get_if<std::string>(&literal)));
  };
  switch (comparison.op) {
    case Operator::Equal: return equal(value, literal);
    case Operator::NotEqual: return !equal(value, literal);
    case Operator::Less: return ordered([](int sign) { return sign < 0; });
    case Operator::LessOrEqual: return ordered([](int sign) { return sign <= 0; });
    case Operator::Greater: return ordered([](int sign) { return sign > 0; });
    case Operator::GreaterOrEqual: return ordered([](int sign) { return sign >= 0; });
    case Operator::In:
      return std::ranges::any_of(comparison.literals,
                                 [&](const Literal& each) { return equal(value, each); });
    case Operator::Contains:
      return text([](auto whole, auto part) { return whole.find(part) != whole.npos; });
    case Operator::StartsWith:
      return text([](auto whole, auto part) { return whole.starts_with(part); });
    case Operator::EndsWith:
      return text([](auto whole, auto part) { return whole.ends_with(part); });
  }
  return false;
}

bool StageCondition::holds(const Flight& flight) const {
  bool truth = true;
  for (size_t at = 0; at < instructions_.size();) {
    const Instruction& instruction = instructions_[at++];
    switch (instruction.kind) {
      case Instruction::Kind::Constant: truth = instruction.operand != 0; break;
      case Instruction::Kind::Compare:
        truth = holds(comparisons_[instruction.operand], flight);
        break;
      case Instruction::Kind::Not: truth = !truth; break;
      case Instruction::Kind::SkipIfTrue:
        if (truth) at = instruction.operand;
        break;
      case Instruction::Kind::SkipIfFalse:
        if (!truth) at = instruction.operand;
        break;
    }
  }
  return truth;
}

}  // namespace wiremill
