// wiremill/stage.hpp: the C++ face of plugin.h. Header only, C++20, no dependency but the standard
// library. A stage is one class:
//
//   struct Shout {
//     static constexpr wm_option kOptions[] = {
//         {"mark", WM_OPTION_STRING, 0, "!", "What to add.", 0, 0}, {}};
//     static constexpr wiremill::StageInfo kInfo = {
//         .id = "org.example.shout", .version = "1.0.0", .summary = "Adds a mark to the title.",
//         .required = {"title"}, .provided = {"extensions.org.example.shout"}, .options =
//         kOptions};
//
//     Shout(const wiremill::Host& host, const wiremill::Options& options);
//     wiremill::Verdict process(const wiremill::Document& document, wiremill::Output& output)
//     const;
//   };
//   WIREMILL_STAGE(Shout)
//
// `process` is called on several threads at once on one object, hence const. A stage with state
// also has
//
//     wiremill::Verdict settle(const wiremill::Document&, wiremill::Output&, wiremill::State&);
// or, to fetch the keys of a whole batch in one step,
//     void settle(wiremill::Batch& batch);
//
// called for documents in ascending sequence, one call at a time. An exception thrown from the
// constructor is a configuration error; from process or settle it is WM_FAILED for that document
// (for settle(Batch&): for the whole batch). Views are valid until the call returns. Thread tags
// and the meaning of everything: plugin.h.
#ifndef WIREMILL_STAGE_HPP_
#define WIREMILL_STAGE_HPP_

#include <wiremill/plugin.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace wiremill {

inline std::string_view to_string_view(wm_view view) {
  return view.size == 0 ? std::string_view{} : std::string_view{view.data, view.size};
}
inline wm_view to_view(std::string_view text) { return {text.data(), text.size()}; }

// A list of at most 15 names for StageInfo.
struct Names {
  std::array<const char*, 16> list{};
  constexpr Names() = default;
  constexpr Names(std::initializer_list<const char*> names) {
    size_t i = 0;
    for (const char* name : names) list.at(i++) = name;
    if (i == list.size()) throw std::length_error("at most 15 names");
  }
};

struct StageInfo {
  const char* id = nullptr;
  const char* version = nullptr;
  const char* summary = nullptr;
  Names required{}, used{}, provided{};
  const wm_option* options = nullptr;
  uint32_t state_version = 1;
};

struct Verdict {
  uint32_t kind = WM_OK;
  std::string code, message;

  static Verdict ok() { return {}; }
  static Verdict skip() { return {WM_SKIP, {}, {}}; }
  static Verdict drop(std::string code, std::string message) {
    return {WM_DROP, std::move(code), std::move(message)};
  }
  static Verdict retry(std::string message) { return {WM_RETRY, "RETRY", std::move(message)}; }
  static Verdict bad_document(std::string code, std::string message) {
    return {WM_BAD_DOCUMENT, std::move(code), std::move(message)};
  }
  static Verdict failed(std::string code, std::string message) {
    return {WM_FAILED, std::move(code), std::move(message)};
  }
};

// The host: log, metrics and clock. Copies refer to the same host.
class Host {
 public:
  explicit Host(const wm_host* host) : host_(host) {}
  std::string_view stage() const { return to_string_view(host_->stage); }
  std::string_view plugin_dir() const { return to_string_view(host_->plugin_dir); }
  void debug(std::string_view message) const { host_->log(host_, WM_LOG_DEBUG, to_view(message)); }
  void info(std::string_view message) const { host_->log(host_, WM_LOG_INFO, to_view(message)); }
  void warn(std::string_view message) const { host_->log(host_, WM_LOG_WARNING, to_view(message)); }
  void error(std::string_view message) const { host_->log(host_, WM_LOG_ERROR, to_view(message)); }
  void count(std::string_view name, uint64_t add = 1) const {
    host_->count(host_, to_view(name), add);
  }
  // The value of a gauge, and one more of a histogram; hosts before ABI 1.3 have neither and drop it.
  void gauge(std::string_view name, double value) const {
    if (has_metrics_and_clock()) host_->gauge(host_, to_view(name), value);
  }
  void observe(std::string_view name, double value) const {
    if (has_metrics_and_clock()) host_->observe(host_, to_view(name), value);
  }
  // To measure; results must not depend on it. Never goes backwards, begins anywhere.
  int64_t clock_us() const {
    if (has_metrics_and_clock()) return host_->clock_us(host_);
    const auto now = std::chrono::steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
  }
  const wm_host* raw() const { return host_; }

 private:
  bool has_metrics_and_clock() const {  // they came together
    return host_->struct_size >= offsetof(wm_host, clock_us) + sizeof(wm_host::clock_us);
  }
  const wm_host* host_;
};

