#include "daemon/admin/dead_requests.hpp"

#include <rapidjson/document.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "daemon/admin/json_writer.hpp"
#include "daemon/base/clock.hpp"
#include "daemon/intake/intake.hpp"
#include "daemon/pipeline/dead_letters.hpp"
#include "wiremill/v1/document.pb.h"
#include "wiremill/v1/record.pb.h"

namespace wiremill {
namespace {

// Handed to the intake and not answered yet.
constexpr size_t kRetriesUnderWayMax = 64;
constexpr size_t kRetryBytesUnderWayMax = 16 << 20;

void write_letter(JsonWriter& json, const DeadLetters::Letter& letter) {
  json.field("sequence", letter.sequence);
  json.field("id", letter.id);
  json.field("source", letter.source);
  json.field("stage", letter.stage);
  json.field("code", letter.code);
  json.field("message", letter.message);
  json.field("attempts", letter.attempts);
  json.time_field("accepted_at", letter.accepted_at_us);
  json.field("bytes", letter.bytes);
}

Result<uint64_t> read_number(const AdminRequest& request, const char* name, uint64_t otherwise) {
  const auto found = request.query.find(name);
  if (found == request.query.end()) return otherwise;
  const std::string& text = found->second;
  uint64_t value = 0;
  const auto [at, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || at != text.data() + text.size())
    return fail(ErrorCode::Malformed, "{}: '{}' is not a number", name, text);
  return value;
}

Status read_time(const AdminRequest& request, const char* name, int64_t& out) {
  const auto found = request.query.find(name);
  if (found == request.query.end()) return {};
  const auto time_us = parse_time(found->second);
  if (!time_us) return fail(ErrorCode::Malformed, "{}: '{}' is not a time", name, found->second);
  out = *time_us;
  return {};
}

struct Listing {
  DeadLetters::Filter filter;
  uint64_t from = 0;
  size_t limit = kLettersPerRequestMax;
};

Result<Listing> read_listing(const AdminRequest& request) {
  Listing listing;
  for (const auto& [name, value] : request.query) {
    if (name == "stage")
      listing.filter.stage = value;
    else if (name == "code")
      listing.filter.code = value;
    else if (name != "since" && name != "until" && name != "from" && name != "limit")
      return fail(ErrorCode::Malformed, "there is no '{}' to ask for", name);
  }
  WM_TRY(read_time(request, "since", listing.filter.from_us));
  WM_TRY(read_time(request, "until", listing.filter.until_us));
  const auto from = read_number(request, "from", 0);
  if (!from) return tl::unexpected(from.error());
  const auto limit = read_number(request, "limit", kLettersPerRequestMax);
  if (!limit) return tl::unexpected(limit.error());
  listing.from = *from;
  listing.limit = std::clamp<uint64_t>(*limit, 1, kLettersPerRequestMax);
  return listing;
}

AdminReply refused(const Error& error) {
  return admin_error(error.code == ErrorCode::NotFound    ? 404
                     : error.code == ErrorCode::Malformed ? 400
                                                          : 503,
                     error.message);
}

struct Kept {
  v1::IntakeRecord record;
  v1::Document document;
};

Result<Kept> read_kept(const Rooms& rooms, uint64_t sequence) {
  const auto bytes = rooms.dead_letters.intake_record(sequence);
  if (!bytes) return tl::unexpected(bytes.error());
  Kept kept;
  if (!kept.record.ParseFromString(*bytes) ||
      !kept.document.ParseFromString(kept.record.document()))
    return fail(ErrorCode::Damaged, "dead letter {} cannot be read", sequence);
  return kept;
}

// Many letters on their way back to the intake.
class Retrying : public std::enable_shared_from_this<Retrying> {
 public:
  Retrying(const Rooms& rooms, std::shared_ptr<Jobs> jobs, std::vector<uint64_t> sequences,
           std::function<void(AdminReply)> reply)
      : rooms_(rooms),
        jobs_(std::move(jobs)),
        sequences_(std::move(sequences)),
        reply_(std::move(reply)) {
    answers_.resize(sequences_.size());
  }

  void go_on() {
    while (next_ < sequences_.size() && under_way_ < kRetriesUnderWayMax &&
           (under_way_ == 0 || bytes_under_way_ < kRetryBytesUnderWayMax)) {
      const size_t index = next_++;
      auto record = rooms_.dead_letters.intake_record(sequences_[index]);
      if (!record) {
        answers_[index] = tl::unexpected(std::move(record).error());
        continue;
      }
      const size_t bytes = record->size();
      ++under_way_;
      bytes_under_way_ += bytes;
      rooms_.intake.retry(sequences_[index], std::move(*record),
                          [self = shared_from_this(), index, bytes](Result<uint64_t> answer) {
                            self->jobs_->add([self, index, bytes, answer = std::move(answer)] {
                              self->answered(index, bytes, answer);
                            });
                          });
    }
    if (under_way_ == 0) finish();
  }

