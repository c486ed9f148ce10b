/* wiremill/plugin.h: the contract between the Wiremill daemon (the host) and a stage plugin.
 *
 * A plugin is one shared object that exports one symbol, `wiremill_plugin` (struct wm_entry), and
 * carries a note that says what it is (WM_NOTE). It links to nothing of Wiremill's: all that the
 * host offers arrives in tables of functions. C11, and C++ from 11 on. C++ authors want `stage.hpp`,
 * a header-only face on top of this file.
 *
 * RULES THAT HOLD FOR EVERYTHING BELOW
 *  Growth      Tables and records begin with `struct_size`, set by the side that fills them, and
 *              grow only at their end; a reader looks no further than that size. Structs without
 *              it (all values, wm_option, wm_option_value) are frozen. New abilities come by
 *              get_extension("wiremill.NAME/1"). A plugin built for ABI 1.x loads in every 1.y
 *              host.
 *  Memory      A wm_view is {pointer, bytes}: not terminated by a zero, valid until the call that
 *              handed it over returns, and never freed by its receiver. Text leaves a plugin
 *              through the host's functions, which copy before they return. Nothing is freed
 *              across the border.
 *  Processes   Nothing here needs both sides in one address space. The host may run the plugin in
 *              a child process; documents then lie in shared memory and state is fetched in few,
 *              large steps. So: a host_data pointer is the host's own, never look into it.
 *  Exceptions  None crosses the border in either direction. No longjmp either.
 *  Text        UTF-8. Every {begin, end} is a byte offset into `wm_document.text`, end exclusive,
 *              on a character boundary. A span that is out of range, reversed or inside a
 *              character is refused (WM_ERROR_ARGUMENT), and so is a view that is not valid UTF-8
 *              where text is asked.
 *  Time        int64_t microseconds since 1970-01-01T00:00:00Z; WM_NO_TIME where there is none.
 *
 * THREAD TAGS, one on each function
 *  [main]      called once at a time, on any thread, never while another call to the same object
 *              runs
 *  [parallel]  called on several threads at once, also on the same instance
 *  [ordered]   called once at a time per instance, documents in ascending sequence, on any thread;
 *              [parallel] functions of the same instance may run meanwhile
 *  [call]      a host function: only inside the plugin function that was handed its table, on that
 *              function's own thread
 *  [any]       any thread, any time between create and destroy
 */
#ifndef WIREMILL_PLUGIN_H_
#define WIREMILL_PLUGIN_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WM_ABI_MAJOR 1
#define WM_ABI_MINOR 3
#define WM_ENTRY_MAGIC UINT32_C(0x4c4d5257) /* "WRML" in little endian */
#define WM_NO_TIME INT64_MIN
#define WM_SYMBOL "wiremill_plugin"

#if defined(__GNUC__)
#define WM_EXPORT __attribute__((visibility("default")))
#else
#define WM_EXPORT
#endif

/* ---- Values -------------------------------------------------------------------------- */

typedef struct wm_view {
  const char *data;
  size_t size; /* bytes */
} wm_view;

typedef struct wm_span {
  uint32_t begin, end;
} wm_span;

enum { WM_TOKEN_WORD = 0, WM_TOKEN_NUMBER = 1, WM_TOKEN_PUNCTUATION = 2, WM_TOKEN_SYMBOL = 3 };

/* The host makes tokens once per document, after `text` and `language` are settled. Tokens ascend,
 * do not overlap, hold no white space and never cross a sentence. */
typedef struct wm_token {
  uint32_t begin, end;
  uint32_t sentence; /* index into wm_document.sentences */
  uint32_t kind;     /* WM_TOKEN_* */
} wm_token;

/* Bytes [begin, end) of `text` were bytes [body_begin, body_end) of the submitted plain-text body.
 */
typedef struct wm_paragraph {
  uint32_t begin, end, body_begin, body_end;
} wm_paragraph;

typedef struct wm_pair {
  wm_view name, value;
} wm_pair;

typedef struct wm_alternative {
  wm_view code; /* ISO 639-1 where one exists, else 639-3; "und", "zxx" */
  double confidence;
} wm_alternative;

typedef struct wm_language_span {
  wm_span span;
  wm_view code;
} wm_language_span;

