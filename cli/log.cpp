// `wiremill log verify` and `wiremill log stat`: what stands in the logs of a state folder, read
// offline (daemon/log/inspect.hpp), and with --ledger every outcome counted again from the records.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>

#include "cli/command.hpp"
#include "cli/terminal.hpp"
#include "daemon/document/result_json.hpp"
#include "daemon/log/inspect.hpp"
#include "wiremill/v1/document.pb.h"
#include "wiremill/v1/record.pb.h"

namespace wiremill::cli {
namespace {

struct LogCommandOptions {
  std::string directory;
  std::string format = "text";
  bool ledger = false;
};

// Outcomes as they stand in the records, each counted by itself and held against the running totals
// that the records carry.
class LedgerCount {
 public:
  void intake(uint64_t sequence) {
    ++intake_records_;
    intake_first_ = std::min(intake_first_, sequence);
  }

  void result(uint64_t sequence, std::string_view payload) {
    v1::ResultRecord record;
    if (!record.ParseFromArray(payload.data(), static_cast<int>(payload.size())) ||
        record.status() < v1::Result::PROCESSED || record.status() > v1::Result::DEAD) {
      ++unreadable_;
      previous_.reset();
      return;
    }
    const size_t status = record.status() - 1;
    ++counted_[status];
    without_document_ += sequence < intake_first_ ? 1 : 0;
    if (!record.has_totals()) return previous_.reset();
    totals_ = {record.totals().processed(), record.totals().dropped(), record.totals().dead()};
    if (sequence == 1) previous_ = Counts{};
    if (previous_ && previous_sequence_ + 1 == sequence) {
      ++(*previous_)[status];
      if (previous_ != totals_ && disagreements_++ == 0) first_disagreement_ = sequence;
    }
    previous_ = totals_;
    previous_sequence_ = sequence;
  }

  void finish(const LogReport& intake, const LogReport& results) {
    accepted_ = intake.last;
    with_result_ = results.last;
    result_first_ = results.first;
    ahead_ = results.last > intake.last;
    in_flight_ = ahead_ ? 0 : intake.last - results.last;
    unreadable_ += results.damaged_records;
  }

  bool agrees() const { return disagreements_ == 0 && !ahead_; }

  std::string text() const {
    std::string out = fmt::format("ledger    {} accepted\n", accepted_);
    const auto line = [&](const char* name, uint64_t count, const char* note = "") {
      out += fmt::format("  {:<26} {:>12}{}\n", name, count, note);
    };
    const char* const names[] = {"processed", "dropped", "dead"};
    for (size_t i = 0; i < counted_.size(); ++i) line(names[i], counted_[i]);
    if (unreadable_ > 0) line("result cannot be read", unreadable_);
    if (result_first_ > 1) line("result removed", result_first_ - 1, "  by retention");
    line("in flight", in_flight_, "  no result yet");
    line("results without document", without_document_,
         "  the intake log keeps only what is needed");
    if (ahead_)
      out += fmt::format("  The result log ends at {}, the intake log at {}: it lost its end.\n",
                         with_result_, accepted_);
    if (disagreements_ > 0)
      out += fmt::format("  Totals disagree with the recount {} times, first in result {}.\n",
                         disagreements_, first_disagreement_);
    else if (totals_)
      out += fmt::format("  Totals agree: {} processed, {} dropped, {} dead since the beginning.\n",
                         (*totals_)[0], (*totals_)[1], (*totals_)[2]);
    else
      out += "  No result carries totals.\n";
    return out;
  }

  std::string json() const {
    std::string out = fmt::format(
        R"({{"accepted":{},"processed":{},"dropped":{},"dead":{},"unreadable":{},"results_removed":{},)"
        R"("in_flight":{},"results_without_document":{},"intake_records":{},"disagreements":{},)"
        R"("result_ahead":{})",
        accepted_, counted_[0], counted_[1], counted_[2], unreadable_, result_first_ - 1,
        in_flight_, without_document_, intake_records_, disagreements_, ahead_);
    if (totals_)
      out += fmt::format(R"(,"totals":{{"processed":{},"dropped":{},"dead":{}}})", (*totals_)[0],
                         (*totals_)[1], (*totals_)[2]);
    return out + "}";
  }

