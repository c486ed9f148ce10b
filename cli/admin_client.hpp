// Questions to a daemon's admin endpoint, over HTTP. Main thread; each waits for its answer, at most
// so long.
#pragma once

#include <rapidjson/document.h>

#include <chrono>
#include <memory>
#include <string>

#include "daemon/base/error.hpp"
#include "daemon/config/config.hpp"

namespace CLI {
class App;
}

namespace wiremill::cli {

// --admin and --config, which every command that asks the daemon has.
struct AdminAddress {
  std::string endpoint, config_path;
};
void add_admin_options(CLI::App& command, AdminAddress& address);

class AdminClient {
 public:
  struct Answer {
    unsigned status = 0;
    std::string content_type, body;
  };

  // `endpoint`: tcp://ADDRESS:PORT.
  explicit AdminClient(std::string endpoint);
  ~AdminClient();

  // The endpoint given, else the configuration's, else the default. Prints what is wrong; answers
  // the exit code.
  static tl::expected<std::unique_ptr<AdminClient>, int> choose(const AdminAddress& address);

  // Errors: Unavailable (no daemon answers, or not in time), Usage (no such endpoint).
  Result<Answer> ask(const std::string& method, const std::string& target,
                     const std::string& body = {});
  // The answer's JSON. Errors beside those of ask(): what the daemon said of it (NotFound, Malformed,
  // TooLarge, Unavailable).
  Result<rapidjson::Document> ask_json(const std::string& method, const std::string& target,
                                       const std::string& body = {});

 private:
  class Connection;
  const std::string endpoint_;
  std::unique_ptr<Connection> connection_;
};

// What ask_json makes of an answer that is not 200.
Error refusal(const AdminClient::Answer& answer);

// Prints the error; answers its exit code.
int report(const Error& error);

// For a target's query: everything but letters, digits and -._~ as %XX.
std::string percent_encoded(std::string_view text);

// Members of a daemon's answer; empty, 0 or an empty list where there are none.
std::string text_of(const rapidjson::Value& object, const char* name);
uint64_t number_of(const rapidjson::Value& object, const char* name);
double real_of(const rapidjson::Value& object, const char* name);
bool flag_of(const rapidjson::Value& object, const char* name);
const rapidjson::Value& member_of(const rapidjson::Value& object, const char* name);

}  // namespace wiremill::cli
