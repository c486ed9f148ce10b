// Prints results; see the header for which key stands where and when.
#include "daemon/document/result_json.hpp"

#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

#include "daemon/base/clock.hpp"
#include "daemon/text/utf8.hpp"

namespace wiremill {
namespace {

// Appends to `out`. A comma goes before every key and element that is not the first: the first one
// is the one behind an opening bracket, and no finished JSON value ends in one.
class Printer {
 public:
  explicit Printer(std::string& out) : out_(out) {}

  Printer& key(std::string_view name) {
    separate();
    append_json_string(name, out_);
    out_ += ':';
    return *this;
  }
  void text(std::string_view value) { append_json_string(value, out_); }
  void raw(std::string_view value) { out_ += value; }
  void number(uint64_t value) {
    char digits[20];
    out_.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
  }
  // At most three decimals, never an exponent.
  void fraction(double value) {
    if (!(value > 0)) value = 0;  // NaN too
    const auto thousandths = static_cast<uint64_t>(std::lround(std::min(value, 1.0) * 1000));
    if (thousandths == 1000 || thousandths == 0) return number(thousandths / 1000);
    const char digits[] = {static_cast<char>('0' + thousandths / 100),
                           static_cast<char>('0' + thousandths / 10 % 10),
                           static_cast<char>('0' + thousandths % 10)};
    std::string_view shown(digits, 3);
    shown = shown.substr(0, shown.find_last_not_of('0') + 1);
    out_.append("0.").append(shown);
  }
  template <class Body>
  void object(const Body& body) {
    out_ += '{';
    body();
    out_ += '}';
  }
  template <class Elements, class Each>
  void array(const Elements& elements, const Each& each) {
    out_ += '[';
    for (const auto& element : elements) {
      separate();
      each(element);
    }
    out_ += ']';
  }

 private:
  void separate() {
    if (out_.back() != '{' && out_.back() != '[') out_ += ',';
  }
  std::string& out_;
};

std::string_view status_name(v1::Result::Status status) {
  switch (status) {
    case v1::Result::PROCESSED: return "PROCESSED";
    case v1::Result::DROPPED: return "DROPPED";
    case v1::Result::DEAD: return "DEAD";
    default: return "STATUS_UNSPECIFIED";
  }
}

std::string_view kind_name(v1::Duplicate::Kind kind) {
  switch (kind) {
    case v1::Duplicate::EXACT: return "EXACT";
    case v1::Duplicate::NEAR: return "NEAR";
    case v1::Duplicate::REWRITE: return "REWRITE";
    default: return "NONE";
  }
}

// RFC 3339 knows the years 0001 to 9999 only.
std::string published(const v1::Result& result) {
  constexpr int64_t kFirstUs = -62'135'596'800'000'000, kLastUs = 253'402'300'799'999'999;
  const int64_t time_us = result.published_us();
  return result.has_published_us() && time_us >= kFirstUs && time_us <= kLastUs
             ? format_time(time_us)
             : std::string();
}

class ResultPrinter {
 public:
  ResultPrinter(const v1::Result& result, const ResultJsonOptions& options, std::string& out)
      : result_(result), options_(options), json_(out) {
    for (const int annotation : result.provided())
      if (annotation >= 0 && annotation < 32) provided_ |= 1U << annotation;
  }

  void print() {
    json_.object([&] {
      json_.key("sequence").number(result_.sequence());
      json_.key("id").text(result_.id());
      json_.key("status").text(status_name(result_.status()));
      json_.key("source").text(result_.source());
      json_.key("uri").text(result_.uri());
      json_.key("title").text(result_.title());
      json_.key("published").text(published(result_));
      annotations();
      outcome();
    });
  }

 private:
  bool provides(v1::Result::Annotation annotation) const {
    return (provided_ & (1U << annotation)) != 0;
  }

  void annotations() {
    if (provides(v1::Result::BYLINE)) json_.key("byline").text(result_.byline());
    if (provides(v1::Result::DATELINE)) json_.key("dateline").text(result_.dateline());
    if (provides(v1::Result::TEXT)) json_.key("text").text(result_.text());
    if (provides(v1::Result::LANGUAGE)) language(result_.language());
    if (provides(v1::Result::SENTENCES)) spans("sentences", result_.sentences());
    if (provides(v1::Result::ENTITIES)) entities();
    if (provides(v1::Result::DUPLICATE)) duplicate(result_.duplicate());
    if (provides(v1::Result::SUMMARY)) summary(result_.summary());
    if (provides(v1::Result::EXTENSIONS)) extensions();
  }

  void outcome() {
    if (result_.status() == v1::Result::DROPPED || result_.status() == v1::Result::DEAD) {
      const v1::Failure& failure = result_.failure();
      json_.key("failure").object([&] {
        json_.key("stage").text(failure.stage());
        json_.key("code").text(failure.code());
        json_.key("message").text(failure.message());
        json_.key("attempts").number(failure.attempts());
      });
    }
    if (result_.revises() != 0) json_.key("revises").number(result_.revises());
    if (result_.retries() != 0) json_.key("retries").number(result_.retries());
    if (provides(v1::Result::PARAGRAPHS))
      json_.key("paragraphs").array(result_.paragraphs(), [&](const v1::Paragraph& paragraph) {
        json_.object([&] {
          span(paragraph);
          json_.key("body_begin").number(paragraph.body_begin());
          json_.key("body_end").number(paragraph.body_end());
        });
      });
    if (options_.timings)
      json_.key("timings").array(result_.timings(), [&](const v1::Timing& timing) {
        json_.object([&] {
          json_.key("stage").text(timing.stage());
          json_.key("process_us").number(timing.process_us());
          json_.key("settle_us").number(timing.settle_us());
        });
      });
  }

