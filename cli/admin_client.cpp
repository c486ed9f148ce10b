// Beast's time limits need asynchronous calls, so each step is one, run to its end on a context of
// its own.
#include "cli/admin_client.hpp"

#include <fmt/format.h>

#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include <CLI/CLI.hpp>
#include <charconv>
#include <optional>

#include "cli/terminal.hpp"

namespace wiremill::cli {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;
using SystemError = boost::system::error_code;

constexpr std::chrono::seconds kConnectTimeout{5};
constexpr std::chrono::seconds kAnswerTimeout{60};
constexpr std::chrono::seconds kDoneTimeout{600};  // what is to be done may wait for disk or stages
constexpr uint64_t kAnswerBytesMax = uint64_t{2} << 30;

const rapidjson::Value kNothing;

}  // namespace

void add_admin_options(CLI::App& command, AdminAddress& address) {
  command.add_option("--config", address.config_path, "Take the endpoint from this configuration.")
      ->type_name("FILE");
  command
      .add_option("--admin", address.endpoint,
                  "The daemon's admin endpoint (default: tcp://127.0.0.1:5754).")
      ->type_name("ENDPOINT");
}

class AdminClient::Connection {
 public:
  Status connect(const tcp::endpoint& to) {
    return step(kConnectTimeout, [&](auto done) { stream_.async_connect(to, std::move(done)); });
  }

  Result<Answer> exchange(http::request<http::string_body>& request) {
    WM_TRY(step(kConnectTimeout, [&](auto done) {
      http::async_write(stream_, request,
                        [done](const SystemError& error, size_t) { done(error); });
    }));
    http::response_parser<http::string_body> parser;
    parser.body_limit(kAnswerBytesMax);
    const bool asks = request.method() == http::verb::get;
    WM_TRY(step(asks ? kAnswerTimeout : kDoneTimeout, [&](auto done) {
      http::async_read(stream_, buffer_, parser,
                       [done](const SystemError& error, size_t) { done(error); });
    }));
    auto& response = parser.get();
    keeps_ = response.keep_alive();
    return Answer{response.result_int(), std::string(response[http::field::content_type]),
                  std::move(response.body())};
  }

  bool keeps() const { return keeps_; }

 private:
  template <class Begin>
  Status step(std::chrono::seconds timeout, const Begin& begin) {
    SystemError result;
    stream_.expires_after(timeout);
    begin([&result](const SystemError& error) { result = error; });
    context_.restart();
    context_.run();
    if (result == beast::error::timeout)
      return fail(ErrorCode::Unavailable, "no answer within {} s", timeout.count());
    if (result) return fail(ErrorCode::Unavailable, "{}", result.message());
    return {};
  }

  asio::io_context context_;
  beast::tcp_stream stream_{context_};
  beast::flat_buffer buffer_;
  bool keeps_ = true;
};

AdminClient::AdminClient(std::string endpoint) : endpoint_(std::move(endpoint)) {}
AdminClient::~AdminClient() = default;

tl::expected<std::unique_ptr<AdminClient>, int> AdminClient::choose(const AdminAddress& address) {
  const auto config = read_config(address.config_path);
  if (!config) return tl::unexpected(config.error());
  const std::string endpoint = address.endpoint.empty() ? config->admin.endpoint : address.endpoint;
  if (endpoint.empty()) {
    print_error("the configuration has no admin.endpoint: give --admin");
    return tl::unexpected(wiremill::exit_code(ErrorCode::Usage));
  }
  return std::make_unique<AdminClient>(endpoint);
}

