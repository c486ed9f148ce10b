#include "daemon/admin/admin_api.hpp"

#include <rapidjson/document.h>

#include <charconv>
#include <optional>

#include "daemon/admin/dead_requests.hpp"
#include "daemon/admin/history.hpp"
#include "daemon/admin/jobs.hpp"
#include "daemon/admin/json_writer.hpp"
#include "daemon/admin/metrics.hpp"
#include "daemon/admin/status.hpp"
#include "daemon/feed/feed.hpp"
#include "daemon/intake/intake.hpp"

namespace wiremill {
namespace {

using Reply = std::function<void(AdminReply)>;

constexpr const char* kDocuments = "/api/documents/";
constexpr const char* kDead = "/api/dead/";
constexpr const char* kCursors = "/api/cursors/";

AdminReply failed(const Error& error) {
  switch (error.code) {
    case ErrorCode::NotFound: return admin_error(404, error.message);
    case ErrorCode::Malformed: return admin_error(400, error.message);
    case ErrorCode::TooLarge: return admin_error(409, error.message);
    default: return admin_error(503, error.message);
  }
}

std::optional<uint64_t> parse_sequence(std::string_view text) {
  uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || at != end) return std::nullopt;
  return value;
}

}  // namespace

class AdminApi::Impl {
 public:
  Impl(AdminServer& server, std::function<DaemonReport()> report) : report_(std::move(report)) {
    server.route("GET", "/metrics", [this](const AdminRequest&, const Reply& reply) {
      reply({.content_type = "text/plain; version=0.0.4; charset=utf-8",
             .body = metrics_text(rooms(), report_())});
    });
    server.route("GET", "/healthz", [this](const AdminRequest&, const Reply& reply) {
      const DaemonReport now = report_();
      reply({.status = now.healthy() ? 200U : 503U, .body = health_json(now)});
    });
    server.route("GET", "/readyz", [this](const AdminRequest&, const Reply& reply) {
      const DaemonReport now = report_();
      reply({.status = now.ready() ? 200U : 503U, .body = readiness_json(now)});
    });
    server.route("GET", "/api/status", [this](const AdminRequest&, const Reply& reply) {
      reply({.body = status_json(rooms(), report_())});
    });
    route(server, "GET", "/api/documents", &Impl::find_document);
    route(server, "GET", kDocuments, &Impl::show_document);
    route(server, "GET", "/api/dead", &Impl::list_letters);
    route(server, "GET", kDead, &Impl::show_letter);
    route(server, "POST", "/api/dead/retry", &Impl::retry_letters);
    route(server, "POST", "/api/dead/discard", &Impl::discard_letters);
    route(server, "POST", "/api/reload", &Impl::reload);
    route(server, "GET", "/api/cursors", &Impl::list_cursors);
    route(server, "PUT", kCursors, &Impl::set_cursor);
    route(server, "DELETE", kCursors, &Impl::remove_cursor);
  }

  ~Impl() { jobs_->stop(); }

  void serve(Rooms rooms) { rooms_.emplace(std::move(rooms)); }

 private:
  using Handler = void (Impl::*)(const AdminRequest&, Reply);

  const Rooms* rooms() const { return rooms_ ? &*rooms_ : nullptr; }

  // Handlers that need the rooms.
  void route(AdminServer& server, const char* method, const char* path, Handler handler) {
    server.route(method, path, [this, handler](const AdminRequest& request, Reply reply) {
      if (!rooms_) return reply(admin_error(503, "the daemon is still recovering"));
      (this->*handler)(request, std::move(reply));
    });
  }

  void find_document(const AdminRequest& request, Reply reply) {
    const auto id = request.query.find("id");
    if (id == request.query.end()) return reply(admin_error(400, "give ?id=, or /SEQUENCE"));
    rooms_->intake.find(id->second, [this, jobs = jobs_, id = id->second,
                                     reply = std::move(reply)](std::optional<uint64_t> latest) {
      if (!latest)
        return reply(admin_error(
            404, fmt::format("no document with id '{}' is remembered; ask by sequence", id)));
      jobs->add([this, latest, reply] { reply_history(*latest, latest, reply); });
    });
  }

  void show_document(const AdminRequest& request, Reply reply) {
    const auto sequence = parse_sequence(request.path.substr(std::string(kDocuments).size()));
    if (!sequence) return reply(admin_error(400, "a sequence is a whole number"));
    jobs_->add([this, sequence = *sequence, reply = std::move(reply)] {
      auto id = id_of(*rooms_, sequence);
      if (!id) return reply(failed(id.error()));
      rooms_->intake.find(
          std::move(*id), [this, jobs = jobs_, sequence, reply](std::optional<uint64_t> latest) {
            jobs->add([this, sequence, latest, reply] { reply_history(sequence, latest, reply); });
          });
    });
  }

