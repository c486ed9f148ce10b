// The stage `clean`: the border between the plugin contract and article.hpp. The host calls
// `process` on several threads at once; each thread has its own tree, whose memory is
// reused from page to page.
#include <wiremill/stage.hpp>

#include <stdexcept>
#include <string>

#include "plugins/clean/article.hpp"

namespace wiremill::clean {
namespace {

InputKind kind_named(const std::string& name) {
  if (name == "auto") return InputKind::kAuto;
  if (name == "text") return InputKind::kText;
  if (name == "html") return InputKind::kHtml;
  if (name == "markdown") return InputKind::kMarkdown;
  throw std::invalid_argument("input: '" + name + "' is none of auto, text, html, markdown");
}

class Clean {
 public:
  static constexpr wm_option kOptions[] = {
      {"input", WM_OPTION_STRING, 0, "auto",
       "How bodies are read: auto (by content type, then by their look), text, html or markdown.",
       0, 0},
      {"nodes_max", WM_OPTION_INTEGER, 0, "500000",
       "Elements and texts of an HTML page; what follows them is not read.", 1000, 10'000'000},
      {"depth_max", WM_OPTION_INTEGER, 0, "512",
       "Open elements of an HTML page; what follows the first deeper one is not read.", 16, 4096},
      {}};
  static constexpr StageInfo kInfo = {
      .id = "wiremill.clean",
      .version = "1.0.0",
      .summary = "Article text, title, date and byline from a page or a flattened page.",
      .provided = {"title", "published", "byline", "dateline", "text", "paragraphs"},
      .options = kOptions};

  Clean(const Host& host, const Options& options) : host_(host) {
    limits_.input = kind_named(options.text("input"));
    limits_.html.nodes_max = static_cast<size_t>(options.integer("nodes_max"));
    limits_.html.depth_max = static_cast<size_t>(options.integer("depth_max"));
  }

  Verdict process(const Document& document, Output& output) const {
    thread_local HtmlTree tree;
    const wm_document& raw = document.raw();
    const Article article = extract({.body = document.body(),
                                     .content_type = document.content_type(),
                                     .title = document.title(),
                                     .published_us = raw.published_us},
                                    limits_, tree);
    if (article.repaired) host_.count("repaired");
    if (article.cut) host_.count("cut");
    output.title(article.title);
    output.byline(article.byline);
    output.dateline(article.dateline);
    output.text(article.text);
    if (article.published_us != WM_NO_TIME) output.published(article.published_us);
    if (!article.paragraphs.empty()) output.paragraphs(article.paragraphs);
    return Verdict::ok();
  }

 private:
  Host host_;
  Limits limits_;
};

}  // namespace
}  // namespace wiremill::clean

WIREMILL_STAGE(wiremill::clean::Clean)
