#include "daemon/document/document_json.hpp"

#include <gtest/gtest.h>

#include <random>

#include "daemon/document/result_json.hpp"
#include "daemon/text/utf8.hpp"

namespace wiremill {
namespace {

using v1::Document;

constexpr char kFffd[] = "\xef\xbf\xbd";

Document read(std::string_view json) {
  const auto document = document_from_json(json);
  EXPECT_TRUE(document.has_value()) << json << ": " << document.error().message;
  return document.value_or(Document());
}

// "malformed: byte 3: …"
std::string problem(const Result<Document>& document) {
  if (document) return "none";
  return std::string(error_code_name(document.error().code)) + ": " + document.error().message;
}
std::string json_problem(std::string_view json) { return problem(document_from_json(json)); }

TEST(DocumentJson, ReadsEveryKey) {
  const Document document = read(R"( {"id":"a","source":"s","uri":"u","title":"t\u00e9\n",
      "body":"<p>x","content_type":"text/html","published":"2023-04-28T15:20:00+02:00",
      "attributes":{"desk":"world","n":-1.50e3,"paid":true,"free":false,"none":null}} )");
  EXPECT_EQ(document.id(), "a");
  EXPECT_EQ(document.source(), "s");
  EXPECT_EQ(document.uri(), "u");
  EXPECT_EQ(document.title(), "t\xc3\xa9\n");
  EXPECT_EQ(document.body(), "<p>x");
  EXPECT_EQ(document.content_type(), "text/html");
  EXPECT_EQ(document.published(), "2023-04-28T15:20:00+02:00");
  EXPECT_EQ(document.attributes().size(), 4U);
  EXPECT_EQ(document.attributes().at("desk"), "world");
  EXPECT_EQ(document.attributes().at("n"), "-1.50e3");
  EXPECT_EQ(document.attributes().at("paid"), "true");
  EXPECT_EQ(document.attributes().at("free"), "false");
}

TEST(DocumentJson, EveryKeyIsOptionalAndNullIsAbsent) {
  EXPECT_EQ(read("{}").ByteSizeLong(), 0U);
  EXPECT_EQ(read(R"({"id":null,"body":null,"published":null,"attributes":null})").ByteSizeLong(),
            0U);
  EXPECT_EQ(read(R"({"published":"","attributes":{}})").ByteSizeLong(), 0U);
}

TEST(DocumentJson, NamesWhatIsWrongAndWhere) {
  EXPECT_EQ(json_problem(R"({"id":"a" "body":"b"})"),
            "malformed: byte 10: Missing a comma or '}' after an object member.");
  EXPECT_EQ(json_problem(""), "malformed: byte 0: The document is empty.");
  EXPECT_EQ(json_problem("{\"id\":\"a"),
            "malformed: byte 8: Missing a closing quotation mark in string.");
  EXPECT_EQ(json_problem(R"({"titel":"a"})"), "malformed: byte 8: unknown key \"titel\"");
  EXPECT_EQ(json_problem(R"({"id":"a","id":"b"})"), "malformed: byte 14: id stands twice");
  EXPECT_EQ(json_problem(R"({"id":null,"id":null})"), "malformed: byte 15: id stands twice");
  EXPECT_EQ(json_problem(R"({"attributes":{},"attributes":{}})"),
            "malformed: byte 29: attributes stands twice");
  EXPECT_EQ(json_problem(R"({"attributes":{"a":1,"a":2}})"),
            "malformed: byte 24: attributes: \"a\" stands twice");
  EXPECT_EQ(json_problem(R"({"id":5})"), "malformed: byte 6: id must be a string, not a number");
  EXPECT_EQ(json_problem(R"({"body":true})"),
            "malformed: byte 12: body must be a string, not a boolean");
  EXPECT_EQ(json_problem(R"({"uri":{}})"),
            "malformed: byte 7: uri must be a string, not an object");
  EXPECT_EQ(json_problem(R"({"title":[]})"),
            "malformed: byte 9: title must be a string, not an array");
  EXPECT_EQ(json_problem(R"({"attributes":"x"})"),
            "malformed: byte 17: attributes must be an object, not a string");
  EXPECT_EQ(json_problem(R"({"attributes":[]})"),
            "malformed: byte 14: attributes must be an object, not an array");
  EXPECT_EQ(json_problem(R"({"attributes":{"a":{}}})"),
            "malformed: byte 19: attributes: \"a\" must be a string, not an object");
  EXPECT_EQ(json_problem(R"({"published":"yesterday"})"),
            "malformed: byte 24: published is not a time as in RFC 3339: \"yesterday\"");
  EXPECT_EQ(json_problem("{}{}"),
            "malformed: byte 2: The document root must not be followed by other values.");
  EXPECT_EQ(json_problem(std::string_view("{}\0{}", 5)),
            "malformed: byte 2: NUL after the document");
}

TEST(DocumentJson, OnlyAnObjectIsADocument) {
  EXPECT_EQ(json_problem("[]"), "malformed: byte 0: a document must be an object, not an array");
  EXPECT_EQ(json_problem("\"x\""), "malformed: byte 3: a document must be an object, not a string");
  EXPECT_EQ(json_problem("null"), "malformed: byte 4: a document must be an object, not null");
  EXPECT_EQ(json_problem("true"), "malformed: byte 4: a document must be an object, not a boolean");
  EXPECT_EQ(json_problem("17"), "malformed: byte 0: a document must be an object, not a number");
}

TEST(DocumentJson, DepthCostsNothing) {
  const std::string deep(20'000'000, '[');
  EXPECT_FALSE(document_from_json(deep).has_value());
  EXPECT_FALSE(document_from_json("{\"body\":" + deep).has_value());
  EXPECT_FALSE(document_from_json("{\"attributes\":{\"a\":" + deep).has_value());
}

TEST(DocumentJson, RepairsAllButTheBody) {
  const Document document = read(
      "{\"title\":\"a\xff\",\"body\":\"a\xff\xe9\",\"id\":\"\\u0000\","
      "\"attributes\":{\"k\xff\":\"\xc0\"}}");
  EXPECT_EQ(document.title(), std::string("a") + kFffd);
  EXPECT_EQ(document.body(), "a\xff\xe9");
  EXPECT_EQ(document.id(), kFffd);
  EXPECT_EQ(document.attributes().at(std::string("k") + kFffd), std::string(kFffd) + "");
}

TEST(DocumentJson, EscapesOfLoneSurrogatesBecomeU_Fffd) {
  const std::string f = kFffd;
  EXPECT_EQ(read(R"({"title":"\ud83d\ude00"})").title(), "\xf0\x9f\x98\x80");
  EXPECT_EQ(read(R"({"title":"a\ud83d"})").title(), "a" + f);
  EXPECT_EQ(read(R"({"title":"\uDE00b"})").title(), f + "b");
  EXPECT_EQ(read(R"({"title":"\ud83d\ud83d\ude00"})").title(), f + "\xf0\x9f\x98\x80");
  EXPECT_EQ(read(R"({"title":"\ude00\ud83d\u0041"})").title(), f + f + "A");
  EXPECT_EQ(read(R"({"title":"\ud83d\\ude00"})").title(), f + "\\ude00");
  EXPECT_EQ(read(R"({"title":"\\ud83d"})").title(), "\\ud83d");
  EXPECT_EQ(read(R"({"body":"\ud83dx"})").body(), f + "x");
  EXPECT_EQ(json_problem(R"({"title":"\ud83d","x)"),
            "malformed: byte 20: Missing a closing quotation mark in string.");
  EXPECT_EQ(json_problem(R"({"title":"\ud8)"),
            "malformed: byte 10: Incorrect hex digit after \\u escape in string.");
}

TEST(DocumentJson, KeepsItsLimits) {
  struct Limit {
    std::string key;
    size_t bytes_max;
  };
  for (const auto& [key, bytes_max] :
       {Limit{"id", kIdBytesMax}, Limit{"source", kSourceBytesMax}, Limit{"uri", kUriBytesMax},
        Limit{"title", kTitleBytesMax}, Limit{"content_type", kContentTypeBytesMax}}) {
    EXPECT_EQ(json_problem("{\"" + key + "\":\"" + std::string(bytes_max, 'x') + "\"}"), "none");
    EXPECT_EQ(json_problem("{\"" + key + "\":\"" + std::string(bytes_max + 1, 'x') + "\"}"),
              fmt::format("too_large: byte {}: {} has {} bytes, at most {} are allowed",
                          key.size() + bytes_max + 7, key, bytes_max + 1, bytes_max));
  }
  EXPECT_EQ(json_problem("{\"body\":\"" + std::string(4 << 20, 'x') + "\"}"), "none");
  EXPECT_NE(json_problem("{\"published\":\"2023-04-28T15:20:00." + std::string(100, '1') + "Z\"}")
                .find("too_large"),
            std::string::npos);
}

TEST(DocumentJson, BoundsAttributes) {
  const auto attributes = [](size_t count) {
    std::string json = "{\"attributes\":{";
    for (size_t i = 0; i < count; ++i) json += fmt::format("{}\"k{}\":{}", i ? "," : "", i, i);
    return json + "}}";
  };
  EXPECT_EQ(read(attributes(kAttributesMax)).attributes().size(), kAttributesMax);
  EXPECT_NE(json_problem(attributes(kAttributesMax + 1)).find("too_large"), std::string::npos);
  const auto wide = [](size_t bytes) {
    return "{\"attributes\":{\"k\":\"" + std::string(bytes - 1, 'x') + "\"}}";
  };
  EXPECT_EQ(json_problem(wide(kAttributeBytesMax)), "none");
  EXPECT_NE(json_problem(wide(kAttributeBytesMax + 1)).find("too_large"), std::string::npos);
}

TEST(DocumentJson, MessagesStayShortAndValid) {
  const std::string problem = json_problem("{\"" + std::string(1 << 20, 'k') + "\":1}");
  EXPECT_LT(problem.size(), 200U);
  EXPECT_TRUE(text::is_valid(json_problem("{\"\xff\xfe\":1}")));
  std::string long_key = "{\"";
  for (int i = 0; i < 100; ++i) long_key += "\xe4\xb8\xad";
  EXPECT_EQ(json_problem(long_key + "\":1}").find(kFffd), std::string::npos);
}

Document full_document() {
  Document document;
  document.set_id("id-1");
  document.set_source("reuters.com");
  document.set_uri("https://reuters.com/1");
  document.set_title("A \"title\"\n\xe4\xb8\xad");
  document.set_body("<p>\xc3\xa9 body</p>");
  document.set_content_type("text/html; charset=utf-8");
  document.set_published("2023-04-28T15:20:00Z");
  (*document.mutable_attributes())["desk"] = "world";
  (*document.mutable_attributes())["author"] = "A";
  return document;
}

TEST(DocumentJson, WritesWhatItReads) {
  const std::string json = document_to_json(full_document());
  EXPECT_EQ(json,
            "{\"id\":\"id-1\",\"source\":\"reuters.com\",\"uri\":\"https://reuters.com/1\","
            "\"title\":\"A \\\"title\\\"\\n\xe4\xb8\xad\",\"body\":\"<p>\xc3\xa9 body</p>\","
            "\"content_type\":\"text/html; charset=utf-8\",\"published\":\"2023-04-28T15:20:00Z\","
            "\"attributes\":{\"author\":\"A\",\"desk\":\"world\"}}");
  EXPECT_EQ(document_to_json(read(json)), json);
  EXPECT_EQ(document_to_json(Document()), "{}");
  Document only_attributes;
  (*only_attributes.mutable_attributes())["a"] = "b";
  EXPECT_EQ(document_to_json(only_attributes), R"({"attributes":{"a":"b"}})");
}

TEST(DocumentProtobuf, ReadsWhatProtobufWrites) {
  const Document document = full_document();
  const auto read_back = document_from_protobuf(document.SerializeAsString());
  ASSERT_TRUE(read_back.has_value()) << read_back.error().message;
  EXPECT_EQ(document_to_json(*read_back), document_to_json(document));
  EXPECT_TRUE(document_from_protobuf("").has_value());
}

TEST(DocumentProtobuf, TheLastOfARepeatedFieldCountsAndUnknownFieldsAreSkipped) {
  // id "a"; field 99 varint 1; field 98 group {1: 5}; id "b"
  const std::string_view bytes(
      "\x0a\x01"
      "a\x98\x06\x01\x93\x06\x08\x05\x94\x06\x0a\x01"
      "b",
      15);
  const auto document = document_from_protobuf(bytes);
  ASSERT_TRUE(document.has_value()) << document.error().message;
  EXPECT_EQ(document->SerializeAsString(),
            "\x0a\x01"
            "b");
}

TEST(DocumentProtobuf, NamesWhatIsWrongAndWhere) {
  const auto problem_of = [](std::string_view bytes) {
    return problem(document_from_protobuf(bytes));
  };
  EXPECT_EQ(problem_of("\x0a\x01"
                       "a\x12\x05"
                       "abc"),
            "malformed: byte 3: field 2 is cut off");
  EXPECT_EQ(problem_of("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
            "malformed: byte 0: field 1 is cut off");
  EXPECT_EQ(problem_of("\x0a\x01"
                       "a\x10\x05"),
            "malformed: byte 3: source has the wrong wire type");
  EXPECT_EQ(problem_of("\x02"), "malformed: byte 0: not a protobuf field");
  EXPECT_EQ(problem_of("\x0a\x01"
                       "a\xff"),
            "malformed: byte 3: not a protobuf field");
  EXPECT_EQ(problem_of("\x0f"), "malformed: byte 0: field 1 cannot be read");
  EXPECT_EQ(problem_of("{\"id\":\"a\"}").substr(0, 17), "malformed: byte 0");
  Document document;
  document.set_published("soon");
  EXPECT_EQ(problem_of(document.SerializeAsString()),
            "malformed: byte 0: published is not a time as in RFC 3339: \"soon\"");
  document.set_published("");
  document.set_id("a");
  document.set_title(std::string(kTitleBytesMax + 1, 't'));
  EXPECT_EQ(problem_of(document.SerializeAsString()),
            "too_large: byte 3: title has 65537 bytes, at most 65536 are allowed");
  EXPECT_EQ(problem_of("\x42\x03\x0a\x05"
                       "a"),
            "malformed: byte 0: attributes: in the entry, byte 0: field 1 is cut off");
}

TEST(DocumentProtobuf, RepairsAllButTheBody) {
  const auto document = document_from_protobuf(
      "\x0a\x02"
      "a\xff\x2a\x02"
      "b\xff");
  ASSERT_TRUE(document.has_value());
  EXPECT_EQ(document->id(), std::string("a") + kFffd);
  EXPECT_EQ(document->body(), "b\xff");
}

TEST(DocumentProtobuf, BoundsAttributesAndNesting) {
  Document document;
  for (size_t i = 0; i < kAttributesMax; ++i)
    (*document.mutable_attributes())[std::to_string(i)] = "x";
  EXPECT_EQ(problem(document_from_protobuf(document.SerializeAsString())), "none");
  (*document.mutable_attributes())["one more"] = "x";
  EXPECT_NE(problem(document_from_protobuf(document.SerializeAsString())).find("too_large"),
            std::string::npos);
  std::string groups;
  for (int i = 0; i < 1'000'000; ++i) groups += "\x93\x06";
  EXPECT_FALSE(document_from_protobuf(groups).has_value());
}

// What comes out of any input is an error or a document that both writers and readers agree on.
void expect_sane(const Result<Document>& document) {
  if (!document) {
    ASSERT_TRUE(text::is_valid(document.error().message));
    ASSERT_LT(document.error().message.size(), 512U);
    return;
  }
  for (const std::string* field :
       {&document->id(), &document->source(), &document->uri(), &document->title(),
        &document->content_type(), &document->published()})
    ASSERT_TRUE(text::is_valid(*field));
  const auto by_protobuf = document_from_protobuf(document->SerializeAsString());
  ASSERT_TRUE(by_protobuf.has_value()) << by_protobuf.error().message;
  const std::string json = document_to_json(*document);
  ASSERT_EQ(document_to_json(*by_protobuf), json);
  ASSERT_TRUE(is_json_value(json));
  const auto by_json = document_from_json(json);
  ASSERT_TRUE(by_json.has_value()) << by_json.error().message;
  ASSERT_EQ(document_to_json(*by_json), json);
}

std::string mutate(std::string bytes, std::mt19937& random) {
  static constexpr std::string_view kPieces[] = {"\"",
                                                 "{",
                                                 "}",
                                                 "[",
                                                 "]",
                                                 ":",
                                                 ",",
                                                 "\\u",
                                                 "\\ud83d",
                                                 "\xff",
                                                 "\x0a",
                                                 "\x42",
                                                 "null",
                                                 "1e9",
                                                 "\"id\":",
                                                 "\"attributes\":{",
                                                 std::string_view("\0", 1),
                                                 "\xff\xff\xff\xff\x0f"};
  for (size_t changes = 1 + random() % 4; changes > 0; --changes) {
    const size_t at = random() % (bytes.size() + 1);
    switch (random() % 5) {
      case 0: bytes.insert(at, kPieces[random() % std::size(kPieces)]); break;
      case 1: bytes.erase(at, random() % 8); break;
      case 2:
        if (at < bytes.size()) bytes[at] = static_cast<char>(random());
        break;
      case 3: bytes.insert(at, bytes.substr(random() % (bytes.size() + 1), random() % 32)); break;
      default: bytes.resize(random() % 16 == 0 ? at : bytes.size());
    }
  }
  return bytes;
}

TEST(DocumentFuzz, MutatedInputsGiveErrorsOrDocuments) {
  std::mt19937 random(20230428);
  const std::string json = document_to_json(full_document());
  const std::string protobuf = full_document().SerializeAsString();
  size_t documents = 0, errors = 0;
  for (int round = 0; round < 20'000; ++round) {
    for (const auto& result : {document_from_json(mutate(json, random)),
                               document_from_protobuf(mutate(protobuf, random))}) {
      ++(result ? documents : errors);
      expect_sane(result);
      if (HasFatalFailure()) return;
    }
  }
  EXPECT_GT(documents, 1000U);  // both ways were gone
  EXPECT_GT(errors, 1000U);
}

}  // namespace
}  // namespace wiremill