  // The two keys of everything that has a begin and an end.
  template <class Message>
  void span(const Message& message) {
    json_.key("begin").number(message.begin());
    json_.key("end").number(message.end());
  }
  template <class Spans>
  void spans(std::string_view name, const Spans& list) {
    json_.key(name).array(list, [&](const v1::Span& each) { json_.object([&] { span(each); }); });
  }

  void language(const v1::Language& language) {
    json_.key("language").object([&] {
      json_.key("code").text(language.code().empty() ? "und" : language.code());
      json_.key("confidence").fraction(language.confidence());
      json_.key("script").text(language.script());
      json_.key("alternatives").array(language.alternatives(), [&](const auto& alternative) {
        json_.object([&] {
          json_.key("code").text(alternative.code());
          json_.key("confidence").fraction(alternative.confidence());
        });
      });
      json_.key("spans").array(language.spans(), [&](const auto& coded) {
        json_.object([&] {
          span(coded);
          json_.key("code").text(coded.code());
        });
      });
    });
  }

  void entities() {
    json_.key("entities").array(result_.entities(), [&](const v1::Entity& entity) {
      json_.object([&] {
        json_.key("type").text(entity.type());
        json_.key("name").text(entity.name());
        json_.key("confidence").fraction(entity.confidence());
        json_.key("mentions").array(entity.mentions(), [&](const auto& mention) {
          json_.object([&] {
            span(mention);
            json_.key("confidence").fraction(mention.confidence());
          });
        });
      });
    });
  }

  void duplicate(const v1::Duplicate& duplicate) {
    json_.key("duplicate").object([&] {
      json_.key("kind").text(kind_name(duplicate.kind()));
      json_.key("of").text(duplicate.of());
      json_.key("similarity").fraction(duplicate.similarity());
      json_.key("containment").fraction(duplicate.containment());
      json_.key("cluster").text(duplicate.cluster());
      json_.key("story").text(duplicate.story());
      json_.key("follows").text(duplicate.follows());
    });
  }

  void summary(const v1::Summary& summary) {
    json_.key("summary").object([&] {
      json_.key("text").text(summary.text());
      spans("sentences", summary.sentences());
      json_.key("keywords").array(summary.keywords(), [&](const auto& word) { json_.text(word); });
    });
  }

  void extensions() {
    std::vector<const v1::Extension*> sorted;
    for (const v1::Extension& extension : result_.extensions()) sorted.push_back(&extension);
    std::ranges::sort(
        sorted, {}, [](const auto* extension) -> const auto& { return extension->name(); });
    json_.key("extensions").object([&] {
      for (const v1::Extension* extension : sorted) {
        // Between tokens line breaks are blanks, and strings hold none.
        std::string value = extension->json().empty() ? "null" : extension->json();
        std::ranges::replace_if(
            value, [](char c) { return c == '\n' || c == '\r'; }, ' ');
        json_.key(extension->name()).raw(value);
      }
    });
  }

  const v1::Result& result_;
  const ResultJsonOptions& options_;
  Printer json_;
  unsigned provided_ = 0;  // bit = Annotation
};

// Accepts everything but too much nesting.
class DepthHandler : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, DepthHandler> {
 public:
  bool StartObject() { return ++depth_ <= kJsonDepthMax; }
  bool StartArray() { return ++depth_ <= kJsonDepthMax; }
  bool EndObject(rapidjson::SizeType) { return --depth_ >= 0; }
  bool EndArray(rapidjson::SizeType) { return --depth_ >= 0; }

 private:
  int depth_ = 0;
};

}  // namespace

void append_result_json(const v1::Result& result, const ResultJsonOptions& options,
                        std::string& out) {
  ResultPrinter(result, options, out).print();
}

void append_json_string(std::string_view text, std::string& out) {
  if (!text::is_valid(text)) return append_json_string(text::repair(text), out);
  static constexpr char kHex[] = "0123456789abcdef";
  out += '"';
  size_t plain = 0;  // where what is not yet copied begins
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    out.append(text.substr(plain, i - plain));
    plain = i + 1;
    out += '\\';
    switch (c) {
      case '"':
      case '\\': out += text[i]; break;
      case '\b': out += 'b'; break;
      case '\f': out += 'f'; break;
      case '\n': out += 'n'; break;
      case '\r': out += 'r'; break;
      case '\t': out += 't'; break;
      default: out.append("u00").append({kHex[c >> 4], kHex[c & 15]});
    }
  }
  out.append(text.substr(plain));
  out += '"';
}

bool is_json_value(std::string_view text) {
  if (!text::is_valid(text)) return false;
  DepthHandler handler;
  rapidjson::MemoryStream stream(text.data(), text.size());
  rapidjson::Reader reader;
  constexpr unsigned kFlags =
      rapidjson::kParseIterativeFlag | rapidjson::kParseNumbersAsStringsFlag;
  return !reader.Parse<kFlags>(stream, handler).IsError() && stream.Tell() == text.size();
}

}  // namespace wiremill
