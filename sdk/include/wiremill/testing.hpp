// wiremill/testing.hpp: a host in a box, to test a stage without the daemon. Header only, C++20, no
// dependency but the standard library. It loads nothing: link the stage's source into the test and
// hand over its entry.
//
//   wiremill::testing::MockHost host(wiremill_plugin, {{"near_similarity", 0.3}});
//   auto results = host.run({{.id = "a", .text = "one"}, {.id = "b", .text = "one"}});
//   EXPECT_EQ(results[1].duplicate->kind, WM_DUPLICATE_EXACT);
//
// One call of run() is one batch: process, then settle for the documents still in the line. Later
// calls see the state that earlier ones left; documents get the next sequences. As in the daemon,
// annotations of a document count only with the verdict WM_OK, and what settle wrote for a document
// is discarded where the verdict is neither WM_OK, WM_SKIP nor WM_DROP. Calls that the contract
// forbids (state in process, carry in settle, a document out of range) throw std::logic_error out
// of run() or are refused with the contract's error. One thread at a time.
#ifndef WIREMILL_TESTING_HPP_
#define WIREMILL_TESTING_HPP_

#include <wiremill/stage.hpp>
#include <wiremill/testing_options.hpp>

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace wiremill::testing {

// Every member has an initialiser, so that a test names only those that it needs.
struct TestDocument {
  std::string id{};
  std::string text{};
  std::string title{}, source{}, uri{}, content_type{}, body{};
  std::string language{};  // code; with confidence 1
  int64_t accepted_at_us = 0;
  int64_t published_us = WM_NO_TIME;
  std::map<std::string, std::string> attributes{};
  std::vector<wm_span> sentences{};
  std::vector<wm_token> tokens{};
  uint64_t first_sequence = 0;  // of one that is tried again; 0: its own sequence
};

struct TestDuplicate {
  uint32_t kind = WM_DUPLICATE_NONE;
  std::string of{}, cluster{}, story{}, follows{};
  double similarity = 0, containment = 0;
  friend bool operator==(const TestDuplicate&, const TestDuplicate&) = default;
};

struct TestEntity {
  std::string type, name;
  double confidence = 0;
  std::vector<wm_mention> mentions;
};

struct TestLanguage {
  std::string code, script;
  double confidence = 0;
  std::vector<std::pair<std::string, double>> alternatives;
  std::vector<std::pair<wm_span, std::string>> spans;
};

struct TestSummary {
  std::string text;
  std::vector<wm_span> sentences;
  std::vector<std::string> keywords;
};

// What the stage made of one document. Fields that it did not set are empty.
struct TestResult {
  uint64_t sequence = 0;
  uint32_t verdict = WM_OK;
  std::string code, message;
  std::map<uint32_t, std::string> texts;  // by WM_TITLE … WM_TEXT
  std::optional<int64_t> published_us;
  std::optional<std::vector<wm_paragraph>> paragraphs;
  std::optional<TestLanguage> language;
  std::optional<std::vector<TestEntity>> entities;
  std::optional<TestDuplicate> duplicate;
  std::optional<TestSummary> summary;
  std::optional<std::string> extension;
};

class MockHost {
 public:
  // Options that are not named have the table's default. Throws std::invalid_argument where the
  // stage refuses them, with its reason, or where the table knows no such option.
  explicit MockHost(const wm_entry& entry, const std::map<std::string, OptionValue>& options = {});
  ~MockHost() { descriptor_.destroy(instance_); }
  MockHost(const MockHost&) = delete;
  MockHost& operator=(const MockHost&) = delete;

  std::vector<TestResult> run(const std::vector<TestDocument>& documents);

  // The stage's key space.
  std::map<std::string, std::string, std::less<>>& state() { return state_; }
  // As the stage said them: the host's rules for names and values are not tried here.
  const std::map<std::string, uint64_t>& counters() const { return counters_; }
  const std::map<std::string, double>& gauges() const { return gauges_; }
  const std::map<std::string, std::vector<double>>& observations() const { return observations_; }
  const std::vector<std::string>& log_lines() const { return log_lines_; }
  // How often settle asked the state: the daemon may pay a crossing of processes for each.
  size_t state_reads() const { return state_reads_; }
  void set_next_sequence(uint64_t sequence) { next_sequence_ = sequence; }

  // The stage's clock: it says `now_us`, and `tick_us` more with each look.
  void set_clock(int64_t now_us, int64_t tick_us = 0) {
    now_us_ = now_us;
    tick_us_ = tick_us;
  }
  // How long each document may take; 0: no limit.
  void set_deadline_us(int64_t deadline_us) { deadline_us_ = deadline_us; }
  // Calls are cancelled from where their stage begins this document of theirs; nothing: none is. A
  // cancelled call's answers are as the stage left them; the daemon would not look at them.
  void cancel_at(std::optional<uint32_t> document) { cancel_at_ = document; }

 private:
  enum class Phase { Process, Settle };
  struct Change {
    std::string key;
    std::optional<std::string> before;
  };
  constexpr static size_t kChangesBytesMax = 8 << 20, kChangeSurcharge = 32;
  // A document on its way through one run.
  struct Slot {
    const TestDocument* source = nullptr;
    TestResult result;
    std::string carry;
    std::vector<wm_pair> attributes;
    wm_document raw{};
    std::vector<Change> changes;
    size_t changes_bytes = 0;
    std::string_view text() const {
      const auto set = result.texts.find(WM_TEXT);
      return set != result.texts.end() ? std::string_view(set->second) : to_string_view(raw.text);
    }
    bool is_over_limit() const { return changes_bytes > kChangesBytesMax; }
    std::map<uint32_t, std::string> processed;  // the texts that process set, as settle sees them
  };

  static MockHost& self(const wm_batch* batch) { return *static_cast<MockHost*>(batch->host_data); }
  static Slot& slot(const wm_batch* batch, uint32_t index) {
    if (index >= batch->count) throw std::logic_error("a document that is not in the batch");
    return *self(batch).active_.at(index);
  }
  static std::string copy(wm_view view) { return std::string(to_string_view(view)); }
  bool provides_text() const {
    const char* const* name = descriptor_.provided;
    while (*name && *name != std::string_view("text")) ++name;
    return *name;
  }
  // Spans must lie in the text, not reversed, and on character boundaries.
  static bool fits(const Slot& slot, wm_span span) {
    const std::string_view text = slot.text();
    const auto is_boundary = [&](uint32_t offset) {
      return offset == text.size() ||
             (offset < text.size() && (static_cast<unsigned char>(text[offset]) & 0xc0) != 0x80);
    };
    return span.begin <= span.end && is_boundary(span.begin) && is_boundary(span.end);
  }

  static const wm_output* output_table();
  static const wm_state* state_table();
  void fill(Slot& slot);
  void call(Phase phase);
  static void pass_on(Slot& slot);
  void undo(Slot& slot);

  const wm_descriptor& descriptor_;
  void* instance_ = nullptr;
  wm_host host_{};
  std::map<std::string, std::string, std::less<>> state_;
  std::map<std::string, uint64_t> counters_;
  std::map<std::string, double> gauges_;
  std::map<std::string, std::vector<double>> observations_;
  std::vector<std::string> log_lines_;
  uint64_t next_sequence_ = 1;
  size_t state_reads_ = 0;
  int64_t now_us_ = 0, tick_us_ = 1, deadline_us_ = 0;
  std::optional<uint32_t> cancel_at_;
  uint32_t cancelled_ = 0;  // the call
  Phase phase_ = Phase::Process;
  std::vector<Slot*> active_;
};

inline MockHost::MockHost(const wm_entry& entry, const std::map<std::string, OptionValue>& options)
    : descriptor_(*entry.descriptor) {
  const detail::ResolvedOptions resolved(descriptor_.options, options);
  host_.struct_size = sizeof host_;
  host_.abi_minor = WM_ABI_MINOR;
  host_.host_data = this;
  host_.stage = to_view("test");
  host_.log = [](const wm_host* host, uint32_t, wm_view message) {
    static_cast<MockHost*>(host->host_data)->log_lines_.push_back(copy(message));
  };
  host_.count = [](const wm_host* host, wm_view name, uint64_t add) {
    static_cast<MockHost*>(host->host_data)->counters_[copy(name)] += add;
  };
  host_.get_extension = [](const wm_host*, const char*) -> const void* { return nullptr; };
  host_.gauge = [](const wm_host* host, wm_view name, double value) {
    static_cast<MockHost*>(host->host_data)->gauges_[copy(name)] = value;
  };
  host_.observe = [](const wm_host* host, wm_view name, double value) {
    static_cast<MockHost*>(host->host_data)->observations_[copy(name)].push_back(value);
  };
  host_.clock_us = [](const wm_host* host) -> int64_t {
    MockHost& self = *static_cast<MockHost*>(host->host_data);
    return std::exchange(self.now_us_, self.now_us_ + self.tick_us_);
  };
  std::string reason;
  const auto fail = [](void* user, wm_view message) {
    *static_cast<std::string*>(user) = copy(message);
  };
  instance_ =
      descriptor_.create(&host_, resolved.values().data(), resolved.values().size(), fail, &reason);
  if (!instance_) throw std::invalid_argument(reason);
}

inline void MockHost::fill(Slot& slot) {
  const TestDocument& from = *slot.source;
  wm_document& raw = slot.raw;
  raw.struct_size = sizeof raw;
  raw.sequence = slot.result.sequence;
  raw.accepted_at_us = from.accepted_at_us;
  raw.id = to_view(from.id);
  raw.source = to_view(from.source);
  raw.uri = to_view(from.uri);
  raw.content_type = to_view(from.content_type);
  raw.body = to_view(from.body);
  for (const auto& [name, value] : from.attributes)
    slot.attributes.push_back({to_view(name), to_view(value)});
  raw.attributes = slot.attributes.data();
  raw.attributes_count = slot.attributes.size();
  raw.title = to_view(from.title);
  raw.published_us = from.published_us;
  raw.text = to_view(from.text);
  raw.sentences = from.sentences.data();
  raw.sentences_count = from.sentences.size();
  raw.tokens = from.tokens.data();
  raw.tokens_count = from.tokens.size();
  raw.language.code = to_view(from.language);
  raw.language.confidence = from.language.empty() ? 0 : 1;
  raw.first_sequence = from.first_sequence != 0 ? from.first_sequence : raw.sequence;
}

// What settle sees of process.
inline void MockHost::pass_on(Slot& slot) {
  slot.raw.carry = to_view(slot.carry);
  if (slot.result.verdict != WM_OK) return;
  slot.processed = slot.result.texts;
  wm_view* const fields[] = {&slot.raw.title, &slot.raw.byline, &slot.raw.dateline, &slot.raw.text};
  for (const auto& [field, text] : slot.processed) *fields[field] = to_view(text);
  if (slot.result.published_us) slot.raw.published_us = *slot.result.published_us;
}

inline void MockHost::undo(Slot& slot) {
  for (auto change = slot.changes.rbegin(); change != slot.changes.rend(); ++change) {
    if (change->before)
      state_[change->key] = *change->before;
    else
      state_.erase(change->key);
  }
}

inline void MockHost::call(Phase phase) {
  if (active_.empty()) return;
  phase_ = phase;
  std::vector<const wm_document*> documents;
  for (Slot* slot : active_) documents.push_back(&slot->raw);
  cancelled_ = 0;
  const wm_batch batch{sizeof batch,
                       static_cast<uint32_t>(documents.size()),
                       documents.data(),
                       output_table(),
                       phase == Phase::Settle ? state_table() : nullptr,
                       &cancelled_,
                       this,
                       deadline_us_};
  const auto function = phase == Phase::Settle ? descriptor_.settle : descriptor_.process;
  if (function(instance_, &batch) != 0)
    for (Slot* slot : active_) slot->result.verdict = WM_FAILED;
  // The latest first: an undone change may have been built upon by a later document's.
  for (auto slot = active_.rbegin(); slot != active_.rend(); ++slot) {
    if ((*slot)->is_over_limit()) {
      (*slot)->result.verdict = WM_BAD_DOCUMENT;
      (*slot)->result.code = "TOO_LARGE";
      (*slot)->result.message = "changed more than 8 MiB of the stage's state";
    }
    const uint32_t verdict = (*slot)->result.verdict;
    if (verdict != WM_OK && verdict != WM_SKIP && verdict != WM_DROP) undo(**slot);
  }
}

inline std::vector<TestResult> MockHost::run(const std::vector<TestDocument>& documents) {
  std::deque<Slot> slots;
  active_.clear();
  for (const TestDocument& document : documents) {
    Slot& slot = slots.emplace_back();
    slot.source = &document;
    slot.result.sequence = next_sequence_++;
    fill(slot);
    active_.push_back(&slot);
  }
  call(Phase::Process);
  if (descriptor_.settle) {
    std::erase_if(active_, [](const Slot* slot) { return slot->result.verdict > WM_SKIP; });
    for (Slot* slot : active_) pass_on(*slot);
    call(Phase::Settle);
  }
  std::vector<TestResult> results;
  for (Slot& slot : slots) {
    if (slot.result.verdict == WM_OK) {
      results.push_back(std::move(slot.result));
    } else {
      TestResult bare;
      bare.sequence = slot.result.sequence;
      bare.verdict = slot.result.verdict;
      bare.code = std::move(slot.result.code);
      bare.message = std::move(slot.result.message);
      results.push_back(std::move(bare));
    }
  }
  return results;
}

inline const wm_output* MockHost::output_table() {
  static const wm_output kTable = {
      sizeof(wm_output),
      0,
      [](const wm_batch* batch, uint32_t index, uint32_t verdict, wm_view code, wm_view message) {
        TestResult& result = slot(batch, index).result;
        result.verdict = verdict;
        result.code = copy(code);
        result.message = copy(message);
      },
      [](const wm_batch* batch, uint32_t index, uint32_t field, wm_view text) -> int32_t {
        if (field > WM_TEXT || (field == WM_TEXT && !self(batch).provides_text()))
          return WM_ERROR_ARGUMENT;
        TestResult& result = slot(batch, index).result;
        result.texts[field] = copy(text);
        if (field != WM_TEXT) return WM_ERROR_NONE;
        result.paragraphs.reset();
        result.language.reset();
        result.entities.reset();
        result.summary.reset();
        return WM_ERROR_NONE;
      },
      [](const wm_batch* batch, uint32_t index, int64_t published_us) -> int32_t {
        slot(batch, index).result.published_us = published_us;
        return WM_ERROR_NONE;
      },
      [](const wm_batch* batch, uint32_t index, const wm_paragraph* list, size_t count) -> int32_t {
        slot(batch, index).result.paragraphs.emplace(list, list + count);
        return WM_ERROR_NONE;
      },
      [](const wm_batch* batch, uint32_t index, const wm_language* from) -> int32_t {
        TestLanguage language{copy(from->code), copy(from->script), from->confidence, {}, {}};
        for (size_t i = 0; i < from->alternatives_count; ++i)
          language.alternatives.emplace_back(copy(from->alternatives[i].code),
                                             from->alternatives[i].confidence);
        for (size_t i = 0; i < from->spans_count; ++i) {
          if (!fits(slot(batch, index), from->spans[i].span)) return WM_ERROR_ARGUMENT;
          language.spans.emplace_back(from->spans[i].span, copy(from->spans[i].code));
        }
        slot(batch, index).result.language = std::move(language);
        return WM_ERROR_NONE;
      },
      [](const wm_batch* batch, uint32_t index, const wm_entity* from, size_t count) -> int32_t {
        std::vector<TestEntity> entities;
        for (size_t i = 0; i < count; ++i) {
          for (size_t j = 0; j < from[i].mentions_count; ++j)
            if (!fits(slot(batch, index), from[i].mentions[j].span)) return WM_ERROR_ARGUMENT;
          entities.push_back({copy(from[i].type),
                              copy(from[i].name),
                              from[i].confidence,
                              {from[i].mentions, from[i].mentions + from[i].mentions_count}});
        }
        slot(batch, index).result.entities = std::move(entities);
        return WM_ERROR_NONE;
      },
      [](const wm_batch* batch, uint32_t index, const wm_duplicate* from) -> int32_t {
        slot(batch, index).result.duplicate = TestDuplicate{
            from->kind,          copy(from->of),   copy(from->cluster), copy(from->story),
            copy(from->follows), from->similarity, from->containment};
        return WM_ERROR_NONE;
      },
      [](const wm_batch* batch, uint32_t index, const wm_summary* from) -> int32_t {
        TestSummary summary{
            copy(from->text), {from->sentences, from->sentences + from->sentences_count}, {}};
        for (const wm_span& span : summary.sentences)
          if (!fits(slot(batch, index), span)) return WM_ERROR_ARGUMENT;
        for (size_t i = 0; i < from->keywords_count; ++i)
          summary.keywords.push_back(copy(from->keywords[i]));
        slot(batch, index).result.summary = std::move(summary);
        return WM_ERROR_NONE;
      },
      [](const wm_batch* batch, uint32_t index, wm_view json) -> int32_t {
        slot(batch, index).result.extension = copy(json);
        return WM_ERROR_NONE;
      },
      [](const wm_batch* batch, uint32_t index, wm_view bytes) -> int32_t {
        if (self(batch).phase_ != Phase::Process) return WM_ERROR_PHASE;
        slot(batch, index).carry = copy(bytes);
        return WM_ERROR_NONE;
      },
      [](const wm_batch* batch, uint32_t index) {
        if (self(batch).cancel_at_ == index) self(batch).cancelled_ = 1;
      }};
  return &kTable;
}

inline const wm_state* MockHost::state_table() {
  constexpr static size_t kKeyBytesMax = 1 << 10, kValueBytesMax = 1 << 20;
  static const auto write = [](const wm_batch* batch, uint32_t index, wm_view key,
                               std::optional<std::string> value) -> int32_t {
    Slot& changing = slot(batch, index);
    if (key.size > kKeyBytesMax || (value && value->size() > kValueBytesMax) ||
        changing.is_over_limit())
      return WM_ERROR_ARGUMENT;
    changing.changes_bytes += key.size + (value ? value->size() : 0) + kChangeSurcharge;
    if (changing.is_over_limit()) return WM_ERROR_ARGUMENT;
    auto& state = self(batch).state_;
    Change change{copy(key), std::nullopt};
    if (const auto entry = state.find(change.key); entry != state.end())
      change.before = entry->second;
    if (value)
      state[change.key] = std::move(*value);
    else
      state.erase(change.key);
    changing.changes.push_back(std::move(change));
    return WM_ERROR_NONE;
  };
  static const wm_state kTable = {
      sizeof(wm_state),
      0,
      [](const wm_batch* batch, const wm_view* keys, size_t count, wm_found_fn found,
         void* user) -> int32_t {
        ++self(batch).state_reads_;
        const auto& state = self(batch).state_;
        for (size_t i = 0; i < count; ++i) {
          const auto entry = state.find(to_string_view(keys[i]));
          const bool is_there = entry != state.end();
          found(user, i, is_there ? to_view(entry->second) : wm_view{}, is_there);
        }
        return WM_ERROR_NONE;
      },
      [](const wm_batch* batch, uint32_t index, wm_view key, wm_view value) -> int32_t {
        return write(batch, index, key, copy(value));
      },
      [](const wm_batch* batch, uint32_t index, wm_view key) -> int32_t {
        return write(batch, index, key, std::nullopt);
      },
      [](const wm_batch* batch, wm_view prefix, wm_view from, wm_scanned_fn scanned,
         void* user) -> int32_t {
        ++self(batch).state_reads_;
        const std::string_view begin = std::max(to_string_view(prefix), to_string_view(from));
        const auto& state = self(batch).state_;
        for (auto entry = state.lower_bound(begin);
             entry != state.end() && entry->first.starts_with(to_string_view(prefix)); ++entry)
          if (!scanned(user, to_view(entry->first), to_view(entry->second))) break;
        return WM_ERROR_NONE;
      }};
  return &kTable;
}

}  // namespace wiremill::testing

#endif  // WIREMILL_TESTING_HPP_