// The resolved options, by name. Asking for a name that is not in the table throws.
class Options {
 public:
  Options(const wm_option_value* values, size_t count) : values_(values, count) {}
  bool flag(std::string_view name) const { return find(name).integer != 0; }
  int64_t integer(std::string_view name) const { return find(name).integer; }  // also ms and bytes
  double number(std::string_view name) const { return find(name).number; }
  std::string text(std::string_view name) const {
    return std::string(to_string_view(find(name).text));
  }
  std::vector<std::string> texts(std::string_view name) const {
    std::vector<std::string> list;
    const wm_option_value& value = find(name);
    for (size_t i = 0; i < value.texts_count; ++i)
      list.emplace_back(to_string_view(value.texts[i]));
    return list;
  }

 private:
  const wm_option_value& find(std::string_view name) const {
    for (const wm_option_value& value : values_)
      if (to_string_view(value.name) == name) return value;
    throw std::logic_error("no option '" + std::string(name) + "' in the table");
  }
  std::span<const wm_option_value> values_;
};

// One document of a batch, read only.
class Document {
 public:
  explicit Document(const wm_document* document) : document_(document) {}
  uint64_t sequence() const { return document_->sequence; }
  // Of a document that died and is tried again: under which it first came. Else its sequence; hosts
  // before ABI 1.1 do not tell.
  uint64_t first_sequence() const {
    constexpr size_t kEnd = offsetof(wm_document, first_sequence) + sizeof(uint64_t);
    return document_->struct_size >= kEnd ? document_->first_sequence : document_->sequence;
  }
  int64_t accepted_at_us() const { return document_->accepted_at_us; }
  std::string_view id() const { return to_string_view(document_->id); }
  std::string_view source() const { return to_string_view(document_->source); }
  std::string_view uri() const { return to_string_view(document_->uri); }
  std::string_view content_type() const { return to_string_view(document_->content_type); }
  std::string_view body() const { return to_string_view(document_->body); }
  std::string_view title() const { return to_string_view(document_->title); }
  std::string_view text() const { return to_string_view(document_->text); }
  std::string_view text(wm_span span) const {
    return text().substr(span.begin, span.end - span.begin);
  }
  std::optional<int64_t> published_us() const {
    if (document_->published_us == WM_NO_TIME) return std::nullopt;
    return document_->published_us;
  }
  std::span<const wm_span> sentences() const {
    return {document_->sentences, document_->sentences_count};
  }
  std::span<const wm_token> tokens() const { return {document_->tokens, document_->tokens_count}; }
  std::string_view language() const { return to_string_view(document_->language.code); }
  std::span<const wm_entity> entities() const {
    return {document_->entities, document_->entities_count};
  }
  std::string_view carry() const { return to_string_view(document_->carry); }
  std::optional<std::string_view> attribute(std::string_view name) const {
    for (size_t i = 0; i < document_->attributes_count; ++i)
      if (to_string_view(document_->attributes[i].name) == name)
        return to_string_view(document_->attributes[i].value);
    return std::nullopt;
  }
  const wm_document& raw() const { return *document_; }

 private:
  const wm_document* document_;
};

namespace detail {

// Whether a call is still wanted, and how long the document that it is at may take.
class Term {
 public:
  Term(const wm_batch* batch, Host host) : batch_(batch), host_(host) { begin(); }
  void begin() {
    if (deadline_us() > 0) began_us_ = host_.clock_us();
  }
  bool is_cancelled() const {  // set by another thread
    return __atomic_load_n(batch_->cancelled, __ATOMIC_RELAXED) != 0;
  }
  std::optional<int64_t> left_us() const {
    if (deadline_us() == 0) return std::nullopt;
    return std::max<int64_t>(0, began_us_ + deadline_us() - host_.clock_us());
  }

 private:
  int64_t deadline_us() const {
    constexpr size_t known = offsetof(wm_batch, deadline_us) + sizeof(wm_batch::deadline_us);
    return batch_->struct_size >= known ? batch_->deadline_us : 0;
  }
  const wm_batch* batch_;
  Host host_;
  int64_t began_us_ = 0;
};

}  // namespace detail

