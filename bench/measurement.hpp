// What the benchmarks of the whole daemon share: one run of it under load, and the figures of several
// rounds as rows of a table. Main thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "bench/server_process.hpp"

namespace wiremill {

using BenchClock = std::chrono::steady_clock;

// One server in one round.
struct Figures {
  double acknowledged = 0, processed = 0, replayed = 0;  // documents a second
  double client_us = 0, server_us = 0;                   // processor time of a document
  CpuSeconds threads_us{};                               // the server's, by name
};

using Documents = std::span<const std::string>;

// Pushes the documents to a server and says what the taking of them cost. `session`: another one
// each time for the same server. `wait_for_results`: returns when the server has done what there is
// to do with them.
Figures measure_push(const ServerProcess& server, const std::string& endpoint, Documents documents,
                     uint64_t session, const std::function<void()>& wait_for_results);

// A fresh wiremilld with `stages`, the part of a configuration that says which, and its state in a
// folder of its own in `parent`. Members throw std::runtime_error where a result is missing or not
// PROCESSED.
class MeasuredDaemon {
 public:
  MeasuredDaemon(const std::string& parent, const std::string& stages);

  // Returns when it has handed out a result of each.
  Figures take(Documents documents);
  // How many results a second a subscriber reads, of all documents taken so far.
  double replay_all() const;
  // Throws, too, where its exit code is not 0.
  void stop();

 private:
  std::string configuration(const std::string& stages) const;

  const Scratch folder_;
  const std::string intake_, replay_;
  ServerProcess server_;
  uint64_t session_ = 0, taken_ = 0;
};

double seconds_since(BenchClock::time_point began);
double quantile(std::vector<double> values, double share);
std::vector<double> column(const std::vector<Figures>& rounds, double Figures::*figure);
std::vector<double> ratios(const std::vector<Figures>& of, const std::vector<Figures>& to,
                           double Figures::*figure);

// Rows of a Markdown table: the median, the least and the most.
void print_speed(const char* what, const std::vector<double>& values);
void print_ratio(const char* what, const std::vector<double>& values);

// On a terminal, what is being done.
void progress(const std::string& what);

}  // namespace wiremill
