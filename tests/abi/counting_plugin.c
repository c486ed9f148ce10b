/* A stage as it would have been written for each ABI version: built with the header of that version as
 * it was frozen (tests/abi/1.N), never with today's. It uses all that its header has: the source's count
 * in the state, the sequence a document first came under, the document that it begins, gauges and
 * histograms, clock and deadline. */
#include <stdio.h>
#include <string.h>
#include <wiremill/plugin.h>

static void *create(const wm_host *host, const wm_option_value *options, size_t options_count,
                    void (*fail)(void *user, wm_view message), void *user) {
  if (options_count != 1 || options[0].type != WM_OPTION_INTEGER) {
    fail(user, (wm_view){"other options than in the table", 31});
    return NULL;
  }
  host->count(host, (wm_view){"created", 7}, 1);
  return (void *)host; /* all that an instance has */
}

static void destroy(void *self) { (void)self; }

static int32_t process(void *self, const wm_batch *batch) {
  (void)self;
  for (uint32_t i = 0; i < batch->count && *batch->cancelled == 0; ++i) {
    const wm_document *document = batch->documents[i];
#if WM_ABI_MINOR >= 2
    if (batch->output->struct_size >= offsetof(wm_output, begin) + sizeof batch->output->begin)
      batch->output->begin(batch, i);
#endif
    char carried[32];
    const int bytes = snprintf(carried, sizeof carried, "%zu", document->text.size);
    batch->output->carry(batch, i, (wm_view){carried, (size_t)bytes});
  }
  return 0;
}

static void found(void *user, size_t index, wm_view value, int32_t is_found) {
  (void)index;
  if (is_found && value.size == sizeof(uint64_t)) memcpy(user, value.data, sizeof(uint64_t));
}

static uint64_t first_sequence(const wm_document *document) {
#if WM_ABI_MINOR >= 1
  if (document->struct_size >=
      offsetof(wm_document, first_sequence) + sizeof document->first_sequence)
    return document->first_sequence;
#endif
  return document->sequence;
}

#if WM_ABI_MINOR >= 3
static int64_t clock_us(const wm_host *host) {
  const int is_known = host->struct_size >= offsetof(wm_host, clock_us) + sizeof host->clock_us;
  return is_known ? host->clock_us(host) : 0;
}

static void tell(const wm_host *host, const wm_batch *batch, int64_t began_us) {
  if (batch->struct_size >= offsetof(wm_batch, deadline_us) + sizeof batch->deadline_us &&
      host->struct_size >= offsetof(wm_host, gauge) + sizeof host->gauge)
    host->gauge(host, (wm_view){"deadline_seconds", 16}, (double)batch->deadline_us * 1e-6);
  if (host->struct_size >= offsetof(wm_host, observe) + sizeof host->observe)
    host->observe(host, (wm_view){"settle_seconds", 14},
                  (double)(clock_us(host) - began_us) * 1e-6);
}
#endif

static int32_t settle(void *self, const wm_batch *batch) {
  (void)self;
  for (uint32_t i = 0; i < batch->count; ++i) {
    const wm_document *document = batch->documents[i];
#if WM_ABI_MINOR >= 3
    const int64_t began_us = clock_us(self);
#endif
    uint64_t count = 0;
    if (batch->state->get_many(batch, &document->source, 1, found, &count) != WM_ERROR_NONE)
      return 1;
    ++count;
    const wm_view value = {(const char *)&count, sizeof count};
    if (batch->state->put(batch, i, document->source, value) != WM_ERROR_NONE) return 1;
    char json[128];
    const int bytes =
        snprintf(json, sizeof json, "{\"bytes\":%.*s,\"count\":%llu,\"first\":%llu}",
                 (int)document->carry.size, document->carry.data, (unsigned long long)count,
                 (unsigned long long)first_sequence(document));
    batch->output->set_extension(batch, i, (wm_view){json, (size_t)bytes});
#if WM_ABI_MINOR >= 3
    tell(self, batch, began_us);
#endif
  }
  return 0;
}

static const char *const required[] = {"text", NULL};
static const char *const used[] = {NULL};
static const char *const provided[] = {"extensions.test.counting", NULL};
static const wm_option options[] = {
    {"count_max", WM_OPTION_INTEGER, 0, "10", "Of no effect.", 0, 100}, {0}};
static const wm_descriptor descriptor = {sizeof(wm_descriptor),
                                         1,
                                         "test.counting",
                                         "1.0.0",
                                         "Counts the documents of a source.",
                                         required,
                                         used,
                                         provided,
                                         options,
                                         create,
                                         destroy,
                                         process,
                                         settle};

const wm_entry wiremill_plugin = {
    WM_ENTRY_MAGIC, sizeof(wm_entry), WM_ABI_MAJOR, WM_ABI_MINOR, 0, NULL, NULL, &descriptor};
WM_NOTE("test.counting", "1.0.0");
