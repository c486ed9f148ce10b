#include "cli/check/watched_stage.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <utility>

#include "cli/check/allocation.hpp"
#include "cli/check/child.hpp"
#include "daemon/base/clock.hpp"
#include "daemon/host/answer_checks.hpp"

namespace wiremill::check {
namespace {

constexpr size_t kRefusalsMax = 5;
constexpr uint32_t kNewerMinor = 900;
constexpr size_t kMoreBytes = 64;  // by which a newer host's tables are larger

constexpr uint32_t bytes_of_document(HostAge age) {
  return age == HostAge::Minor0 ? offsetof(wm_document, first_sequence) : sizeof(wm_document);
}
constexpr uint32_t bytes_of_output(HostAge age) {
  return age < HostAge::Minor2 ? offsetof(wm_output, begin) : sizeof(wm_output);
}
constexpr uint32_t bytes_of_batch(HostAge age) {
  return age < HostAge::Today ? offsetof(wm_batch, deadline_us) : sizeof(wm_batch);
}
constexpr uint32_t bytes_of_host(HostAge age) {
  return age < HostAge::Today ? offsetof(wm_host, gauge) : sizeof(wm_host);
}

[[noreturn]] void beyond_the_table() {
  std::fputs("it called a function behind the end of a table that it knows\n", stderr);
  std::abort();
}

}  // namespace

// One call of the plugin; its batch's host_data.
struct WatchedStage::Call {
  const WatchedStage& stage;
  const wm_batch* inner;  // what the host's own functions want to see
  const char* function;
};

// The tables that the plugin is handed: copies that end at a page behind which nothing is mapped, or
// that go on with what no plugin of today may look at.
class WatchedStage::Tables {
 public:
  explicit Tables(HostAge age) : age_(age) {}
  ~Tables() {
    for (const auto& [memory, bytes] : mappings_) munmap(memory, bytes);
  }
  Tables(const Tables&) = delete;
  Tables& operator=(const Tables&) = delete;

  template <class Table>
  const Table* shaped(const Table& table, uint32_t bytes) {
    if (age_ == HostAge::Today) return &table;
    const size_t page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    char* const memory = static_cast<char*>(
        mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    WM_INVARIANT(memory != MAP_FAILED);
    mappings_.emplace_back(memory, 2 * page);
    char* const place = age_ == HostAge::Newer ? memory : memory + page - bytes;
    std::memcpy(place, &table, bytes);
    auto* const made = reinterpret_cast<Table*>(place);
    made->struct_size = bytes;
    if (age_ == HostAge::Newer) {
      made->struct_size += kMoreBytes;
      for (size_t i = 0; i < kMoreBytes / sizeof(void*); ++i) {
        const auto function = &beyond_the_table;
        std::memcpy(place + bytes + i * sizeof(void*), &function, sizeof function);
      }
    } else {
      mprotect(memory + page, page, PROT_NONE);
    }
    return made;
  }

 private:
  const HostAge age_;
  std::vector<std::pair<void*, size_t>> mappings_;
};

// The host's functions as the plugin sees them: they note, and go on to the host's own.
struct WatchedStage::Rows {
  static Call& of(const wm_batch* batch) { return *static_cast<Call*>(batch->host_data); }
  static const char* id_of(const wm_batch* batch, uint32_t document, std::string& copy) {
    copy = document < batch->count ? std::string(as_string_view(batch->documents[document]->id))
                                   : "(none of the batch)";
    return copy.c_str();
  }

  template <auto kRow, class... Args>
  static int32_t set(const char* name, Annotations annotation, const wm_batch* batch,
                     uint32_t document, Args... args) {
    const OutsidePlugin outside;
    const Call& call = of(batch);
    const wm_output* table = call.inner->output;
    const int32_t answer = table == nullptr ? static_cast<int32_t>(WM_ERROR_ARGUMENT)
                                            : (table->*kRow)(call.inner, document, args...);
    call.stage.note_answer(batch, document, name, annotation, answer);
    return answer;
  }

