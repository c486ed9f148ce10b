// Reads and writes submitted documents; see the header. Both readers pass through set_text and
// set_attribute, which keep the limits.
#include "daemon/document/document_json.hpp"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/wire_format_lite.h>
#include <rapidjson/error/en.h>
#include <rapidjson/memorystream.h>
#include <rapidjson/reader.h>

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "daemon/base/clock.hpp"
#include "daemon/document/result_json.hpp"
#include "daemon/text/utf8.hpp"

namespace wiremill {
namespace {

using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;
using v1::Document;

// Both formats count string lengths in 31 or 32 bits.
constexpr size_t kInputBytesMax = std::numeric_limits<int32_t>::max();

// One row a field that is text; its number is the one in document.proto.
struct TextField {
  std::string_view name;
  int number;
  size_t bytes_max;
  std::string* (Document::*value)();
  const std::string& (Document::*shown)() const;
  std::string_view DocumentFields::*in_place;
};
constexpr TextField kTextFields[] = {
    {"id", Document::kIdFieldNumber, kIdBytesMax, &Document::mutable_id, &Document::id,
     &DocumentFields::id},
    {"source", Document::kSourceFieldNumber, kSourceBytesMax, &Document::mutable_source,
     &Document::source, &DocumentFields::source},
    {"uri", Document::kUriFieldNumber, kUriBytesMax, &Document::mutable_uri, &Document::uri,
     &DocumentFields::uri},
    {"title", Document::kTitleFieldNumber, kTitleBytesMax, &Document::mutable_title,
     &Document::title, &DocumentFields::title},
    {"body", Document::kBodyFieldNumber, kInputBytesMax, &Document::mutable_body, &Document::body,
     &DocumentFields::body},
    {"content_type", Document::kContentTypeFieldNumber, kContentTypeBytesMax,
     &Document::mutable_content_type, &Document::content_type, &DocumentFields::content_type},
    {"published", Document::kPublishedFieldNumber, kPublishedBytesMax, &Document::mutable_published,
     &Document::published, &DocumentFields::published},
};

const TextField* find_field(std::string_view name) {
  const auto* field = std::ranges::find(kTextFields, name, &TextField::name);
  return field == std::end(kTextFields) ? nullptr : field;
}

const TextField* find_field(int number) {
  const auto* field = std::ranges::find(kTextFields, number, &TextField::number);
  return field == std::end(kTextFields) ? nullptr : field;
}

// What came from outside, made short and clean enough for a message.
std::string excerpt(std::string_view bytes) {
  constexpr size_t kExcerptBytesMax = 64;
  if (bytes.size() <= kExcerptBytesMax) return text::repair(bytes);
  size_t end = kExcerptBytesMax;
  while (end > 0 && !text::is_boundary(bytes, end)) --end;
  return text::repair(bytes.substr(0, end)) + "…";
}

Status set_text(Document& document, const TextField& field, std::string_view bytes) {
  std::string& value = *(document.*field.value)();
  if (field.number == Document::kBodyFieldNumber) {
    value = bytes;
    return {};
  }
  value = text::repair(bytes);
  if (value.size() > field.bytes_max)
    return fail(ErrorCode::TooLarge, "{} has {} bytes, at most {} are allowed", field.name,
                value.size(), field.bytes_max);
  if (field.number == Document::kPublishedFieldNumber && !value.empty() && !parse_time(value))
    return fail(ErrorCode::Malformed, "published is not a time as in RFC 3339: \"{}\"",
                excerpt(value));
  return {};
}

Status set_attribute(Document& document, std::string_view name, std::string_view value) {
  const size_t size = name.size() + value.size();
  if (size > kAttributeBytesMax)
    return fail(ErrorCode::TooLarge, "attributes: \"{}\" has {} bytes, at most {} are allowed",
                excerpt(name), size, kAttributeBytesMax);
  auto& attributes = *document.mutable_attributes();
  attributes[std::string(name)] = std::string(value);
  if (attributes.size() > kAttributesMax)
    return fail(ErrorCode::TooLarge, "attributes: more than {}", kAttributesMax);
  return {};
}

tl::unexpected<Error> at_byte(size_t position, Error error) {
  return fail(error.code, "byte {}: {}", position, error.message);
}

// Receives RapidJSON's events. A document nests at most once (attributes), and everything that
// nests deeper is refused where it begins, so the depth of the input costs nothing.
class JsonHandler {
 public:
  explicit JsonHandler(Document& document) : document_(document) {}

