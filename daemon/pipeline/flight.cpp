#include "daemon/pipeline/flight.hpp"

#include <utility>

#include "daemon/base/clock.hpp"
#include "wiremill/v1/record.pb.h"

namespace wiremill {

void Flight::leave(v1::Result::Status status, std::string_view stage, std::string_view code,
                   std::string_view message, uint32_t attempts) {
  result.set_status(status);
  v1::Failure& failure = *result.mutable_failure();
  failure.set_stage(std::string(stage));
  failure.set_code(std::string(code));
  failure.set_message(std::string(message));
  failure.set_attempts(attempts);
}

Flight flight_from_record(uint64_t sequence, bool damaged, std::string record) {
  Flight flight;
  flight.result.set_sequence(sequence);
  flight.first_sequence = sequence;
  v1::IntakeRecord intake;
  if (damaged || !intake.ParseFromString(record) ||
      !flight.document.ParseFromString(intake.document())) {
    flight.leave(v1::Result::DEAD, "log", "LOG_DAMAGED", "the stored document cannot be read", 0);
    return flight;
  }
  v1::Result& result = flight.result;
  result.set_id(std::move(*intake.mutable_id()));
  result.set_source(flight.document.source());
  result.set_uri(flight.document.uri());
  result.set_title(flight.document.title());
  flight.accepted_at_us = intake.accepted_at_us();
  result.set_revises(intake.revises());
  if (intake.retries() != 0) {
    result.set_retries(intake.retries());
    flight.first_sequence =
        intake.first_sequence() != 0 ? intake.first_sequence() : intake.retries();
  }
  if (const auto published_us = parse_time(flight.document.published()))
    result.set_published_us(*published_us);
  flight.record = std::move(record);
  return flight;
}

}  // namespace wiremill