  static void verdict(const wm_batch* batch, uint32_t document, uint32_t verdict, wm_view code,
                      wm_view message) {
    const OutsidePlugin outside;
    const Call& call = of(batch);
    if (document >= batch->count)
      return call.stage.note_answer(batch, document, "verdict", 0, WM_ERROR_ARGUMENT);
    if (verdict > WM_DROP) call.stage.gave_up_ = true;
    {
      const MutexLock lock(call.stage.mutex_);
      const uint64_t sequence = batch->documents[document]->sequence;
      if (verdict == WM_BAD_DOCUMENT)
        call.stage.bad_.insert(sequence);
      else
        call.stage.bad_.erase(sequence);
    }
    call.inner->output->verdict(call.inner, document, verdict, code, message);
  }
  static int32_t set_text(const wm_batch* batch, uint32_t document, uint32_t field, wm_view text) {
    constexpr Annotations kFields[] = {kTitle, kByline, kDateline, kText};
    return set<&wm_output::set_text>("set_text", field <= WM_TEXT ? kFields[field] : 0, batch,
                                     document, field, text);
  }
  static int32_t set_published(const wm_batch* batch, uint32_t document, int64_t published_us) {
    return set<&wm_output::set_published>("set_published", kPublished, batch, document,
                                          published_us);
  }
  static int32_t set_paragraphs(const wm_batch* batch, uint32_t document,
                                const wm_paragraph* paragraphs, size_t count) {
    return set<&wm_output::set_paragraphs>("set_paragraphs", kParagraphs, batch, document,
                                           paragraphs, count);
  }
  static int32_t set_language(const wm_batch* batch, uint32_t document,
                              const wm_language* language) {
    return set<&wm_output::set_language>("set_language", kLanguage, batch, document, language);
  }
  static int32_t set_entities(const wm_batch* batch, uint32_t document, const wm_entity* entities,
                              size_t count) {
    return set<&wm_output::set_entities>("set_entities", kEntities, batch, document, entities,
                                         count);
  }
  static int32_t set_duplicate(const wm_batch* batch, uint32_t document,
                               const wm_duplicate* duplicate) {
    return set<&wm_output::set_duplicate>("set_duplicate", kDuplicate, batch, document, duplicate);
  }
  static int32_t set_summary(const wm_batch* batch, uint32_t document, const wm_summary* summary) {
    return set<&wm_output::set_summary>("set_summary", kSummary, batch, document, summary);
  }
  static int32_t set_extension(const wm_batch* batch, uint32_t document, wm_view json) {
    return set<&wm_output::set_extension>("set_extension", kExtensions, batch, document, json);
  }
  static int32_t carry(const wm_batch* batch, uint32_t document, wm_view bytes) {
    return set<&wm_output::carry>("carry", 0, batch, document, bytes);
  }
  static void begin(const wm_batch* batch, uint32_t document) {
    const OutsidePlugin outside;
    std::string id;
    note_call(of(batch).function, id_of(batch, document, id));
  }

  template <auto kRow, class... Args>
  static int32_t ask(const wm_batch* batch, Args... args) {
    const OutsidePlugin outside;
    const Call& call = of(batch);
    if (call.stage.state_fails()) return WM_ERROR_IO;
    const wm_state* table = call.inner->state;
    return table == nullptr ? static_cast<int32_t>(WM_ERROR_PHASE)
                            : (table->*kRow)(call.inner, args...);
  }
  // What the plugin is called back with while it waits for an answer.
  template <class Function>
  struct Callback {
    Function function;
    void* user;
  };
  static int32_t get_many(const wm_batch* batch, const wm_view* keys, size_t count,
                          wm_found_fn found, void* user) {
    Callback<wm_found_fn> back = {found, user};
    const wm_found_fn inside = [](void* data, size_t index, wm_view value, int32_t is_found) {
      const InsidePlugin plugin;
      const auto& to = *static_cast<Callback<wm_found_fn>*>(data);
      to.function(to.user, index, value, is_found);
    };
    return ask<&wm_state::get_many>(batch, keys, count, inside, static_cast<void*>(&back));
  }
  static int32_t put(const wm_batch* batch, uint32_t document, wm_view key, wm_view value) {
    return ask<&wm_state::put>(batch, document, key, value);
  }
  static int32_t remove(const wm_batch* batch, uint32_t document, wm_view key) {
    return ask<&wm_state::remove>(batch, document, key);
  }
  static int32_t scan(const wm_batch* batch, wm_view prefix, wm_view from, wm_scanned_fn scanned,
                      void* user) {
    Callback<wm_scanned_fn> back = {scanned, user};
    const wm_scanned_fn inside = [](void* data, wm_view key, wm_view value) -> int32_t {
      const InsidePlugin plugin;
      const auto& to = *static_cast<Callback<wm_scanned_fn>*>(data);
      return to.function(to.user, key, value);
    };
    return ask<&wm_state::scan>(batch, prefix, from, inside, static_cast<void*>(&back));
  }

