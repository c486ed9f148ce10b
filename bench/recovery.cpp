// How long a start takes after kill -9 with many results in the log, and what is processed again.
// Prints a table in Markdown; bench/RESULTS.md keeps one.
//
// A daemon without stages takes small documents until their results are on disk, then some more, and
// is killed as soon as the last one is acknowledged. What has no result then is counted offline, by
// `wiremill log`'s reader. The kernel is told to drop the state folder from its cache, and the daemon
// is started again: ready is when a client that keeps knocking has its WELCOME. Afterwards a
// subscriber must find every result, once and in order, and the daemon says how many documents it
// processed: those without a result, no other.

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "bench/exchange.hpp"
#include "bench/results.hpp"
#include "bench/server_process.hpp"
#include "daemon/log/inspect.hpp"
#include "wiremill/v1/document.pb.h"

namespace wiremill {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kLast = 16'384;  // documents right before the kill

std::vector<std::string> make_small_documents(size_t first, size_t count) {
  std::vector<std::string> documents;
  v1::Document document;
  document.set_source("example.org");
  for (size_t i = first; i < first + count; ++i) {
    document.set_id(fmt::format("recovery-{}", i));
    document.set_body(fmt::format("Ferry {} left the harbour at dawn.", i));
    documents.push_back(document.SerializeAsString());
  }
  return documents;
}

class DaemonRun {
 public:
  explicit DaemonRun(const std::string& folder)
      : intake(free_endpoint()),
        replay(free_endpoint()),
        log_path_(folder + "/wiremilld.log"),
        server_((write_config(folder), arguments(folder)), log_path_) {}

  void kill() { server_.stop(SIGKILL); }
  // Answers how many documents it processed, by its own words.
  uint64_t stop() {
    if (const int code = server_.stop(); code != 0)
      throw std::runtime_error(fmt::format("wiremilld ended with exit code {}", code));
    std::ifstream file(log_path_);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    constexpr std::string_view kWords = "stopped: ";
    const size_t at = text.rfind(kWords);
    if (at == text.npos) throw std::runtime_error("wiremilld does not say what it processed");
    return std::stoull(text.substr(at + kWords.size()));
  }

  const std::string intake, replay;

 private:
  void write_config(const std::string& folder) const {
    std::ofstream(folder + "/wiremill.yaml") << fmt::format(
        "intake: {{endpoint: \"{}\"}}\nfirehose: {{endpoint: \"\"}}\nfeed: {{endpoint: \"{}\"}}\n"
        "replay: {{endpoint: \"{}\"}}\nadmin: {{endpoint: \"\"}}\ndrain_timeout: 60s\nstages: []\n",
        intake, free_endpoint(), replay);
  }
  static std::vector<std::string> arguments(const std::string& folder) {
    return {program("wiremilld"), "--config", folder + "/wiremill.yaml", "--state",
            folder + "/state"};
  }

  const std::string log_path_;
  ServerProcess server_;
};

uint64_t newest_in(const std::string& log_directory) {
  const auto report = inspect_log(log_directory, {});
  if (!report) throw std::runtime_error(report.error().message);
  return report->last;
}

// So that a start reads from the disk.
void drop_from_cache(const std::string& folder) {
  ::sync();
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    const int fd = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    ::close(fd);
  }
}

double seconds_to_ready(const DaemonRun& daemon, Clock::time_point began) {
  greet(daemon.intake);
  return std::chrono::duration<double>(Clock::now() - began).count();
}

void run(const std::string& parent, size_t results) {
  const Scratch scratch(parent);
  const std::string& folder = scratch.path();
  const uint64_t all = results + kLast;
  {
    DaemonRun daemon(folder);
    push_documents(daemon.intake, make_small_documents(0, results));
    read_results(daemon.replay, results, results);
    push_documents(daemon.intake, make_small_documents(results, kLast), 2);
    daemon.kill();
  }
  const uint64_t accepted = newest_in(folder + "/state/intake");
  const uint64_t finished = newest_in(folder + "/state/result");
  if (accepted != all)
    throw std::runtime_error(fmt::format("{} acknowledged, {} in the log", all, accepted));
  drop_from_cache(folder + "/state");
  const auto began = Clock::now();
  DaemonRun daemon(folder);
  const double ready = seconds_to_ready(daemon, began);
  if (read_results(daemon.replay, 1, all) != all)
    throw std::runtime_error("not every document has its one result");
  const uint64_t processed = daemon.stop();
  drop_from_cache(folder + "/state");
  const auto began_again = Clock::now();
  DaemonRun again(folder);
  const double ready_again = seconds_to_ready(again, began_again);
  again.stop();

  fmt::print("| Start with {} results in the log | |\n|---|--:|\n", finished);
  fmt::print("| acknowledged, without a result when killed | {} |\n", all - finished);
  fmt::print("| processed after the start | {} |\n", processed);
  fmt::print("| ready after kill -9, nothing in the cache | {:.2f} s |\n", ready);
  fmt::print("| ready after an orderly end, nothing in the cache | {:.2f} s |\n", ready_again);
  if (processed != all - finished)
    throw std::runtime_error("what had a result was processed again, or something was left out");
}

}  // namespace
}  // namespace wiremill

int main(int argc, char** argv) {
  std::string folder;
  size_t results = 1'000'000;
  bool is_short = false;
  CLI::App app{"Measures a start of wiremilld after kill -9 and prints a table.", "recovery"};
  app.add_option("--folder", folder, "Where the daemon's state goes (default: the build folder).")
      ->check(CLI::ExistingDirectory)
      ->type_name("DIR");
  app.add_flag("--short", is_short, "Few results: only shows that everything works.");
  CLI11_PARSE(app, argc, argv);
  if (is_short) results = 16'384;
  if (folder.empty())
    folder = std::filesystem::path(wiremill::program("..")).lexically_normal().string();
  try {
    wiremill::run(folder, results / 128 * 128);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "recovery: %s\n", error.what());
    return 70;
  }
  return 0;
}