Result<AdminClient::Answer> AdminClient::ask(const std::string& method, const std::string& target,
                                             const std::string& body) {
  constexpr std::string_view kScheme = "tcp://";
  const size_t colon = endpoint_.rfind(':');
  uint16_t port = 0;
  SystemError wrong;
  tcp::endpoint to;
  std::string host;
  if (endpoint_.starts_with(kScheme) && colon > kScheme.size()) {
    host = endpoint_.substr(kScheme.size());
    std::string address = endpoint_.substr(kScheme.size(), colon - kScheme.size());
    if (address.starts_with('[') && address.ends_with(']'))
      address = address.substr(1, address.size() - 2);
    if (address == "*" || address == "localhost") address = "127.0.0.1";
    to.address(asio::ip::make_address(address, wrong));
    std::from_chars(endpoint_.data() + colon + 1, endpoint_.data() + endpoint_.size(), port);
    to.port(port);
  }
  if (wrong || port == 0)
    return fail(ErrorCode::Usage, "admin endpoint {}: must be tcp://ADDRESS:PORT", endpoint_);

  http::request<http::string_body> request{http::string_to_verb(method), target, 11};
  request.set(http::field::host,
              fmt::format("{}:{}",
                          to.address().is_v6() ? "[" + to.address().to_string() + "]"
                                               : to.address().to_string(),
                          port));
  request.set("X-Wiremill", "1");
  request.body() = body;
  request.prepare_payload();
  const bool fresh = connection_ == nullptr;
  if (fresh) {
    connection_ = std::make_unique<Connection>();
    if (const Status connected = connection_->connect(to); !connected) {
      connection_.reset();
      return fail(ErrorCode::Unavailable, "no daemon answers at {}: {}", endpoint_,
                  connected.error().message);
    }
  }
  auto answer = connection_->exchange(request);
  if (!answer || !connection_->keeps()) connection_.reset();
  // A kept connection may have been closed while it was idle. Only a question may be asked twice.
  if (!answer && !fresh && method == "GET") return ask(method, target, body);
  if (!answer)
    return fail(ErrorCode::Unavailable, "the daemon at {}: {}", endpoint_, answer.error().message);
  return answer;
}

Result<rapidjson::Document> AdminClient::ask_json(const std::string& method,
                                                  const std::string& target,
                                                  const std::string& body) {
  const auto answer = ask(method, target, body);
  if (!answer) return tl::unexpected(answer.error());
  if (answer->status != 200) return tl::unexpected(refusal(*answer));
  rapidjson::Document json;
  json.Parse<rapidjson::kParseIterativeFlag>(answer->body.data(), answer->body.size());
  if (json.HasParseError() || !json.IsObject())
    return fail(ErrorCode::Unavailable, "what answers at {} is no Wiremill", endpoint_);
  return json;
}

Error refusal(const AdminClient::Answer& answer) {
  rapidjson::Document json;
  json.Parse<rapidjson::kParseIterativeFlag>(answer.body.data(), answer.body.size());
  std::string message = json.HasParseError() ? "" : text_of(json, "error");
  if (message.empty()) message = fmt::format("HTTP {}", answer.status);
  switch (answer.status) {
    case 400: return {ErrorCode::Usage, message};
    case 404: return {ErrorCode::Malformed, message};  // 65: what was asked for is not there
    case 409: return {ErrorCode::TooLarge, message};
    default: return {ErrorCode::Unavailable, message};
  }
}

int report(const Error& error) {
  print_error(error.message);
  return wiremill::exit_code(error.code);
}

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", byte);
  }
  return out;
}

const rapidjson::Value& member_of(const rapidjson::Value& object, const char* name) {
  if (!object.IsObject()) return kNothing;
  const auto found = object.FindMember(name);
  return found == object.MemberEnd() ? kNothing : found->value;
}
std::string text_of(const rapidjson::Value& object, const char* name) {
  const rapidjson::Value& value = member_of(object, name);
  return value.IsString() ? std::string(value.GetString(), value.GetStringLength()) : "";
}
uint64_t number_of(const rapidjson::Value& object, const char* name) {
  const rapidjson::Value& value = member_of(object, name);
  return value.IsUint64() ? value.GetUint64() : 0;
}
double real_of(const rapidjson::Value& object, const char* name) {
  const rapidjson::Value& value = member_of(object, name);
  return value.IsNumber() ? value.GetDouble() : 0;
}
bool flag_of(const rapidjson::Value& object, const char* name) {
  const rapidjson::Value& value = member_of(object, name);
  return value.IsBool() && value.GetBool();
}

}  // namespace wiremill::cli