typedef struct wm_language {
  wm_view code;
  double confidence;                  /* 0 … 1, the share of such answers that are right */
  wm_view script;                     /* ISO 15924, "Latn" */
  const wm_alternative *alternatives; /* descending, without `code` itself */
  size_t alternatives_count;
  const wm_language_span *spans; /* ascending, only where the document mixes languages */
  size_t spans_count;
} wm_language;

typedef struct wm_mention {
  wm_span span;
  double confidence;
} wm_mention;

typedef struct wm_entity {
  wm_view type; /* PER, ORG, LOC, EVENT, MISC, or a stage's own */
  wm_view name; /* the fullest form found */
  double confidence;
  const wm_mention *mentions; /* ascending by begin */
  size_t mentions_count;
} wm_entity;

enum {
  WM_DUPLICATE_NONE = 0,
  WM_DUPLICATE_EXACT = 1,
  WM_DUPLICATE_NEAR = 2,
  WM_DUPLICATE_REWRITE = 3
};

typedef struct wm_duplicate {
  uint32_t kind;      /* WM_DUPLICATE_* */
  wm_view of;         /* id of the original; empty for NONE */
  double similarity;  /* 0 … 1 */
  double containment; /* 0 … 1: share of this document that stands in the original */
  wm_view cluster, story, follows;
} wm_duplicate;

typedef struct wm_summary {
  wm_view text;
  const wm_span *sentences; /* the sentences of `text` it was made of, in the document's order */
  size_t sentences_count;
  const wm_view *keywords;
  size_t keywords_count;
} wm_summary;

/* ---- Documents ----------------------------------------------------------------------- */

/* One document as it stands when the stage is called: what was submitted, then what earlier stages
 * made of it. Fields that no earlier stage provides are empty (WM_NO_TIME, zero counts, null
 * pointers). Arrays of entities, extensions and the like are filled only for what the descriptor
 * requires or uses. */
typedef struct wm_document {
  uint32_t struct_size;
  uint32_t reserved;
  uint64_t sequence;
  int64_t accepted_at_us; /* the only clock a settle may look at */
  wm_view id, source, uri;
  wm_view content_type;      /* as submitted, or "" */
  wm_view body;              /* as submitted: any bytes in any charset */
  const wm_pair *attributes; /* sorted by name */
  size_t attributes_count;
  wm_view title, byline, dateline;
  int64_t published_us;
  wm_view text; /* before a stage that provides "text": the body, repaired to UTF-8 */
  const wm_span *sentences;
  size_t sentences_count;
  const wm_token *tokens;
  size_t tokens_count;
  wm_language language;
  const wm_entity *entities;
  size_t entities_count;
  wm_duplicate duplicate;
  wm_summary summary;
  const wm_pair *extensions; /* name of the stage's extension, its JSON */
  size_t extensions_count;
  wm_view carry; /* settle only: what this stage's process passed to `carry` for this document */
  /* Since 1.1. A document that died and is tried again has a new sequence and its old id, and names
   * here the one under which it first came; any other names its own. What a stage remembers it
   * under: the same document is not counted twice, and is never new or a copy for having come
   * before. */
  uint64_t first_sequence;
} wm_document;

/* What becomes of one document in one stage. A document for which no verdict is given is WM_OK. */
enum {
  WM_OK = 0,
  WM_SKIP = 1,         /* nothing to do here; annotations made in this call are discarded */
  WM_DROP = 2,         /* leave the line as DROPPED, with the reason given */
  WM_RETRY = 3,        /* process only: try this document once more, later */
  WM_BAD_DOCUMENT = 4, /* the document is at fault: DEAD, not tried again */
  WM_FAILED = 5        /* the stage is at fault: DEAD after attempts_max */
};

/* What a host function answers. */
enum {
  WM_ERROR_NONE = 0,
  WM_ERROR_ARGUMENT = 1, /* index or span out of range, not UTF-8, not JSON, size over the limit */
  WM_ERROR_PHASE = 2,    /* not allowed in this call */
  WM_ERROR_IO = 3        /* the state store failed; give the documents up with WM_FAILED */
};

enum { WM_TITLE = 0, WM_BYLINE = 1, WM_DATELINE = 2, WM_TEXT = 3 };

struct wm_batch;

