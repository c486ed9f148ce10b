// See stage_call.hpp. A little longer than most files: the host's functions, one for each row of
// wm_output and wm_state, and the verdicts that decide what becomes of what they gathered.
#include "daemon/pipeline/stage_call.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "daemon/host/answer_checks.hpp"
#include "daemon/host/messages.hpp"
#include "daemon/pipeline/document_view.hpp"
#include "daemon/text/utf8.hpp"

namespace wiremill {
namespace {

constexpr size_t kReasonBytesMax = 1 << 10;

// What a plugin said about one document in one call.
struct Answer {
  uint32_t verdict = WM_OK;
  std::string code, message;
  v1::Result patch;     // only the fields that were set
  Annotations set = 0;  // which ones
  std::optional<std::string> carry;
  std::vector<FlightChange> changes;
};

class Call {
 public:
  Call(const LineStage& stage, std::vector<Flight*> flights, StateStore* state);

  // Runs the stage once over all documents. False: the stage gave up the batch as a whole.
  bool run();
  const Answer& answer(size_t index) const { return answers_[index]; }
  // An error that is not the documents': of the state store (the stage was told WM_ERROR_IO), or a
  // stage that is broken.
  const Status& status() const { return status_; }
  // Takes over what was said about a document whose verdict is WM_OK.
  void apply(size_t index);
  // Enters the changes of a document into the state store and its record.
  void keep_changes(size_t index);

 private:
  static Call& of(const wm_batch* batch) { return *static_cast<Call*>(batch->host_data); }
  Answer* at(uint32_t index) { return index < answers_.size() ? &answers_[index] : nullptr; }
  std::string_view text_of(uint32_t index) const;
  int32_t change(uint32_t index, wm_view key, std::optional<wm_view> value);
  void rebuild_overlay();

  static void verdict(const wm_batch*, uint32_t, uint32_t, wm_view, wm_view);
  static int32_t set_text(const wm_batch*, uint32_t, uint32_t, wm_view);
  static int32_t set_published(const wm_batch*, uint32_t, int64_t);
  static int32_t set_paragraphs(const wm_batch*, uint32_t, const wm_paragraph*, size_t);
  static int32_t set_language(const wm_batch*, uint32_t, const wm_language*);
  static int32_t set_entities(const wm_batch*, uint32_t, const wm_entity*, size_t);
  static int32_t set_duplicate(const wm_batch*, uint32_t, const wm_duplicate*);
  static int32_t set_summary(const wm_batch*, uint32_t, const wm_summary*);
  static int32_t set_extension(const wm_batch*, uint32_t, wm_view);
  static int32_t carry(const wm_batch*, uint32_t, wm_view);
  static void begin(const wm_batch*, uint32_t) {}
  static int32_t get_many(const wm_batch*, const wm_view*, size_t, wm_found_fn, void*);
  static int32_t put(const wm_batch*, uint32_t, wm_view, wm_view);
  static int32_t remove(const wm_batch*, uint32_t, wm_view);
  static int32_t scan(const wm_batch*, wm_view, wm_view, wm_scanned_fn, void*);
  static const wm_output kOutput;
  static const wm_state kState;

