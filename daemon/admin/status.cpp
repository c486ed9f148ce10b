#include "daemon/admin/status.hpp"

#include <algorithm>

#include "daemon/admin/json_writer.hpp"
#include "daemon/feed/feed.hpp"
#include "daemon/intake/intake.hpp"
#include "daemon/log/log.hpp"
#include "daemon/pipeline/dead_letters.hpp"
#include "daemon/pipeline/pipeline.hpp"
#include "wiremill/v1/intake.pb.h"

namespace wiremill {
namespace {

constexpr size_t kListedMax = 100;  // of clients and subscribers

uint64_t lag_behind(const Log& results, uint64_t sequence) {
  const uint64_t newest = results.durable();
  return newest - std::min(newest, sequence);
}

// Codes that never came are left out.
template <class Counts>
void write_refused(JsonWriter& json, const Counts& refused) {
  json.key("refused").object([&] {
    for (size_t code = 1; code < IntakeCounters::kCodes; ++code)
      if (const uint64_t count = refused[code]; count != 0)
        json.field(v1::Nack::Code_Name(static_cast<v1::Nack::Code>(code)), count);
  });
}

void write_log(JsonWriter& json, const Log& log) {
  const LogStatistics statistics = log.statistics();
  const Status health = log.health();
  json.object([&] {
    json.field("first", statistics.first);
    json.field("durable", statistics.durable);
    json.field("epoch", statistics.epoch);
    json.field("bytes", statistics.bytes);
    json.field("segments", statistics.segments);
    json.field("groups", statistics.groups);
    json.field("syncs", statistics.syncs);
    json.field("rewritten_groups", statistics.rewritten_groups);
    json.field("torn_bytes", statistics.torn_bytes);
    json.field("damaged_records", statistics.damaged_records);
    json.field("health", health ? "ok" : health.error().message);
  });
}

void write_documents(JsonWriter& json, const Rooms& rooms, const DaemonReport& report) {
  const Pipeline::Counters line = rooms.pipeline.counters();
  json.key("documents").object([&] {
    json.field("accepted", rooms.intake_log.next() - 1);
    json.field("processed", line.processed);
    json.field("dropped", line.dropped);
    json.field("dead", line.dead);
    json.field("in_flight", report.in_flight);
  });
  json.key("rates").object([&] {
    json.field("accepted_per_second", report.accepted_per_second);
    json.field("results_per_second", report.results_per_second);
  });
  json.key("pipeline").object([&] {
    json.field("in_line", line.in_line);
    json.field("suspects", line.suspects);
    json.key("stages").array(rooms.pipeline.stages(), [&](const StageCounts& stage) {
      json.object([&] {
        json.field("name", stage.name);
        json.key("events").object([&] {
          for (const auto& [name, count] : stage.metrics.counters()) json.field(name, count);
        });
      });
    });
  });
}

void write_intake(JsonWriter& json, Intake& intake) {
  const IntakeCounters& counters = intake.counters();
  json.key("intake").object([&] {
    json.field("endpoint", intake.endpoint());
    json.field("firehose_endpoint", intake.firehose_endpoint());
    json.field("accepted_bytes", counters.accepted_bytes.load());
    json.field("repeats", counters.repeats.load());
    json.field("retries", counters.retries.load());
    write_refused(json, counters.refused);
    json.field("waiting", counters.waiting.load());
    json.field("connections", counters.connections.load());
    json.field("sessions", counters.sessions.load());
    json.field("replies_dropped", counters.replies_dropped.load());
    json.field("firehose_accepted", counters.firehose_accepted.load());
    json.field("firehose_dropped", counters.firehose_dropped.load());
  });
  std::vector<Intake::ClientCounts> clients = intake.clients();
  clients.resize(std::min(clients.size(), kListedMax));
  json.key("clients").array(clients, [&](const Intake::ClientCounts& client) {
    json.object([&] {
      json.field("client", client.client);
      json.field("firehose", client.firehose);
      json.field("bare", client.bare);
      json.field("accepted", client.accepted);
      json.field("repeats", client.repeats);
      write_refused(json, client.refused);
    });
  });
}

void write_cursors(JsonWriter& json, const Rooms& rooms) {
  json.array(rooms.feed.cursors(), [&](const Feed::Cursor& cursor) {
    json.object([&] {
      json.field("name", cursor.name);
      json.field("epoch", cursor.epoch);
      json.field("sequence", cursor.sequence);
      json.field("lag", lag_behind(rooms.results, cursor.sequence));
      json.time_field("committed_at", cursor.committed_at_us);
    });
  });
}

void write_feed(JsonWriter& json, const Rooms& rooms) {
  const FeedCounters& counters = rooms.feed.counters();
  json.key("feed").object([&] {
    json.field("endpoint", rooms.feed.endpoint());
    json.field("replay_endpoint", rooms.feed.replay_endpoint());
    json.field("published", counters.published.load());
    json.field("unpublished", counters.unpublished.load());
    json.field("subscriptions", counters.subscriptions.load());
    json.field("replayed", counters.replayed.load());
    json.field("refused", counters.refused.load());
    json.field("vanished", counters.vanished.load());
  });
  std::vector<Feed::Subscriber> subscribers = rooms.feed.subscribers();
  subscribers.resize(std::min(subscribers.size(), kListedMax));
  json.key("subscribers").array(subscribers, [&](const Feed::Subscriber& subscriber) {
    json.object([&] {
      json.field("cursor", subscriber.cursor);
      json.field("position", subscriber.position);
      json.field("lag", lag_behind(rooms.results, subscriber.position - 1));
      json.field("credit", subscriber.credit);
      json.field("sent", subscriber.sent);
      json.field("follow", subscriber.follow);
    });
  });
  json.key("cursors");
  write_cursors(json, rooms);
}

void write_disk(JsonWriter& json, const Rooms& rooms, const DaemonReport& report) {
  json.key("logs").object([&] {
    write_log(json.key("intake"), rooms.intake_log);
    write_log(json.key("result"), rooms.results);
  });
  json.key("disk").object([&] {
    json.field("free_bytes", report.free_bytes);
    json.field("disk_bytes", report.disk_bytes);
    json.field("free_bytes_min", report.free_bytes_min);
    json.field("held", report.held_for_space);
  });
  json.key("state").object([&] {
    json.field("checkpoint", report.checkpointed);
    json.field("overlay_changes", rooms.state.overlay_entries());
  });
  const DeadLetters::Totals dead = rooms.dead_letters.totals();
  json.key("dead_letters").object([&] {
    json.field("documents", dead.documents);
    json.field("bytes", dead.bytes);
  });
}

}  // namespace

std::string_view phase_name(DaemonReport::Phase phase) {
  switch (phase) {
    case DaemonReport::Phase::Recovering: return "recovering";
    case DaemonReport::Phase::Serving: return "serving";
    case DaemonReport::Phase::Draining: return "draining";
  }
  return "";
}

std::string status_json(const Rooms* rooms, const DaemonReport& report) {
  JsonWriter json;
  json.object([&] {
    json.field("version", WIREMILL_VERSION);
    json.field("phase", phase_name(report.phase));
    json.field("ready", report.ready());
    json.field("healthy", report.healthy());
    json.key("failures").strings(report.failures);
    json.key("holds").strings(report.holds);
    json.time_field("started_at", report.started_at_us);
    json.field("uptime_seconds", static_cast<double>(report.uptime_ms) * 1e-3);
    json.field("state_dir", report.state_dir);
    if (rooms == nullptr) return;
    json.key("configuration").object([&] {
      json.time_field("since", report.configured_at_us);
      json.field("reloads_done", report.reloads_done);
      json.field("reloads_refused", report.reloads_refused);
    });
    write_documents(json, *rooms, report);
    write_intake(json, rooms->intake);
    write_feed(json, *rooms);
    write_disk(json, *rooms, report);
  });
  return json.take();
}

std::string health_json(const DaemonReport& report) {
  JsonWriter json;
  json.object([&] {
    json.field("healthy", report.healthy());
    json.key("failures").strings(report.failures);
  });
  return json.take();
}

std::string readiness_json(const DaemonReport& report) {
  JsonWriter json;
  json.object([&] {
    json.field("ready", report.ready());
    json.field("phase", phase_name(report.phase));
    std::vector<std::string> reasons = report.failures;
    reasons.insert(reasons.end(), report.holds.begin(), report.holds.end());
    json.key("reasons").strings(reasons);
  });
  return json.take();
}

std::string reload_json(const ReloadOutcome& outcome) {
  JsonWriter json;
  json.object([&] {
    if (outcome.errors.empty()) {
      json.field("first_sequence", outcome.first_sequence);
      json.key("stages").strings(outcome.stages);
      return;
    }
    json.field("error", fmt::format("the reload was refused, {} error{}", outcome.errors.size(),
                                    outcome.errors.size() == 1 ? "" : "s"));
    json.key("errors").array(outcome.errors, [&](const ConfigError& error) {
      json.object([&] {
        json.field("where", error.where);
        json.field("message", error.message);
      });
    });
  });
  return json.take();
}

std::string cursors_json(const Rooms& rooms) {
  JsonWriter json;
  json.object([&] {
    json.field("newest", rooms.results.durable());
    json.key("cursors");
    write_cursors(json, rooms);
  });
  return json.take();
}

}  // namespace wiremill