// What a stage says about one document. A refusal by the host (a span out of range, text that is
// not UTF-8) throws std::invalid_argument, which makes the document DEAD unless the stage catches
// it.
class Output {
 public:
  Output(const wm_batch* batch, uint32_t index, const detail::Term& term)
      : batch_(batch), index_(index), term_(term) {}
  // What a stage that works for long asks now and then. Cancelled: nobody waits for the answer any
  // more, so give up, with any. The time left until the document's deadline, 0 where it is over: give
  // up with a verdict, before the process is ended; none where there is no limit.
  bool cancelled() const { return term_.is_cancelled(); }
  std::optional<int64_t> time_left_us() const { return term_.left_us(); }
  void title(std::string_view text) { set(WM_TITLE, text); }
  void byline(std::string_view text) { set(WM_BYLINE, text); }
  void dateline(std::string_view text) { set(WM_DATELINE, text); }
  // Only where the stage lists "text" in `provided`, and before what it says of the text: what was
  // said of the one before goes with it.
  void text(std::string_view text) {
    set(WM_TEXT, text, "text, which only a stage may set that has it in `provided`");
  }
  void published(int64_t published_us) {
    check(batch_->output->set_published(batch_, index_, published_us), "published");
  }
  void paragraphs(std::span<const wm_paragraph> paragraphs) {
    check(batch_->output->set_paragraphs(batch_, index_, paragraphs.data(), paragraphs.size()),
          "paragraphs");
  }
  void language(const wm_language& language) {
    check(batch_->output->set_language(batch_, index_, &language), "language");
  }
  void entities(std::span<const wm_entity> entities) {
    check(batch_->output->set_entities(batch_, index_, entities.data(), entities.size()),
          "entities");
  }
  void duplicate(const wm_duplicate& duplicate) {
    check(batch_->output->set_duplicate(batch_, index_, &duplicate), "duplicate");
  }
  void summary(const wm_summary& summary) {
    check(batch_->output->set_summary(batch_, index_, &summary), "summary");
  }
  void extension(std::string_view json) {
    check(batch_->output->set_extension(batch_, index_, to_view(json)), "extension");
  }
  void carry(std::string_view bytes) {
    check(batch_->output->carry(batch_, index_, to_view(bytes)), "carry");
  }

 private:
  void set(uint32_t field, std::string_view text, const char* what = "text") {
    check(batch_->output->set_text(batch_, index_, field, to_view(text)), what);
  }
  static void check(int32_t error, const char* what) {
    if (error != WM_ERROR_NONE)
      throw std::invalid_argument(std::string("the host refused ") + what);
  }
  const wm_batch* batch_;
  uint32_t index_;
  detail::Term term_;
};

// The stage's own key space while settling one document.
class State {
 public:
  State(const wm_batch* batch, uint32_t index) : batch_(batch), index_(index) {}
  std::vector<std::optional<std::string>> get_many(std::span<const std::string> keys) const {
    std::vector<wm_view> views;
    views.reserve(keys.size());
    for (const std::string& key : keys) views.push_back(to_view(key));
    std::vector<std::optional<std::string>> values(keys.size());
    const auto found = [](void* user, size_t index, wm_view value, int32_t is_found) {
      auto& list = *static_cast<std::vector<std::optional<std::string>>*>(user);
      if (is_found) list[index] = std::string(to_string_view(value));
    };
    check(batch_->state->get_many(batch_, views.data(), views.size(), found, &values));
    return values;
  }
  std::optional<std::string> get(const std::string& key) const {
    return std::move(get_many({&key, 1}).front());
  }
  void put(std::string_view key, std::string_view value) {
    check(batch_->state->put(batch_, index_, to_view(key), to_view(value)));
  }
  void remove(std::string_view key) { check(batch_->state->remove(batch_, index_, to_view(key))); }
  // Calls `visit(key, value)` in key order until it answers false.
  void scan(std::string_view prefix, std::string_view from,
            const std::function<bool(std::string_view, std::string_view)>& visit) const {
    const auto scanned = [](void* user, wm_view key, wm_view value) -> int32_t {
      return (*static_cast<const std::function<bool(std::string_view, std::string_view)>*>(user))(
          to_string_view(key), to_string_view(value));
    };
    auto* user = const_cast<std::function<bool(std::string_view, std::string_view)>*>(&visit);
    check(batch_->state->scan(batch_, to_view(prefix), to_view(from), scanned, user));
  }

 private:
  static void check(int32_t error) {
    if (error == WM_ERROR_ARGUMENT) throw std::invalid_argument("a key, a value or the document's changes are over the limit");
    if (error != WM_ERROR_NONE) throw std::runtime_error("the state store failed");
  }
  const wm_batch* batch_;
  uint32_t index_;
};

// A whole batch, for a settle that fetches its keys in one step.
class Batch {
 public:
  Batch(const wm_batch* batch, const Host& host) : batch_(batch), term_(batch, host) {}
  size_t size() const { return batch_->count; }
  Document document(size_t index) const { return Document(batch_->documents[index]); }
  Output output(size_t index) const { return {batch_, static_cast<uint32_t>(index), term_}; }
  State state(size_t index) const { return {batch_, static_cast<uint32_t>(index)}; }
  void verdict(size_t index, const Verdict& verdict) const {
    batch_->output->verdict(batch_, static_cast<uint32_t>(index), verdict.kind,
                            to_view(verdict.code), to_view(verdict.message));
  }
  // As of Output; the time is that of the document begun last.
  bool cancelled() const { return term_.is_cancelled(); }
  std::optional<int64_t> time_left_us() const { return term_.left_us(); }
  // The work on this document begins (wm_output.begin). Take its output afterwards, for the time left.
  void begin(size_t index) const {
    term_.begin();
    constexpr size_t known = offsetof(wm_output, begin) + sizeof(wm_output::begin);
    if (batch_->output->struct_size >= known)
      batch_->output->begin(batch_, static_cast<uint32_t>(index));
  }

