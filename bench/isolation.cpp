// `make bench`: what a process of its own costs a stage (`isolation: process` beside `thread`), with a
// stage that does nothing and with the default line. Prints a table in Markdown; bench/RESULTS.md keeps
// one. Two daemons, one of each isolation, take the same documents in turns of a second or two, and the
// other way round each second time, so that whatever else the machine does falls on both alike; the
// one whose turn it is not has nothing to do. Every document must come out PROCESSED.

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
  size_t turns = 15, documents = 8'192, default_documents = 2'048;
};

struct Turns {
  std::vector<Figures> thread, process;
};

std::string stages(const std::vector<std::string>& names, const std::string& isolation,
                   const std::string& plugin) {
  std::string yaml = "stages:\n";
  for (const std::string& name : names)
    yaml += fmt::format("  - {{name: {}, isolation: {}{}}}\n", name, isolation,
                        plugin.empty() ? "" : ", plugin: " + plugin);
  return yaml;
}

// The first turn warms both up and is in no figure.
Turns measure(const std::string& what, const std::string& folder,
              const std::vector<std::string>& names, const std::string& plugin, Documents documents,
              size_t turns) {
  MeasuredDaemon thread(folder, stages(names, "thread", plugin));
  MeasuredDaemon process(folder, stages(names, "process", plugin));
  const size_t share = documents.size() / (turns + 1);
  Turns all;
  for (size_t i = 0; i <= turns; ++i) {
    progress(fmt::format("{}: turn {} of {}", what, i, turns));
    const Documents part = documents.subspan(i * share, share);
    const auto take = [&](MeasuredDaemon& daemon, std::vector<Figures>& into) {
      const Figures figures = daemon.take(part);
      if (i > 0) into.push_back(figures);
    };
    if (i % 2 == 0) take(thread, all.thread);
    take(process, all.process);
    if (i % 2 != 0) take(thread, all.thread);
  }
  for (MeasuredDaemon* daemon : {&thread, &process}) {
    daemon->replay_all();
    daemon->stop();
  }
  return all;
}

void run(const Options& options) {
  const Scratch scratch(options.folder);
  progress("making documents");
  const std::vector<std::string> all =
      make_documents(options.articles,
                     std::max(options.documents, options.default_documents) * (options.turns + 1));
  const auto of_turns = [&](size_t count) {
    return Documents(all).first(count * (options.turns + 1));
  };
  const Turns noop = measure("no-op stage", scratch.path(), {"noop"}, options.noop,
                             of_turns(options.documents), options.turns);
  const Turns line = measure("default line", scratch.path(),
                             {"clean", "language", "entities", "duplicates", "summary"}, "",
                             of_turns(options.default_documents), options.turns);
  progress("");
  fmt::print("{} turns of {} documents each (default line: {}), batches of up to 32.\n\n",
             options.turns, options.documents, options.default_documents);
  fmt::print("| Documents a second, to the result | median | least to most |\n|---|--:|--:|\n");
  print_speed("no-op stage, thread", column(noop.thread, &Figures::processed));
  print_speed("no-op stage, process", column(noop.process, &Figures::processed));
  print_speed("default line, thread", column(line.thread, &Figures::processed));
  print_speed("default line, process", column(line.process, &Figures::processed));
  print_ratio("no-op, process/thread", ratios(noop.process, noop.thread, &Figures::processed));
  print_ratio("default line, process/thread",
              ratios(line.process, line.thread, &Figures::processed));
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
  app.add_option("--turns", options.turns, "Turns of each daemon (default: 15).")
      ->check(CLI::Range(1, 1000));
  app.add_option("--documents", options.default_documents,
                 "Documents of a turn of the default line (default: 2048).")
      ->check(CLI::Range(32, 1'000'000));
  app.add_option("--noop-documents", options.documents,
                 "Documents of a turn of the no-op stage (default: 8192).")
      ->check(CLI::Range(32, 1'000'000));
  app.add_flag("--short", is_short, "Few documents: only shows that everything works.");
  CLI11_PARSE(app, argc, argv);
  if (is_short) {
    options.turns = 2;
    options.documents = 1024;
    options.default_documents = 256;
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
