#include "daemon/admin/metrics.hpp"

#include <dirent.h>
#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <sstream>

#include "daemon/feed/feed.hpp"
#include "daemon/intake/intake.hpp"
#include "daemon/log/log.hpp"
#include "daemon/pipeline/dead_letters.hpp"
#include "daemon/pipeline/pipeline.hpp"
#include "wiremill/v1/intake.pb.h"

namespace wiremill {
namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;
using Labels = std::vector<ClientMetric::Label>;

// One family after the other; a sample goes to the family begun last.
class Families {
 public:
  Families& counter(const std::string& name, const char* help) {
    return begin(name, help, MetricType::Counter);
  }
  Families& gauge(const std::string& name, const char* help) {
    return begin(name, help, MetricType::Gauge);
  }
  Families& histogram(const std::string& name, const char* help) {
    return begin(name, help, MetricType::Histogram);
  }
  template <class Number>
  Families& is(Number value, Labels labels = {}) {
    ClientMetric metric;
    metric.label = std::move(labels);
    if (families_.back().type == MetricType::Counter)
      metric.counter.value = static_cast<double>(value);
    else
      metric.gauge.value = static_cast<double>(value);
    families_.back().metric.push_back(std::move(metric));
    return *this;
  }
  Families& is(const Histogram& values, Labels labels) {
    ClientMetric metric;
    metric.label = std::move(labels);
    uint64_t count = 0;
    for (size_t i = 0; i < Histogram::kBounds.size(); ++i)
      metric.histogram.bucket.push_back({count += values.counts[i], Histogram::kBounds[i]});
    metric.histogram.sample_count = count + values.counts.back();
    metric.histogram.sample_sum = values.sum;
    families_.back().metric.push_back(std::move(metric));
    return *this;
  }
  std::vector<MetricFamily> take() { return std::move(families_); }

 private:
  Families& begin(const std::string& name, const char* help, MetricType type) {
    MetricFamily family;
    family.name = name;
    family.help = help;
    family.type = type;
    families_.push_back(std::move(family));
    return *this;
  }
  std::vector<MetricFamily> families_;
};

void add_process(Families& out, const DaemonReport& report) {
  out.gauge("wiremill_build_info", "1, labelled with the version.")
      .is(1, {{"version", WIREMILL_VERSION}});
  out.gauge("process_start_time_seconds", "When the process started, since 1970.")
      .is(static_cast<double>(report.started_at_us) * 1e-6);
  // Pages: size and resident are the first two fields of proc(5)'s statm.
  uint64_t size = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  out.gauge("process_resident_memory_bytes", "Memory of the process.")
      .is(resident * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)));
  int64_t descriptors = -3;  // ".", "..", and the one that lists them
  if (DIR* folder = opendir("/proc/self/fd")) {
    while (readdir(folder) != nullptr) ++descriptors;
    closedir(folder);
  }
  out.gauge("process_open_fds", "Open descriptors.").is(std::max<int64_t>(descriptors, 0));
}

void add_report(Families& out, const DaemonReport& report) {
  out.gauge("wiremill_healthy", "1 while /healthz answers 200.").is(report.healthy());
  out.gauge("wiremill_ready", "1 while /readyz answers 200.").is(report.ready());
  out.gauge("wiremill_free_bytes", "Free on the state folder's file system.").is(report.free_bytes);
  out.gauge("wiremill_free_bytes_min", "storage.free_bytes_min.").is(report.free_bytes_min);
  out.gauge("wiremill_held_for_space", "1 while documents are refused with NO_SPACE.")
      .is(report.held_for_space);
}

// The conservation law: accepted = processed + dropped + dead + in flight.
void add_documents(Families& out, const Rooms& rooms, const DaemonReport& report) {
  // By the log itself: a result may be counted before the io thread comes to count its document.
  const uint64_t accepted = rooms.intake_log.next() - 1;
  const Pipeline::Counters line = rooms.pipeline.counters();
  out.counter("wiremill_documents_accepted_total",
              "Documents in the intake log, since its beginning.")
      .is(accepted);
  out.counter("wiremill_documents_processed_total", "Results PROCESSED, since the beginning.")
      .is(line.processed);
  out.counter("wiremill_documents_dropped_total", "Results DROPPED, since the beginning.")
      .is(line.dropped);
  out.counter("wiremill_documents_dead_total", "Results DEAD, since the beginning.").is(line.dead);
  out.gauge("wiremill_documents_in_flight",
            "Documents durable in the intake log whose result is not durable yet.")
      .is(report.in_flight);
}