  void reply_history(uint64_t sequence, std::optional<uint64_t> latest, const Reply& reply) {
    auto history = history_json(*rooms_, sequence, latest);
    reply(history ? AdminReply{.body = std::move(*history)} : failed(history.error()));
  }

  void list_letters(const AdminRequest& request, Reply reply) {
    jobs_->add([this, request, reply = std::move(reply)] { reply(list_dead(*rooms_, request)); });
  }

  // "/api/dead/17" and "/api/dead/17/body".
  void show_letter(const AdminRequest& request, Reply reply) {
    std::string_view rest = std::string_view(request.path).substr(std::string(kDead).size());
    constexpr std::string_view kBody = "/body";
    const bool body = rest.ends_with(kBody);
    if (body) rest.remove_suffix(kBody.size());
    const auto sequence = parse_sequence(rest);
    if (!sequence) return reply(admin_error(400, "a sequence is a whole number"));
    jobs_->add([this, body, sequence = *sequence, reply = std::move(reply)] {
      reply(body ? dead_body(*rooms_, sequence) : show_dead(*rooms_, sequence));
    });
  }

  void retry_letters(const AdminRequest& request, Reply reply) {
    auto sequences = read_sequences(request.body);
    if (!sequences) return reply(failed(sequences.error()));
    jobs_->add([this, sequences = std::move(*sequences), reply = std::move(reply)] {
      retry_dead(*rooms_, jobs_, sequences, reply);
    });
  }

  void discard_letters(const AdminRequest& request, Reply reply) {
    auto sequences = read_sequences(request.body);
    if (!sequences) return reply(failed(sequences.error()));
    jobs_->add([this, sequences = std::move(*sequences), reply = std::move(reply)] {
      const auto discarded = rooms_->discard(sequences);
      if (!discarded) return reply(failed(discarded.error()));
      JsonWriter json;
      json.object([&] { json.field("discarded", *discarded); });
      reply({.body = json.take()});
    });
  }

  void reload(const AdminRequest& request, Reply reply) {
    rooms_->reload(
        {request.client_is_there, [reply = std::move(reply)](const ReloadOutcome& outcome) {
           reply({.status = outcome.errors.empty() ? 200U : 422U, .body = reload_json(outcome)});
         }});
  }

  void list_cursors(const AdminRequest&, Reply reply) { reply({.body = cursors_json(*rooms_)}); }

  void set_cursor(const AdminRequest& request, Reply reply) {
    rapidjson::Document parsed;
    parsed.Parse<rapidjson::kParseIterativeFlag>(request.body.data(), request.body.size());
    const rapidjson::Document& json = parsed;
    const auto sequence =
        json.HasParseError() || !json.IsObject() ? json.MemberEnd() : json.FindMember("sequence");
    if (json.HasParseError() || !json.IsObject() || sequence == json.MemberEnd() ||
        !sequence->value.IsUint64())
      return reply(admin_error(400, "the body must be {\"sequence\":N}"));
    jobs_->add(
        [this, name = cursor_name(request), to = sequence->value.GetUint64(),
         reply = std::move(reply)] { reply_changed(rooms_->feed.set_cursor(name, to), reply); });
  }

  void remove_cursor(const AdminRequest& request, Reply reply) {
    jobs_->add([this, name = cursor_name(request), reply = std::move(reply)] {
      reply_changed(rooms_->feed.remove_cursor(name), reply);
    });
  }

  static std::string cursor_name(const AdminRequest& request) {
    return request.path.substr(std::string(kCursors).size());
  }

  void reply_changed(const Status& status, const Reply& reply) {
    reply(status ? AdminReply{.body = cursors_json(*rooms_)} : failed(status.error()));
  }

  const std::function<DaemonReport()> report_;
  std::optional<Rooms> rooms_;
  const std::shared_ptr<Jobs> jobs_ = std::make_shared<Jobs>();
};

AdminApi::AdminApi(AdminServer& server, std::function<DaemonReport()> report)
    : impl_(std::make_unique<Impl>(server, std::move(report))) {}
AdminApi::~AdminApi() = default;
void AdminApi::serve(Rooms rooms) { impl_->serve(std::move(rooms)); }

}  // namespace wiremill
