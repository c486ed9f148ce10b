#include "daemon/document/json_value.hpp"

#include <rapidjson/error/en.h>
#include <rapidjson/reader.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

namespace wiremill {

Result<std::string> compact_json(std::string_view json) {
  constexpr unsigned kFlags = rapidjson::kParseIterativeFlag |
                              rapidjson::kParseValidateEncodingFlag |
                              rapidjson::kParseNumbersAsStringsFlag;
  // Numbers pass as they were written: a Writer would print some of them differently.
  struct Copier : rapidjson::Writer<rapidjson::StringBuffer> {
    using Writer::Writer;
    bool RawNumber(const char* text, rapidjson::SizeType length, bool) {
      return RawValue(text, length, rapidjson::kNumberType);
    }
  };
  rapidjson::MemoryStream memory(json.data(), json.size());
  rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream> stream(memory);
  rapidjson::StringBuffer buffer;
  Copier copier(buffer);
  rapidjson::Reader reader;
  const rapidjson::ParseResult parsed = reader.Parse<kFlags>(stream, copier);
  if (parsed.IsError())
    return fail(ErrorCode::Malformed, "byte {}: {}", parsed.Offset(),
                rapidjson::GetParseError_En(parsed.Code()));
  return std::string(buffer.GetString(), buffer.GetSize());
}

}  // namespace wiremill
