// A Session is one connection: it reads a request, hands it to its route, writes the reply, and
// begins again. It is kept alive by whatever it waits for: a read, a reply or a write. All of it
// happens on main's thread; only a reply may come from another one, and is posted over.
#include "daemon/admin/admin_server.hpp"

#include <utility>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <list>
#include <optional>

#include "daemon/base/logging.hpp"
#include "daemon/document/result_json.hpp"

namespace wiremill {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;
using SystemError = boost::system::error_code;

constexpr uint32_t kHeaderBytesMax = 16 << 10;
constexpr uint64_t kBodyBytesMax = 1 << 20;
constexpr std::chrono::milliseconds kAcceptPause{100};  // after an error: no descriptor is left

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// nullopt: a % without two digits behind it, or a zero byte.
std::optional<std::string> percent_decoded(std::string_view text, bool plus_is_blank) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '+' && plus_is_blank) c = ' ';
    if (c == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_digit(text[i + 1]), low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (c == '\0') return std::nullopt;
    out += c;
  }
  return out;
}

// False: the target cannot be read.
bool read_target(std::string_view target, AdminRequest& request) {
  if (!target.starts_with('/')) return false;
  const size_t mark = target.find('?');
  const auto path = percent_decoded(target.substr(0, mark), false);
  if (!path) return false;
  request.path = *path;
  std::string_view rest = mark == std::string_view::npos ? "" : target.substr(mark + 1);
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    const size_t equals = pair.find('=');
    const auto name = percent_decoded(pair.substr(0, equals), true);
    const auto value = percent_decoded(
        equals == std::string_view::npos ? std::string_view() : pair.substr(equals + 1), true);
    if (!name || !value) return false;
    request.query[*name] = *value;
  }
  return true;
}

// "127.0.0.1:5754", "[::1]", "localhost:80": a Host that no DNS answered for.
bool is_address_or_localhost(std::string_view host) {
  if (host.starts_with('[')) {
    host = host.substr(1, host.find(']') - 1);
  } else {
    host = host.substr(0, host.find(':'));
  }
  if (host == "localhost") return true;
  SystemError error;
  asio::ip::make_address(std::string(host), error);
  return !error;
}

Result<tcp::endpoint> parse_tcp_endpoint(std::string_view text) {
  constexpr std::string_view kScheme = "tcp://";
  const size_t colon = text.rfind(':');
  if (!text.starts_with(kScheme) || colon < kScheme.size())
    return fail(ErrorCode::Config, "admin endpoint {}: must be tcp://ADDRESS:PORT", text);
  std::string host(text.substr(kScheme.size(), colon - kScheme.size()));
  const std::string_view port_text = text.substr(colon + 1);
  uint16_t port = 0;
  if (port_text != "*") {
    const char* end = port_text.data() + port_text.size();
    const auto [at, problem] = std::from_chars(port_text.data(), end, port);
    if (problem != std::errc{} || at != end)
      return fail(ErrorCode::Config, "admin endpoint {}: no port '{}'", text, port_text);
  }
  if (host == "*") return tcp::endpoint(tcp::v4(), port);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  SystemError error;
  const auto address = asio::ip::make_address(host, error);
  if (error) return fail(ErrorCode::Config, "admin endpoint {}: no address '{}'", text, host);
  return tcp::endpoint(address, port);
}

}  // namespace

AdminReply admin_error(unsigned status, std::string_view message) {
  AdminReply reply;
  reply.status = status;
  reply.body = "{\"error\":";
  append_json_string(message, reply.body);
  reply.body += "}\n";
  return reply;
}

