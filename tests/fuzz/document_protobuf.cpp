// Fuzz target: a submitted document as protobuf (daemon/intake/content.hpp), and a record of the
// intake log as the pipeline reads it (flight_from_record). What is accepted can be stored, read
// again with the same content hash, and taken into the line.
#include <google/protobuf/stubs/logging.h>

#include "daemon/document/document_json.hpp"
#include "daemon/intake/content.hpp"
#include "daemon/pipeline/flight.hpp"
#include "daemon/text/utf8.hpp"
#include "wiremill/v1/record.pb.h"

using namespace wiremill;  // NOLINT

namespace {

void expect_outcome(const Flight& flight) {
  WM_INVARIANT(flight.sequence() == 7);
  if (flight.in_line()) return;
  WM_INVARIANT(flight.result.status() == v1::Result::DEAD);
  WM_INVARIANT(flight.result.failure().code() == "LOG_DAMAGED");
}

void expect_storable(const Content& content) {
  const auto again =
      read_content(content.bytes(), DocumentFormat::Protobuf, content.bytes().size());
  WM_INVARIANT(again && again->hash == content.hash && again->id == content.id);
  WM_INVARIANT(again->made.empty());  // restart and retry read it in place
  v1::IntakeRecord record;
  record.set_id(content.id);
  record.set_document(std::string(content.bytes()));
  const Flight flight = flight_from_record(7, false, record.SerializeAsString());
  WM_INVARIANT(flight.in_line() && flight.result.id() == content.id);
  WM_INVARIANT(content_hash(fields_of(flight.document)) == content.hash);
  const auto from_json = document_from_json(document_to_json(flight.document));
  WM_INVARIANT(from_json);
  if (text::is_valid(flight.document.body()))
    WM_INVARIANT(content_hash(fields_of(*from_json)) == content.hash);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const google::protobuf::LogSilencer silencer;
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  expect_outcome(flight_from_record(7, false, bytes));
  const auto content = read_content(bytes, DocumentFormat::Protobuf, size);
  if (content) {
    expect_storable(*content);
  } else {
    WM_INVARIANT(!content.error().error.message.empty());
    WM_INVARIANT(text::is_valid(content.error().error.message));
    WM_INVARIANT(text::is_valid(content.error().id));
  }
  return 0;
}
