#include "daemon/host/recorder.hpp"

#include <fcntl.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "daemon/base/clock.hpp"
#include "daemon/host/answer_checks.hpp"
#include "daemon/host/messages.hpp"
#include "daemon/host/process.hpp"

namespace wiremill {
namespace {

constexpr size_t kLogLineBytesMax = 4096;
constexpr size_t kReasonBytesMax = 1 << 10;
// A scan mostly ends early, so it asks for few entries first and then for more and more.
constexpr uint32_t kScanEntriesFirst = 16, kScanEntriesGrowth = 8, kScanEntriesMax = 1 << 16;

std::string string_of(wm_view view) { return std::string(as_string_view(view)); }

int32_t error_in(const Frame& refused) {
  int32_t error = WM_ERROR_IO;
  std::from_chars(refused.value.data(), refused.value.data() + refused.value.size(), error);
  return error;
}

bool provides_text(const wm_descriptor& descriptor) {
  const char* const* name = descriptor.provided;
  while (*name != nullptr && *name != std::string_view("text")) ++name;
  return *name != nullptr;
}

// A stage may have closed every descriptor; nobody would hear of it any more.
[[noreturn]] void give_up() {
  std::fputs("the descriptors of the stage's process were closed\n", stderr);
  std::abort();
}

}  // namespace

const wm_output Recorder::kOutput = {sizeof(wm_output),
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
const wm_state Recorder::kState = {sizeof(wm_state), 0, &get_many, &put, &remove, &scan};

void tell_daemon(Channel& channel, Handover what, std::string_view outbox) {
  std::copy(outbox.begin(), outbox.end(), channel.outbox());
  channel.control().bytes = static_cast<uint32_t>(outbox.size());
  channel.control().handover = static_cast<uint32_t>(what);
  if (!wake(channel.to_daemon_fd()) || !wait_for_wake(channel.to_child_fd())) give_up();
}

const wm_host* Recorder::host(std::string_view stage, std::string_view plugin_directory) {
  host_ = {sizeof(wm_host),
           WM_ABI_MINOR,
           this,
           {stage.data(), stage.size()},
           {plugin_directory.data(), plugin_directory.size()},
           &log,
           &count,
           &get_extension,
           &gauge,
           &observe,
           &clock_us};
  return &host_;
}

void Recorder::call(const wm_descriptor& descriptor, void* instance, Handover what,
                    const std::vector<const wm_document*>& documents) {
  settling_ = what == Handover::Settle;
  provides_text_ = provides_text(descriptor);
  documents_ = &documents;
  texts_.assign(documents.size(), {});
  has_text_.assign(documents.size(), false);
  changes_bytes_.assign(documents.size(), 0);
  const wm_batch batch = {sizeof(wm_batch),
                          static_cast<uint32_t>(documents.size()),
                          documents.data(),
                          &kOutput,
                          settling_ ? &kState : nullptr,
                          reinterpret_cast<const volatile uint32_t*>(&channel_.control().cancelled),
                          this,
                          deadline_us_};
  const int32_t code =
      settling_ ? descriptor.settle(instance, &batch) : descriptor.process(instance, &batch);
  channel_.control().code = code;
  flush(Handover::Done);
}

std::string_view Recorder::text_of(uint32_t document) const {
  return has_text_[document] ? std::string_view(texts_[document])
                             : as_string_view((*documents_)[document]->text);
}

v1::StageEvent Recorder::event_for(uint32_t document) const {
  v1::StageEvent event;
  event.set_document(document);
  return event;
}

void Recorder::note(const v1::StageEvent& event) {
  note({Frame::Kind::Event, 0, {}, event.SerializeAsString()});
}

void Recorder::note(const Frame& frame) {
  const MutexLock lock(mutex_);
  append_frame(frame, noted_);
}

void Recorder::note_metrics() {
  std::vector<v1::StageEvent> events;
  for (const auto& [name, add] : metrics_.counters()) {
    v1::StageEvent::Count& counted = *events.emplace_back().mutable_count();
    counted.set_name(name);
    counted.set_add(add);
  }
  for (const auto& [name, value] : metrics_.gauges()) {
    v1::StageEvent::Gauge& said = *events.emplace_back().mutable_gauge();
    said.set_name(name);
    said.set_value(value);
  }
  for (const auto& [name, values] : metrics_.histograms()) {
    v1::StageEvent::Observe& observed = *events.emplace_back().mutable_observe();
    observed.set_name(name);
    observed.set_value(values.sum);
    observed.mutable_counts()->Add(values.counts.begin(), values.counts.end());
  }
  for (const v1::StageEvent& event : events)
    append_frame({Frame::Kind::Event, 0, {}, event.SerializeAsString()}, noted_);
  metrics_ = {};
}

void Recorder::flush(Handover what) {
  std::string noted;
  {
    const MutexLock lock(mutex_);
    note_metrics();
    noted.swap(noted_);
  }
  std::string_view rest = noted;
  for (; rest.size() > kOutboxBytes; rest.remove_prefix(kOutboxBytes))
    tell_daemon(channel_, Handover::Events, rest.substr(0, kOutboxBytes));
  tell_daemon(channel_, what, rest);
}

std::string Recorder::ask(const v1::StageEvent& event) {
  note(event);
  flush(Handover::Asked);
  return {channel_.inbox(), std::min<size_t>(channel_.control().bytes, kInboxBytes)};
}

void Recorder::verdict(const wm_batch* batch, uint32_t document, uint32_t kind, wm_view code,
                       wm_view message) {
  Recorder& self = of(batch);
  if (!self.knows(document)) return;
  v1::StageEvent event = self.event_for(document);
  event.mutable_verdict()->set_kind(static_cast<v1::StageEvent::Verdict::Kind>(kind));
  event.mutable_verdict()->set_code(string_of(code).substr(0, kReasonBytesMax));
  event.mutable_verdict()->set_message(string_of(message).substr(0, kReasonBytesMax));
  self.note(event);
}

int32_t Recorder::set_text(const wm_batch* batch, uint32_t document, uint32_t field,
                           wm_view value) {
  Recorder& self = of(batch);
  if (!self.knows(document) || field > WM_TEXT || !is_valid_text(value) ||
      (field == WM_TEXT && !self.provides_text_))
    return WM_ERROR_ARGUMENT;
  const char key = static_cast<char>(field);
  self.note({Frame::Kind::Text, document, {&key, 1}, as_string_view(value)});
  if (field == WM_TEXT) {
    self.texts_[document] = string_of(value);
    self.has_text_[document] = true;
  }
  return WM_ERROR_NONE;
}

int32_t Recorder::set_published(const wm_batch* batch, uint32_t document, int64_t published_us) {
  Recorder& self = of(batch);
  if (!self.knows(document)) return WM_ERROR_ARGUMENT;
  v1::StageEvent event = self.event_for(document);
  event.set_published_us(published_us);
  self.note(event);
  return WM_ERROR_NONE;
}

int32_t Recorder::set_paragraphs(const wm_batch* batch, uint32_t document,
                                 const wm_paragraph* paragraphs, size_t count) {
  Recorder& self = of(batch);
  if (!self.knows(document) || !are_valid({paragraphs, count}, self.text_of(document),
                                          (*self.documents_)[document]->body.size))
    return WM_ERROR_ARGUMENT;
  v1::StageEvent event = self.event_for(document);
  for (size_t i = 0; i < count; ++i) {
    v1::Paragraph& to = *event.mutable_paragraphs()->add_list();
    to.set_begin(paragraphs[i].begin);
    to.set_end(paragraphs[i].end);
    to.set_body_begin(paragraphs[i].body_begin);
    to.set_body_end(paragraphs[i].body_end);
  }
  self.note(event);
  return WM_ERROR_NONE;
}

int32_t Recorder::set_language(const wm_batch* batch, uint32_t document,
                               const wm_language* language) {
  Recorder& self = of(batch);
  if (!self.knows(document) || !is_valid(*language, self.text_of(document)))
    return WM_ERROR_ARGUMENT;
  v1::StageEvent event = self.event_for(document);
  copy(*language, *event.mutable_language());
  self.note(event);
  return WM_ERROR_NONE;
}

int32_t Recorder::set_entities(const wm_batch* batch, uint32_t document, const wm_entity* entities,
                               size_t count) {
  Recorder& self = of(batch);
  if (!self.knows(document) || !are_valid({entities, count}, self.text_of(document)))
    return WM_ERROR_ARGUMENT;
  v1::StageEvent event = self.event_for(document);
  event.mutable_entities();
  for (size_t i = 0; i < count; ++i) copy(entities[i], *event.mutable_entities()->add_list());
  self.note(event);
  return WM_ERROR_NONE;
}

int32_t Recorder::set_duplicate(const wm_batch* batch, uint32_t document,
                                const wm_duplicate* duplicate) {
  Recorder& self = of(batch);
  if (!self.knows(document) || !is_valid(*duplicate)) return WM_ERROR_ARGUMENT;
  v1::StageEvent event = self.event_for(document);
  copy(*duplicate, *event.mutable_duplicate());
  self.note(event);
  return WM_ERROR_NONE;
}

int32_t Recorder::set_summary(const wm_batch* batch, uint32_t document, const wm_summary* summary) {
  Recorder& self = of(batch);
  if (!self.knows(document) || !is_valid(*summary, self.text_of(document)))
    return WM_ERROR_ARGUMENT;
  v1::StageEvent event = self.event_for(document);
  copy(*summary, *event.mutable_summary());
  self.note(event);
  return WM_ERROR_NONE;
}

int32_t Recorder::set_extension(const wm_batch* batch, uint32_t document, wm_view json) {
  Recorder& self = of(batch);
  if (!self.knows(document) || !is_valid_extension(json)) return WM_ERROR_ARGUMENT;
  v1::StageEvent event = self.event_for(document);
  event.set_extension(string_of(json));
  self.note(event);
  return WM_ERROR_NONE;
}

int32_t Recorder::carry(const wm_batch* batch, uint32_t document, wm_view bytes) {
  Recorder& self = of(batch);
  if (self.settling_) return WM_ERROR_PHASE;
  if (!self.knows(document) || bytes.size > kCarryBytesMax) return WM_ERROR_ARGUMENT;
  self.note({Frame::Kind::Carry, document, {}, as_string_view(bytes)});
  return WM_ERROR_NONE;
}

void Recorder::begin(const wm_batch* batch, uint32_t document) {
  Recorder& self = of(batch);
  if (!self.knows(document)) return;
  // Before the next one is blamed for it.
  for (const int fd : {self.channel_.to_daemon_fd(), self.channel_.to_child_fd()})
    if (fcntl(fd, F_GETFD) < 0) give_up();
  self.channel_.control().began_ns = monotonic_ns();
  self.channel_.control().place = place_of(document);
}

// A reply holds as many values as fit; the rest is asked for again.
int32_t Recorder::get_many(const wm_batch* batch, const wm_view* keys, size_t count,
                           wm_found_fn found, void* user) {
  Recorder& self = of(batch);
  if (!self.settling_) return WM_ERROR_PHASE;
  for (size_t done = 0; done < count;) {
    v1::StageEvent event;
    for (size_t i = done; i < count; ++i) event.mutable_get()->add_keys(string_of(keys[i]));
    const std::string answer = self.ask(event);
    FrameReader frames(answer);
    const size_t before = done;
    while (const auto frame = frames.next()) {
      if (frame->kind == Frame::Kind::Refused) return error_in(*frame);
      found(user, done++, view_of(frame->value), frame->kind == Frame::Kind::Found ? 1 : 0);
    }
    WM_INVARIANT(done > before);
  }
  return WM_ERROR_NONE;
}

int32_t Recorder::put(const wm_batch* batch, uint32_t document, wm_view key, wm_view value) {
  return of(batch).note_change(Frame::Kind::Put, document, key, value);
}

int32_t Recorder::remove(const wm_batch* batch, uint32_t document, wm_view key) {
  return of(batch).note_change(Frame::Kind::Remove, document, key, {});
}

int32_t Recorder::note_change(Frame::Kind kind, uint32_t document, wm_view key, wm_view value) {
  if (!settling_) return WM_ERROR_PHASE;
  if (!knows(document) || key.size > kStateKeyBytesMax || value.size > kStateValueBytesMax ||
      changes_bytes_[document] > kChangesBytesMax)
    return WM_ERROR_ARGUMENT;
  changes_bytes_[document] += change_bytes(key.size, value.size);
  note({kind, document, as_string_view(key), as_string_view(value)});
  return changes_bytes_[document] > kChangesBytesMax ? WM_ERROR_ARGUMENT : WM_ERROR_NONE;
}

int32_t Recorder::scan(const wm_batch* batch, wm_view prefix, wm_view from, wm_scanned_fn scanned,
                       void* user) {
  Recorder& self = of(batch);
  if (!self.settling_) return WM_ERROR_PHASE;
  std::string next = string_of(from);
  for (uint32_t entries = kScanEntriesFirst;;
       entries = std::min(entries * kScanEntriesGrowth, kScanEntriesMax)) {
    v1::StageEvent event;
    event.mutable_scan()->set_prefix(string_of(prefix));
    event.mutable_scan()->set_from(next);
    event.mutable_scan()->set_entries_max(entries);
    const std::string answer = self.ask(event);
    FrameReader frames(answer);
    bool more = false;
    while (const auto frame = frames.next()) {
      if (frame->kind == Frame::Kind::Refused) return error_in(*frame);
      more = frame->kind == Frame::Kind::More;
      if (more) break;
      if (scanned(user, view_of(frame->key), view_of(frame->value)) == 0) return WM_ERROR_NONE;
      next.assign(frame->key) += '\0';  // the least key behind it
    }
    if (!more) return WM_ERROR_NONE;
  }
}

void Recorder::log(const wm_host* host, uint32_t level, wm_view message) {
  v1::StageEvent event;
  event.mutable_log()->set_level(static_cast<v1::StageEvent::Log::Level>(level));
  event.mutable_log()->set_message(string_of(message).substr(0, kLogLineBytesMax));
  static_cast<Recorder*>(host->host_data)->note(event);
}

void Recorder::count(const wm_host* host, wm_view name, uint64_t add) {
  Recorder& self = *static_cast<Recorder*>(host->host_data);
  const MutexLock lock(self.mutex_);
  self.metrics_.count(as_string_view(name), add);
}

void Recorder::gauge(const wm_host* host, wm_view name, double value) {
  Recorder& self = *static_cast<Recorder*>(host->host_data);
  const MutexLock lock(self.mutex_);
  self.metrics_.gauge(as_string_view(name), value);
}

void Recorder::observe(const wm_host* host, wm_view name, double value) {
  Recorder& self = *static_cast<Recorder*>(host->host_data);
  const MutexLock lock(self.mutex_);
  self.metrics_.observe(as_string_view(name), value);
}

int64_t Recorder::clock_us(const wm_host*) { return monotonic_ns() / 1000; }

const void* Recorder::get_extension(const wm_host*, const char*) { return nullptr; }

}  // namespace wiremill
