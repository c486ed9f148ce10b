// See allocation.hpp. A block of the plugin's carries a mark at its end, made of its address, so that
// free() knows it without a table, whoever frees it and on whatever thread. Blocks that were made
// before tracking began have none and are never counted.
#include "cli/check/allocation.hpp"

#include <link.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
#include <string_view>

namespace wiremill::check {
namespace {

thread_local bool t_inside = false;
std::atomic<uint64_t> g_made{0}, g_failing{0};
std::atomic<int64_t> g_held{0};
std::atomic<bool> g_tracking{false};

// Where the code lies whose allocations may fail.
struct Code {
  uintptr_t begin = 0, end = 0;
};
std::array<Code, 8> g_code;
std::atomic<size_t> g_code_count{0};

bool is_own(const dl_phdr_info& object, const std::string& plugin_path) {
  const std::string_view path = object.dlpi_name;
  for (const char* library : {"/libstdc++.so", "/libc.so", "/libm.so", "/libgcc_s.so"})
    if (path.find(library) != path.npos) return true;
  std::error_code ignored;
  return !path.empty() && std::filesystem::equivalent(path, plugin_path, ignored);
}

int add_object(dl_phdr_info* object, size_t, void* plugin_path) {
  if (!is_own(*object, *static_cast<const std::string*>(plugin_path))) return 0;
  Code code = {UINTPTR_MAX, 0};
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = object->dlpi_phdr[i];
    if (segment.p_type != PT_LOAD) continue;
    code.begin = std::min<uintptr_t>(code.begin, object->dlpi_addr + segment.p_vaddr);
    code.end = std::max<uintptr_t>(code.end, object->dlpi_addr + segment.p_vaddr + segment.p_memsz);
  }
  const size_t count = g_code_count;
  if (count == g_code.size()) return 1;
  g_code[count] = code;
  g_code_count = count + 1;
  return 0;
}

}  // namespace

InsidePlugin::InsidePlugin() : before_(t_inside) { t_inside = true; }
InsidePlugin::~InsidePlugin() { t_inside = before_; }
OutsidePlugin::OutsidePlugin() : before_(t_inside) { t_inside = false; }
OutsidePlugin::~OutsidePlugin() { t_inside = before_; }

void fail_only_in(const std::string& plugin_path) {
  g_code_count = 0;
  std::string path = plugin_path;
  dl_iterate_phdr(&add_object, &path);
}

void fail_allocation(uint64_t nth) {
  g_failing = 0;
  g_made = 0;
  g_failing = nth;
}
uint64_t allocations_made() { return g_made; }
void track_memory() { g_tracking = true; }
int64_t bytes_held() { return g_held; }

}  // namespace wiremill::check

#if defined(WIREMILL_SANITIZED)

namespace wiremill::check {
bool allocations_are_watched() { return false; }
}  // namespace wiremill::check

#else

#include <malloc.h>

#include <cerrno>
#include <cstring>

