// How fast one thread makes sentences and tokens, cleans flattened pages and HTML, and tells
// languages, beside CLD2 on the whole text. Prints a table in Markdown and, for `make quality`,
// lines "quality \t MEASURE \t VALUE \t MUST \t AIM"; bench/RESULTS.md keeps the table.
//
// All inputs are in memory before the clock starts. A round goes over a set until a quarter of a
// second of the thread's processor time is spent; the median of the rounds counts. The sets are the
// articles of tests/data, and, where the folder `clean` of the measuring data is there, the pages of
// article-extraction-benchmark, which tar and gzip unpack to a folder that is removed again: as HTML,
// as the two flattened forms that stand beside them, and what cleaning makes of them as running text.

#include <fmt/format.h>
#include <rapidjson/document.h>
#include <time.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <vector>

#include "daemon/text/segmenter.hpp"
#include "daemon/text/tokenizer.hpp"
#include "plugins/clean/article.hpp"
#include "plugins/language/cld2_voice.hpp"
#include "plugins/language/language_core.hpp"

namespace wiremill {
namespace {

namespace fs = std::filesystem;
using Texts = std::vector<std::string>;

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot read " + path.string());
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

Texts read_folder(const fs::path& folder, std::string_view extension) {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(folder))
    if (entry.path().extension() == extension) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  Texts texts;
  for (const fs::path& path : paths) texts.push_back(read_file(path));
  if (texts.empty())
    throw std::runtime_error(fmt::format("no file *{} in {}", extension, folder.string()));
  return texts;
}

std::string shell_quoted(const std::string& path) {
  std::string out = "'";
  for (const char c : path) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

// The unpacked pages of article-extraction-benchmark; gone with the object.
class Pages {
 public:
  explicit Pages(const fs::path& archive) {
    std::string name = (fs::temp_directory_path() / "wiremill-pages-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr)
      throw std::runtime_error("cannot make a folder in " + fs::temp_directory_path().string());
    folder_ = name;
    const std::string command =
        fmt::format("tar -xJf {} -C {} && gzip -d {}/html/*.gz", shell_quoted(archive.string()),
                    shell_quoted(name), shell_quoted(name));
    if (std::system(command.c_str()) != 0) {
      fs::remove_all(folder_);
      throw std::runtime_error("cannot unpack " + archive.string());
    }
  }
  ~Pages() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;

  Texts html() const { return read_folder(folder_ / "html", ".html"); }

  Texts flattened() const {
    Texts texts;
    for (const char* by : {"inscriptis.json", "html-text.json"}) {
      rapidjson::Document file;
      file.Parse(read_file(folder_ / by).c_str());
      if (file.HasParseError() || !file.IsObject() || !file.HasMember("output"))
        throw std::runtime_error(fmt::format("{}: no output of a flattener", by));
      for (const auto& page : file["output"].GetObject())
        texts.emplace_back(page.value["articleBody"].GetString(),
                           page.value["articleBody"].GetStringLength());
    }
    return texts;
  }

 private:
  fs::path folder_;
};

struct Speed {
  double megabytes = 0, files = 0;  // a second
};

struct Rounds {
  size_t count = 9;
  double seconds = 0.25;

  template <class Work>
  Speed measure(const Texts& texts, Work&& work) const {
    double bytes = 0;
    for (const std::string& text : texts) bytes += static_cast<double>(text.size());
    std::vector<double> passes;  // over the set, a second
    for (size_t round = 0; round < count; ++round) {
      const double begin = cpu_seconds();
      double spent = 0;
      size_t done = 0;
      do {
        for (const std::string& text : texts) work(text);
        ++done;
        spent = cpu_seconds() - begin;
      } while (spent < seconds);
      passes.push_back(static_cast<double>(done) / spent);
    }
    std::nth_element(passes.begin(), passes.begin() + static_cast<ptrdiff_t>(count / 2),
                     passes.end());
    const double median = passes[count / 2];
    return {median * bytes / 1e6, median * static_cast<double>(texts.size())};
  }
};

class Bench {
 public:
  explicit Bench(Rounds rounds) : rounds_(rounds) {
    fmt::print("| One thread | files | KB a file | MB/s | files/s |\n|---|--:|--:|--:|--:|\n");
  }

  // Sentences need tokens: their row holds the cost of both.
  void segment(const std::string& set, const Texts& texts) {
    text::Tokenizer tokenizer;
    text::Segmentation made;
    std::vector<text::TokenNote> notes;
    const text::LanguageRules& rules = text::LanguageRules::of("en");
    print("tokens, " + set, texts, rounds_.measure(texts, [&](const std::string& text) {
      tokenizer.tokenize(text, rules, made.tokens, notes);
    }));
    text::Segmenter segmenter;
    const Speed speed = rounds_.measure(
        texts, [&](const std::string& text) { segmenter.segment(text, "en", made); });
    print("sentences and tokens, " + set, texts, speed);
    note("sentences and tokens, " + set + ", MB/s", speed.megabytes, 40, 40);
  }

  void clean_text(const std::string& set, const Texts& texts) {
    const Speed speed = clean(texts, clean::InputKind::kText);
    print("clean, text mode, " + set, texts, speed);
    note("clean, text mode, " + set + ", MB/s", speed.megabytes, 40, 40);
  }

  void clean_html(const std::string& set, const Texts& pages) {
    const Speed speed = clean(pages, clean::InputKind::kHtml);
    print("clean, HTML, " + set, pages, speed);
    note("clean, HTML, " + set + ", pages/s", speed.files, 500, 1500);
  }

  void language(const std::string& set, const Texts& texts, const language::Detector& detector) {
    const Speed own =
        rounds_.measure(texts, [&](const std::string& text) { detector.detect(text, {}); });
    const Speed plain =
        rounds_.measure(texts, [](const std::string& text) { language::ask_cld2(text, {}); });
    print("language, " + set, texts, own);
    print("plain CLD2, " + set, texts, plain);
    fmt::print("| language by plain CLD2, {} | | | {:.2f} | |\n", set,
               own.megabytes / plain.megabytes);
  }

  void finish() const { fmt::print("\n{}", notes_); }

 private:
  Speed clean(const Texts& texts, clean::InputKind kind) {
    clean::Limits limits;
    limits.input = kind;
    return rounds_.measure(
        texts, [&](const std::string& text) { clean::extract({.body = text}, limits, tree_); });
  }

  static void print(const std::string& name, const Texts& texts, const Speed& speed) {
    fmt::print("| {} | {} | {:.1f} | {:.1f} | {:.0f} |\n", name, texts.size(),
               speed.megabytes * 1000 / speed.files, speed.megabytes, speed.files);
  }

  void note(const std::string& measure, double value, int must, int aim) {
    notes_ += fmt::format("quality\t{}\t{:.1f}\t{}\t{}\n", measure, value, must, aim);
  }

  const Rounds rounds_;
  clean::HtmlTree tree_;
  std::string notes_;
};

Texts cleaned(const Texts& bodies) {
  clean::HtmlTree tree;
  Texts texts;
  for (const std::string& body : bodies)
    texts.push_back(clean::extract({.body = body}, {}, tree).text);
  return texts;
}

void run(const fs::path& articles, const fs::path& data, const std::string& model, Rounds rounds) {
  auto detector = language::Detector::open(model);
  if (!detector) throw std::runtime_error(detector.error().message);
  Bench bench(rounds);
  const Texts flat = read_folder(articles, ".txt");
  bench.segment("articles", cleaned(flat));
  bench.clean_text("articles", flat);
  bench.language("articles", cleaned(flat), *detector);
  const fs::path archive = data / "article-extraction-benchmark.tar.xz";
  if (fs::exists(archive)) {
    const Pages pages(archive);
    const Texts html = pages.html(), flattened = pages.flattened(), texts = cleaned(html);
    bench.segment("cleaned pages", texts);
    bench.language("cleaned pages", texts, *detector);
    bench.segment("flattened pages", flattened);
    bench.clean_text("flattened pages", flattened);
    bench.clean_html("pages", html);
  } else {
    fmt::print("| the pages are not measured: {} is absent | | | | |\n", archive.string());
  }
  bench.finish();
}

}  // namespace
}  // namespace wiremill

int main(int argc, char** argv) {
  std::string articles, data, model = "plugins/language/language.model";
  bool is_short = false;
  CLI::App app{"Measures sentences, tokens, cleaning and languages on one thread.", "stages"};
  app.add_option("--articles", articles, "Folder of articles as text.")->required();
  app.add_option("--data", data, "Folder `clean` of the measuring data.");
  app.add_option("--model", model, "The model of the stage `language`.")->capture_default_str();
  app.add_flag("--short", is_short, "One pass each: only shows that everything works.");
  CLI11_PARSE(app, argc, argv);
  wiremill::Rounds rounds;
  if (is_short) rounds = {.count = 1, .seconds = 0};
  try {
    wiremill::run(articles, data, model, rounds);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "stages: %s\n", error.what());
    return 70;
  }
  return 0;
}