/* Annotations go out through this table, document by document. They take effect together when the
 * call returns and the document's verdict is WM_OK; after any other verdict none of them does.
 * Setting the same thing twice replaces it. Only a stage that lists "text" in `provided` may set
 * WM_TEXT, and it sets it first: with the old text goes what was said of it, whoever said it, its
 * paragraphs, sentences, entities, summary and the spans of its language. A text or a list has up to
 * 64 MiB with all that is in it, an extension 1 MiB, a carry 16 MiB. `document` is the index in the
 * batch. All are [call].
 */
typedef struct wm_output {
  uint32_t struct_size;
  uint32_t reserved;
  /* `code` is a short upper-case word that becomes the failure's code or the reason of a drop;
   * `message` is for people. Both may be empty. */
  void (*verdict)(const struct wm_batch *batch, uint32_t document, uint32_t verdict, wm_view code,
                  wm_view message);
  int32_t (*set_text)(const struct wm_batch *batch, uint32_t document, uint32_t field,
                      wm_view text);
  int32_t (*set_published)(const struct wm_batch *batch, uint32_t document, int64_t published_us);
  int32_t (*set_paragraphs)(const struct wm_batch *batch, uint32_t document,
                            const wm_paragraph *paragraphs, size_t count);
  int32_t (*set_language)(const struct wm_batch *batch, uint32_t document,
                          const wm_language *language);
  int32_t (*set_entities)(const struct wm_batch *batch, uint32_t document,
                          const wm_entity *entities, size_t count);
  int32_t (*set_duplicate)(const struct wm_batch *batch, uint32_t document,
                           const wm_duplicate *duplicate);
  int32_t (*set_summary)(const struct wm_batch *batch, uint32_t document,
                         const wm_summary *summary);
  /* `json` is one JSON value; it appears under extensions[descriptor id]. */
  int32_t (*set_extension)(const struct wm_batch *batch, uint32_t document, wm_view json);
  /* process only: bytes for this stage's own settle of the same document. */
  int32_t (*carry)(const struct wm_batch *batch, uint32_t document, wm_view bytes);
  /* Since 1.2. The work on this document begins: what happens from here on is its doing, and its
   * deadline runs. A plugin need not say so; the host then tries the documents of a call that did
   * not come back one by one, to find the guilty one. */
  void (*begin)(const struct wm_batch *batch, uint32_t document);
} wm_output;

/* The stage's own key space, ordered by key bytes, durable and exactly as old as the result log:
 * what a document's settle wrote becomes lasting together with that document's result. Reads see
 * all that earlier documents wrote, and what this call wrote before. What is written for a document
 * whose verdict is neither WM_OK, WM_SKIP nor WM_DROP is discarded. Keys to 1 KiB, values to 1 MiB;
 * a document that changes more than 8 MiB of both in one stage is DEAD, code TOO_LARGE, whatever the
 * verdict. All are [call], and only in settle. */
typedef void (*wm_found_fn)(void *user, size_t index, wm_view value, int32_t found);
typedef int32_t (*wm_scanned_fn)(void *user, wm_view key, wm_view value); /* 0 stops the scan */

typedef struct wm_state {
  uint32_t struct_size;
  uint32_t reserved;
  /* `found` is called for index 0 … count - 1, in that order, before get_many returns. */
  int32_t (*get_many)(const struct wm_batch *batch, const wm_view *keys, size_t count,
                      wm_found_fn found, void *user);
  int32_t (*put)(const struct wm_batch *batch, uint32_t document, wm_view key, wm_view value);
  int32_t (*remove)(const struct wm_batch *batch, uint32_t document, wm_view key);
  /* Keys that begin with `prefix` and are >= `from`, ascending. */
  int32_t (*scan)(const struct wm_batch *batch, wm_view prefix, wm_view from, wm_scanned_fn scanned,
                  void *user);
} wm_state;

/* 1 … batch_documents_max documents in ascending sequence. Valid until the call returns. */
typedef struct wm_batch {
  uint32_t struct_size;
  uint32_t count;
  const wm_document *const *documents;
  const wm_output *output;
  const wm_state *state;              /* null in process */
  const volatile uint32_t *cancelled; /* becomes non-zero when the work is no longer wanted */
  void *host_data;
  /* Since 1.3. How long each document may take from its `begin` on (by wm_host.clock_us); 0: no
   * limit, as always inside the daemon's own process. A document over it is DEAD, and a process that
   * holds it is ended. The host may wait longer, never shorter: time without a core, or in the host's
   * own functions, is not counted. A plugin that does not say `begin` has this for each of `count`,
   * all together. */
  int64_t deadline_us;
} wm_batch;

