// Fuzz target: a submitted document as JSON (daemon/document). What is accepted keeps the limits, is
// printed and read again as the same document, and the intake stores it with the same content hash.
#include <google/protobuf/util/message_differencer.h>

#include "daemon/document/document_json.hpp"
#include "daemon/document/result_json.hpp"
#include "daemon/intake/content.hpp"
#include "daemon/text/utf8.hpp"

using namespace wiremill;  // NOLINT

namespace {

void expect_text(const std::string& value, size_t bytes_max) {
  WM_INVARIANT(value.size() <= bytes_max && text::is_valid(value));
}

void expect_limits(const v1::Document& document) {
  expect_text(document.id(), kIdBytesMax);
  expect_text(document.source(), kSourceBytesMax);
  expect_text(document.uri(), kUriBytesMax);
  expect_text(document.title(), kTitleBytesMax);
  expect_text(document.content_type(), kContentTypeBytesMax);
  expect_text(document.published(), kPublishedBytesMax);
  WM_INVARIANT(document.attributes().size() <= kAttributesMax);
  for (const auto& [name, value] : document.attributes()) {
    expect_text(name, kAttributeBytesMax);
    expect_text(value, kAttributeBytesMax - name.size());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view json(reinterpret_cast<const char*>(data), size);
  auto document = document_from_json(json);
  if (!document) {
    WM_INVARIANT(document.error().message.starts_with("byte ") &&
                 text::is_valid(document.error().message));
    return 0;
  }
  expect_limits(*document);
  const auto stored = read_content(json, DocumentFormat::Json, size);
  if (stored) {
    WM_INVARIANT(stored->hash == content_hash(fields_of(*document)) &&
                 stored->id == document->id());
    const auto again = read_content(stored->bytes(), DocumentFormat::Protobuf, size * 4);
    WM_INVARIANT(again && again->hash == stored->hash && again->id == stored->id);
  }
  const std::string printed = document_to_json(*document);
  WM_INVARIANT(is_json_value(printed) && printed.find('\n') == printed.npos);
  const auto reread = document_from_json(printed);
  WM_INVARIANT(reread);
  if (!text::is_valid(document->body())) document->set_body(text::repair(document->body()));
  WM_INVARIANT(google::protobuf::util::MessageDifferencer::Equals(*document, *reread));
  return 0;
}
