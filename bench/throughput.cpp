// `make bench`: how many documents a second the daemon takes and processes, beside a bare ZeroMQ
// exchange in the same run. Prints a table in Markdown; bench/RESULTS.md keeps one.
//
// A round measures, one after the other,
//   raw      the clients against a ROUTER that drops what it reads (exchange.hpp)
//   empty    the clients against a fresh wiremilld without stages
//   default  the clients against a fresh wiremilld with its default line
// so that whatever else the machine does falls on all of them alike; the table shows medians of the
// rounds and of their ratios. A part of the documents warms each server up. A daemon's figures are
// documents a second until the last was acknowledged, until the last one's result was on disk and
// handed to a subscriber, and the speed at which a subscriber reads all results afterwards. Every
// document must come out PROCESSED, exactly once and in order.

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <stdexcept>
#include <thread>

#include "bench/documents.hpp"
#include "bench/exchange.hpp"
#include "bench/measurement.hpp"
#include "bench/server_process.hpp"
#include "bench/stage_times.hpp"
#include "daemon/log/file.hpp"

namespace wiremill {
namespace {

// The first documents warm a server up, and are in no figure: a fresh process takes its memory from
// the kernel page by page, which a daemon does once in months. One in so many is for that.
inline constexpr size_t kWarmUpShare = 4;

struct Options {
  std::string articles, folder, raw_server;
  size_t rounds = 5, documents = 262'144, default_documents = 2'048;
};

Figures measure_raw(const Options& options, const std::string& folder, Documents documents) {
  const std::string endpoint = free_endpoint();
  ServerProcess server(
      {program("throughput"), "--raw-server", endpoint, "--articles", options.articles},
      folder + "/raw.log");
  const size_t warm_up = documents.size() / kWarmUpShare;
  measure_push(server, endpoint, documents.first(warm_up), 1, [] {});
  return measure_push(server, endpoint, documents.subspan(warm_up), 2, [] {});
}

Figures measure_daemon(const std::string& folder, const std::string& stages, Documents documents) {
  MeasuredDaemon daemon(folder, stages);
  const size_t warm_up = documents.size() / kWarmUpShare;
  daemon.take(documents.first(warm_up));
  Figures figures = daemon.take(documents.subspan(warm_up));
  figures.replayed = daemon.replay_all();
  daemon.stop();
  return figures;
}

// Milliseconds, median, of an fdatasync after 4 KB written over zeros that are on the disk.
double sync_ms(const std::string& folder) {
  constexpr int64_t kBlockBytes = 4096;
  constexpr int kSyncs = 500;
  const auto check = [](const Status& status) {
    if (!status) throw std::runtime_error(status.error().message);
  };
  auto file = real_file_system().open(folder + "/sync", OpenMode::Create);
  check(file.map([](const auto&) {}));
  const std::string zeros(kBlockBytes * kSyncs, '\0'), block(kBlockBytes, 'x');
  check((*file)->write_at(0, zeros));
  check((*file)->sync());
  std::vector<double> spent_ms;
  for (int i = 0; i < kSyncs; ++i) {
    check((*file)->write_at(i * kBlockBytes, block));
    const auto began = BenchClock::now();
    check((*file)->sync());
    spent_ms.push_back(seconds_since(began) * 1e3);
  }
  return quantile(spent_ms, 0.5);
}

void print_machine(const std::string& folder) {
  std::ifstream file("/proc/cpuinfo");
  std::string line, cpu = "unknown CPU";
  while (std::getline(file, line))
    if (line.starts_with("model name")) cpu = line.substr(line.find(':') + 2);
  utsname kernel{};
  ::uname(&kernel);
  double load = 0;
  ::getloadavg(&load, 1);
  char date[32];
  const std::time_t now = std::time(nullptr);
  tm parts{};
  std::strftime(date, sizeof date, "%Y-%m-%d %H:%M UTC", ::gmtime_r(&now, &parts));
  fmt::print(
      "{}; {} cores, {}; Linux {}; load average at the start {:.1f}. State folder in {}, whose "
      "disk takes {:.2f} ms (median) for an fdatasync of 4 KB written over zeros.\n\n",
      date, std::thread::hardware_concurrency(), cpu, kernel.release, load,
      std::filesystem::path(folder)
          .parent_path()
          .lexically_relative(std::filesystem::current_path())
          .string(),
      sync_ms(folder));
}

void print_stages(const Config& config, Documents documents, double document_bytes) {
  const StageTimes times = measure_stages(config.stages, documents);
  fmt::print("\n| Default line, one thread | µs a document | share | MB/s |\n|---|--:|--:|--:|\n");
  const auto print_row = [&](const std::string& name, double us) {
    fmt::print("| {} | {:.0f} | {:.0f} % | {:.1f} |\n", name, us, 100 * us / times.document_us,
               document_bytes / us);
  };
  double rest = times.document_us;
  for (const auto& [name, us] : times.stages) {
    print_row(name, us);
    rest -= us;
  }
  print_row("sentences and tokens, records, state", rest);
  print_row("whole line", times.document_us);
}

void print_threads(const std::vector<Figures>& rounds) {
  fmt::print("\n| Daemon's threads, empty line | µs a document (median) |\n|---|--:|\n");
  for (const auto& [name, ignored] : rounds.front().threads_us) {
    std::vector<double> us;
    for (const Figures& round : rounds)
      if (const auto found = round.threads_us.find(name); found != round.threads_us.end())
        us.push_back(found->second);
    if (quantile(us, 0.5) >= 0.1) fmt::print("| {} | {:.1f} |\n", name, quantile(us, 0.5));
  }
}

void run(const Options& options) {
  const Scratch scratch(options.folder);
  const auto config = parse_config(default_config_yaml(), "default configuration");
  if (!config) throw std::runtime_error(config.error().errors.front().message);
  progress("making documents");
  const std::vector<std::string> all =
      make_documents(options.articles, std::max(options.documents, options.default_documents));
  const Documents documents = Documents(all).first(options.documents);
  const Documents few = Documents(all).first(options.default_documents);
  const double bytes =
      std::accumulate(all.begin(), all.end(), 0.0,
                      [](double sum, const auto& one) { return sum + double(one.size()); }) /
      static_cast<double>(all.size());
  print_machine(scratch.path());
  fmt::print(
      "{} rounds; {} documents of {:.0f} bytes (default line: {}), the first 1/{} of them a "
      "warm-up, {} clients, a window of {} each, tcp over loopback; the bare server acknowledges "
      "each {} documents.\n\n",
      options.rounds, documents.size(), bytes, few.size(), kWarmUpShare, kClients, kWindow,
      kDocumentsPerAck);
  std::vector<Figures> raw, empty, line;
  for (size_t i = 1; i <= options.rounds; ++i) {
    progress(fmt::format("round {} of {}: raw", i, options.rounds));
    raw.push_back(measure_raw(options, scratch.path(), documents));
    progress(fmt::format("round {} of {}: empty line", i, options.rounds));
    empty.push_back(measure_daemon(scratch.path(), "stages: []\n", documents));
    progress(fmt::format("round {} of {}: default line", i, options.rounds));
    line.push_back(measure_daemon(scratch.path(), "", few));
  }
  fmt::print("| Documents a second | median | least to most |\n|---|--:|--:|\n");
  print_speed("(a) raw exchange, acknowledged", column(raw, &Figures::acknowledged));
  print_speed("(b) empty line, acknowledged", column(empty, &Figures::acknowledged));
  print_speed("(b) empty line, to the result", column(empty, &Figures::processed));
  print_speed("(b) empty line, replayed afterwards", column(empty, &Figures::replayed));
  print_speed("(c) default line, acknowledged", column(line, &Figures::acknowledged));
  print_speed("(c) default line, to the result", column(line, &Figures::processed));
  print_speed("(c) default line, replayed afterwards", column(line, &Figures::replayed));
  print_ratio("(b)/(a), acknowledged", ratios(empty, raw, &Figures::acknowledged));
  print_ratio("(c)/(b), acknowledged", ratios(line, empty, &Figures::acknowledged));
  print_ratio("(c)/(b), to the result", ratios(line, empty, &Figures::processed));
  fmt::print("\n| Processor time, µs a document (median) | clients | server |\n|---|--:|--:|\n");
  const auto print_cpu = [](const char* what, const std::vector<Figures>& rounds) {
    fmt::print("| {} | {:.1f} | {:.1f} |\n", what,
               quantile(column(rounds, &Figures::client_us), 0.5),
               quantile(column(rounds, &Figures::server_us), 0.5));
  };
  print_cpu("(a) raw exchange", raw);
  print_cpu("(b) empty line", empty);
  print_cpu("(c) default line", line);
  print_threads(empty);
  progress("stages");
  print_stages(*config, few.first(std::min<size_t>(few.size(), 1000)), bytes);
  progress("");
  fmt::print("\n{} documents sent to the daemon, {} results, each PROCESSED, once and in order.\n",
             options.rounds * (documents.size() + few.size()),
             options.rounds * (documents.size() + few.size()));
}

}  // namespace
}  // namespace wiremill

