/* A stage for the tests of the trial: does what the body asks for, which is to end the process, to hang
 * whatever it is told, to refuse with a code, or to refuse a batch of more than one document. Built also
 * so that it hangs while it is loaded. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <wiremill/plugin.h>

static int instance;

static void hang(void) {
  for (;;) usleep(1000);
}

#ifdef HANGS_ON_LOADING
__attribute__((constructor)) static void load(void) { hang(); }
#endif

static int begins_with(wm_view text, const char *word) {
  const size_t size = strlen(word);
  return text.size >= size && memcmp(text.data, word, size) == 0;
}

static void refuse(const wm_batch *batch, uint32_t index, wm_view code) {
  const wm_view message = {"the body says so", 16};
  batch->output->verdict(batch, index, WM_BAD_DOCUMENT, code, message);
}

static void *create(const wm_host *host, const wm_option_value *options, size_t count,
                    void (*fail)(void *user, wm_view message), void *user) {
  (void)host, (void)options, (void)count, (void)fail, (void)user;
  return &instance;
}

static void destroy(void *self) { (void)self; }

static int32_t process(void *self, const wm_batch *batch) {
  (void)self;
  for (uint32_t i = 0; i < batch->count; ++i) {
    const wm_view body = batch->documents[i]->text;
    batch->output->begin(batch, i);
    if (begins_with(body, "die")) abort();
    if (begins_with(body, "hang")) hang();
    if (begins_with(body, "refuse ")) {
      const wm_view code = {body.data + 7, body.size - 7};
      refuse(batch, i, code);
    }
    if (begins_with(body, "alone") && batch->count > 1) {
      const wm_view code = {"TOO_MANY", 8};
      refuse(batch, i, code);
    }
  }
  return 0;
}

static const char *const required[] = {"text", NULL};
static const char *const none[] = {NULL};
static const wm_descriptor descriptor = {sizeof(wm_descriptor),
                                         0,
                                         "test.canary",
                                         "1.0.0",
                                         "Does what the body asks for.",
                                         required,
                                         none,
                                         none,
                                         NULL,
                                         create,
                                         destroy,
                                         process,
                                         NULL};

const wm_entry wiremill_plugin = {
    WM_ENTRY_MAGIC, sizeof(wm_entry), WM_ABI_MAJOR, WM_ABI_MINOR, 0, NULL, NULL, &descriptor};
WM_NOTE("test.canary", "1.0.0");