/* ---- Options ------------------------------------------------------------------------- */

enum {
  WM_OPTION_BOOL = 0,     /* integer 0 or 1 */
  WM_OPTION_INTEGER = 1,  /* integer */
  WM_OPTION_NUMBER = 2,   /* number */
  WM_OPTION_STRING = 3,   /* text */
  WM_OPTION_STRINGS = 4,  /* texts */
  WM_OPTION_DURATION = 5, /* integer, milliseconds; written "250ms", "10s", "5m", "24h", "7d" */
  WM_OPTION_BYTES = 6     /* integer; written "64KiB", "10MiB", "1GiB" */
};

/* One row of a descriptor's option table, ended by a row whose name is null. `default_value` is
 * written as in YAML ("0.8", "10s", "[en, de]"); null makes the option required. `minimum` and
 * `maximum` bound numbers, durations (ms) and bytes where minimum < maximum. */
typedef struct wm_option {
  const char *name; /* lower_snake_case */
  uint32_t type;    /* WM_OPTION_* */
  uint32_t reserved;
  const char *default_value;
  const char *help; /* one line */
  double minimum, maximum;
} wm_option;

/* A resolved option: every row of the table is present, in the table's order. */
typedef struct wm_option_value {
  wm_view name;
  uint32_t type;
  uint32_t reserved;
  int64_t integer;
  double number;
  wm_view text;
  const wm_view *texts;
  size_t texts_count;
} wm_option_value;

/* ---- Host ---------------------------------------------------------------------------- */

enum { WM_LOG_DEBUG = 0, WM_LOG_INFO = 1, WM_LOG_WARNING = 2, WM_LOG_ERROR = 3 };

/* Handed to create; valid until destroy returns. */
typedef struct wm_host {
  uint32_t struct_size;
  uint32_t abi_minor;
  void *host_data;
  wm_view stage;      /* the name of the configured step */
  wm_view plugin_dir; /* the folder of the .so: models lie beside it */
  /* [any] Lines over 4 KiB are cut. */
  void (*log)(const struct wm_host *host, uint32_t level, wm_view message);
  /* [any] Adds to the counter wiremill_stage_events_total{stage, event="<name>"}.
   *
   * Names of counters, gauges and histograms are lower_snake_case, a letter first, up to 64 bytes;
   * those of gauges and histograms do not end in _total, _bucket, _sum or _count. A stage has 64 of
   * them, of all kinds together, and one name is one kind: the one it was first. What does not keep to
   * that is dropped without a word. */
  void (*count)(const struct wm_host *host, wm_view name, uint64_t add);
  /* [any] A table named "wiremill.NAME/VERSION", or null. */
  const void *(*get_extension)(const struct wm_host *host, const char *name);
  /* Since 1.3. [any] The gauge wiremill_stage_<name>{stage} is `value`, until another is said. Of a
   * stage that runs on several threads or in several processes, whoever spoke last. NaN and infinite
   * values are dropped. */
  void (*gauge)(const struct wm_host *host, wm_view name, double value);
  /* Since 1.3. [any] Adds `value` to the histogram wiremill_stage_<name>{stage}. Its buckets are 1, 2
   * and 5 times each power of ten, from 1e-6 to 1e9, and all above: for seconds from a microsecond,
   * for bytes to a gigabyte, for counts. Base units, then: seconds, bytes. NaN, infinite and negative
   * values are dropped. */
  void (*observe)(const struct wm_host *host, wm_view name, double value);
  /* Since 1.3. [any] Microseconds on a clock that never goes backwards, from an unknown beginning: to
   * measure, and against the deadline. What a stage says of a document must not depend on it, but for
   * giving the document up in time. */
  int64_t (*clock_us)(const struct wm_host *host);
} wm_host;

/* ---- The plugin ---------------------------------------------------------------------- */

