// The language of conditions, by recursive descent; `and` binds closer than `or`, `not` closer than
// both:
//
//   any        = all { "or" all }
//   all        = term { "and" term }
//   term       = { "not" } ( "(" any ")" | "true" | "false" | comparison )
//   comparison = FIELD ( "==" | "!=" | "<" | "<=" | ">" | ">=" | "contains" | "starts_with" |
//                "ends_with" ) value
//              | FIELD "in" "[" value { "," value } "]"
//   value      = "text" | NUMBER
//
// Types are checked while reading, so an error stands where the writer looks for it.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "daemon/base/clock.hpp"
#include "daemon/config/suggestion.hpp"
#include "daemon/pipeline/condition.hpp"
#include "daemon/text/utf8.hpp"

namespace wiremill {
namespace {

constexpr size_t kShownBytesMax = 40;
constexpr std::string_view kAttribute = "attributes.";

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_name(char c) { return is_letter(c) || is_digit(c) || c == '.' || c == '-'; }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

struct Token {
  enum class Kind { End, Word, Number, Text, Sign };
  Kind kind = Kind::End;
  size_t begin = 0;
  std::string_view written;  // with its quotes
  std::string text{};        // of Text, without quotes and escapes
  double number = 0;
};

enum class Type { Text, Number, Time };

constexpr std::string_view kTypeNames[] = {"text", "a number", "a time"};
std::string_view name_of(Type type) { return kTypeNames[static_cast<size_t>(type)]; }

}  // namespace

class ConditionParser {
 public:
  explicit ConditionParser(std::string_view text) : text_(text) {}

  tl::expected<StageCondition, ConditionError> parse() {
    if (text_.size() > StageCondition::kBytesMax)
      refuse(0, fmt::format("longer than {} bytes", StageCondition::kBytesMax));
    else if (!text::is_valid(text_))
      refuse(text::valid_prefix(text_), "not UTF-8");
    else if (next() && any() && token_.kind != Token::Kind::End)
      refuse(token_, fmt::format("expected 'and', 'or' or the end, not {}", shown(token_)));
    if (error_) return tl::unexpected(std::move(*error_));
    return std::move(condition_);
  }

 private:
  using Field = StageCondition::Field;
  using Operator = StageCondition::Operator;
  using Instruction = StageCondition::Instruction;
  struct FieldRow {
    std::string_view name;
    Field field;
    Type type;
    Annotations needed;
  };
  struct OperatorRow {
    std::string_view name;
    Operator op;
  };
  static constexpr FieldRow kFields[] = {
      {"id", Field::Id, Type::Text, 0},
      {"source", Field::Source, Type::Text, 0},
      {"uri", Field::Uri, Type::Text, 0},
      {"content_type", Field::ContentType, Type::Text, 0},
      {"attributes.NAME", Field::Attribute, Type::Text, 0},
      {"retries", Field::Retries, Type::Number, 0},
      {"revises", Field::Revises, Type::Number, 0},
      {"title", Field::Title, Type::Text, kTitle},
      {"published", Field::Published, Type::Time, kPublished},
      {"byline", Field::Byline, Type::Text, kByline},
      {"dateline", Field::Dateline, Type::Text, kDateline},
      {"text", Field::Text, Type::Text, kText},
      {"text.bytes", Field::TextBytes, Type::Number, kText},
      {"language", Field::Language, Type::Text, kLanguage},
      {"language.confidence", Field::LanguageConfidence, Type::Number, kLanguage},
      {"language.script", Field::LanguageScript, Type::Text, kLanguage},
      {"sentences.count", Field::SentencesCount, Type::Number, kSentences},
      {"entities.count", Field::EntitiesCount, Type::Number, kEntities},
      {"duplicate", Field::Duplicate, Type::Text, kDuplicate},
      {"duplicate.similarity", Field::DuplicateSimilarity, Type::Number, kDuplicate},
      {"duplicate.containment", Field::DuplicateContainment, Type::Number, kDuplicate},
      {"summary.text", Field::SummaryText, Type::Text, kSummary}};
  static constexpr OperatorRow kOperators[] = {{"==", Operator::Equal},
                                               {"!=", Operator::NotEqual},
                                               {"<", Operator::Less},
                                               {"<=", Operator::LessOrEqual},
                                               {">", Operator::Greater},
                                               {">=", Operator::GreaterOrEqual},
                                               {"in", Operator::In},
                                               {"contains", Operator::Contains},
                                               {"starts_with", Operator::StartsWith},
                                               {"ends_with", Operator::EndsWith}};

