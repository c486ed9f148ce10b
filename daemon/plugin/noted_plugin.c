/* A plugin that does nothing, for plugin_note_test: built once sound, and once for each way in which
 * its note can be wrong; and once so that it crashes when it is mapped. It leaves a word in the
 * environment then. */
#include <stdlib.h>
#include <wiremill/plugin.h>

#define ID "test.noted"
#define VERSION "1.2.3"

#if defined(NEWER_MINOR) || defined(OTHER_MINOR)
#undef WM_ABI_MINOR
#define WM_ABI_MINOR 900
#elif defined(OTHER_MAJOR)
#undef WM_ABI_MAJOR
#define WM_ABI_MAJOR 2
#endif

#if defined(OTHER_ID)
WM_NOTE("test.other", VERSION);
#elif !defined(WITHOUT_NOTE)
WM_NOTE(ID, VERSION);
#endif

#if defined(OTHER_MINOR)
#undef WM_ABI_MINOR
#define WM_ABI_MINOR 901
#endif

int setenv(const char *name, const char *value, int overwrite);

__attribute__((constructor)) static void mapped(void) {
#if defined(CRASHING)
  abort();
#endif
  setenv("NOTED_PLUGIN", "mapped", 1);
}

static void *create(const wm_host *host, const wm_option_value *options, size_t options_count,
                    void (*fail)(void *user, wm_view message), void *user) {
  static char instance;
  (void)host, (void)options, (void)options_count, (void)fail, (void)user;
  return &instance;
}

static void destroy(void *instance) { (void)instance; }

static int32_t process(void *instance, const wm_batch *batch) {
  (void)instance, (void)batch;
  return 0;
}

static const char *const kNone[] = {NULL};

static const wm_descriptor kDescriptor = {
    .struct_size = sizeof(wm_descriptor),
    .id = ID,
    .version = VERSION,
    .summary = "Nothing.",
    .required = kNone,
    .used = kNone,
    .provided = kNone,
    .create = create,
    .destroy = destroy,
    .process = process,
};

const wm_entry wiremill_plugin = {
    .magic = WM_ENTRY_MAGIC,
    .struct_size = sizeof(wm_entry),
    .abi_major = WM_ABI_MAJOR,
    .abi_minor = WM_ABI_MINOR,
    .descriptor = &kDescriptor,
};
