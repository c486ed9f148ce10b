#include "daemon/config/endpoint.hpp"

#include <arpa/inet.h>

#include <charconv>
#include <optional>

namespace wiremill {
namespace {

constexpr std::string_view kTcp = "tcp://", kIpc = "ipc://", kInproc = "inproc://";
constexpr size_t kIpcPathBytesMax = 107;  // sockaddr_un's path without its zero
constexpr size_t kInprocNameBytesMax = 255;

struct TcpEndpoint {
  std::string host;  // without brackets
  std::string port;
  bool is_loopback = false;
  bool is_any = false;
};

bool is_port(std::string_view text) {
  if (text == "*") return true;
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc{} && end == text.data() + text.size() && port >= 1 && port <= 65535;
}

std::optional<TcpEndpoint> parse_tcp(std::string_view endpoint) {
  const std::string_view address = endpoint.substr(kTcp.size());
  const size_t colon = address.rfind(':');
  if (colon == std::string_view::npos || !is_port(address.substr(colon + 1))) return std::nullopt;
  TcpEndpoint parsed;
  parsed.port = address.substr(colon + 1);
  parsed.host = address.substr(0, colon);
  in_addr v4{};
  in6_addr v6{};
  if (parsed.host == "*") {
    parsed.is_any = true;
  } else if (inet_pton(AF_INET, parsed.host.c_str(), &v4) == 1) {
    parsed.is_loopback = (ntohl(v4.s_addr) >> 24) == 127;
    parsed.is_any = v4.s_addr == INADDR_ANY;
  } else if (parsed.host.size() > 2 && parsed.host.front() == '[' && parsed.host.back() == ']') {
    parsed.host = parsed.host.substr(1, parsed.host.size() - 2);
    if (inet_pton(AF_INET6, parsed.host.c_str(), &v6) != 1) return std::nullopt;
    parsed.is_loopback = IN6_IS_ADDR_LOOPBACK(&v6);
    parsed.is_any = IN6_IS_ADDR_UNSPECIFIED(&v6);
  } else {
    return std::nullopt;
  }
  return parsed;
}

}  // namespace

Status check_endpoint(std::string_view endpoint, bool allow_unencrypted) {
  if (endpoint.starts_with(kIpc)) {
    const size_t bytes = endpoint.size() - kIpc.size();
    if (bytes == 0 || bytes > kIpcPathBytesMax)
      return fail(ErrorCode::Config, "'{}': the path must have 1 to {} bytes", endpoint,
                  kIpcPathBytesMax);
    return {};
  }
  if (endpoint.starts_with(kInproc)) {
    const size_t bytes = endpoint.size() - kInproc.size();
    if (bytes == 0 || bytes > kInprocNameBytesMax)
      return fail(ErrorCode::Config, "'{}': the name must have 1 to {} bytes", endpoint,
                  kInprocNameBytesMax);
    return {};
  }
  if (!endpoint.starts_with(kTcp))
    return fail(ErrorCode::Config, "'{}' is no endpoint; write tcp://127.0.0.1:PORT or ipc://PATH",
                endpoint);
  const auto tcp = parse_tcp(endpoint);
  if (!tcp)
    return fail(ErrorCode::Config,
                "'{}': write tcp://ADDRESS:PORT with a numeric address (127.0.0.1, [::1]) and a "
                "port from 1 to 65535",
                endpoint);
  if (!tcp->is_loopback && !allow_unencrypted)
    return fail(ErrorCode::Config,
                "'{}' is not loopback and its traffic is not encrypted; bind 127.0.0.1 or say "
                "'allow_unencrypted: true'",
                endpoint);
  return {};
}

bool endpoints_collide(std::string_view a, std::string_view b) {
  if (a.starts_with(kTcp) && b.starts_with(kTcp)) {
    const auto first = parse_tcp(a), second = parse_tcp(b);
    if (!first || !second || first->port != second->port || first->port == "*") return false;
    return first->host == second->host || first->is_any || second->is_any;
  }
  return a == b;
}

}  // namespace wiremill