void add_intake(Families& out, const IntakeCounters& intake) {
  out.counter("wiremill_intake_accepted_bytes_total", "Bytes of documents taken, since the start.")
      .is(intake.accepted_bytes.load());
  out.counter("wiremill_intake_repeats_total",
              "Documents that were known and acknowledged with their first sequence.")
      .is(intake.repeats.load());
  out.counter("wiremill_intake_refused_total", "Documents refused, by the NACK's code.");
  for (size_t code = 1; code < IntakeCounters::kCodes; ++code)
    out.is(intake.refused[code].load(),
           {{"code", v1::Nack::Code_Name(static_cast<v1::Nack::Code>(code))}});
  out.counter("wiremill_firehose_accepted_total", "Documents taken without acknowledgement.")
      .is(intake.firehose_accepted.load());
  out.counter("wiremill_firehose_dropped_total", "Documents of the firehose that were dropped.")
      .is(intake.firehose_dropped.load());
  out.counter("wiremill_intake_retries_total", "Dead letters taken once more, since the start.")
      .is(intake.retries.load());
  out.counter("wiremill_intake_replies_dropped_total", "Answers that no peer was there to read.")
      .is(intake.replies_dropped.load());
  out.gauge("wiremill_intake_connections", "Connections remembered.").is(intake.connections.load());
  out.gauge("wiremill_intake_sessions", "Client sessions remembered.").is(intake.sessions.load());
  out.gauge("wiremill_intake_waiting_documents", "Documents whose answer waits for the disk.")
      .is(intake.waiting.load());
}

void add_logs(Families& out, const Rooms& rooms, const DaemonReport& report) {
  struct Seen {
    const char* name;
    LogStatistics statistics;
    bool writable;
    DaemonReport::Scrubbed scrubbed;
  };
  const Seen logs[] = {{"intake", rooms.intake_log.statistics(),
                        rooms.intake_log.health().has_value(), report.intake_scrubbed},
                       {"result", rooms.results.statistics(), rooms.results.health().has_value(),
                        report.results_scrubbed}};
  const auto each = [&](const auto& value) {
    for (const Seen& log : logs) out.is(value(log), {{"log", log.name}});
  };
  out.gauge("wiremill_log_bytes", "Bytes in all segments, without what is zeroed ahead.");
  each([](const Seen& log) { return log.statistics.bytes; });
  out.gauge("wiremill_log_segments", "Segment files.");
  each([](const Seen& log) { return log.statistics.segments; });
  out.gauge("wiremill_log_first_sequence", "The oldest sequence kept.");
  each([](const Seen& log) { return log.statistics.first; });
  out.gauge("wiremill_log_durable_sequence", "The newest durable sequence.");
  each([](const Seen& log) { return log.statistics.durable; });
  out.gauge("wiremill_log_epoch", "Raised when an unclean start may have lost the log's end.");
  each([](const Seen& log) { return log.statistics.epoch; });
  out.counter("wiremill_log_groups_total", "Groups of records written, since the start.");
  each([](const Seen& log) { return log.statistics.groups; });
  out.counter("wiremill_log_syncs_total", "Calls of fdatasync for groups, since the start.");
  each([](const Seen& log) { return log.statistics.syncs; });
  out.counter("wiremill_log_rewritten_groups_total",
              "Groups whose write or sync failed and that a new segment took.");
  each([](const Seen& log) { return log.statistics.rewritten_groups; });
  out.counter("wiremill_log_torn_bytes_total", "Bytes of a torn tail, cut at this start.");
  each([](const Seen& log) { return log.statistics.torn_bytes; });
  out.counter("wiremill_log_damaged_records_total", "Damaged records found since the start.");
  each([](const Seen& log) { return log.statistics.damaged_records; });
  out.gauge("wiremill_log_writable", "0 while the log cannot be written.");
  each([](const Seen& log) { return log.writable; });
  out.counter("wiremill_log_scrubbed_bytes_total", "Bytes read again for damage, since the start.");
  each([](const Seen& log) { return log.scrubbed.bytes; });
  out.counter("wiremill_log_scrub_rounds_total", "Whole rounds of that.");
  each([](const Seen& log) { return log.scrubbed.rounds; });
}

// A family for each name that stages gave a gauge or a histogram. Where two stages mean different kinds
// by it, it is the first one's.
void add_stages(Families& out, const std::vector<StageCounts>& stages) {
  out.counter("wiremill_stage_events_total", "What the stages count, since the start.");
  for (const StageCounts& stage : stages)
    for (const auto& [name, count] : stage.metrics.counters())
      out.is(count, {{"stage", stage.name}, {"event", name}});
  std::map<std::string, MetricType> families;
  for (const StageCounts& stage : stages) {
    for (const auto& [name, value] : stage.metrics.gauges())
      families.emplace(name, MetricType::Gauge);
    for (const auto& [name, values] : stage.metrics.histograms())
      families.emplace(name, MetricType::Histogram);
  }
  const auto each = [&](const auto& of, const std::string& name) {
    for (const StageCounts& stage : stages)
      if (const auto said = of(stage.metrics).find(name); said != of(stage.metrics).end())
        out.is(said->second, {{"stage", stage.name}});
  };
  for (const auto& [name, type] : families) {
    if (type == MetricType::Gauge) {
      out.gauge("wiremill_stage_" + name,
                "What the stages say of themselves, as they said it last.");
      each(
          [](const StageMetrics& said) -> auto& { return said.gauges(); }, name);
    } else {
      out.histogram("wiremill_stage_" + name, "What the stages observe, since the start.");
      each(
          [](const StageMetrics& said) -> auto& { return said.histograms(); }, name);
    }
  }
}

