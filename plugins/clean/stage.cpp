// The stage `clean`: the border between the plugin contract and article.hpp. The host calls
// `process` on several threads at once, `settle` in order; each thread has its own tree, whose
// memory is reused from page to page.
//
// process cleans the document by itself. settle takes out what the source's earlier documents have
// shown to be furniture (source_memory.hpp): lines of an HTML page leave its text; a flattened page
// is read once more without them, since menus that are gone no longer hide where the story begins
// and ends. Its title, byline and dateline are then those of the second reading.
#include <wiremill/stage.hpp>

#include <stdexcept>
#include <string>

#include "plugins/clean/article.hpp"

namespace wiremill::clean {
namespace {

// A larger text is no flattened page, and settle has no time to read it again.
constexpr size_t kReadAgainBytesMax = 256 * 1024;

InputKind kind_named(const std::string& name) {
  if (name == "auto") return InputKind::kAuto;
  if (name == "text") return InputKind::kText;
  if (name == "html") return InputKind::kHtml;
  if (name == "markdown") return InputKind::kMarkdown;
  throw std::invalid_argument("input: '" + name + "' is none of auto, text, html, markdown");
}

// What settle must know of how process read the document; the noted lines follow.
enum CarryFlag : char { kIsHtml = 1, kTitleIsSubmitted = 2, kPublishedIsSubmitted = 4 };

class Clean {
 public:
  static constexpr wm_option kOptions[] = {
      {"input", WM_OPTION_STRING, 0, "auto",
       "How bodies are read: auto (by content type, then by their look), text, html or markdown.",
       0, 0},
      {"memory", WM_OPTION_BOOL, 0, "true",
       "Leave out lines that stood in several documents of the same source.", 0, 0},
      {"memory_documents", WM_OPTION_INTEGER, 0, "3",
       "In how many different documents of its source a line must stand for that.", 2, 8},
      {"memory_age", WM_OPTION_DURATION, 0, "30d",
       "A line that was not seen for so long is forgotten.", 3'600'000, 365.0 * 86'400'000},
      {"memory_percent_min", WM_OPTION_INTEGER, 0, "3",
       "Such lines stay where they are less of a text than this, unless they open it.", 0, 100},
      {"memory_percent_max", WM_OPTION_INTEGER, 0, "75",
       "Such lines stay where they are more of a text than this.", 0, 100},
      {"nodes_max", WM_OPTION_INTEGER, 0, "500000",
       "Elements and texts of an HTML page; what follows them is not read.", 1000, 10'000'000},
      {"depth_max", WM_OPTION_INTEGER, 0, "512",
       "Open elements of an HTML page; what follows the first deeper one is not read.", 16, 4096},
      {"explain", WM_OPTION_BOOL, 0, "false",
       "List the lines that were left out, with the reason, in the stage's extension.", 0, 0},
      {}};
  static constexpr StageInfo kInfo = {
      .id = "wiremill.clean",
      .version = "1.2.0",
      .summary = "Article text, title, date and byline from a page or a flattened page.",
      .provided = {"title", "published", "byline", "dateline", "text", "paragraphs",
                   "extensions.wiremill.clean"},
      .options = kOptions};

  Clean(const Host& host, const Options& options)
      : host_(host),
        explains_(options.flag("explain")),
        remembers_(options.flag("memory")),
        memory_{static_cast<size_t>(options.integer("memory_documents")),
                options.integer("memory_age") * 1000},
        share_{static_cast<size_t>(options.integer("memory_percent_min")),
               static_cast<size_t>(options.integer("memory_percent_max"))} {
    limits_.input = kind_named(options.text("input"));
    limits_.html.nodes_max = static_cast<size_t>(options.integer("nodes_max"));
    limits_.html.depth_max = static_cast<size_t>(options.integer("depth_max"));
  }

