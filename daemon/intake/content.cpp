// See content.hpp.
#include "daemon/intake/content.hpp"

#include <algorithm>
#include <cctype>
#include <utility>
#include <vector>

#include "daemon/document/document_json.hpp"
#include "daemon/text/utf8.hpp"

namespace wiremill {
namespace {

// "Text/HTML; charset=utf-8" to "text/html".
std::string essence(std::string_view content_type) {
  content_type = content_type.substr(0, content_type.find(';'));
  std::string type;
  for (const char c : content_type)
    if (std::isspace(static_cast<unsigned char>(c)) == 0)
      type += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return type;
}

bool is_supported(std::string_view content_type) {
  const std::string type = essence(content_type);
  return type.empty() || type == "text/plain" || type == "text/html" ||
         type == "application/xhtml+xml" || type == "text/markdown";
}

void append_field(std::string& out, std::string_view field) {
  for (size_t rest = field.size(), i = 0; i < 8; ++i, rest >>= 8)
    out += static_cast<char>(rest & 0xff);
  out += field;
}

}  // namespace

DocumentFormat document_format(std::string_view content_type) {
  const std::string type = essence(content_type);
  if (type == "application/json" || type == "json") return DocumentFormat::Json;
  if (type == "application/x-protobuf") return DocumentFormat::Protobuf;
  return DocumentFormat::Unknown;
}

Hash128 content_hash(const v1::Document& document) {
  std::string fields;
  fields.reserve(512);
  append_field(fields, document.source());
  append_field(fields, document.uri());
  append_field(fields, document.title());
  append_field(fields, hash_key(hash128(document.body())));  // its copy is saved
  append_field(fields, document.content_type());
  append_field(fields, document.published());
  std::vector<std::pair<std::string_view, std::string_view>> attributes(
      document.attributes().begin(), document.attributes().end());
  std::sort(attributes.begin(), attributes.end());
  for (const auto& [name, value] : attributes) {
    append_field(fields, name);
    append_field(fields, value);
  }
  return hash128(fields);
}

tl::expected<Content, BadContent> read_content(std::string_view frame, DocumentFormat format,
                                               size_t document_bytes_max) {
  const auto bad = [](ErrorCode code, std::string message, std::string id = "") {
    return tl::unexpected<BadContent>(BadContent{{code, std::move(message)}, std::move(id)});
  };
  if (frame.size() > document_bytes_max)
    return bad(ErrorCode::TooLarge, fmt::format("the document has {} bytes, {} are allowed",
                                                frame.size(), document_bytes_max));
  const bool json = format == DocumentFormat::Json;
  Result<v1::Document> document = json ? document_from_json(frame) : document_from_protobuf(frame);
  if (!document) return bad(document.error().code, std::move(document.error().message));
  if (!is_supported(document->content_type()))
    return bad(ErrorCode::Unsupported,
               fmt::format("content type \"{}\": text/plain, text/html, application/xhtml+xml and "
                           "text/markdown are supported",
                           text::repair(document->content_type().substr(0, 100))),
               document->id());
  Content content;
  content.hash = content_hash(*document);
  content.id = document->id();
  // Never the frame itself: protobuf does not read a field that had to be repaired.
  document->SerializeToString(&content.bytes);
  return content;
}

}  // namespace wiremill