void add_line(Families& out, const Rooms& rooms, const DaemonReport& report) {
  const Pipeline::Counters line = rooms.pipeline.counters();
  out.gauge("wiremill_pipeline_in_line_documents", "Documents read whose result is not made yet.")
      .is(line.in_line);
  out.gauge("wiremill_pipeline_suspect_documents",
            "Documents that run alone because a stage died in them.")
      .is(line.suspects);
  const std::vector<StageCounts> stages = rooms.pipeline.stages();
  add_stages(out, stages);
  out.counter("wiremill_stage_errors_skipped_total",
              "Documents that went on without a stage that could not take them, since the start.");
  for (const StageCounts& stage : stages)
    if (stage.skipped_errors) out.is(*stage.skipped_errors, {{"stage", stage.name}});
  out.counter("wiremill_stage_left_out_total",
              "Documents that a stage's condition left out, since the start.");
  for (const StageCounts& stage : stages)
    if (stage.left_out) out.is(*stage.left_out, {{"stage", stage.name}});
  if (const auto hold_up_ms = rooms.pipeline.hold_up_max_ms())
    out.gauge("wiremill_line_hold_up_max_seconds",
              "The longest that the stages can hold a document up; missing where it has no bound.")
        .is(static_cast<double>(*hold_up_ms) * 1e-3);
  out.counter("wiremill_reloads_total", "Reloads of the configuration, since the start.")
      .is(report.reloads_done, {{"outcome", "done"}})
      .is(report.reloads_refused, {{"outcome", "refused"}});
  out.gauge("wiremill_state_checkpoint_sequence", "The state on disk is that behind this result.")
      .is(report.checkpointed);
  out.gauge("wiremill_state_overlay_changes", "Changes of state that wait for their result's sync.")
      .is(rooms.state.overlay_entries());
  const DeadLetters::Totals dead = rooms.dead_letters.totals();
  out.gauge("wiremill_dead_letters_documents", "Dead letters kept.").is(dead.documents);
  out.gauge("wiremill_dead_letters_bytes", "Their bytes.").is(dead.bytes);
}

void add_feed(Families& out, const Rooms& rooms) {
  const FeedCounters& feed = rooms.feed.counters();
  out.counter("wiremill_feed_published_total", "Results given to the feed, since the start.")
      .is(feed.published.load());
  out.counter("wiremill_feed_unpublished_total", "Results that the feed had no room for.")
      .is(feed.unpublished.load());
  out.counter("wiremill_replay_sent_total", "Results sent by replay, since the start.")
      .is(feed.replayed.load());
  out.counter("wiremill_replay_refused_total", "Fetches and commits answered with an error.")
      .is(feed.refused.load());
  out.counter("wiremill_replay_vanished_total", "Streams whose peer was gone.")
      .is(feed.vanished.load());
  out.counter("wiremill_replay_read_errors_total", "Reads of the result log that failed.")
      .is(feed.read_errors.load());
  out.gauge("wiremill_replay_subscribers", "Streams of the replay endpoint.")
      .is(feed.subscribers.load());
  out.gauge("wiremill_feed_subscriptions", "Topics subscribed to at the feed.")
      .is(feed.subscriptions.load());
  const uint64_t newest = rooms.results.durable();
  const auto lag = [&](uint64_t sequence) { return newest - std::min(newest, sequence); };
  uint64_t subscriber_lag_max = 0, cursor_lag_max = 0;
  for (const Feed::Subscriber& subscriber : rooms.feed.subscribers())
    if (subscriber.follow)
      subscriber_lag_max = std::max(subscriber_lag_max, lag(subscriber.position - 1));
  const std::vector<Feed::Cursor> cursors = rooms.feed.cursors();
  for (const Feed::Cursor& cursor : cursors)
    cursor_lag_max = std::max(cursor_lag_max, lag(cursor.sequence));
  out.gauge("wiremill_replay_subscriber_lag_max_documents",
            "Results between the newest one and the stream that follows furthest behind.")
      .is(subscriber_lag_max);
  out.gauge("wiremill_cursors", "Named cursors.").is(cursors.size());
  out.gauge("wiremill_cursor_lag_max_documents",
            "Results between the newest one and the cursor furthest behind.")
      .is(cursor_lag_max);
}

class RoomsCollector : public prometheus::Collectable {
 public:
  RoomsCollector(const Rooms* rooms, const DaemonReport& report) : rooms_(rooms), report_(report) {}

  std::vector<MetricFamily> Collect() const override {
    Families out;
    add_process(out, report_);
    add_report(out, report_);
    if (rooms_ != nullptr) {
      add_documents(out, *rooms_, report_);
      add_intake(out, rooms_->intake.counters());
      add_logs(out, *rooms_, report_);
      add_line(out, *rooms_, report_);
      add_feed(out, *rooms_);
    }
    return out.take();
  }

 private:
  const Rooms* rooms_;
  const DaemonReport& report_;
};

}  // namespace

std::string metrics_text(const Rooms* rooms, const DaemonReport& report) {
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, RoomsCollector(rooms, report).Collect());
  return std::move(out).str();
}

}  // namespace wiremill
