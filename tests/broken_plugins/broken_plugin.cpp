// A stage against the bare contract, built once sound (-DFAULT=none) and once for each check of
// `wiremill plugin check` with one fault, so that this check alone turns red. It says of a document how
// long its text is, and in settle how many documents its source had. Loaded by plugin_check_test.
#include <unistd.h>
#include <wiremill/plugin.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <string_view>

extern "C" int not_defined_anywhere(int);

namespace {

enum Fault {
  none,
  loads,
  options,
  older_host,
  newer_host,
  batches,
  sizes,
  text,
  annotations,
  deadline,
  cancel,
  allocations,
  instances,
  determinism,
  settle_order,
  state_errors,
  restart,
  leaks,
  fuzz
};
constexpr Fault kFault = FAULT;
constexpr int64_t kWordsMax = 1000;

char* g_shared = nullptr;         // by all instances, which is the fault of `instances`
volatile bool g_forever = true;   // so that no compiler removes an endless loop
void* volatile g_lost = nullptr;  // what `leaks` forgets

wm_view view(std::string_view text) { return {text.data(), text.size()}; }
std::string_view chars(wm_view view) {
  return view.size == 0 ? std::string_view() : std::string_view(view.data, view.size);
}

void hang() {
  while (g_forever) usleep(1000);
}

void fail(const wm_batch* batch, uint32_t index, std::string_view why) {
  batch->output->verdict(batch, index, WM_FAILED, view("BROKEN"), view(why));
}

// Never thinks of malloc having none.
size_t length_by_a_copy(std::string_view text) {
  char* const copy = static_cast<char*>(std::malloc(text.size() + 1));
  std::fill_n(static_cast<volatile char*>(copy), text.size(), 'x');
  copy[text.size()] = 0;
  const size_t length = std::strlen(copy);
  std::free(copy);
  return length;
}

class Instance {
 public:
  Instance() {
    if (kFault == instances) g_shared = static_cast<char*>(std::calloc(1, 64));
  }
  ~Instance() {
    if (kFault != instances) return;
    std::free(g_shared);
    g_shared = nullptr;
  }

  int32_t process(const wm_batch* batch) {
    if (kFault == cancel)
      while (*batch->cancelled != 0 && g_forever) usleep(1000);
    if (kFault == batches && batch->count > 256) {
      std::fputs("a table of 256 documents is full\n", stderr);
      std::abort();
    }
    for (uint32_t i = 0; i < batch->count && *batch->cancelled == 0; ++i) process(batch, i);
    return 0;
  }

  int32_t settle(const wm_batch* batch) {
    for (uint32_t i = 0; i < batch->count; ++i) settle(batch, i);
    return 0;
  }

 private:
  void process(const wm_batch* batch, uint32_t index) {
    const wm_document& document = *batch->documents[index];
    const std::string_view body = chars(document.text);
    if (kFault == older_host || batch->output->struct_size >= sizeof(wm_output))
      batch->output->begin(batch, index);
    if (kFault == newer_host && batch->output->struct_size > sizeof(wm_output))
      return fail(batch, index, "a table that is too large");
    if (kFault == sizes && body.empty()) return fail(batch, index, "no text");
    if (kFault == deadline && body.starts_with("((((((((")) hang();
    if (kFault == annotations)
      batch->output->set_text(batch, index, WM_TITLE, view("A better title"));
    if (kFault == instances) g_shared[0] = 'x';
    if (kFault == leaks) g_lost = std::malloc(16);
    if (kFault == fuzz && body.starts_with("Report") && body.find("\xef\xbf\xbd") != body.npos)
      std::abort();
    if (kFault == text) mention_the_beginning(batch, index, body);
    const size_t length = kFault == allocations ? length_by_a_copy(body) : body.size();
    scratch_ = length;
    if (kFault == determinism && document.sequence % 32 == 0) usleep(2000);
    char said[64];
    const int bytes = std::snprintf(said, sizeof said, "%zu",
                                    kFault == determinism ? static_cast<size_t>(scratch_) : length);
    batch->output->set_extension(batch, index, {said, static_cast<size_t>(bytes)});
    batch->output->carry(batch, index, {said, static_cast<size_t>(bytes)});
  }

