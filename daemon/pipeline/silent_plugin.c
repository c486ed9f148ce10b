/* A stage for tests in C: ends its process at a document that says so, waits to be cancelled at another,
 * and never says which one it is at. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <wiremill/plugin.h>

static int instance;

static void *create(const wm_host *host, const wm_option_value *options, size_t count,
                    void (*fail)(void *user, wm_view message), void *user) {
  (void)host, (void)options, (void)count, (void)fail, (void)user;
  return &instance;
}

static void destroy(void *self) { (void)self; }

static int32_t process(void *self, const wm_batch *batch) {
  (void)self;
  for (uint32_t i = 0; i < batch->count; ++i) {
    const wm_view text = batch->documents[i]->text;
    if (text.size == 3 && memcmp(text.data, "die", 3) == 0) abort();
    while (text.size == 4 && memcmp(text.data, "wait", 4) == 0 &&
           __atomic_load_n(batch->cancelled, __ATOMIC_RELAXED) == 0)
      usleep(1000);
    batch->output->set_text(batch, i, WM_BYLINE, text);
  }
  return 0;
}

static const char *const required[] = {"text", NULL};
static const char *const used[] = {NULL};
static const char *const provided[] = {"byline", NULL};
static const wm_descriptor descriptor = {sizeof(wm_descriptor),
                                         0,
                                         "test.silent",
                                         "1.0.0",
                                         "Says not which document it is at.",
                                         required,
                                         used,
                                         provided,
                                         NULL,
                                         create,
                                         destroy,
                                         process,
                                         NULL};

const wm_entry wiremill_plugin = {
    WM_ENTRY_MAGIC, sizeof(wm_entry), WM_ABI_MAJOR, WM_ABI_MINOR, 0, NULL, NULL, &descriptor};
WM_NOTE("test.silent", "1.0.0");
