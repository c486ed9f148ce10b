// HTTP for operators: metrics, health, and the questions of `wiremill status`, `show`, `dead` and
// `cursor`. HTTP/1.1 with keep-alive by Boost.Beast on main's io_context; every handler runs there
// and must not wait.
//
// What changes something must carry the header `X-Wiremill: 1`, which no web page can send across
// origins; and that, as all under /api/, a Host that is `localhost` or an address in figures, never a
// name that somebody else's DNS may point here. So no browser can be talked into either.
//
// Limits: a header of 16 KiB, a body of 1 MiB, connections_max connections (one more closes the one
// that has been idle longest), and idle_timeout_ms for a request to arrive and for a reply to leave.
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "daemon/base/error.hpp"

namespace wiremill {

struct AdminRequest {
  std::string method;                        // GET, POST, PUT, DELETE
  std::string path;                          // percent-decoded, without the query
  std::map<std::string, std::string> query;  // decoded
  std::string body;                          // at most 1 MiB
  // False: it closed its side of the connection. Any thread, until the reply.
  std::function<bool()> client_is_there{};
};

struct AdminReply {
  unsigned status = 200;
  std::string content_type = "application/json";
  std::string body;
};

// Answers now, or keeps `reply` and calls it later, once, on any thread. A reply that is dropped
// without a call is answered with 503.
using AdminHandler =
    std::function<void(const AdminRequest& request, std::function<void(AdminReply)> reply)>;

// {"error": message} with this status.
AdminReply admin_error(unsigned status, std::string_view message);

struct AdminOptions {
  std::string endpoint = "tcp://127.0.0.1:5754";
  size_t connections_max = 64;
  int64_t idle_timeout_ms = 30'000;
};

class AdminServer {
 public:
  // `context` outlives it, and all that keeps a `reply`. Errors: Unavailable (in use), Config (no
  // tcp endpoint).
  static Result<std::unique_ptr<AdminServer>> open(const AdminOptions& options,
                                                   boost::asio::io_context& context);
  ~AdminServer();

  // "/metrics" is that path alone; "/api/dead/" is every path that begins so. The longest wins.
  void route(const std::string& method, const std::string& path, AdminHandler handler);
  std::string endpoint() const;  // with the real port in place of "*"

 private:
  class Impl;
  explicit AdminServer(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace wiremill