/* Lists of names are arrays of C strings ended by null. Known annotations: "title", "published",
 * "byline", "dateline", "text", "sentences", "tokens", "language", "entities", "duplicate",
 * "summary", and "extensions.<id>". `required`: must stand in the document; the host itself gives
 * "title" and "published" (as submitted), "text" (the body), "sentences" and "tokens" (made of text
 * and language). `used`: looked at where it is there. The host refuses a line in which a later stage
 * provides what an earlier one requires or uses. */
typedef struct wm_descriptor {
  uint32_t struct_size;
  uint32_t state_version; /* raise it when the stage's own key space changes its meaning */
  const char *id;         /* "org.example.stage" */
  const char *version;    /* "1.2.0" */
  const char *summary;    /* one line */
  const char *const *required;
  const char *const *used;
  const char *const *provided;
  const wm_option *options; /* null, or ended by a row whose name is null */
  /* [main] An instance for one configured step, or null after telling why by `fail`, whose message
   * is shown as a configuration error. `host` outlives the instance; `options` only the call. */
  void *(*create)(const wm_host *host, const wm_option_value *options, size_t options_count,
                  void (*fail)(void *user, wm_view message), void *user);
  /* [main] */
  void (*destroy)(void *instance);
  /* [parallel] Sees only its batch. What it answers may depend on the document and the options
   * alone, never on its neighbours in the batch, the thread or the clock. A non-zero return is
   * WM_FAILED for every document of the batch. */
  int32_t (*process)(void *instance, const wm_batch *batch);
  /* [ordered] Null for a stage without state. Sees documents in ascending sequence after process;
   * what it answers and writes must not depend on where batches are cut. */
  int32_t (*settle)(void *instance, const wm_batch *batch);
} wm_descriptor;

typedef struct wm_entry {
  uint32_t magic; /* WM_ENTRY_MAGIC */
  uint32_t struct_size;
  uint16_t abi_major, abi_minor; /* WM_ABI_MAJOR, WM_ABI_MINOR as compiled */
  uint32_t reserved;
  /* [main] Once after loading; non-zero refuses. Both may be null. */
  int32_t (*init)(void);
  /* [main] Once, when the process ends. */
  void (*deinit)(void);
  const wm_descriptor *descriptor; /* constant for the life of the process */
} wm_entry;

/* Defined by every plugin, and nothing else is. */
WM_EXPORT extern const wm_entry wiremill_plugin;

/* ---- The note ------------------------------------------------------------------------ */

/* What a host reads of the file before it maps it: an ELF note in a PT_NOTE segment. A file without
 * it, of another ABI major, or whose note and descriptor differ is refused. Frozen, but for what a
 * later minor may append. */
typedef struct wm_note {
  uint32_t name_size, description_size, type; /* as in every ELF note */
  char name[12];                              /* WM_NOTE_NAME, zeros to the end */
  uint16_t abi_major, abi_minor;              /* as compiled */
  char id[128];     /* the descriptor's: visible ASCII characters, zeros to the end */
  char version[32]; /* the same */
} wm_note;

#define WM_NOTE_NAME "Wiremill"
#define WM_NOTE_TYPE 1
#define WM_NOTE_HEAD                                                                               \
  sizeof WM_NOTE_NAME, sizeof(wm_note) - offsetof(wm_note, abi_major), WM_NOTE_TYPE, WM_NOTE_NAME, \
      WM_ABI_MAJOR, WM_ABI_MINOR

/* Where the note stands, kept by compiler and linker although nothing refers to it. */
#if defined(__has_attribute)
#if __has_attribute(retain)
#define WM_NOTE_PLACE __attribute__((section(".note.wiremill"), used, retain, aligned(4)))
#endif
#endif
#ifndef WM_NOTE_PLACE
#define WM_NOTE_PLACE __attribute__((section(".note.wiremill"), used, aligned(4)))
#endif

/* Once in every plugin, beside its entry: WM_NOTE("org.example.stage", "1.2.0"); with the id and the
 * version of its descriptor, as string literals. WIREMILL_STAGE (stage.hpp) has it already. */
#define WM_NOTE(ID, VERSION) \
  WM_NOTE_PLACE static const wm_note wiremill_note = {WM_NOTE_HEAD, ID, VERSION}

#ifdef __cplusplus
} /* extern "C" */
#endif
#endif /* WIREMILL_PLUGIN_H_ */
