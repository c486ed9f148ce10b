// `make bench`: what a process of its own costs a stage (`isolation: process` beside `thread`), with a
// stage that does nothing and with the default line. Prints a table in Markdown; bench/RESULTS.md keeps
// one. A round measures the four one after the other, so that whatever else the machine does falls on
// all of them alike. Every document must come out PROCESSED.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <filesystem>

#include "bench/documents.hpp"
#include "bench/measurement.hpp"

namespace wiremill {
namespace {

struct Options {
  std::string articles, folder, noop;
  size_t rounds = 5, documents = 40'960, default_documents = 8'192;
};

std::string stages(const std::vector<std::string>& names, const std::string& isolation,
                   const std::string& plugin = "") {
  std::string yaml = "stages:\n";
  for (const std::string& name : names)
    yaml += fmt::format("  - {{name: {}, isolation: {}{}}}\n", name, isolation,
                        plugin.empty() ? "" : ", plugin: " + plugin);
  return yaml;
}

void run(const Options& options) {
  const Scratch scratch(options.folder);
  progress("making documents");
  const std::vector<std::string> all =
      make_documents(options.articles, std::max(options.documents, options.default_documents));
  const std::span many = std::span(all).first(options.documents);
  const std::span few = std::span(all).first(options.default_documents);
  const std::vector<std::string> line = {"clean", "language", "entities", "duplicates", "summary"};
  std::vector<Figures> noop_thread, noop_process, line_thread, line_process;
  for (size_t i = 1; i <= options.rounds; ++i) {
    progress(fmt::format("round {} of {}", i, options.rounds));
    const auto measure = [&](std::vector<Figures>& into, const std::string& yaml, auto documents) {
      into.push_back(measure_daemon(scratch.path(), yaml, documents));
    };
    measure(noop_thread, stages({"noop"}, "thread", options.noop), many);
    measure(noop_process, stages({"noop"}, "process", options.noop), many);
    measure(line_thread, stages(line, "thread"), few);
    measure(line_process, stages(line, "process"), few);
  }
  progress("");
  fmt::print("{} rounds; {} documents (default line: {}), batches of up to 32.\n\n", options.rounds,
             many.size(), few.size());
  fmt::print("| Documents a second, to the result | median | least to most |\n|---|--:|--:|\n");
  print_speed("no-op stage, thread", column(noop_thread, &Figures::processed));
  print_speed("no-op stage, process", column(noop_process, &Figures::processed));
  print_speed("default line, thread", column(line_thread, &Figures::processed));
  print_speed("default line, process", column(line_process, &Figures::processed));
  print_ratio("no-op, process/thread", ratios(noop_process, noop_thread, &Figures::processed));
  print_ratio("default line, process/thread",
              ratios(line_process, line_thread, &Figures::processed));
}

}  // namespace
}  // namespace wiremill

int main(int argc, char** argv) {
  wiremill::Options options;
  bool is_short = false;
  CLI::App app{"Measures what `isolation: process` costs and prints a table.", "isolation"};
  app.add_option("--articles", options.articles, "Folder of the texts that documents are made of.")
      ->required()
      ->check(CLI::ExistingDirectory)
      ->type_name("DIR");
  app.add_option("--folder", options.folder,
                 "Where the daemon's state goes (default: the build folder).")
      ->check(CLI::ExistingDirectory)
      ->type_name("DIR");
  app.add_option("--rounds", options.rounds, "Rounds (default: 5).")->check(CLI::Range(1, 1000));
  app.add_option("--documents", options.default_documents,
                 "Documents through the default line (default: 8192).")
      ->check(CLI::Range(32, 1'000'000));
  app.add_option("--noop-documents", options.documents,
                 "Documents through the no-op stage (default: 40960).")
      ->check(CLI::Range(32, 1'000'000));
  app.add_flag("--short", is_short, "Few documents: only shows that everything works.");
  CLI11_PARSE(app, argc, argv);
  if (is_short) {
    options.rounds = 1;
    options.documents = 4096;
    options.default_documents = 512;
  }
  options.noop = wiremill::program("../bench/noop.so");
  if (options.folder.empty())
    options.folder = std::filesystem::path(wiremill::program("..")).lexically_normal().string();
  try {
    wiremill::run(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "isolation: %s\n", error.what());
    return 70;
  }
  return 0;
}
