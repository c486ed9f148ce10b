#include "bench/measurement.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <stdexcept>

#include "bench/exchange.hpp"
#include "bench/results.hpp"

namespace wiremill {

Figures measure_push(const ServerProcess& server, const std::string& endpoint, Documents documents,
                     uint64_t session, const std::function<void()>& wait_for_results) {
  Figures figures;
  const double own = own_cpu_seconds(), of_server = server.cpu_seconds();
  const CpuSeconds of_threads = server.thread_cpu_seconds();
  const auto began = BenchClock::now();
  const double pushed = push_documents(endpoint, documents, session);
  const double greeted = seconds_since(began) - pushed;
  const double of_clients = own_cpu_seconds() - own;
  wait_for_results();
  const auto count = static_cast<double>(documents.size());
  figures.acknowledged = count / pushed;
  figures.processed = count / (seconds_since(began) - greeted);
  figures.client_us = of_clients / count * 1e6;
  figures.server_us = (server.cpu_seconds() - of_server) / count * 1e6;
  for (const auto& [name, seconds] : server.thread_cpu_seconds()) {
    const auto before = of_threads.find(name);
    figures.threads_us[name] =
        (seconds - (before == of_threads.end() ? 0 : before->second)) / count * 1e6;
  }
  return figures;
}

MeasuredDaemon::MeasuredDaemon(const std::string& parent, const std::string& stages)
    : folder_(parent),
      intake_(free_endpoint()),
      replay_(free_endpoint()),
      server_({program("wiremilld"), "--config", configuration(stages), "--state",
               folder_.path() + "/state"},
              folder_.path() + "/wiremilld.log") {}

std::string MeasuredDaemon::configuration(const std::string& stages) const {
  const std::string path = folder_.path() + "/wiremill.yaml";
  std::ofstream(path) << fmt::format(
      "intake: {{endpoint: \"{}\"}}\nfirehose: {{endpoint: \"\"}}\nfeed: {{endpoint: \"{}\"}}\n"
      "replay: {{endpoint: \"{}\"}}\nadmin: {{endpoint: \"\"}}\ndrain_timeout: 60s\n"
      "storage: {{free_bytes_min: 16MiB}}\n{}",
      intake_, free_endpoint(), replay_, stages);
  return path;
}

Figures MeasuredDaemon::take(Documents documents) {
  taken_ += documents.size();
  return measure_push(server_, intake_, documents, ++session_,
                      [this] { read_results(replay_, taken_, taken_); });
}

double MeasuredDaemon::replay_all() const {
  const auto began = BenchClock::now();
  if (read_results(replay_, 1, taken_) != taken_)
    throw std::runtime_error("not every document has its one result");
  return static_cast<double>(taken_) / seconds_since(began);
}

void MeasuredDaemon::stop() {
  if (const int code = server_.stop(); code != 0)
    throw std::runtime_error(fmt::format("wiremilld ended with exit code {}", code));
}

double seconds_since(BenchClock::time_point began) {
  return std::chrono::duration<double>(BenchClock::now() - began).count();
}

double quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1) + 0.5)];
}

std::vector<double> column(const std::vector<Figures>& rounds, double Figures::*figure) {
  std::vector<double> values;
  for (const Figures& round : rounds) values.push_back(round.*figure);
  return values;
}

std::vector<double> ratios(const std::vector<Figures>& of, const std::vector<Figures>& to,
                           double Figures::*figure) {
  std::vector<double> values;
  for (size_t i = 0; i < of.size(); ++i) values.push_back(of[i].*figure / (to[i].*figure));
  return values;
}

void print_speed(const char* what, const std::vector<double>& values) {
  fmt::print("| {} | {:.0f} | {:.0f} to {:.0f} |\n", what, quantile(values, 0.5),
             quantile(values, 0), quantile(values, 1));
}

void print_ratio(const char* what, const std::vector<double>& values) {
  fmt::print("| {} | **{:.3f}** | {:.3f} to {:.3f} |\n", what, quantile(values, 0.5),
             quantile(values, 0), quantile(values, 1));
}

void progress(const std::string& what) {
  if (::isatty(STDERR_FILENO) != 0) std::fprintf(stderr, "\r\x1b[K%s", what.c_str());
}

}  // namespace wiremill