 private:
  void answered(size_t index, size_t bytes, const Result<uint64_t>& answer) {
    answers_[index] = answer;
    --under_way_;
    bytes_under_way_ -= bytes;
    go_on();
  }

  void finish() {
    JsonWriter json;
    json.object([&] {
      json.key("letters");
      size_t index = 0;
      json.array(answers_, [&](const Result<uint64_t>& answer) {
        json.object([&] {
          json.field("sequence", sequences_[index++]);
          if (answer) return json.field("retried_as", *answer);
          json.field("code", error_code_name(answer.error().code));
          json.field("message", answer.error().message);
        });
      });
    });
    reply_({.body = json.take()});
  }

  const Rooms& rooms_;
  const std::shared_ptr<Jobs> jobs_;
  const std::vector<uint64_t> sequences_;
  const std::function<void(AdminReply)> reply_;
  std::vector<Result<uint64_t>> answers_;
  size_t next_ = 0, under_way_ = 0, bytes_under_way_ = 0;
};

}  // namespace

AdminReply list_dead(const Rooms& rooms, const AdminRequest& request) {
  const auto listing = read_listing(request);
  if (!listing) return refused(listing.error());
  const std::vector<DeadLetters::Letter> letters =
      rooms.dead_letters.list(listing->filter, listing->from, listing->limit);
  const DeadLetters::Totals totals = rooms.dead_letters.totals();
  JsonWriter json;
  json.object([&] {
    json.field("documents", totals.documents);
    json.field("bytes", totals.bytes);
    json.key("letters").array(letters, [&](const DeadLetters::Letter& letter) {
      json.object([&] { write_letter(json, letter); });
    });
    json.field("next", letters.size() < listing->limit ? 0 : letters.back().sequence + 1);
  });
  return {.body = json.take()};
}

AdminReply show_dead(const Rooms& rooms, uint64_t sequence) {
  const auto letter = rooms.dead_letters.find(sequence);
  if (!letter) return admin_error(404, fmt::format("there is no dead letter {}", sequence));
  const auto kept = read_kept(rooms, sequence);
  if (!kept) return refused(kept.error());
  JsonWriter json;
  json.object([&] {
    write_letter(json, *letter);
    json.field("client", kept->record.client());
    json.field("number", kept->record.number());
    json.field("revises", kept->record.revises());
    json.field("retries", kept->record.retries());
    json.field("uri", kept->document.uri());
    json.field("title", kept->document.title());
    json.field("published", kept->document.published());
    json.field("content_type", kept->document.content_type());
    json.field("body_bytes", kept->document.body().size());
    json.key("attributes").object([&] {
      for (const auto& [name, value] : kept->document.attributes()) json.field(name, value);
    });
  });
  return {.body = json.take()};
}

AdminReply dead_body(const Rooms& rooms, uint64_t sequence) {
  auto kept = read_kept(rooms, sequence);
  if (!kept) return refused(kept.error());
  // Never a type that a browser would run.
  return {.content_type = "application/octet-stream",
          .body = std::move(*kept->document.mutable_body())};
}

Result<std::vector<uint64_t>> read_sequences(const std::string& body) {
  rapidjson::Document parsed;
  parsed.Parse<rapidjson::kParseIterativeFlag>(body.data(), body.size());
  const rapidjson::Document& json = parsed;
  if (json.HasParseError() || !json.IsObject())
    return fail(ErrorCode::Malformed, "the body must be {{\"sequences\":[…]}}");
  const auto list = json.FindMember("sequences");
  if (list == json.MemberEnd() || !list->value.IsArray() || list->value.Empty() ||
      list->value.Size() > kLettersPerRequestMax)
    return fail(ErrorCode::Malformed, "\"sequences\" must be a list of 1 to {} numbers",
                kLettersPerRequestMax);
  std::vector<uint64_t> sequences;
  for (const auto& number : list->value.GetArray()) {
    if (!number.IsUint64()) return fail(ErrorCode::Malformed, "a sequence must be a whole number");
    sequences.push_back(number.GetUint64());
  }
  std::vector<uint64_t> sorted = sequences;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end())
    return fail(ErrorCode::Malformed, "a sequence is given twice");
  return sequences;
}

void retry_dead(const Rooms& rooms, std::shared_ptr<Jobs> jobs, std::vector<uint64_t> sequences,
                std::function<void(AdminReply)> reply) {
  std::make_shared<Retrying>(rooms, std::move(jobs), std::move(sequences), std::move(reply))
      ->go_on();
}

}  // namespace wiremill
