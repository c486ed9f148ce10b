/* Numbers the documents of each source: the contract in plain C11, with state. Built outside the
 * tree against the installed package by tests/install. */
#include <stdio.h>
#include <string.h>
#include <wiremill/plugin.h>

static void *create(const wm_host *host, const wm_option_value *options, size_t options_count,
                    void (*fail)(void *user, wm_view message), void *user) {
  static char instance; /* nothing to remember: the counts are the host's */
  (void)host, (void)options, (void)options_count, (void)fail, (void)user;
  return &instance;
}

static void destroy(void *instance) { (void)instance; }

static int32_t process(void *instance, const wm_batch *batch) {
  (void)instance, (void)batch;
  return 0;
}

static void read_count(void *user, size_t index, wm_view value, int32_t found) {
  (void)index;
  if (found && value.size == sizeof(uint64_t)) memcpy(user, value.data, sizeof(uint64_t));
}

/* Key: the source. Value: how many of its documents came so far. */
static int32_t settle(void *instance, const wm_batch *batch) {
  (void)instance;
  for (uint32_t i = 0; i < batch->count; ++i) {
    const wm_view source = batch->documents[i]->source;
    uint64_t count = 0;
    if (batch->state->get_many(batch, &source, 1, read_count, &count) != WM_ERROR_NONE) return 1;
    ++count;
    const wm_view value = {(const char *)&count, sizeof count};
    char json[32];
    const wm_view extension = {
        json, (size_t)snprintf(json, sizeof json, "{\"nth\":%llu}", (unsigned long long)count)};
    if (batch->state->put(batch, i, source, value) != WM_ERROR_NONE ||
        batch->output->set_extension(batch, i, extension) != WM_ERROR_NONE)
      return 1;
  }
  return 0;
}

static const char *const kNone[] = {NULL};
static const char *const kProvided[] = {"extensions.org.example.nth_of_source", NULL};

#define ID "org.example.nth_of_source"
#define VERSION "1.0.0"

static const wm_descriptor kDescriptor = {
    .struct_size = sizeof(wm_descriptor),
    .state_version = 1,
    .id = ID,
    .version = VERSION,
    .summary = "Numbers the documents of each source.",
    .required = kNone,
    .used = kNone,
    .provided = kProvided,
    .create = create,
    .destroy = destroy,
    .process = process,
    .settle = settle,
};

const wm_entry wiremill_plugin = {
    .magic = WM_ENTRY_MAGIC,
    .struct_size = sizeof(wm_entry),
    .abi_major = WM_ABI_MAJOR,
    .abi_minor = WM_ABI_MINOR,
    .descriptor = &kDescriptor,
};

WM_NOTE(ID, VERSION);