 private:
  using Counts = std::array<uint64_t, 3>;  // processed, dropped, dead
  Counts counted_{};
  uint64_t intake_records_ = 0, intake_first_ = UINT64_MAX;
  uint64_t accepted_ = 0, with_result_ = 0, result_first_ = 1, in_flight_ = 0;
  uint64_t unreadable_ = 0, without_document_ = 0;
  bool ahead_ = false;
  std::optional<Counts> totals_;  // of the newest record that has them
  std::optional<Counts> previous_;
  uint64_t previous_sequence_ = 0;
  uint64_t disagreements_ = 0, first_disagreement_ = 0;
};

Result<LogReport> inspect(const std::string& directory,
                          std::function<void(uint64_t, std::string_view)> record) {
  std::unique_ptr<Progress> bar;
  InspectPorts ports;
  ports.record = std::move(record);
  ports.progress = [&](uint64_t done, uint64_t total) {
    if (!bar) bar = std::make_unique<Progress>(directory, total);
    bar->update(done);
    return !interrupted();
  };
  return inspect_log(directory, ports);
}

std::string summary(const LogReport& log, const Style& style) {
  std::string out = fmt::format(
      "{}  {} records", style.bold(fmt::format("{:<8}", log.name.empty() ? "log" : log.name)),
      log.records);
  if (log.last >= log.first) out += fmt::format(", sequences {} to {}", log.first, log.last);
  out += fmt::format(", {} groups, {} bytes in {} segments, format {}, epoch {}", log.groups,
                     log.bytes, log.segments.size(), log.version, log.epoch);
  if (log.damaged_records > 0)
    out += ": " + style.red(fmt::format("{} records cannot be read", log.damaged_records));
  else
    out += ": " + style.green("whole");
  out += '\n';
  for (const LogDamage& damage : log.damage)
    out += fmt::format("  {}, offset {}: {} {}: {}\n", damage.path, damage.offset,
                       damage.first == damage.last ? "record" : "records",
                       damage.first == damage.last
                           ? fmt::format("{}", damage.first)
                           : fmt::format("{} to {}", damage.first, damage.last),
                       damage.what);
  if (log.damage.size() == kDamageMax) out += "  … and more places\n";
  if (log.torn_bytes > 0)
    out += fmt::format("  {}, offset {}: a torn tail of {} bytes, never acknowledged, {}\n",
                       log.segments.back().path, log.torn_offset, log.torn_bytes,
                       log.held ? "or just being written" : "which the next start cuts");
  if (log.held)
    out += "  A daemon has this log open: its end may have moved while it was read.\n";
  else if (!log.clean)
    out += "  It was not closed in order; the next start recovers it.\n";
  return out;
}

std::string segment_table(const LogReport& log) {
  std::string out = fmt::format("  {:>20} {:>20} {:>10} {:>8} {:>13} {:>13} {:>6}\n", "first",
                                "last", "records", "groups", "bytes", "file bytes", "epoch");
  for (const SegmentReport& segment : log.segments)
    out += fmt::format("  {:>20} {:>20} {:>10} {:>8} {:>13} {:>13} {:>6}\n", segment.first,
                       segment.last, segment.records, segment.groups, segment.bytes,
                       segment.file_bytes, segment.epoch);
  return out;
}

std::string quoted(const std::string& text) {
  std::string out;
  append_json_string(text, out);
  return out;
}

std::string log_json(const LogReport& log) {
  std::string out = fmt::format(
      R"({{"directory":{},"name":{},"format":{},"first":{},"last":{},"epoch":{},"records":{},)"
      R"("groups":{},"bytes":{},"clean":{},"held":{},"torn_bytes":{},"damaged_records":{},"damage":[)",
      quoted(log.directory), quoted(log.name), log.version, log.first, log.last, log.epoch,
      log.records, log.groups, log.bytes, log.clean, log.held, log.torn_bytes, log.damaged_records);
  for (const LogDamage& damage : log.damage)
    out += fmt::format(R"({}{{"first":{},"last":{},"file":{},"offset":{},"what":{}}})",
                       &damage == log.damage.data() ? "" : ",", damage.first, damage.last,
                       quoted(damage.path), damage.offset, quoted(damage.what));
  out += R"(],"segments":[)";
  for (const SegmentReport& segment : log.segments)
    out += fmt::format(
        R"({}{{"file":{},"first":{},"last":{},"records":{},"groups":{},"bytes":{},"file_bytes":{},)"
        R"("epoch":{}}})",
        &segment == log.segments.data() ? "" : ",", quoted(segment.path), segment.first,
        segment.last, segment.records, segment.groups, segment.bytes, segment.file_bytes,
        segment.epoch);
  return out + "]}";
}

int failed(const Error& error) {
  print_error(error.message);
  return wiremill::exit_code(error.code);
}

// `verify` says damage by its exit code, `stat` shows the segments.
int run(const LogCommandOptions& options, bool verify) {
  const std::string intake = options.directory + "/intake", result = options.directory + "/result";
  const bool state_folder = is_log_directory(intake) && is_log_directory(result);
  if (options.ledger && !state_folder) {
    print_error(fmt::format("--ledger needs a state folder, with both logs; {} is none",
                            options.directory));
    return 64;
  }
  LedgerCount ledger;
  std::vector<LogReport> logs;
  for (const std::string& directory : state_folder ? std::vector<std::string>{intake, result}
                                                   : std::vector<std::string>{options.directory}) {
    std::function<void(uint64_t, std::string_view)> record;
    if (options.ledger && directory == intake)
      record = [&](uint64_t sequence, std::string_view) { ledger.intake(sequence); };
    else if (options.ledger)
      record = [&](uint64_t sequence, std::string_view bytes) { ledger.result(sequence, bytes); };
    auto log = inspect(directory, std::move(record));
    if (!log) return failed(log.error());
    logs.push_back(std::move(*log));
  }
  if (options.ledger) ledger.finish(logs[0], logs[1]);

  std::string out;
  if (options.format == "json") {
    out = R"({"logs":[)";
    for (const LogReport& log : logs) out += (out.back() == '[' ? "" : ",") + log_json(log);
    out += "]" + (options.ledger ? R"(,"ledger":)" + ledger.json() : "") + "}\n";
  } else {
    const Style style;
    for (const LogReport& log : logs)
      out += summary(log, style) + (verify ? "" : segment_table(log));
    if (options.ledger) out += ledger.text();
  }
  if (const Status written = write_out(out); !written) return failed(written.error());
  const bool whole =
      std::ranges::all_of(logs, [](const LogReport& log) { return log.damaged_records == 0; }) &&
      (!options.ledger || ledger.agrees());
  return verify && !whole ? 65 : 0;
}

}  // namespace

void add_log(CLI::App& app, int& exit_code) {
  CLI::App* command = app.add_subcommand("log", "Read the logs of a state folder and check them.");
  command->require_subcommand(1);
  for (const bool verify : {true, false}) {
    auto options = std::make_shared<LogCommandOptions>();
    CLI::App* part =
        verify ? command->add_subcommand("verify", "Read every record and name what is damaged.")
               : command->add_subcommand("stat", "Show what stands in each segment.");
    part->add_option("directory", options->directory, "The state folder, or one log's folder.")
        ->required()
        ->type_name("DIR");
    part->add_flag("--ledger", options->ledger,
                   "Count every outcome again from the records, and compare with their totals.");
    part->add_option("--format", options->format, "text or json.")
        ->check(CLI::IsMember({"text", "json"}))
        ->type_name("FORMAT");
    part->footer(
        "Takes no lock and changes nothing. Beside a running daemon the newest records may be\n"
        "missing or half written.\n"
        "Exit codes: 0 whole, 65 damaged (verify) or of a later format, 74 it cannot be read.");
    part->callback([options, verify, &exit_code] { exit_code = run(*options, verify); });
  }
}

}  // namespace wiremill::cli