class AdminServer::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(const AdminOptions& options, asio::io_context& context)
      : options_(options), context_(context), acceptor_(context), pause_(context) {}

  Status listen() {
    const auto at = parse_tcp_endpoint(options_.endpoint);
    if (!at) return tl::unexpected(at.error());
    SystemError error;
    acceptor_.open(at->protocol(), error);
    if (!error) acceptor_.set_option(asio::socket_base::reuse_address(true), error);
    if (!error) acceptor_.bind(*at, error);
    if (!error) acceptor_.listen(asio::socket_base::max_listen_connections, error);
    if (error)
      return fail(ErrorCode::Unavailable, "admin {}: {}", options_.endpoint, error.message());
    const tcp::endpoint real = acceptor_.local_endpoint();
    const std::string address = real.address().to_string();
    endpoint_ = fmt::format("tcp://{}:{}", real.address().is_v6() ? "[" + address + "]" : address,
                            real.port());
    accept();
    return {};
  }

  void route(const std::string& method, const std::string& path, AdminHandler handler) {
    routes_[path][method] = std::move(handler);
  }
  const std::string& endpoint() const { return endpoint_; }

  void close();

 private:
  class Session;
  using Methods = std::map<std::string, AdminHandler>;

  void accept();
  void make_room();

  // "/a/b" itself, or the longest "/a/" that it begins with.
  const Methods* find_route(const std::string& path) const {
    if (const auto exact = routes_.find(path); exact != routes_.end()) return &exact->second;
    for (size_t slash = path.rfind('/'); slash != std::string::npos && slash > 0;
         slash = path.rfind('/', slash - 1))
      if (const auto prefix = routes_.find(path.substr(0, slash + 1)); prefix != routes_.end())
        return &prefix->second;
    return nullptr;
  }

  const AdminOptions options_;
  asio::io_context& context_;
  tcp::acceptor acceptor_;
  asio::steady_timer pause_;
  std::string endpoint_;
  bool closed_ = false;
  std::map<std::string, Methods> routes_;
  std::list<Session*> sessions_;  // the one that was busy last at the end
};

class AdminServer::Impl::Session : public std::enable_shared_from_this<Session> {
 public:
  Session(std::shared_ptr<Impl> server, tcp::socket socket)
      : server_(std::move(server)), stream_(std::move(socket)) {
    place_ = server_->sessions_.insert(server_->sessions_.end(), this);
  }
  ~Session() { server_->sessions_.erase(place_); }

  bool idle() const { return idle_; }
  void close() { stream_.close(); }

  void read() {
    idle_ = true;
    parser_.emplace();
    parser_->header_limit(kHeaderBytesMax);
    parser_->body_limit(kBodyBytesMax);
    stream_.expires_after(std::chrono::milliseconds(server_->options_.idle_timeout_ms));
    http::async_read(
        stream_, buffer_, *parser_,
        [self = shared_from_this()](const SystemError& error, size_t) { self->arrived(error); });
  }

 private:
  // What a handler holds: calls back once, or says that nobody will.
  class Pending {
   public:
    explicit Pending(std::shared_ptr<Session> session) : session_(std::move(session)) {}
    Pending(const Pending&) = delete;
    Pending& operator=(const Pending&) = delete;
    ~Pending() { answer(admin_error(503, "no answer: the daemon is stopping")); }
    void answer(AdminReply reply) {
      if (session_ == nullptr) return;
      auto& context = session_->server_->context_;
      asio::post(context, [session = std::exchange(session_, nullptr),
                           reply = std::move(reply)]() mutable { session->write(reply); });
    }

   private:
    std::shared_ptr<Session> session_;
  };

  void arrived(const SystemError& error) {
    idle_ = false;
    server_->sessions_.splice(server_->sessions_.end(), server_->sessions_, place_);
    if (server_->closed_) return;
    if (!error) return dispatch();
    keep_alive_ = false;
    if (error == http::error::body_limit)
      return write(admin_error(413, fmt::format("the body is over {} bytes", kBodyBytesMax)));
    if (error == http::error::header_limit)
      return write(admin_error(431, fmt::format("the header is over {} bytes", kHeaderBytesMax)));
    if (error.category() == http::make_error_code(http::error::bad_method).category() &&
        error != http::error::end_of_stream && error != http::error::partial_message)
      return write(admin_error(400, fmt::format("not HTTP: {}", error.message())));
    // Closed, cut off or too slow: nobody reads an answer.
  }

  void dispatch() {
    auto& message = parser_->get();
    keep_alive_ = message.keep_alive();
    AdminRequest request;
    request.method = std::string(message.method_string());
    const beast::string_view target = message.target();
    if (!read_target({target.data(), target.size()}, request))
      return write(admin_error(400, "the request's target cannot be read"));
    const Methods* methods = server_->find_route(request.path);
    if (methods == nullptr) return write(admin_error(404, "there is no " + request.path));
    const auto handler = methods->find(request.method);
    if (handler == methods->end()) {
      for (const auto& [method, unused] : *methods) allow_ += (allow_.empty() ? "" : ", ") + method;
      return write(admin_error(405, fmt::format("{} takes {}", request.path, allow_)));
    }
    if (request.method != "GET" && message["X-Wiremill"] != "1")
      return write(admin_error(403, "what changes something needs the header X-Wiremill: 1"));
    const beast::string_view host = message[http::field::host];
    if ((request.method != "GET" || request.path.starts_with("/api/")) &&
        !is_address_or_localhost({host.data(), host.size()}))
      return write(admin_error(403, "an address or localhost is needed as Host"));
    request.body = std::move(message.body());
    request.client_is_there = [session = weak_from_this()] {
      const auto held = session.lock();
      return held != nullptr && held->is_connected();
    };
    auto pending = std::make_shared<Pending>(shared_from_this());
    try {
      handler->second(request, [pending](AdminReply reply) { pending->answer(std::move(reply)); });
    } catch (const std::exception& problem) {
      log_error("admin {} {}: {}", request.method, request.path, problem.what());
      pending->answer(admin_error(500, problem.what()));
    }
  }

