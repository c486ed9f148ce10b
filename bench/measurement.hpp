// What the benchmarks of the whole daemon share: one run of it under load, and the figures of several
// rounds as rows of a table. Main thread.
#pragma once

#include <chrono>
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

// The first documents warm the server up: a fresh process takes its memory from the kernel page by
// page, which a daemon does once in months. What they cost is not in the figures.
inline constexpr size_t kWarmUpShare = 4;

// Pushes the documents to a server and notes what the taking of those behind the warm-up cost.
// `wait_for_results`: returns when the server has done what there is to do with the first `last`.
void measure_push(const ServerProcess& server, const std::string& endpoint,
                  std::span<const std::string> documents, Figures& figures,
                  const std::function<void(size_t last)>& wait_for_results);

// A fresh wiremilld with its state in `folder` and `stages`, the part of a configuration that says
// which, takes the documents and hands out every result. Throws std::runtime_error where one is
// missing or not PROCESSED.
Figures measure_daemon(const std::string& folder, const std::string& stages,
                       std::span<const std::string> documents);

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
