// Fuzz target: any Result as JSON (daemon/document/result_json.hpp), and a record of the result log
// as the feed reads it. What the printer prints is one line, valid UTF-8, one JSON object with the
// promised keys, whatever a Result holds.
#include <google/protobuf/stubs/logging.h>
#include <rapidjson/document.h>

#include "daemon/document/result_json.hpp"
#include "daemon/feed/feed_record.hpp"
#include "daemon/text/utf8.hpp"
#include "wiremill/v1/document.pb.h"

using namespace wiremill;  // NOLINT

namespace {

void expect_json(const v1::Result& result, bool timings) {
  std::string json = "[";  // the printer appends
  append_result_json(result, {.timings = timings}, json);
  json.erase(0, 1);
  WM_INVARIANT(text::is_valid(json));
  WM_INVARIANT(json.find_first_of("\r\n") == json.npos);
  rapidjson::Document parsed;
  parsed.Parse<rapidjson::kParseIterativeFlag | rapidjson::kParseNumbersAsStringsFlag>(json.data(),
                                                                                       json.size());
  WM_INVARIANT(!parsed.HasParseError() && parsed.IsObject());
  WM_INVARIANT(parsed["sequence"].GetString() == std::to_string(result.sequence()));
  for (const char* key : {"id", "status", "source", "uri", "title", "published"})
    WM_INVARIANT(parsed[key].IsString());
  WM_INVARIANT(parsed.HasMember("timings") == timings);
  const std::string title =
      text::is_valid(result.title()) ? result.title() : text::repair(result.title());
  WM_INVARIANT(std::string(parsed["title"].GetString(), parsed["title"].GetStringLength()) ==
               title);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const google::protobuf::LogSilencer silencer;
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  v1::Result result;
  // Also what the parser gave up on: then a string may be invalid UTF-8.
  (void)result.ParsePartialFromString(bytes);
  for (v1::Extension& extension : *result.mutable_extensions())
    if (!is_json_value(extension.json())) extension.clear_json();
  expect_json(result, false);
  expect_json(result, true);

  const FeedRecord record =
      read_feed_record({.sequence = 9, .damaged = false, .payload = bytes}, 3);
  WM_INVARIANT(record.sequence() == 9 && record.header.epoch() == 3);
  if (record.damaged) {
    v1::Result placeholder;
    WM_INVARIANT(
        placeholder.ParseFromArray(record.result.data(), static_cast<int>(record.result.size())));
    WM_INVARIANT(placeholder.failure().code() == "LOG_DAMAGED");
    expect_json(placeholder, false);
  }
  return 0;
}