  // While nothing is read: what else came is left where it is.
  bool is_connected() {
    char byte = 0;
    const ssize_t got = ::recv(stream_.socket().native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return got > 0 || (got < 0 && errno == EAGAIN);
  }

  void write(AdminReply reply) {
    response_ = {};
    response_.version(11);
    response_.result(reply.status);
    response_.set(http::field::server, "wiremill/" WIREMILL_VERSION);
    response_.set(http::field::content_type, reply.content_type);
    response_.set(http::field::cache_control, "no-store");
    response_.set("X-Content-Type-Options", "nosniff");
    if (!allow_.empty()) response_.set(http::field::allow, std::exchange(allow_, {}));
    response_.keep_alive(keep_alive_);
    response_.body() = std::move(reply.body);
    response_.prepare_payload();
    stream_.expires_after(std::chrono::milliseconds(server_->options_.idle_timeout_ms));
    http::async_write(
        stream_, response_,
        [self = shared_from_this()](const SystemError& error, size_t) { self->written(error); });
  }

  void written(const SystemError& error) {
    if (error || server_->closed_) return;
    if (keep_alive_) return read();
    // What the peer still sends is read away for a moment, so that it does not lose the answer.
    SystemError ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
    drain();
  }

  void drain() {
    if (drained_bytes_ > kBodyBytesMax) return;
    stream_.expires_after(std::chrono::seconds(1));
    stream_.async_read_some(asio::buffer(drained_),
                            [self = shared_from_this()](const SystemError& error, size_t bytes) {
                              self->drained_bytes_ += bytes;
                              if (!error) self->drain();
                            });
  }

  const std::shared_ptr<Impl> server_;
  std::list<Session*>::iterator place_;
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_{kHeaderBytesMax + kBodyBytesMax};
  std::optional<http::request_parser<http::string_body>> parser_;
  http::response<http::string_body> response_;
  std::string allow_;  // the methods, for a 405
  bool idle_ = false, keep_alive_ = true;
  char drained_[4096];
  uint64_t drained_bytes_ = 0;
};

void AdminServer::Impl::accept() {
  acceptor_.async_accept([self = shared_from_this()](const SystemError& error, tcp::socket socket) {
    if (self->closed_) return;
    if (error) {
      self->pause_.expires_after(kAcceptPause);
      self->pause_.async_wait([self](const SystemError&) {
        if (!self->closed_) self->accept();
      });
      return;
    }
    self->make_room();
    if (self->sessions_.size() < self->options_.connections_max)
      std::make_shared<Session>(self, std::move(socket))->read();
    self->accept();
  });
}

// One early, because a closed session leaves the list only when its read has been called back.
void AdminServer::Impl::make_room() {
  if (sessions_.size() + 1 < options_.connections_max) return;
  for (Session* session : sessions_)
    if (session->idle()) return session->close();
}

void AdminServer::Impl::close() {
  closed_ = true;
  SystemError ignored;
  acceptor_.close(ignored);
  pause_.cancel();
  routes_.clear();
  for (Session* session : sessions_) session->close();
}

Result<std::unique_ptr<AdminServer>> AdminServer::open(const AdminOptions& options,
                                                       asio::io_context& context) {
  auto impl = std::make_shared<Impl>(options, context);
  WM_TRY(impl->listen());
  return std::unique_ptr<AdminServer>(new AdminServer(std::move(impl)));
}

AdminServer::AdminServer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
AdminServer::~AdminServer() { impl_->close(); }
void AdminServer::route(const std::string& method, const std::string& path, AdminHandler handler) {
  impl_->route(method, path, std::move(handler));
}
std::string AdminServer::endpoint() const { return impl_->endpoint(); }

}  // namespace wiremill