int main(int argc, char** argv) {
  wiremill::Options options;
  bool is_short = false;
  CLI::App app{"Measures wiremilld beside a bare ZeroMQ exchange and prints a table.",
               "throughput"};
  app.add_option("--articles", options.articles, "Folder of the texts that documents are made of.")
      ->required()
      ->check(CLI::ExistingDirectory)
      ->type_name("DIR");
  app.add_option("--folder", options.folder,
                 "Where the daemon's state goes (default: the build folder).")
      ->check(CLI::ExistingDirectory)
      ->type_name("DIR");
  app.add_option("--rounds", options.rounds, "Rounds (default: 5).")->check(CLI::Range(1, 1000));
  app.add_option("--raw-server", options.raw_server, "Be the bare server on this endpoint.")
      ->type_name("ENDPOINT");
  app.add_flag("--short", is_short, "Few documents: only shows that everything works.");
  CLI11_PARSE(app, argc, argv);
  if (is_short) {
    options.rounds = 1;
    options.documents = 4096;
    options.default_documents = 1024;
  }
  if (options.folder.empty())
    options.folder = std::filesystem::path(wiremill::program("..")).lexically_normal().string();
  try {
    if (!options.raw_server.empty()) wiremill::serve_raw(options.raw_server);
    wiremill::run(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "throughput: %s\n", error.what());
    return 70;
  }
  return 0;
}