  static constexpr wm_output kOutput = {sizeof(wm_output),
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
  static constexpr wm_state kState = {sizeof(wm_state), 0, &get_many, &put, &remove, &scan};
};

WatchedStage::WatchedStage(std::shared_ptr<const Plugin> plugin, HostAge age)
    : Stage("check", {}),
      plugin_(std::move(plugin)),
      age_(age),
      directory_(std::filesystem::path(plugin_->path()).parent_path().string()),
      tables_(std::make_unique<Tables>(age)) {}

Result<std::unique_ptr<WatchedStage>> WatchedStage::create(std::shared_ptr<const Plugin> plugin,
                                                           const wm_option_value* values,
                                                           size_t values_count, HostAge age,
                                                           bool* told_why) {
  std::unique_ptr<WatchedStage> stage(new WatchedStage(std::move(plugin), age));
  wm_host host{};
  host.struct_size = sizeof host;
  host.abi_minor = age == HostAge::Newer   ? kNewerMinor
                   : age == HostAge::Today ? WM_ABI_MINOR
                                           : static_cast<uint32_t>(age);
  host.host_data = stage.get();
  host.stage = {stage->name().data(), stage->name().size()};
  host.plugin_dir = {stage->directory_.data(), stage->directory_.size()};
  host.log = [](const wm_host*, uint32_t, wm_view message) {
    const OutsidePlugin outside;
    std::fprintf(stderr, "%s\n", std::string(as_string_view(message)).c_str());
  };
  host.count = [](const wm_host* self, wm_view name, uint64_t add) {
    const OutsidePlugin outside;
    static_cast<const WatchedStage*>(self->host_data)->count(as_string_view(name), add);
  };
  host.get_extension = [](const wm_host*, const char*) -> const void* { return nullptr; };
  host.gauge = [](const wm_host* self, wm_view name, double value) {
    const OutsidePlugin outside;
    static_cast<const WatchedStage*>(self->host_data)->gauge(as_string_view(name), value);
  };
  host.observe = [](const wm_host* self, wm_view name, double value) {
    const OutsidePlugin outside;
    static_cast<const WatchedStage*>(self->host_data)->observe(as_string_view(name), value);
  };
  host.clock_us = [](const wm_host*) -> int64_t { return monotonic_ns() / 1000; };
  stage->host_ = host;
  std::string reason;
  const auto fail_with = [](void* user, wm_view message) {
    const OutsidePlugin outside;
    static_cast<std::string*>(user)->assign(as_string_view(message));
  };
  const wm_host* const shown = stage->tables_->shaped(stage->host_, bytes_of_host(age));
  note_call("create", "");
  {
    const InsidePlugin inside;
    stage->instance_ = stage->descriptor().create(shown, values, values_count, fail_with, &reason);
  }
  note_call("", "");
  if (told_why != nullptr) *told_why = !reason.empty();
  if (stage->instance_ == nullptr)
    return fail(ErrorCode::Config, "{}",
                reason.empty() ? "the plugin refused without a reason" : reason);
  return stage;
}

WatchedStage::~WatchedStage() {
  if (instance_ == nullptr) return;
  note_call("destroy", "");
  {
    const InsidePlugin inside;
    descriptor().destroy(instance_);
  }
  note_call("", "");
}

int32_t WatchedStage::process(const wm_batch& batch) const { return call(batch, false); }
int32_t WatchedStage::settle(const wm_batch& batch) const { return call(batch, true); }

int32_t WatchedStage::call_empty(bool settle) const {
  static const wm_document* const kNone[] = {nullptr};
  wm_batch batch{};
  batch.struct_size = sizeof batch;
  batch.documents = kNone;
  batch.state = settle ? &Rows::kState : nullptr;
  return call(batch, settle);
}

int32_t WatchedStage::call(const wm_batch& inner, bool settle) const {
  Call watched = {*this, &inner, settle ? "settle" : "process"};
  Tables tables(age_);
  std::vector<const wm_document*> documents;
  if (age_ != HostAge::Today)
    for (size_t i = 0; i < inner.count; ++i)
      documents.push_back(tables.shaped(*inner.documents[i], bytes_of_document(age_)));
  wm_batch batch = inner;
  if (!documents.empty()) batch.documents = documents.data();
  batch.output = tables.shaped(Rows::kOutput, bytes_of_output(age_));
  batch.state = settle ? tables.shaped(Rows::kState, sizeof(wm_state)) : nullptr;
  batch.cancelled = &cancelled_;
  batch.host_data = &watched;
  batch.deadline_us = deadline_us_;
  const wm_batch* const shown = tables.shaped(batch, bytes_of_batch(age_));
  note_call(watched.function, "");
  int32_t answer = 0;
  {
    const InsidePlugin inside;
    answer = (settle ? descriptor().settle : descriptor().process)(instance_, shown);
  }
  note_call("", "");
  if (answer != 0) gave_up_ = true;
  return plugin_code(answer);
}

void WatchedStage::note_answer(const wm_batch* batch, uint32_t document, const char* function,
                               Annotations annotation, int32_t answer) const {
  set_ |= annotation;
  if (answer == WM_ERROR_NONE) return;
  const MutexLock lock(mutex_);
  std::string id;
  if (refusals_.size() < kRefusalsMax)
    refusals_.push_back(
        fmt::format("{} of document '{}'", function, Rows::id_of(batch, document, id)));
}

bool WatchedStage::state_fails() const { return ++state_calls_ == failing_state_call_; }

std::vector<std::string> WatchedStage::refusals() const {
  const MutexLock lock(mutex_);
  return refusals_;
}

bool WatchedStage::is_bad(uint64_t sequence) const {
  const MutexLock lock(mutex_);
  return bad_.contains(sequence);
}

void WatchedStage::fail_state_call(uint64_t nth) const {
  gave_up_ = false;
  state_calls_ = 0;
  failing_state_call_ = nth;
}

}  // namespace wiremill::check
