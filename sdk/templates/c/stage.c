/* The stage new_stage: counts the words of a text. What it says of itself stands in kDescriptor,
 * what it does in process(); the contract is explained in wiremill/plugin.h. */
#include <stdio.h>
#include <stdlib.h>
#include <wiremill/plugin.h>

#define ID "org.example.new_stage"
#define VERSION "0.1.0"

typedef struct stage {
  int64_t words_min;
} stage;

/* Options come checked, one value for each row of kOptions, in its order. */
static void *create(const wm_host *host, const wm_option_value *options, size_t options_count,
                    void (*fail)(void *user, wm_view message), void *user) {
  static const char kNoMemory[] = "no memory";
  stage *self = malloc(sizeof *self);
  (void)host, (void)options_count;
  if (self == NULL) {
    fail(user, (wm_view){kNoMemory, sizeof kNoMemory - 1});
    return NULL;
  }
  self->words_min = options[0].integer;
  return self;
}

static void destroy(void *instance) { free(instance); }

/* Called on several threads at once: the instance is only read. */
static int32_t process(void *instance, const wm_batch *batch) {
  const stage *self = instance;
  for (uint32_t i = 0; i < batch->count && *batch->cancelled == 0; ++i) {
    const wm_document *document = batch->documents[i];
    int64_t words = 0;
    for (size_t t = 0; t < document->tokens_count; ++t)
      words += document->tokens[t].kind == WM_TOKEN_WORD;
    const wm_view nothing = {NULL, 0};
    if (words < self->words_min) {
      batch->output->verdict(batch, i, WM_SKIP, nothing, nothing);
      continue;
    }
    char json[48];
    const int size = snprintf(json, sizeof json, "{\"words\":%lld}", (long long)words);
    const wm_view extension = {json, (size_t)size};
    if (batch->output->set_extension(batch, i, extension) != WM_ERROR_NONE)
      batch->output->verdict(batch, i, WM_FAILED, nothing, nothing);
  }
  return 0;
}

static const char *const kRequired[] = {"tokens", NULL};
static const char *const kUsed[] = {NULL};
static const char *const kProvided[] = {"extensions." ID, NULL};
static const wm_option kOptions[] = {
    {"words_min", WM_OPTION_INTEGER, 0, "1", "Texts of fewer words are left alone.", 0, 1e6}, {0}};

static const wm_descriptor kDescriptor = {
    .struct_size = sizeof(wm_descriptor),
    .state_version = 1,
    .id = ID,
    .version = VERSION,
    .summary = "Counts the words of a text.",
    .required = kRequired,
    .used = kUsed,
    .provided = kProvided,
    .options = kOptions,
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

WM_NOTE(ID, VERSION);