  Verdict process(const Document& document, Output& output) const {
    Explanation why;
    const Article article = read(document.title(), document, document.raw().published_us, why);
    if (article.repaired) host_.count("repaired");
    if (article.cut) host_.count("cut");
    output.title(article.title);
    output.byline(article.byline);
    output.dateline(article.dateline);
    output.text(article.text);
    if (article.published_us != WM_NO_TIME) output.published(article.published_us);
    if (!article.paragraphs.empty()) output.paragraphs(article.paragraphs);
    extend(article, why, output);
    const bool is_html = article.kind == InputKind::kHtml;
    if (remembers_ && !document.source().empty() && !article.text.empty() &&
        (is_html || document.body().size() <= kReadAgainBytesMax)) {
      std::string carry(1,
                        static_cast<char>((is_html ? kIsHtml : 0) |
                                          (article.title_is_submitted ? kTitleIsSubmitted : 0) |
                                          (document.published_us() ? kPublishedIsSubmitted : 0)));
      append(note_lines(article.text, article.title, document.id(), source_seed(document.source())),
             carry);
      output.carry(carry);
    }
    return Verdict::ok();
  }

  void settle(Batch& batch) const {
    std::vector<NotedLines> noted(batch.size());
    for (size_t i = 0; i < batch.size(); ++i) {
      std::string_view carry = batch.document(i).carry();
      if (carry.empty()) continue;
      carry.remove_prefix(1);
      noted[i] = read_noted(carry);
    }
    SourceMemory memory(memory_, batch, noted);
    for (size_t i = 0; i < memory.damaged_records(); ++i) host_.count("damaged");
    for (size_t i = 0; i < batch.size(); ++i) {
      if (noted[i].lines.empty()) continue;
      const KnownLines known = memory.settle(i);
      if (known.hashes.empty()) continue;
      const Document document = batch.document(i);
      Output output = batch.output(i);
      const char flags = document.carry().front();
      const bool is_changed = (flags & kIsHtml) != 0 ? shorten(document, known, output)
                                                     : read_again(document, flags, known, output);
      if (is_changed) host_.count("furniture");
    }
  }

 private:
  Article read(std::string_view title, const Document& document, int64_t published_us,
               Explanation& why, const KnownLines* known = nullptr) const {
    thread_local HtmlTree tree;
    return extract({.body = document.body(),
                    .content_type = document.content_type(),
                    .title = title,
                    .uri = document.uri(),
                    .published_us = published_us},
                   limits_, tree, explains_ ? &why : nullptr, known);
  }

  // Takes the known lines out of the text of an HTML page.
  bool shorten(const Document& document, const KnownLines& known, Output& output) const {
    std::string text(document.text());
    Explanation why;
    if (!leave_out(known, share_, text, explains_ ? &why : nullptr)) return false;
    output.text(text);
    if (!explains_) return true;
    Explanation whole;  // process told its own part only
    const Article article = read(document.title(), document, WM_NO_TIME, whole);
    whole.add(why);
    extend(article, whole, output);
    return true;
  }

  // Reads a flattened page again without the known lines.
  bool read_again(const Document& document, char flags, const KnownLines& known,
                  Output& output) const {
    Explanation why;
    const Article article =
        read((flags & kTitleIsSubmitted) != 0 ? document.title() : std::string_view(), document,
             (flags & kPublishedIsSubmitted) != 0 ? document.raw().published_us : WM_NO_TIME, why,
             &known);
    if (!may_replace(article.text, document.text(), share_)) return false;
    output.text(article.text);
    output.paragraphs(article.paragraphs);
    output.dateline(article.dateline);
    if (!article.title.empty()) output.title(article.title);
    if (!article.byline.empty()) output.byline(article.byline);
    if (article.published_us != WM_NO_TIME) output.published(article.published_us);
    extend(article, why, output);
    return true;
  }

  // What has no field of its own in a result, and what was left out where somebody asked.
  void extend(const Article& article, const Explanation& why, Output& output) const {
    const bool has_facts =
        !article.site.empty() || !article.description.empty() || !article.canonical.empty();
    if (!has_facts && !explains_) return;
    std::string json = "{\"site\":";
    append_json(article.site, json);
    json += ",\"description\":";
    append_json(article.description, json);
    json += ",\"canonical\":";
    append_json(article.canonical, json);
    if (explains_) json += ",\"removed\":" + why.json();
    output.extension(json + "}");
  }

  const Host host_;
  Limits limits_;
  const bool explains_, remembers_;
  const MemoryOptions memory_;
  const FurnitureShare share_;
};

}  // namespace
}  // namespace wiremill::clean

WIREMILL_STAGE(wiremill::clean::Clean)