namespace wiremill::check {
bool allocations_are_watched() { return true; }

namespace {

constexpr size_t kMarkBytes = sizeof(uint64_t);

// The C library's own, under the names that stay when malloc is replaced.
extern "C" {
void* __libc_malloc(size_t size);                      // NOLINT(bugprone-reserved-identifier)
void* __libc_calloc(size_t count, size_t size);        // NOLINT(bugprone-reserved-identifier)
void* __libc_realloc(void* block, size_t size);        // NOLINT(bugprone-reserved-identifier)
void* __libc_memalign(size_t alignment, size_t size);  // NOLINT(bugprone-reserved-identifier)
void __libc_free(void* block);                         // NOLINT(bugprone-reserved-identifier)
}

bool may_fail(const void* caller) {
  const auto address = reinterpret_cast<uintptr_t>(caller);
  for (size_t i = 0; i < g_code_count; ++i)
    if (address >= g_code[i].begin && address < g_code[i].end) return true;
  return false;
}

// Whether this allocation is the plugin's; `refused` where it is the one to fail.
bool is_plugins(const void* caller, bool& refused) {
  refused = false;
  if (!t_inside) return false;
  if (may_fail(caller)) refused = ++g_made == g_failing;
  return true;
}

uint64_t mark_of(const void* block) {
  return (reinterpret_cast<uintptr_t>(block) * UINT64_C(0x9e3779b97f4a7c15)) ^
         UINT64_C(0x5a17ed0fb10c0000);
}

char* mark_place(void* block, size_t usable) {
  return static_cast<char*>(block) + usable - kMarkBytes;
}

void* marked(void* block) {
  if (block == nullptr || !g_tracking) return block;
  const size_t usable = malloc_usable_size(block);
  const uint64_t mark = mark_of(block);
  std::memcpy(mark_place(block, usable), &mark, kMarkBytes);
  g_held += static_cast<int64_t>(usable);
  return block;
}

// Takes the mark off; false where there was none.
bool unmark(void* block) {
  if (block == nullptr || !g_tracking) return false;
  const size_t usable = malloc_usable_size(block);
  char* const place = mark_place(block, usable);
  uint64_t mark = 0;
  std::memcpy(&mark, place, kMarkBytes);
  if (mark != mark_of(block)) return false;
  std::memset(place, 0, kMarkBytes);
  g_held -= static_cast<int64_t>(usable);
  return true;
}

void* no_memory() {
  errno = ENOMEM;
  return nullptr;
}

void* aligned(size_t alignment, size_t size, const void* caller) {
  bool refused = false;
  const bool plugins = is_plugins(caller, refused);
  if (refused) return no_memory();
  void* const block = __libc_memalign(alignment, plugins ? size + kMarkBytes : size);
  return plugins ? marked(block) : block;
}

}  // namespace
}  // namespace wiremill::check

#define WIREMILL_REPLACES extern "C" __attribute__((visibility("default")))

using namespace wiremill::check;  // NOLINT(google-build-using-namespace)

WIREMILL_REPLACES void* malloc(size_t size) noexcept {
  bool refused = false;
  if (!is_plugins(__builtin_return_address(0), refused)) return __libc_malloc(size);
  if (refused || size > SIZE_MAX - kMarkBytes) return no_memory();
  return marked(__libc_malloc(size + kMarkBytes));
}

WIREMILL_REPLACES void* calloc(size_t count, size_t size) noexcept {
  bool refused = false;
  if (!is_plugins(__builtin_return_address(0), refused)) return __libc_calloc(count, size);
  size_t bytes = 0;
  if (refused || __builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - kMarkBytes)
    return no_memory();
  return marked(__libc_calloc(1, bytes + kMarkBytes));
}

WIREMILL_REPLACES void* realloc(void* block, size_t size) noexcept {
  bool refused = false;
  const bool plugins = is_plugins(__builtin_return_address(0), refused);
  if (refused) return no_memory();
  if (block != nullptr && size == 0) {
    free(block);
    return nullptr;
  }
  const bool was_marked = unmark(block);
  if (!plugins && !was_marked) return __libc_realloc(block, size);
  void* const moved = __libc_realloc(block, size + kMarkBytes);
  if (moved == nullptr) {
    if (was_marked) marked(block);
    return nullptr;
  }
  return marked(moved);
}

WIREMILL_REPLACES void free(void* block) noexcept {
  unmark(block);
  __libc_free(block);
}

WIREMILL_REPLACES void* memalign(size_t alignment, size_t size) noexcept {
  return aligned(alignment, size, __builtin_return_address(0));
}
WIREMILL_REPLACES void* aligned_alloc(size_t alignment, size_t size) noexcept {
  return aligned(alignment, size, __builtin_return_address(0));
}
WIREMILL_REPLACES int posix_memalign(void** block, size_t alignment, size_t size) noexcept {
  void* const made = aligned(alignment, size, __builtin_return_address(0));
  if (made == nullptr) return ENOMEM;
  *block = made;
  return 0;
}

#endif