  // Why the handler stopped the parser, where it was the handler.
  const std::optional<Error>& error() const { return error_; }

  bool Null() { return place_ == Place::Start ? refuse_root("null") : true; }
  bool Bool(bool value) { return scalar(value ? "true" : "false", "a boolean"); }
  bool RawNumber(const char* text, rapidjson::SizeType size, bool) {
    return scalar({text, size}, "a number");
  }
  bool String(const char* text, rapidjson::SizeType size, bool) {
    const std::string_view value(text, size);
    if (place_ == Place::Start) return refuse_root("a string");
    if (place_ == Place::Attributes)
      return keep(set_attribute(document_, attribute_, text::repair(value)));
    if (field_ == nullptr) return refuse("attributes must be an object, not a string");
    return keep(set_text(document_, *field_, value));
  }
  bool StartObject() {
    if (place_ == Place::Start) {
      place_ = Place::Document;
      return true;
    }
    if (place_ == Place::Document && field_ == nullptr) {
      place_ = Place::Attributes;
      return true;
    }
    return refuse_type("an object");
  }
  bool EndObject(rapidjson::SizeType) {
    place_ = Place::Document;
    return true;
  }
  bool StartArray() {
    return place_ == Place::Start ? refuse_root("an array") : refuse_type("an array");
  }
  bool EndArray(rapidjson::SizeType) { return true; }

  bool Key(const char* text, rapidjson::SizeType size, bool) {
    const std::string_view name(text, size);
    if (place_ == Place::Attributes) {
      attribute_ = text::repair(name);
      if (!attributes_seen_.insert(attribute_).second)
        return refuse(fmt::format("attributes: \"{}\" stands twice", excerpt(attribute_)));
      if (attributes_seen_.size() <= kAttributesMax) return true;
      return keep(fail(ErrorCode::TooLarge, "attributes: more than {}", kAttributesMax));
    }
    field_ = find_field(name);
    if (field_ == nullptr && name != "attributes")
      return refuse(fmt::format("unknown key \"{}\"", excerpt(name)));
    const int number = field_ == nullptr ? Document::kAttributesFieldNumber : field_->number;
    const unsigned bit = 1U << number;
    if ((fields_seen_ & bit) != 0) return refuse(fmt::format("{} stands twice", name));
    fields_seen_ |= bit;
    return true;
  }

  // With numbers kept as text the parser calls none of these.
  bool Int(int) { return false; }
  bool Uint(unsigned) { return false; }
  bool Int64(int64_t) { return false; }
  bool Uint64(uint64_t) { return false; }
  bool Double(double) { return false; }

 private:
  enum class Place { Start, Document, Attributes };

  bool keep(const Status& status) {
    if (!status) error_ = status.error();
    return status.has_value();
  }
  bool refuse(std::string message) {
    error_ = Error{ErrorCode::Malformed, std::move(message)};
    return false;
  }
  bool refuse_root(std::string_view what) {
    return refuse(fmt::format("a document must be an object, not {}", what));
  }
  bool refuse_type(std::string_view what) {
    if (place_ == Place::Attributes)
      return refuse(
          fmt::format("attributes: \"{}\" must be a string, not {}", excerpt(attribute_), what));
    if (field_ == nullptr) return refuse(fmt::format("attributes must be an object, not {}", what));
    return refuse(fmt::format("{} must be a string, not {}", field_->name, what));
  }
  bool scalar(std::string_view text, std::string_view what) {
    if (place_ == Place::Start) return refuse_root(what);
    if (place_ == Place::Attributes) return keep(set_attribute(document_, attribute_, text));
    return refuse_type(what);
  }

