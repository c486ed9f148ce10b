// The checks of the conformance kit. Each runs in a child of its own (child.hpp) and loads the plugin
// there; what it answers is a word on what it saw, its error what it found wrong.
#pragma once

#include <span>
#include <string_view>

#include "cli/check/trial.hpp"

namespace wiremill::check {

struct Check {
  std::string_view name;
  std::string_view rule;  // what the contract says
  std::string_view mend;  // where to begin
  Result<std::string> (*run)(const Request& request);
};

// In the order in which they run. Without the first nothing else can.
std::span<const Check> all_checks();

// loading.cpp
Result<std::string> check_loads(const Request& request);
Result<std::string> check_options(const Request& request);
// tables.cpp
Result<std::string> check_older_host(const Request& request);
Result<std::string> check_newer_host(const Request& request);
// documents.cpp
Result<std::string> check_batches(const Request& request);
Result<std::string> check_sizes(const Request& request);
Result<std::string> check_text(const Request& request);
Result<std::string> check_annotations(const Request& request);
// time.cpp
Result<std::string> check_deadline(const Request& request);
Result<std::string> check_cancel(const Request& request);
// memory.cpp
Result<std::string> check_allocations(const Request& request);
Result<std::string> check_leaks(const Request& request);
// threads.cpp
Result<std::string> check_instances(const Request& request);
Result<std::string> check_determinism(const Request& request);
// state.cpp
Result<std::string> check_settle_order(const Request& request);
Result<std::string> check_state_errors(const Request& request);
Result<std::string> check_restart(const Request& request);
// fuzz.cpp
Result<std::string> check_mutation(const Request& request);

}  // namespace wiremill::check