  // From 1, as the writer counts.
  size_t character_at(size_t byte) const {
    const std::string_view before = text_.substr(0, byte);
    return 1 + static_cast<size_t>(std::ranges::count_if(
                   before, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
  }
  bool refuse(size_t byte, std::string message) {
    error_ = ConditionError{character_at(byte), std::move(message)};
    return false;
  }
  bool refuse(const Token& token, std::string message) {
    return refuse(token.begin, std::move(message));
  }

  static std::string shortened(std::string_view written) {
    if (written.size() <= kShownBytesMax) return std::string(written);
    size_t end = kShownBytesMax;
    while (!text::is_boundary(written, end)) --end;
    return std::string(written.substr(0, end)) + "…";
  }
  static std::string shown(const Token& token) {
    if (token.kind == Token::Kind::End) return "the end";
    if (token.kind == Token::Kind::Text) return shortened(token.written);
    return "'" + shortened(token.written) + "'";
  }

  // Reads the next token into token_.
  bool next() {
    while (at_ < text_.size() && is_blank(text_[at_])) ++at_;
    token_ = {Token::Kind::End, at_, {}};
    if (at_ == text_.size()) return true;
    const char first = text_[at_];
    if (first == '"') return read_text();
    if (is_digit(first)) return read_number();
    if (is_letter(first)) return read_word();
    return read_sign();
  }

  bool read_text() {
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      if (text_[at_] == '\\') {
        const char escaped = at_ + 1 < text_.size() ? text_[at_ + 1] : '"';
        if (escaped != '"' && escaped != '\\')
          return refuse(at_, R"(a backslash stands only before " and \)");
        ++at_;
      }
      if (at_ < text_.size()) token_.text += text_[at_];
    }
    if (at_ >= text_.size())
      return refuse(token_,
                    "this text has no closing \" (YAML ends a plain value before ' #': put the "
                    "condition in single quotes)");
    ++at_;
    return finish(Token::Kind::Text);
  }

  bool read_number() {
    while (at_ < text_.size() && is_name(text_[at_])) ++at_;
    finish(Token::Kind::Number);
    const char* end = token_.written.data() + token_.written.size();
    const auto [stop, error] =
        std::from_chars(token_.written.data(), end, token_.number, std::chars_format::fixed);
    if (error == std::errc{} && stop == end) return true;
    return refuse(token_, shown(token_) + " is no number; write it as 1000 or 0.95");
  }

  bool read_word() {
    while (at_ < text_.size() && is_name(text_[at_])) ++at_;
    return finish(Token::Kind::Word);
  }

  bool read_sign() {
    for (const std::string_view sign : {"==", "!=", "<=", ">=", "<", ">", "(", ")", "[", "]", ","})
      if (text_.substr(at_).starts_with(sign)) {
        at_ += sign.size();
        return finish(Token::Kind::Sign);
      }
    for (const auto& [sign, hint] : {std::pair{"&&", "write and"},
                                     {"||", "write or"},
                                     {"!", "write not"},
                                     {"=", "write == to compare"},
                                     {"'", "text stands in double quotes"}})
      if (text_.substr(at_).starts_with(sign))
        return refuse(at_, fmt::format("{} has no meaning here; {}", sign, hint));
    do ++at_;
    while (!text::is_boundary(text_, at_));
    finish(Token::Kind::Sign);
    return refuse(token_, fmt::format("{} has no meaning here", shown(token_)));
  }

  bool finish(Token::Kind kind) {
    token_.kind = kind;
    token_.written = text_.substr(token_.begin, at_ - token_.begin);
    return true;
  }

  bool is(std::string_view written) const {
    return token_.kind != Token::Kind::Text && token_.written == written;
  }

  size_t emit(Instruction::Kind kind, size_t operand = 0) {
    condition_.instructions_.push_back({kind, operand});
    return condition_.instructions_.size() - 1;
  }
  void land(size_t skip) {
    condition_.instructions_[skip].operand = condition_.instructions_.size();
  }

  bool any() {
    if (!all()) return false;
    while (is("or")) {
      const size_t skip = emit(Instruction::Kind::SkipIfTrue);
      if (!next() || !all()) return false;
      land(skip);
    }
    return true;
  }

  bool all() {
    if (!term()) return false;
    while (is("and")) {
      const size_t skip = emit(Instruction::Kind::SkipIfFalse);
      if (!next() || !term()) return false;
      land(skip);
    }
    return true;
  }

  bool term() {
    bool turned = false;
    for (; is("not"); turned = !turned)
      if (!next()) return false;
    if (is("(")) {
      if (!parenthesis()) return false;
    } else if (is("true") || is("false")) {
      emit(Instruction::Kind::Constant, is("true"));
      if (!next()) return false;
    } else if (!comparison()) {
      return false;
    }
    if (turned) emit(Instruction::Kind::Not);
    return true;
  }

  bool parenthesis() {
    if (++depth_ > StageCondition::kDepthMax)
      return refuse(token_, fmt::format("nested deeper than {} levels", StageCondition::kDepthMax));
    const Token open = token_;
    if (!next() || !any()) return false;
    if (!is(")"))
      return refuse(token_, fmt::format("expected ')' for the '(' at character {}, not {}",
                                        character_at(open.begin), shown(token_)));
    --depth_;
    return next();
  }

  bool comparison() {
    const FieldRow* row = field();
    if (row == nullptr) return false;
    StageCondition::Comparison made;
    made.field = row->field;
    if (made.field == Field::Attribute) made.attribute = token_.written.substr(kAttribute.size());
    const Token named = token_;
    if (!next()) return false;
    const OperatorRow* op =
        std::ranges::find_if(kOperators, [&](const OperatorRow& each) { return is(each.name); });
    if (op == std::end(kOperators))
      return refuse(token_, fmt::format("expected a comparison with {}, such as == or in, not {}",
                                        shown(named), shown(token_)));
    made.op = op->op;
    if (!fits(*row, made.op))
      return refuse(token_,
                    fmt::format("{} is {}, and {} is for {}", shown(named), name_of(row->type),
                                token_.written, is_order(made.op) ? "numbers and times" : "text"));
    if (!next() || !(made.op == Operator::In ? list(*row, made) : value(*row, made))) return false;
    emit(Instruction::Kind::Compare, condition_.comparisons_.size());
    condition_.comparisons_.push_back(std::move(made));
    return true;
  }

  // The row of the field that token_ names, noted as read.
  const FieldRow* field() {
    if (token_.kind != Token::Kind::Word) {
      refuse(token_, fmt::format("expected a field such as language, not {}", shown(token_)));
      return nullptr;
    }
    const std::string_view name = token_.written;
    const bool is_attribute = name.starts_with(kAttribute) && name.size() > kAttribute.size();
    const FieldRow* row = std::ranges::find_if(kFields, [&](const FieldRow& each) {
      return each.field == Field::Attribute ? is_attribute : each.name == name;
    });
    if (row == std::end(kFields)) {
      refuse_field(name);
      return nullptr;
    }
    condition_.reads_.push_back({std::string(name), row->needed, character_at(token_.begin)});
    return row;
  }

  bool refuse_field(std::string_view name) {
    for (const std::string_view word : {"yes", "no", "on", "off"})
      if (name == word)
        return refuse(token_, fmt::format("'{}' is no condition; write a comparison such as "
                                          "language == \"en\", or true or false",
                                          word));
    std::vector<std::string_view> known;
    for (const FieldRow& row : kFields) known.push_back(row.name);
    return refuse(token_, describe_unknown("field", name, known));
  }

  static bool is_order(Operator op) {
    return op == Operator::Less || op == Operator::LessOrEqual || op == Operator::Greater ||
           op == Operator::GreaterOrEqual;
  }
  static bool fits(const FieldRow& row, Operator op) {
    if (op == Operator::Equal || op == Operator::NotEqual || op == Operator::In) return true;
    return is_order(op) == (row.type != Type::Text);
  }

  bool list(const FieldRow& row, StageCondition::Comparison& made) {
    if (!is("["))
      return refuse(token_, fmt::format("expected '[' and the values, not {}", shown(token_)));
    do {
      if (made.literals.size() == StageCondition::kListMax)
        return refuse(token_, fmt::format("more than {} values", StageCondition::kListMax));
      if (!next() || !value(row, made)) return false;
    } while (is(","));
    if (!is("]")) return refuse(token_, fmt::format("expected ',' or ']', not {}", shown(token_)));
    return next();
  }

  bool value(const FieldRow& row, StageCondition::Comparison& made) {
    const bool is_text = token_.kind == Token::Kind::Text;
    const bool is_boolean = is("true") || is("false");
    if (token_.kind == Token::Kind::Word && !is_boolean)
      return refuse(token_, fmt::format("expected a value, not {}; text stands in double quotes",
                                        shown(token_)));
    if (!is_text && !is_boolean && token_.kind != Token::Kind::Number)
      return refuse(token_, fmt::format("expected a value, not {}", shown(token_)));
    if (is_boolean || is_text == (row.type == Type::Number))
      return refuse(token_, fmt::format("'{}' is {} and cannot be compared with {}, {}",
                                        condition_.reads_.back().field, name_of(row.type),
                                        shortened(token_.written),
                                        is_boolean ? "a boolean"
                                        : is_text  ? "a text"
                                                   : "a number"));
    if (row.type == Type::Number) made.literals.emplace_back(token_.number);
    if (row.type == Type::Text) {
      if (!is_possible(row)) return false;
      made.literals.emplace_back(std::move(token_.text));
    }
    if (row.type == Type::Time && !time(row, made)) return false;
    return next();
  }

  // A kind of duplicate that does not exist would be false for every document.
  bool is_possible(const FieldRow& row) {
    if (row.field != Field::Duplicate) return true;
    for (const std::string_view kind : {"", "NONE", "EXACT", "NEAR", "REWRITE"})
      if (token_.text == kind) return true;
    return refuse(token_, fmt::format("{} is NONE, EXACT, NEAR or REWRITE, never {}", row.name,
                                      shown(token_)));
  }

  bool time(const FieldRow& row, StageCondition::Comparison& made) {
    const std::optional<int64_t> time_us = parse_time(token_.text);
    if (!time_us && (!token_.text.empty() || is_order(made.op)))
      return refuse(token_, fmt::format("{} is a time, and {} is none; write \"2024-05-01\" or "
                                        "\"2024-05-01T08:30:00Z\"",
                                        row.name, shown(token_)));
    made.literals.emplace_back(time_us);
    return true;
  }

  const std::string_view text_;
  size_t at_ = 0;  // behind token_
  size_t depth_ = 0;
  Token token_;
  std::optional<ConditionError> error_;
  StageCondition condition_;
};

tl::expected<StageCondition, ConditionError> StageCondition::parse(std::string_view text) {
  return ConditionParser(text).parse();
}

}  // namespace wiremill
