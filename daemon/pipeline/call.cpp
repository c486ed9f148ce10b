#include "daemon/pipeline/call.hpp"

#include <algorithm>
#include <utility>

#include "daemon/host/messages.hpp"
#include "daemon/text/utf8.hpp"

namespace wiremill {
namespace {

constexpr size_t kReasonBytesMax = 1 << 10;

// Whatever has spans in the text.
constexpr Annotations kOfText = kParagraphs | kSentences | kLanguage | kEntities | kSummary;

// Of a text that goes, what was said of it before.
void forget_text(Flight& flight) {
  flight.segmentation = {};
  flight.provided &= ~kOfText | kLanguage;
  flight.result.clear_paragraphs();
  flight.result.clear_sentences();
  flight.result.clear_entities();
  flight.result.clear_summary();
  if (flight.result.has_language()) flight.result.mutable_language()->clear_spans();
}

}  // namespace

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

Call::Call(const LineStage& stage, std::vector<Flight*> flights, StateStore* state, int64_t left_ns)
    : stage_(stage),
      flights_(std::move(flights)),
      state_(state),
      scope_(*stage.calls, flights_.size(), left_ns),
      answers_(flights_.size()) {
  for (const Flight* flight : flights_) {
    views_.emplace_back(*flight, stage.wanted);
    documents_.push_back(views_.back().get());
  }
}

bool Call::run() {
  const wm_batch batch = {sizeof(wm_batch),
                          static_cast<uint32_t>(flights_.size()),
                          documents_.data(),
                          &kOutput,
                          state_ == nullptr ? nullptr : &kState,
                          scope_.flag(),
                          this,
                          stage_.deadline_ms * 1000};
  const int32_t error =
      state_ == nullptr ? stage_.stage->process(batch) : stage_.stage->settle(batch);
  scope_.end();
  if (scope_.is_stopped()) status_ = fail(ErrorCode::Unavailable, "the line stops");
  if (scope_.is_cancelled()) return false;
  if (error == 0) return true;
  if (error == kStageBroken)
    status_ = fail(ErrorCode::Unavailable, "the stage '{}' is broken and stops the line: {}",
                   stage_.stage->name(), stage_.stage->trouble());
  for (Answer& answer : answers_) {
    if (answer.is_over_limit()) continue;
    answer = {};
    answer.verdict = WM_FAILED;
    answer.message = fmt::format("the stage gave up with {}", error);
  }
  return false;
}

void Call::apply(size_t index) {
  Answer& answer = answers_[index];
  flights_[index]->said_bytes += static_cast<int64_t>(
      answer.patch.ByteSizeLong() + (answer.carry ? answer.carry->size() : 0));
  v1::Result& result = flights_[index]->result;
  v1::Result& patch = answer.patch;
  if ((answer.set & kTitle) != 0) result.mutable_title()->swap(*patch.mutable_title());
  if ((answer.set & kByline) != 0) result.mutable_byline()->swap(*patch.mutable_byline());
  if ((answer.set & kDateline) != 0) result.mutable_dateline()->swap(*patch.mutable_dateline());
  if ((answer.set & kText) != 0) {
    forget_text(*flights_[index]);
    result.mutable_text()->swap(*patch.mutable_text());
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
  flight.said_bytes += static_cast<int64_t>(answers_[index].changes_bytes);
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
  if (answer == nullptr || answer->is_over_limit()) return;
  call.decide(*answer, kind <= WM_FAILED ? kind : static_cast<uint32_t>(WM_FAILED),
              as_string_view(code), as_string_view(message));
}

void Call::decide(Answer& answer, uint32_t verdict, std::string_view code,
                  std::string_view message) {
  answer.verdict = verdict;
  answer.code = text::repair(code.substr(0, kReasonBytesMax));
  answer.message = text::repair(message.substr(0, kReasonBytesMax));
  if (answer.verdict <= WM_DROP) return;
  answer.patch.Clear();
  answer.set = 0;
  answer.carry.reset();
  if (!answer.is_over_limit()) answer.changes_bytes = 0;
  if (answer.changes.empty()) return;
  answer.changes.clear();
  rebuild_overlay();
}

int32_t Call::set_text(const wm_batch* batch, uint32_t index, uint32_t field, wm_view value) {
  Call& call = of(batch);
  Answer* answer = call.at(index);
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
      // The order of the line, and when sentences are made, go by who provides it.
      if ((call.stage_.provided & kText) == 0) return WM_ERROR_ARGUMENT;
      answer->patch.set_text(std::string(text));
      answer->set = (answer->set & ~kOfText) | kText;
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

void Call::begin(const wm_batch* batch, uint32_t index) { of(batch).scope_.begin(index); }

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
      (value && value->size > kStateValueBytesMax) || answer->is_over_limit())
    return WM_ERROR_ARGUMENT;
  answer->changes_bytes += change_bytes(key.size, value ? value->size : 0);
  if (answer->is_over_limit()) {
    decide(*answer, WM_BAD_DOCUMENT, "TOO_LARGE",
           fmt::format("changed more than {} MiB of the stage's state", kChangesBytesMax >> 20));
    return WM_ERROR_ARGUMENT;
  }
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

}  // namespace wiremill
