// JSON for the admin API's replies, on top of rapidjson: text is repaired to UTF-8, and a field is
// one call. One thread at a time.
#pragma once

#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

#include "daemon/base/clock.hpp"
#include "daemon/document/result_json.hpp"

namespace wiremill {

class JsonWriter {
 public:
  JsonWriter& key(std::string_view name) {
    writer_.Key(name.data(), static_cast<rapidjson::SizeType>(name.size()));
    return *this;
  }
  void value(std::string_view text) {
    std::string literal;
    append_json_string(text, literal);
    writer_.RawValue(literal.data(), literal.size(), rapidjson::kStringType);
  }
  void value(const std::string& text) { value(std::string_view(text)); }
  void value(const char* text) { value(std::string_view(text)); }
  void value(bool flag) { writer_.Bool(flag); }
  void value(double number) {
    writer_.SetMaxDecimalPlaces(3);
    writer_.Double(number);
  }
  template <std::unsigned_integral Integer>
  void value(Integer number) {
    writer_.Uint64(number);
  }
  template <std::signed_integral Integer>
  void value(Integer number) {
    writer_.Int64(number);
  }
  void null() { writer_.Null(); }

  template <class Value>
  void field(std::string_view name, const Value& of) {
    key(name).value(of);
  }
  // As "2023-04-28T15:20:00Z".
  void time_field(std::string_view name, int64_t time_us) { field(name, format_time(time_us)); }

  template <class Body>
  void object(const Body& body) {
    writer_.StartObject();
    body();
    writer_.EndObject();
  }
  template <class Elements, class Each>
  void array(const Elements& elements, const Each& each) {
    writer_.StartArray();
    for (const auto& element : elements) each(element);
    writer_.EndArray();
  }
  void strings(const std::vector<std::string>& texts) {
    array(texts, [this](const std::string& text) { value(text); });
  }

  // The whole, with a line break behind it.
  std::string take() { return std::string(buffer_.GetString(), buffer_.GetSize()) + "\n"; }

 private:
  rapidjson::StringBuffer buffer_;
  rapidjson::Writer<rapidjson::StringBuffer> writer_{buffer_};
};

}  // namespace wiremill