  Document& document_;
  Place place_ = Place::Start;
  const TextField* field_ = nullptr;  // of the last key; null for attributes
  std::string attribute_;             // the last key inside attributes
  unsigned fields_seen_ = 0;
  std::set<std::string> attributes_seen_;
  std::optional<Error> error_;
};

// The value of the \u escape that stands at `at`; 0 where none does.
unsigned escaped_unit(std::string_view json, size_t at) {
  if (json.size() < at + 6 || json[at] != '\\' || json[at + 1] != 'u') return 0;
  unsigned unit = 0;
  for (const char c : json.substr(at + 2, 4)) {
    const char lower = static_cast<char>(c | 0x20);
    if (c >= '0' && c <= '9')
      unit = unit * 16 + static_cast<unsigned>(c - '0');
    else if (lower >= 'a' && lower <= 'f')
      unit = unit * 16 + static_cast<unsigned>(lower - 'a' + 10);
    else
      return 0;
  }
  return unit;
}

// RapidJSON refuses escapes of lone surrogates, which careless writers make of cut text. Each is
// overwritten by the escape of U+FFFD, which is as long, so that byte positions stay. Answers
// `json` itself where there are none (`changed` stays empty).
std::string_view without_lone_surrogates(std::string_view json, std::string& changed) {
  const auto is_high = [](unsigned unit) { return unit >= 0xd800 && unit <= 0xdbff; };
  const auto is_low = [](unsigned unit) { return unit >= 0xdc00 && unit <= 0xdfff; };
  for (size_t at = 0; (at = json.find('\\', at)) != json.npos;) {
    const unsigned unit = escaped_unit(json, at);
    if (is_high(unit) && is_low(escaped_unit(json, at + 6))) {
      at += 12;
    } else if (is_high(unit) || is_low(unit)) {
      if (changed.empty()) changed = json;
      changed.replace(at, 6, "\\ufffd");
      at += 6;
    } else {
      at += 2;
    }
  }
  return changed.empty() ? json : changed;
}

// Calls `visit(number, value)` for each field of a message, where `value` is null for a field whose
// wire type is not that of a string; such fields are skipped.
template <class Visit>
Status read_fields(std::string_view bytes, const Visit& visit) {
  CodedInputStream input(reinterpret_cast<const uint8_t*>(bytes.data()),
                         static_cast<int>(bytes.size()));
  for (;;) {
    const auto position = static_cast<size_t>(input.CurrentPosition());
    if (position == bytes.size()) return {};
    const uint32_t tag = input.ReadTag();
    const int number = WireFormatLite::GetTagFieldNumber(tag);
    if (number == 0) return fail(ErrorCode::Malformed, "byte {}: not a protobuf field", position);

    std::optional<std::string_view> value;
    if (WireFormatLite::GetTagWireType(tag) == WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
      int size = 0;
      const bool has_size = input.ReadVarintSizeAsInt(&size);
      const auto begin = static_cast<size_t>(input.CurrentPosition());
      if (!has_size || !input.Skip(size))
        return fail(ErrorCode::Malformed, "byte {}: field {} is cut off", position, number);
      value = bytes.substr(begin, static_cast<size_t>(size));
    } else if (!WireFormatLite::SkipField(&input, tag)) {
      return fail(ErrorCode::Malformed, "byte {}: field {} cannot be read", position, number);
    }
    if (const Status status = visit(number, value); !status)
      return at_byte(position, status.error());
  }
}

Status set_attribute_entry(Document& document, std::string_view entry) {
  std::string parts[2];  // the map entry's fields 1 and 2
  WM_TRY(read_fields(entry, [&](int number, std::optional<std::string_view> part) -> Status {
           if (number > 2) return {};
           if (!part) return fail(ErrorCode::Malformed, "a name or value has the wrong wire type");
           parts[number - 1] = text::repair(*part);
           return {};
         }).map_error([](const Error& error) {
    return Error{error.code, "attributes: in the entry, " + error.message};
  }));
  return set_attribute(document, parts[0], parts[1]);
}

Status not_in_place() { return tl::unexpected<Error>(Error{}); }

bool needs_repair(std::string_view bytes) {
  return bytes.find('\0') != bytes.npos || !text::is_valid(bytes);
}

bool read_in_place(std::string_view entry, std::pair<std::string_view, std::string_view>& into) {
  unsigned seen = 0;
  const auto read_part = [&](int number, std::optional<std::string_view> part) -> Status {
    const unsigned bit = number == 1 || number == 2 ? 1U << number : 0;
    if (!part || bit == 0 || (seen & bit) != 0 || needs_repair(*part)) return not_in_place();
    seen |= bit;
    (number == 1 ? into.first : into.second) = *part;
    return {};
  };
  return read_fields(entry, read_part) &&
         into.first.size() + into.second.size() <= kAttributeBytesMax;
}

}  // namespace

Result<Document> document_from_json(std::string_view json) {
  if (json.size() > kInputBytesMax)
    return fail(ErrorCode::TooLarge, "{} bytes of JSON, at most {} are allowed", json.size(),
                kInputBytesMax);
  std::string changed;
  json = without_lone_surrogates(json, changed);

  Document document;
  JsonHandler handler(document);
  rapidjson::MemoryStream stream(json.data(), json.size());
  rapidjson::Reader reader;
  reader.Parse<rapidjson::kParseIterativeFlag | rapidjson::kParseNumbersAsStringsFlag>(stream,
                                                                                       handler);
  if (handler.error()) return at_byte(reader.GetErrorOffset(), *handler.error());
  if (reader.HasParseError())
    return fail(ErrorCode::Malformed, "byte {}: {}", reader.GetErrorOffset(),
                rapidjson::GetParseError_En(reader.GetParseErrorCode()));
  // The stream answers its end by NUL, so the parser takes a NUL for the end.
  if (stream.Tell() != json.size())
    return fail(ErrorCode::Malformed, "byte {}: NUL after the document", stream.Tell());
  return document;
}

Result<Document> document_from_protobuf(std::string_view bytes) {
  if (bytes.size() > kInputBytesMax)
    return fail(ErrorCode::TooLarge, "{} bytes of protobuf, at most {} are allowed", bytes.size(),
                kInputBytesMax);
  Document document;
  WM_TRY(read_fields(bytes, [&](int number, std::optional<std::string_view> value) -> Status {
    const TextField* field = find_field(number);
    if (field == nullptr && number != Document::kAttributesFieldNumber) return {};
    if (!value)
      return fail(ErrorCode::Malformed, "{} has the wrong wire type",
                  field == nullptr ? "attributes" : field->name);
    return field == nullptr ? set_attribute_entry(document, *value)
                            : set_text(document, *field, *value);
  }));
  return document;
}

std::optional<DocumentFields> fields_in_place(std::string_view bytes) {
  if (bytes.size() > kInputBytesMax) return std::nullopt;
  std::optional<DocumentFields> fields(std::in_place);
  unsigned seen = 0;
  const Status read =
      read_fields(bytes, [&](int number, std::optional<std::string_view> value) -> Status {
        if (!value) return not_in_place();
        if (number == Document::kAttributesFieldNumber) {
          if (fields->attributes.size() == kAttributesMax ||
              !read_in_place(*value, fields->attributes.emplace_back()))
            return not_in_place();
          return {};
        }
        const TextField* field = find_field(number);
        if (field == nullptr || (seen & 1U << number) != 0 || value->size() > field->bytes_max)
          return not_in_place();
        if (number != Document::kBodyFieldNumber && needs_repair(*value)) return not_in_place();
        seen |= 1U << number;
        (*fields).*field->in_place = *value;
        return {};
      });
  if (!read || (!fields->published.empty() && !parse_time(fields->published))) return std::nullopt;
  auto& attributes = fields->attributes;
  std::ranges::sort(attributes);
  const auto same_name = [](const auto& one, const auto& other) {
    return one.first == other.first;
  };
  if (std::ranges::adjacent_find(attributes, same_name) != attributes.end()) return std::nullopt;
  return fields;
}

DocumentFields fields_of(const Document& document) {
  DocumentFields fields;
  for (const TextField& field : kTextFields) fields.*field.in_place = (document.*field.shown)();
  fields.attributes.assign(document.attributes().begin(), document.attributes().end());
  std::ranges::sort(fields.attributes);
  return fields;
}

std::string document_to_json(const Document& document) {
  std::string out = "{";
  const auto append = [&](std::string_view name, std::string_view value) {
    if (out.back() != '{') out += ',';
    append_json_string(name, out);
    out += ':';
    append_json_string(value, out);
  };
  for (const TextField& field : kTextFields)
    if (const std::string& value = (document.*field.shown)(); !value.empty())
      append(field.name, value);
  if (!document.attributes().empty()) {
    if (out.back() != '{') out += ',';
    out += "\"attributes\":{";
    const std::map<std::string_view, std::string_view> sorted(document.attributes().begin(),
                                                              document.attributes().end());
    for (const auto& [name, value] : sorted) append(name, value);
    out += '}';
  }
  out += '}';
  return out;
}

}  // namespace wiremill
