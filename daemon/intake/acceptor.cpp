// See acceptor.hpp.
#include "daemon/intake/acceptor.hpp"

#include <algorithm>
#include <utility>

#include "daemon/base/clock.hpp"
#include "daemon/document/document_json.hpp"
#include "daemon/log/log.hpp"
#include "daemon/text/utf8.hpp"

namespace wiremill {
namespace {

constexpr size_t kRetriedMax = 65'536;
// How much of the log's end is read again at a start, so that a client that missed its
// acknowledgements learns its sequences.
constexpr uint64_t kTailRecords = 65'536;
constexpr uint64_t kTailBytes = 256 << 20;

// Appends field 7, IntakeRecord.document, to the other fields.
void append_document(std::string_view document, std::string& record) {
  record += static_cast<char>(v1::IntakeRecord::kDocumentFieldNumber << 3 | 2);
  size_t size = document.size();
  for (; size >= 0x80; size >>= 7) record += static_cast<char>(size | 0x80);
  record += static_cast<char>(size);
  record += document;
}

}  // namespace

std::string given_id(uint64_t sequence) { return fmt::format("seq:{}", sequence); }

Acceptor::Acceptor(Log& log, Ledger& ledger, IntakeCounters& counters, const IntakeOptions& options)
    : log_(log),
      ledger_(ledger),
      counters_(counters),
      document_bytes_max_(static_cast<size_t>(options.document_bytes_max)),
      retry_after_ms_(options.retry_after_ms),
      next_(log.next()) {}

std::optional<Content> Acceptor::restore(uint64_t sequence, const v1::IntakeRecord& record,
                                         bool is_new) {
  const auto fields = fields_in_place(record.document());
  if (!fields) return std::nullopt;
  newest_us_ = std::max(newest_us_, record.accepted_at_us());
  Content content{
      .id = std::string(fields->id), .hash = content_hash(*fields), .frame = record.document()};
  if (is_new) remember(content, sequence, record.retries() != 0);
  if (record.retries() != 0) note_retry(record.retries(), sequence);
  mark_tail(sequence, record.document().size());
  return content;
}

tl::expected<Content, Refusal> Acceptor::judge(std::string_view message_type,
                                               std::string_view frame) const {
  const DocumentFormat format = document_format(message_type);
  if (format == DocumentFormat::Unknown)
    return tl::unexpected<Refusal>(
        Refusal{v1::Nack::UNSUPPORTED,
                fmt::format("message type \"{}\": application/json and application/x-protobuf are "
                            "supported",
                            text::repair(message_type.substr(0, 100)))});
  auto content = read_content(frame, format, document_bytes_max_);
  if (!content) {
    BadContent& bad = content.error();
    return tl::unexpected<Refusal>(
        Refusal{nack_code(bad.error.code), std::move(bad.error.message), 0, std::move(bad.id)});
  }
  return std::move(*content);
}

tl::expected<Taken, Refusal> Acceptor::take(const Content& content, std::string_view client,
                                            uint64_t session, uint64_t number) {
  const auto refuse = [&](Refusal refusal) {
    refusal.id = content.id;
    return tl::unexpected<Refusal>(std::move(refusal));
  };
  auto refusal = why_not();
  if (refusal && refusal->code != v1::Nack::NO_SPACE) return refuse(std::move(*refusal));
  newest_us_ = std::max(newest_us_, now_us());
  const auto known =
      content.id.empty() ? std::nullopt : ledger_.find(hash128(content.id), newest_us_);
  if (known && known->content == content.hash) {
    ++counters_.repeats;
    return Taken{known->sequence, true};
  }
  if (refusal) return refuse(std::move(*refusal));

  const std::string_view document = content.bytes();
  record_.set_client(client.data(), client.size());
  record_.set_session(session);
  record_.set_number(number);
  record_.set_accepted_at_us(newest_us_);
  record_.set_revises(known ? known->sequence : 0);
  record_.set_id(content.id.empty() ? given_id(next_) : content.id);
  std::string bytes;
  bytes.reserve(record_.ByteSizeLong() + document.size() + 16);
  record_.AppendToString(&bytes);
  append_document(document, bytes);
  const Result<uint64_t> appended = log_.append(std::move(bytes));
  if (!appended)
    return refuse(retryable(nack_code(appended.error().code), appended.error().message));
  WM_INVARIANT(*appended == next_);
  count(document.size());
  remember(content, next_, false);
  return Taken{next_++, false};
}

Result<uint64_t> Acceptor::retry(uint64_t dead_sequence, const std::string& intake_record) {
  v1::IntakeRecord record;
  const auto fields =
      record.ParseFromString(intake_record) ? fields_in_place(record.document()) : std::nullopt;
  if (!fields)
    return fail(ErrorCode::Malformed, "the record kept of dead letter {} is no IntakeRecord",
                dead_sequence);
  if (const auto refusal = why_not())
    return fail(refusal->code == v1::Nack::NO_SPACE        ? ErrorCode::NoSpace
                : refusal->code == v1::Nack::SHUTTING_DOWN ? ErrorCode::Unavailable
                                                           : ErrorCode::Io,
                "{}", refusal->message);
  if (const auto before = retried_.find(dead_sequence); before != retried_.end())
    return before->second;
  newest_us_ = std::max(newest_us_, now_us());
  record.set_session(0);
  record.set_number(0);  // the session's numbers go on without it
  record.set_accepted_at_us(newest_us_);
  record.set_retries(dead_sequence);
  if (record.first_sequence() == 0) record.set_first_sequence(dead_sequence);
  const auto appended = log_.append(record.SerializeAsString());
  if (!appended) return tl::unexpected<Error>(appended.error());
  WM_INVARIANT(*appended == next_);
  count(record.document().size());
  remember({.id = std::string(fields->id), .hash = content_hash(*fields), .frame = {}}, next_,
           true);
  ++counters_.retries;
  note_retry(dead_sequence, next_);
  return next_++;
}

void Acceptor::note_retry(uint64_t dead_sequence, uint64_t sequence) {
  if (retried_.size() >= kRetriedMax) retried_.erase(retried_.begin());
  retried_[dead_sequence] = sequence;
}

std::optional<Error> Acceptor::look() {
  const Status log = log_.health();
  const Status written = log ? ledger_.health() : log;
  unwritable_ = written ? std::nullopt : std::optional(written.error());
  if (log || log.error().code == ErrorCode::NoSpace) return std::nullopt;
  return log.error();
}

void Acceptor::hold(std::string why) {
  const MutexLock lock(mutex_);
  why_held_ = std::move(why);
  held_ = !why_held_.empty();
}

std::optional<Refusal> Acceptor::why_not() const {
  if (stopping_) return retryable(v1::Nack::SHUTTING_DOWN, "the daemon is shutting down");
  if (unwritable_) return retryable(nack_code(unwritable_->code), unwritable_->message);
  if (!held_) return std::nullopt;
  const MutexLock lock(mutex_);
  return retryable(v1::Nack::NO_SPACE, why_held_);
}

void Acceptor::remember(const Content& content, uint64_t sequence, bool is_retry) {
  if (content.id.empty()) return;
  const Hash128 id = hash128(content.id);
  if (is_retry) {
    // An id that has come with other content since keeps standing for that.
    const auto known = ledger_.find(id, newest_us_);
    if (known && known->content != content.hash) return;
  }
  ledger_.remember(id, {sequence, content.hash, newest_us_});
}

void Acceptor::count(size_t bytes) {
  mark_tail(next_, bytes);
  ++counters_.accepted;
  counters_.accepted_bytes += bytes;
}

void Acceptor::mark_tail(uint64_t sequence, size_t bytes) {
  tail_bytes_ += bytes;
  if (tail_.empty() || sequence - tail_.back().sequence >= 1024 ||
      tail_bytes_ - tail_.back().bytes >= 1 << 20)
    tail_.push_back({sequence, tail_bytes_});
  while (tail_.size() > 1 && (sequence - tail_.front().sequence > kTailRecords ||
                              tail_bytes_ - tail_.front().bytes > kTailBytes))
    tail_.pop_front();
}

}  // namespace wiremill
