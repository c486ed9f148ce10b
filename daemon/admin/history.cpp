#include "daemon/admin/history.hpp"

#include "daemon/admin/json_writer.hpp"
#include "daemon/log/log.hpp"
#include "daemon/pipeline/dead_letters.hpp"
#include "wiremill/v1/document.pb.h"
#include "wiremill/v1/record.pb.h"

namespace wiremill {
namespace {

constexpr int kRelativesMax = 32;

enum class Kept { No, Damaged, Yes };

// All that is stored of one sequence.
struct Stored {
  uint64_t sequence = 0;
  Kept intake = Kept::No, result = Kept::No;
  v1::IntakeRecord accepted;
  v1::Document document;
  v1::ResultRecord outcome;
  v1::Result of;
  std::optional<DeadLetters::Letter> letter;
  size_t intake_bytes = 0, result_bytes = 0;

  bool known() const { return intake != Kept::No || result != Kept::No || letter; }
  const std::string& id() const {
    return intake == Kept::Yes              ? accepted.id()
           : result == Kept::Yes || !letter ? of.id()
                                            : letter->id;
  }
  uint64_t revises() const { return intake == Kept::Yes ? accepted.revises() : of.revises(); }
  uint64_t retries() const { return intake == Kept::Yes ? accepted.retries() : of.retries(); }
  int64_t accepted_at_us() const {
    return intake == Kept::Yes   ? accepted.accepted_at_us()
           : result == Kept::Yes ? outcome.accepted_at_us()
           : letter              ? letter->accepted_at_us
                                 : 0;
  }
  // Keeps what the other functions tell.
  void drop_texts() {
    accepted.clear_document();
    document.Clear();
    outcome.clear_result();
    of.clear_text();
  }
};

// Adds nothing to `out` where the record is not kept any more, or not durable yet.
template <class Message>
Status read_record(const Log& log, uint64_t sequence, Message& message, Kept& kept, size_t& bytes) {
  std::vector<LogRecord> records;
  WM_TRY(log.reader(sequence)->read(1, 1, records));
  if (records.empty() || records.front().sequence != sequence) return {};
  const LogRecord& record = records.front();
  bytes = record.payload.size();
  kept = !record.damaged && message.ParseFromString(record.payload) ? Kept::Yes : Kept::Damaged;
  return {};
}

Result<Stored> read_stored(const Rooms& rooms, uint64_t sequence) {
  Stored stored;
  stored.sequence = sequence;
  WM_TRY(
      read_record(rooms.intake_log, sequence, stored.accepted, stored.intake, stored.intake_bytes));
  if (stored.intake == Kept::Yes && !stored.document.ParseFromString(stored.accepted.document()))
    stored.intake = Kept::Damaged;
  WM_TRY(read_record(rooms.results, sequence, stored.outcome, stored.result, stored.result_bytes));
  if (stored.result == Kept::Yes && !stored.of.ParseFromString(stored.outcome.result()))
    stored.result = Kept::Damaged;
  stored.letter = rooms.dead_letters.find(sequence);
  return stored;
}

Result<Stored> read_known(const Rooms& rooms, uint64_t sequence) {
  auto stored = read_stored(rooms, sequence);
  if (!stored || stored->known()) return stored;
  const uint64_t newest = rooms.intake_log.durable();
  if (sequence == 0 || sequence > newest)
    return fail(ErrorCode::NotFound, "no document has sequence {}: the newest is {}", sequence,
                newest);
  return fail(ErrorCode::NotFound, "nothing is kept of document {}: results are kept from {} on",
              sequence, rooms.results.statistics().first);
}

const char* state_of(const Rooms& rooms, const Stored& stored) {
  if (stored.result == Kept::Damaged) return "DAMAGED";
  if (stored.result == Kept::Yes) {
    switch (stored.of.status()) {
      case v1::Result::PROCESSED: return "PROCESSED";
      case v1::Result::DROPPED: return "DROPPED";
      case v1::Result::DEAD: return "DEAD";
      default: return "DAMAGED";
    }
  }
  if (stored.letter) return "DEAD";
  return stored.sequence > rooms.results.durable() ? "IN_FLIGHT" : "NO_LONGER_KEPT";
}

const char* kept_word(Kept kept) {
  return kept == Kept::Yes ? "yes" : kept == Kept::Damaged ? "damaged" : "no";
}

void write_accepted(JsonWriter& json, const Stored& stored) {
  json.object([&] {
    json.field("kept", kept_word(stored.intake));
    if (stored.intake != Kept::Yes) return;
    const v1::IntakeRecord& record = stored.accepted;
    const v1::Document& document = stored.document;
    json.time_field("at", record.accepted_at_us());
    json.field("client", record.client());
    json.field("session", fmt::format("{:016x}", record.session()));
    json.field("number", record.number());
    json.field("bytes", stored.intake_bytes);
    json.field("source", document.source());
    json.field("uri", document.uri());
    json.field("title", document.title());
    json.field("content_type", document.content_type());
    json.field("published", document.published());
    json.field("body_bytes", document.body().size());
  });
}

void write_failure(JsonWriter& json, const v1::Failure& failure) {
  json.key("failure").object([&] {
    json.field("stage", failure.stage());
    json.field("code", failure.code());
    json.field("message", failure.message());
    json.field("attempts", failure.attempts());
  });
}

void write_result(JsonWriter& json, const Stored& stored) {
  json.object([&] {
    json.field("kept", kept_word(stored.result));
    if (stored.result != Kept::Yes) return;
    const v1::Result& result = stored.of;
    json.time_field("accepted_at", stored.outcome.accepted_at_us());
    json.field("status", v1::Result::Status_Name(result.status()));
    json.field("topic", stored.outcome.topic());
    json.field("previous", stored.outcome.previous());
    json.field("bytes", stored.result_bytes);
    json.field("source", result.source());
    json.field("uri", result.uri());
    json.field("title", result.title());
    json.field("language", result.language().code());
    json.field("text_bytes", result.text().size());
    if (result.has_duplicate())
      json.key("duplicate").object([&] {
        json.field("kind", v1::Duplicate::Kind_Name(result.duplicate().kind()));
        json.field("of", result.duplicate().of());
      });
    if (result.has_failure()) write_failure(json, result.failure());
  });
}

void write_relative(JsonWriter& json, const Rooms& rooms, const Stored& stored) {
  json.object([&] {
    json.field("sequence", stored.sequence);
    json.field("state", state_of(rooms, stored));
    json.time_field("accepted_at", stored.accepted_at_us());
    json.field("revises", stored.revises());
    json.field("retries", stored.retries());
  });
}

// The documents with this id, from the newest back as far as something is kept.
Status write_relatives(JsonWriter& json, const Rooms& rooms, uint64_t newest) {
  std::vector<Stored> chain;
  for (uint64_t next = newest; next != 0 && chain.size() < kRelativesMax;) {
    auto stored = read_stored(rooms, next);
    if (!stored) return tl::unexpected(stored.error());
    if (!stored->known()) break;
    const uint64_t before = stored->retries() != 0 ? stored->retries() : stored->revises();
    stored->drop_texts();
    chain.push_back(std::move(*stored));
    next = before < next ? before : 0;
  }
  json.key("same_id").array(chain,
                            [&](const Stored& stored) { write_relative(json, rooms, stored); });
  return {};
}

}  // namespace

Result<std::string> id_of(const Rooms& rooms, uint64_t sequence) {
  const auto stored = read_known(rooms, sequence);
  if (!stored) return tl::unexpected(stored.error());
  return stored->id();
}

Result<std::string> history_json(const Rooms& rooms, uint64_t sequence,
                                 std::optional<uint64_t> latest) {
  const auto stored = read_known(rooms, sequence);
  if (!stored) return tl::unexpected(stored.error());
  JsonWriter json;
  Status status;
  json.object([&] {
    json.field("sequence", sequence);
    json.field("id", stored->id());
    json.field("state", state_of(rooms, *stored));
    json.time_field("accepted_at", stored->accepted_at_us());
    json.field("revises", stored->revises());
    json.field("retries", stored->retries());
    write_accepted(json.key("accepted"), *stored);
    write_result(json.key("result"), *stored);
    json.key("dead_letter").object([&] {
      json.field("kept", stored->letter ? "yes" : "no");
      if (!stored->letter) return;
      json.field("stage", stored->letter->stage);
      json.field("code", stored->letter->code);
      json.field("message", stored->letter->message);
      json.field("attempts", stored->letter->attempts);
      json.field("bytes", stored->letter->bytes);
    });
    status = write_relatives(json, rooms, std::max(latest.value_or(sequence), sequence));
  });
  if (!status) return tl::unexpected(status.error());
  return json.take();
}

}  // namespace wiremill