  static void mention_the_beginning(const wm_batch* batch, uint32_t index, std::string_view body) {
    const auto end = static_cast<uint32_t>(std::min<size_t>(body.size(), 9));
    const wm_mention mention = {{0, end}, 1};
    const wm_entity entity = {view("MISC"), view("the beginning"), 1, &mention, 1};
    batch->output->set_entities(batch, index, &entity, 1);
  }

  void settle(const wm_batch* batch, uint32_t index) {
    const wm_document& document = *batch->documents[index];
    if (kFault == settle_order && last_ != 0 && document.sequence != last_ + 1)
      return fail(batch, index, "a sequence is missing");
    last_ = document.sequence;
    uint64_t count = 0;
    const auto found = [](void* user, size_t, wm_view value, int32_t is_found) {
      if (is_found != 0) std::memcpy(user, value.data, sizeof(uint64_t));
    };
    if (batch->state->get_many(batch, &document.source, 1, found, &count) != WM_ERROR_NONE &&
        kFault != state_errors)
      return fail(batch, index, "the state cannot be read");
    if (kFault == restart) count = settled_;
    settled_ = ++count;
    char value[sizeof count];
    std::memcpy(value, &count, sizeof count);
    if (batch->state->put(batch, index, document.source, {value, sizeof value}) != WM_ERROR_NONE &&
        kFault != state_errors)
      return fail(batch, index, "the state cannot be written");
    char said[128];
    const int bytes = std::snprintf(said, sizeof said, R"({"bytes":%.*s,"count":%llu})",
                                    static_cast<int>(document.carry.size), document.carry.data,
                                    static_cast<unsigned long long>(count));
    batch->output->set_extension(batch, index, {said, static_cast<size_t>(bytes)});
  }

  uint64_t last_ = 0, settled_ = 0;
  volatile size_t scratch_ =
      0;  // shared by all threads in process, which is a fault where it is read
};

void* create(const wm_host*, const wm_option_value* values, size_t, void (*refuse)(void*, wm_view),
             void* user) noexcept {
  if (kFault == options && values[0].integer == kWordsMax) return nullptr;
  if (kFault == loads && not_defined_anywhere(1) != 0) return nullptr;
  auto* const instance = new (std::nothrow) Instance;
  if (instance == nullptr) refuse(user, view("no memory"));
  return instance;
}
void destroy(void* instance) noexcept { delete static_cast<Instance*>(instance); }
int32_t process(void* instance, const wm_batch* batch) noexcept {
  return static_cast<Instance*>(instance)->process(batch);
}
int32_t settle(void* instance, const wm_batch* batch) noexcept {
  return static_cast<Instance*>(instance)->settle(batch);
}

constexpr const char* kRequired[] = {"text", nullptr};
constexpr const char* kUsed[] = {nullptr};
constexpr const char* kProvided[] = {"entities", "extensions.test.broken", nullptr};
constexpr wm_option kOptions[] = {
    {"words_max", WM_OPTION_INTEGER, 0, "100", "Of no effect.", 0, kWordsMax}, {}};
constexpr wm_descriptor kDescriptor = {sizeof(wm_descriptor),
                                       1,
                                       "test.broken",
                                       "1.0.0",
                                       "Counts, and breaks one rule.",
                                       kRequired,
                                       kUsed,
                                       kProvided,
                                       kOptions,
                                       &create,
                                       &destroy,
                                       &process,
                                       &settle};

}  // namespace

WM_NOTE("test.broken", "1.0.0");
extern "C" WM_EXPORT const wm_entry wiremill_plugin = {
    WM_ENTRY_MAGIC, sizeof(wm_entry), WM_ABI_MAJOR, WM_ABI_MINOR, 0,
    nullptr,        nullptr,          &kDescriptor};