  const LineStage& stage_;
  std::vector<Flight*> flights_;
  StateStore* state_;  // null in process
  Status status_;
  std::deque<DocumentView> views_;
  std::vector<const wm_document*> documents_;
  std::vector<Answer> answers_;
  // What this call wrote so far, for its own reads; nullopt is a removal.
  std::map<std::string, std::optional<std::string>, std::less<>> overlay_;
};

const wm_output Call::kOutput = {sizeof(wm_output),
                                 0,
                                 &verdict,
                                 &set_text,
                                 &set_published,
                                 &set_paragraphs,
                                 &set_language,
                                 &set_entities,
                                 &set_duplicate,
                                 &set_summary,
                                 &set_extension,
                                 &carry,
                                 &begin};
const wm_state Call::kState = {sizeof(wm_state), 0, &get_many, &put, &remove, &scan};

Call::Call(const LineStage& stage, std::vector<Flight*> flights, StateStore* state)
    : stage_(stage), flights_(std::move(flights)), state_(state), answers_(flights_.size()) {
  for (const Flight* flight : flights_) {
    views_.emplace_back(*flight, stage.wanted);
    documents_.push_back(views_.back().get());
  }
}

bool Call::run() {
  static constexpr volatile uint32_t kNotCancelled = 0;
  const wm_batch batch = {sizeof(wm_batch),
                          static_cast<uint32_t>(flights_.size()),
                          documents_.data(),
                          &kOutput,
                          state_ == nullptr ? nullptr : &kState,
                          &kNotCancelled,
                          this};
  const int32_t error =
      state_ == nullptr ? stage_.stage->process(batch) : stage_.stage->settle(batch);
  if (error == 0) return true;
  if (error == kStageBroken)
    status_ = fail(ErrorCode::Unavailable, "the stage '{}' is broken and stops the line: {}",
                   stage_.stage->name(), stage_.stage->trouble());
  for (Answer& answer : answers_) {
    answer = {};
    answer.verdict = WM_FAILED;
    answer.message = fmt::format("the stage gave up with {}", error);
  }
  return false;
}

void Call::apply(size_t index) {
  Answer& answer = answers_[index];
  v1::Result& result = flights_[index]->result;
  v1::Result& patch = answer.patch;
  if ((answer.set & kTitle) != 0) result.mutable_title()->swap(*patch.mutable_title());
  if ((answer.set & kByline) != 0) result.mutable_byline()->swap(*patch.mutable_byline());
  if ((answer.set & kDateline) != 0) result.mutable_dateline()->swap(*patch.mutable_dateline());
  if ((answer.set & kText) != 0) {
    result.mutable_text()->swap(*patch.mutable_text());
    result.clear_paragraphs();
  }
  if ((answer.set & kPublished) != 0) result.set_published_us(patch.published_us());
  if ((answer.set & kParagraphs) != 0)
    result.mutable_paragraphs()->Swap(patch.mutable_paragraphs());
  if ((answer.set & kLanguage) != 0) result.mutable_language()->Swap(patch.mutable_language());
  if ((answer.set & kEntities) != 0) result.mutable_entities()->Swap(patch.mutable_entities());
  if ((answer.set & kDuplicate) != 0) result.mutable_duplicate()->Swap(patch.mutable_duplicate());
  if ((answer.set & kSummary) != 0) result.mutable_summary()->Swap(patch.mutable_summary());
  if ((answer.set & kExtensions) != 0) {
    auto& extensions = *result.mutable_extensions();
    const std::string& name = patch.extensions(0).name();
    const auto place =
        std::lower_bound(extensions.begin(), extensions.end(), name,
                         [](const v1::Extension& extension, const std::string& value) {
                           return extension.name() < value;
                         });
    if (place != extensions.end() && place->name() == name) {
      place->Swap(patch.mutable_extensions(0));
    } else {
      const auto at = static_cast<int>(place - extensions.begin());
      extensions.Add()->Swap(patch.mutable_extensions(0));
      for (int i = extensions.size() - 1; i > at; --i) extensions.SwapElements(i, i - 1);
    }
  }
  if (answer.carry) flights_[index]->carry = std::move(*answer.carry);
}

void Call::keep_changes(size_t index) {
  Flight& flight = *flights_[index];
  for (FlightChange& change : answers_[index].changes) {
    state_->write(change.space, change.key,
                  change.removed ? std::nullopt : std::optional<std::string_view>(change.value),
                  flight.sequence());
    flight.changes.push_back(std::move(change));
  }
}

std::string_view Call::text_of(uint32_t index) const {
  const Answer& answer = answers_[index];
  return (answer.set & kText) != 0 ? answer.patch.text() : flights_[index]->result.text();
}

void Call::verdict(const wm_batch* batch, uint32_t index, uint32_t kind, wm_view code,
                   wm_view message) {
  Call& call = of(batch);
  Answer* answer = call.at(index);
  if (answer == nullptr) return;
  answer->verdict = kind <= WM_FAILED ? kind : static_cast<uint32_t>(WM_FAILED);
  answer->code = text::repair(as_string_view(code).substr(0, kReasonBytesMax));
  answer->message = text::repair(as_string_view(message).substr(0, kReasonBytesMax));
  if (answer->verdict <= WM_DROP) return;
  answer->patch.Clear();
  answer->set = 0;
  answer->carry.reset();
  if (answer->changes.empty()) return;
  answer->changes.clear();
  call.rebuild_overlay();
}

int32_t Call::set_text(const wm_batch* batch, uint32_t index, uint32_t field, wm_view value) {
  Answer* answer = of(batch).at(index);
  if (answer == nullptr || !is_valid_text(value)) return WM_ERROR_ARGUMENT;
  const std::string_view text = as_string_view(value);
  switch (field) {
    case WM_TITLE:
      answer->patch.set_title(std::string(text));
      answer->set |= kTitle;
      break;
    case WM_BYLINE:
      answer->patch.set_byline(std::string(text));
      answer->set |= kByline;
      break;
    case WM_DATELINE:
      answer->patch.set_dateline(std::string(text));
      answer->set |= kDateline;
      break;
    case WM_TEXT:
      answer->patch.set_text(std::string(text));
      answer->set |= kText;
      break;
    default: return WM_ERROR_ARGUMENT;
  }
  return WM_ERROR_NONE;
}

int32_t Call::set_published(const wm_batch* batch, uint32_t index, int64_t published_us) {
  Answer* answer = of(batch).at(index);
  if (answer == nullptr) return WM_ERROR_ARGUMENT;
  answer->patch.set_published_us(published_us);
  answer->set |= kPublished;
  return WM_ERROR_NONE;
}

int32_t Call::set_paragraphs(const wm_batch* batch, uint32_t index, const wm_paragraph* paragraphs,
                             size_t count) {
  Call& call = of(batch);
  Answer* answer = call.at(index);
  if (answer == nullptr || !are_valid({paragraphs, count}, call.text_of(index),
                                      call.flights_[index]->document.body().size()))
    return WM_ERROR_ARGUMENT;
  answer->patch.clear_paragraphs();
  for (size_t i = 0; i < count; ++i) {
    v1::Paragraph& to = *answer->patch.add_paragraphs();
    to.set_begin(paragraphs[i].begin);
    to.set_end(paragraphs[i].end);
    to.set_body_begin(paragraphs[i].body_begin);
    to.set_body_end(paragraphs[i].body_end);
  }
  answer->set |= kParagraphs;
  return WM_ERROR_NONE;
}

int32_t Call::set_language(const wm_batch* batch, uint32_t index, const wm_language* language) {
  Call& call = of(batch);
  Answer* answer = call.at(index);
  if (answer == nullptr || !is_valid(*language, call.text_of(index))) return WM_ERROR_ARGUMENT;
  copy(*language, *answer->patch.mutable_language());
  answer->set |= kLanguage;
  return WM_ERROR_NONE;
}

int32_t Call::set_entities(const wm_batch* batch, uint32_t index, const wm_entity* entities,
                           size_t count) {
  Call& call = of(batch);
  Answer* answer = call.at(index);
  if (answer == nullptr || !are_valid({entities, count}, call.text_of(index)))
    return WM_ERROR_ARGUMENT;
  answer->patch.clear_entities();
  for (size_t i = 0; i < count; ++i) copy(entities[i], *answer->patch.add_entities());
  answer->set |= kEntities;
  return WM_ERROR_NONE;
}

int32_t Call::set_duplicate(const wm_batch* batch, uint32_t index, const wm_duplicate* duplicate) {
  Answer* answer = of(batch).at(index);
  if (answer == nullptr || !is_valid(*duplicate)) return WM_ERROR_ARGUMENT;
  copy(*duplicate, *answer->patch.mutable_duplicate());
  answer->set |= kDuplicate;
  return WM_ERROR_NONE;
}

int32_t Call::set_summary(const wm_batch* batch, uint32_t index, const wm_summary* summary) {
  Call& call = of(batch);
  Answer* answer = call.at(index);
  if (answer == nullptr || !is_valid(*summary, call.text_of(index))) return WM_ERROR_ARGUMENT;
  copy(*summary, *answer->patch.mutable_summary());
  answer->set |= kSummary;
  return WM_ERROR_NONE;
}

int32_t Call::set_extension(const wm_batch* batch, uint32_t index, wm_view json) {
  Call& call = of(batch);
  Answer* answer = call.at(index);
  if (answer == nullptr || !is_valid_extension(json)) return WM_ERROR_ARGUMENT;
  answer->patch.clear_extensions();
  v1::Extension& extension = *answer->patch.add_extensions();
  extension.set_name(call.stage_.stage->descriptor().id);
  extension.set_json(std::string(as_string_view(json)));
  answer->set |= kExtensions;
  return WM_ERROR_NONE;
}

int32_t Call::carry(const wm_batch* batch, uint32_t index, wm_view bytes) {
  Call& call = of(batch);
  if (call.state_ != nullptr) return WM_ERROR_PHASE;
  Answer* answer = call.at(index);
  if (answer == nullptr || bytes.size > kCarryBytesMax) return WM_ERROR_ARGUMENT;
  answer->carry.emplace(as_string_view(bytes));
  return WM_ERROR_NONE;
}

int32_t Call::get_many(const wm_batch* batch, const wm_view* keys, size_t count, wm_found_fn found,
                       void* user) {
  Call& call = of(batch);
  if (call.state_ == nullptr) return WM_ERROR_PHASE;
  std::vector<std::string_view> wanted;
  wanted.reserve(count);
  for (size_t i = 0; i < count; ++i) wanted.push_back(as_string_view(keys[i]));
  std::vector<std::optional<std::string>> values;
  if (Status status = call.state_->get_many(call.stage_.space, wanted, values); !status) {
    call.status_ = std::move(status);
    return WM_ERROR_IO;
  }
  for (size_t i = 0; i < count; ++i) {
    const auto own = call.overlay_.find(wanted[i]);
    const std::optional<std::string>& value = own != call.overlay_.end() ? own->second : values[i];
    found(user, i, value ? wm_view{value->data(), value->size()} : wm_view{nullptr, 0},
          value.has_value());
  }
  return WM_ERROR_NONE;
}

int32_t Call::change(uint32_t index, wm_view key, std::optional<wm_view> value) {
  if (state_ == nullptr) return WM_ERROR_PHASE;
  Answer* answer = at(index);
  if (answer == nullptr || key.size > kStateKeyBytesMax ||
      (value && value->size > kStateValueBytesMax))
    return WM_ERROR_ARGUMENT;
  std::optional<std::string> kept;
  if (value) kept.emplace(as_string_view(*value));
  answer->changes.push_back(
      {stage_.space, std::string(as_string_view(key)), !value.has_value(), kept.value_or("")});
  overlay_.insert_or_assign(std::string(as_string_view(key)), std::move(kept));
  return WM_ERROR_NONE;
}

int32_t Call::put(const wm_batch* batch, uint32_t index, wm_view key, wm_view value) {
  return of(batch).change(index, key, value);
}

int32_t Call::remove(const wm_batch* batch, uint32_t index, wm_view key) {
  return of(batch).change(index, key, std::nullopt);
}

int32_t Call::scan(const wm_batch* batch, wm_view prefix, wm_view from, wm_scanned_fn scanned,
                   void* user) {
  Call& call = of(batch);
  if (call.state_ == nullptr) return WM_ERROR_PHASE;
  const std::string_view wanted = as_string_view(prefix);
  auto own = call.overlay_.lower_bound(std::max(wanted, as_string_view(from)));
  bool go_on = true;
  // Hands out this call's own keys below `limit` (all that are left where there is none).
  const auto own_until = [&](std::optional<std::string_view> limit) {
    for (; go_on && own != call.overlay_.end() && own->first.starts_with(wanted) &&
           (!limit || own->first < *limit);
         ++own)
      if (own->second)
        go_on = scanned(user, {own->first.data(), own->first.size()},
                        {own->second->data(), own->second->size()}) != 0;
  };
  Status status = call.state_->scan(
      call.stage_.space, wanted, as_string_view(from),
      [&](std::string_view key, std::string_view value) {
        own_until(key);
        if (!go_on) return false;
        const bool replaced = own != call.overlay_.end() && own->first == key;
        if (!replaced)
          go_on = scanned(user, {key.data(), key.size()}, {value.data(), value.size()}) != 0;
        return go_on;
      });
  if (!status) {
    call.status_ = std::move(status);
    return WM_ERROR_IO;
  }
  own_until(std::nullopt);
  return WM_ERROR_NONE;
}

void Call::rebuild_overlay() {
  overlay_.clear();
  for (const Answer& answer : answers_)
    for (const FlightChange& change : answer.changes)
      overlay_.insert_or_assign(
          change.key, change.removed ? std::nullopt : std::optional<std::string>(change.value));
}

std::vector<Flight*> still_in_line(std::span<Flight> flights) {
  std::vector<Flight*> list;
  for (Flight& flight : flights)
    if (flight.in_line()) list.push_back(&flight);
  return list;
}

// Those that are in the line and that the stage does not leave out.
std::vector<Flight*> not_left_out(std::span<Flight> flights) {
  std::vector<Flight*> list = still_in_line(flights);
  std::erase_if(list, [](const Flight* flight) { return flight->left_out; });
  return list;
}

// Before process: whom the stage's condition leaves out, and what an error in settle goes back to.
void prepare(const LineStage& stage, std::span<Flight> flights) {
  for (Flight* flight : still_in_line(flights)) {
    flight->left_out = stage.when && !stage.when->holds(*flight);
    if (!flight->left_out && stage.skipped_errors != nullptr && stage.stage->settles())
      flight->before =
          std::make_unique<FlightBefore>(FlightBefore{flight->result, flight->provided});
  }
}

// Ends the flight, or lets it go on without the stage.
void leave(Flight& flight, const LineStage& stage, const Answer& answer, uint32_t attempts) {
  const bool dropped = answer.verdict == WM_DROP;
  std::string_view code = answer.code;
  if (code.empty())
    code = dropped ? "DROPPED" : answer.verdict == WM_BAD_DOCUMENT ? "BAD_DOCUMENT" : "FAILED";
  if (!dropped && stage.skipped_errors != nullptr) {
    stage.skipped_errors->note(flight.sequence(), code, answer.message);
    flight.left_out = true;
    return;
  }
  flight.leave(dropped ? v1::Result::DROPPED : v1::Result::DEAD, stage.stage->name(), code,
               answer.message, attempts);
}

// What the verdict of process means for one document. False: to be tried again.
bool finish_process(const LineStage& stage, Call& call, size_t index, Flight& flight,
                    uint32_t attempt) {
  const Answer& answer = call.answer(index);
  const bool may_try_again = answer.verdict == WM_RETRY || answer.verdict == WM_FAILED;
  if (may_try_again && attempt < stage.attempts_max) return false;
  if (answer.verdict == WM_OK) call.apply(index);
  if (answer.verdict > WM_SKIP) leave(flight, stage, answer, attempt);
  return true;
}

void finish_settle(const LineStage& stage, Call& call, size_t index, Flight& flight) {
  const Answer& answer = call.answer(index);
  if (answer.verdict <= WM_DROP) call.keep_changes(index);
  if (answer.verdict == WM_OK) call.apply(index);
  if (answer.verdict > WM_SKIP) leave(flight, stage, answer, 1);
  if (flight.left_out) {
    flight.before->result.mutable_timings()->Swap(flight.result.mutable_timings());
    flight.result.Swap(&flight.before->result);
    flight.provided = flight.before->provided;
  }
  flight.before.reset();
  flight.carry.clear();
}

Status process(const LineStage& stage, const std::vector<Flight*>& list) {
  Call batch(stage, list, nullptr);
  batch.run();
  WM_TRY(batch.status());
  for (size_t i = 0; i < list.size(); ++i) {
    bool finished = finish_process(stage, batch, i, *list[i], 1);
    for (uint32_t attempt = 2; !finished; ++attempt) {
      Call alone(stage, {list[i]}, nullptr);
      alone.run();
      WM_TRY(alone.status());
      finished = finish_process(stage, alone, 0, *list[i], attempt);
    }
  }
  return {};
}

}  // namespace

Status call_process(const LineStage& stage, std::span<Flight> flights) {
  prepare(stage, flights);
  if (const std::vector<Flight*> list = not_left_out(flights); !list.empty())
    WM_TRY(process(stage, list));
  for (Flight& flight : flights) {
    if (flight.in_line() && !flight.left_out)
      flight.provided |= stage.provided;
    else
      flight.before.reset();
  }
  return {};
}

Status call_settle(const LineStage& stage, std::span<Flight> flights, StateStore& state) {
  const std::vector<Flight*> list = not_left_out(flights);
  if (list.empty()) return {};
  Call batch(stage, list, &state);
  const bool answered = batch.run();
  WM_TRY(batch.status());
  if (answered || list.size() == 1) {
    for (size_t i = 0; i < list.size(); ++i) finish_settle(stage, batch, i, *list[i]);
    return {};
  }
  // The stage gave up the batch as a whole: find out for which document.
  for (Flight* flight : list) {
    Call alone(stage, {flight}, &state);
    alone.run();
    WM_TRY(alone.status());
    finish_settle(stage, alone, 0, *flight);
  }
  return {};
}

}  // namespace wiremill