 private:
  const wm_batch* batch_;
  mutable detail::Term term_;
};

namespace detail {

// Runs `work` for one document and reports what it answers or throws.
template <class Work>
void guard(const Batch& batch, size_t index, Work&& work) {
  Verdict verdict;
  batch.begin(index);
  try {
    verdict = work();
  } catch (const std::exception& error) {
    verdict = Verdict::failed("EXCEPTION", error.what());
  } catch (...) {
    verdict = Verdict::failed("EXCEPTION", "unknown exception");
  }
  if (verdict.kind != WM_OK) batch.verdict(index, verdict);
}

template <class Stage>
struct Instance {
  Host host;
  Stage stage;
};

template <class Stage>
struct Adapter {
  static void* create(const wm_host* host, const wm_option_value* options, size_t count,
                      void (*fail)(void*, wm_view), void* user) noexcept {
    try {
      return new Instance<Stage>{Host(host), Stage(Host(host), Options(options, count))};
    } catch (const std::exception& error) {
      fail(user, to_view(error.what()));
    } catch (...) {
      fail(user, to_view("unknown exception"));
    }
    return nullptr;
  }
  static void destroy(void* instance) noexcept { delete static_cast<Instance<Stage>*>(instance); }

  static int32_t process(void* instance, const wm_batch* raw) noexcept {
    if constexpr (requires(const Stage& stage, const Document& document, Output& output) {
                    stage.process(document, output);
                  }) {
      const auto& self = *static_cast<const Instance<Stage>*>(instance);
      const Batch batch(raw, self.host);
      for (size_t i = 0; i < batch.size() && !batch.cancelled(); ++i)
        guard(batch, i, [&] {
          Output output = batch.output(i);
          return self.stage.process(batch.document(i), output);
        });
    }
    return 0;
  }

  static constexpr bool kSettlesBatch = requires(Stage & stage, Batch& batch) {
    stage.settle(batch);
  };
  static constexpr bool kSettlesDocument =
      requires(Stage & stage, const Document& document, Output& output, State& state) {
    stage.settle(document, output, state);
  };
  static int32_t settle(void* instance, const wm_batch* raw) noexcept {
    auto& self = *static_cast<Instance<Stage>*>(instance);
    Batch batch(raw, self.host);
    if constexpr (kSettlesBatch) {
      try {
        self.stage.settle(batch);
      } catch (...) {
        return 1;
      }
    } else if constexpr (kSettlesDocument) {
      for (size_t i = 0; i < batch.size(); ++i)
        guard(batch, i, [&] {
          Output output = batch.output(i);
          State state = batch.state(i);
          return self.stage.settle(batch.document(i), output, state);
        });
    }
    return 0;
  }

  static constexpr wm_descriptor kDescriptor = {
      sizeof(wm_descriptor),
      Stage::kInfo.state_version,
      Stage::kInfo.id,
      Stage::kInfo.version,
      Stage::kInfo.summary,
      Stage::kInfo.required.list.data(),
      Stage::kInfo.used.list.data(),
      Stage::kInfo.provided.list.data(),
      Stage::kInfo.options,
      &create,
      &destroy,
      &process,
      kSettlesBatch || kSettlesDocument ? &settle : nullptr};
};

constexpr wm_note note_of(const StageInfo& info) {
  wm_note note = {WM_NOTE_HEAD, {}, {}};
  const auto copy = [](const char* text, auto& field) {
    size_t i = 0;
    for (; text[i] != 0; ++i) field[i] = text[i];
    if (i == sizeof field) throw std::length_error("an id has at most 127 bytes, a version 31");
  };
  copy(info.id, note.id);
  copy(info.version, note.version);
  return note;
}

}  // namespace detail
}  // namespace wiremill

#define WIREMILL_STAGE(StageClass)                        \
  WM_NOTE_PLACE static constexpr wm_note wiremill_note =  \
      ::wiremill::detail::note_of(StageClass::kInfo);     \
  extern "C" WM_EXPORT const wm_entry wiremill_plugin = { \
      WM_ENTRY_MAGIC,                                     \
      sizeof(wm_entry),                                   \
      WM_ABI_MAJOR,                                       \
      WM_ABI_MINOR,                                       \
      0,                                                  \
      nullptr,                                            \
      nullptr,                                            \
      &::wiremill::detail::Adapter<StageClass>::kDescriptor};

#endif  // WIREMILL_STAGE_HPP_
