// The load of the fault tests: clients and subscribers in one program that outlives the daemon, as
// fast as C++ makes them. load.py starts it and tells it on standard input, line by line, what to do;
// each line is answered by one line of JSON on standard output:
//
//   begin INTAKE REPLAY push|rest   connects all peers; `rest` only sends again what is pending
//   push | rest                     goes on with new documents, or without
//   end                             disconnects them, when all that came was read
//   status                          where everybody stands
//   gap                             the same, and `gap_us`: the longest time that the first subscriber
//                                   was without a result since the last `gap`
//   before SEQUENCE                 the same, and `gap_us`: how long after the result before it this one
//                                   came to the first subscriber; it is one of the last 65,536
//   replay REPLAY                   reads all results from the first one kept to the head
//
// The end of the input ends the program. Violations that show at once are counted in every answer and
// described on standard error; the rest is found by load_verdict.py in the files of the record.
#include <CLI/CLI.hpp>

#include <algorithm>
#include <chrono>
#include <iostream>
#include <limits>
#include <memory>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/fault/load_peers.hpp"

namespace wiremill::fault {
namespace {

struct LoadOptions {
  std::string folder;
  uint64_t clients = 4;
  uint64_t subscribers = 2;
  std::string name = "subscriber";  // the subscribers are NAME-1, NAME-2 …
  uint64_t text_bytes = 200;
  uint64_t backlog = 20'000;     // acknowledged but not seen: beyond it no new documents are made
  uint64_t commit_every = 2000;  // results at most between two commits of a cursor
  bool foreign = false;          // the daemon has documents that are not of these clients
};

constexpr uint32_t kCredits[] = {2000, 64, 1000};

class Load {
 public:
  explicit Load(const LoadOptions& options) : options_(options) {
    for (uint64_t i = 1; i <= options.clients; ++i)
      clients_.push_back(
          std::make_unique<Client>(options.folder, i, options.text_bytes, findings_));
    for (uint64_t i = 1; i <= options.subscribers; ++i)
      subscribers_.push_back(std::make_unique<Subscriber>(
          options.folder, options.name + "-" + std::to_string(i), options.commit_every,
          kCredits[(i - 1) % std::size(kCredits)], options.foreign, findings_));
  }

  // False: not a command.
  bool obey(const std::string& line) {
    std::istringstream words(line);
    std::string command, intake, replay, mode;
    words >> command;
    if (command == "begin" && words >> intake >> replay >> mode) {
      begin(intake, replay, mode == "push");
    } else if (command == "push" || command == "rest") {
      wanted_ = command == "push";
    } else if (command == "end") {
      end();
    } else if (command == "replay" && words >> replay) {
      read_all(replay);
    } else if (command == "gap") {
      gap_us_ = subscribers_.front()->take_gap_us();
    } else if (uint64_t sequence; command == "before" && words >> sequence) {
      gap_us_ = subscribers_.front()->gap_before_us(sequence);
    } else if (command != "status") {
      return false;
    }
    std::cout << status() << std::endl;
    return true;
  }

  void end() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

 private:
  void begin(const std::string& intake, const std::string& replay, bool push) {
    stop_ = false;
    wanted_ = push;
    for (const auto& client : clients_)
      threads_.emplace_back([&, intake] { client->run(context_, intake, stop_, may_push_); });
    for (const auto& subscriber : subscribers_)
      threads_.emplace_back([&, replay] { subscriber->run(context_, replay, stop_); });
    // The line takes less than the intake; without a bound the end would be a long wait.
    threads_.emplace_back([this] {
      while (!stop_) {
        may_push_ = wanted_ && newest() < seen() + options_.backlog;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    });
  }

  void read_all(const std::string& endpoint) {
    stop_ = false;
    Subscriber replay(options_.folder, "replay", 0, kCredits[0], options_.foreign, findings_);
    replay.run(context_, endpoint, stop_);
    replay_first_ = replay.first();
    replay_last_ = replay.seen();
  }

  uint64_t newest() const {
    uint64_t newest = 0;
    for (const auto& client : clients_) newest = std::max(newest, client->newest());
    return newest;
  }

  uint64_t seen() const {
    uint64_t seen = std::numeric_limits<uint64_t>::max() / 2;
    for (const auto& subscriber : subscribers_) seen = std::min(seen, subscriber->seen());
    return seen;
  }

  // By hand: names and numbers only, nothing that would have to be escaped.
  std::string status() const {
    uint64_t acknowledged = 0, pending = 0, repeats = 0;
    std::map<std::string, uint64_t> refusals;
    for (const auto& client : clients_) {
      acknowledged += client->settled();
      pending += client->pending();
      for (const auto& [code, count] : client->refusals()) refusals[code] += count;
    }
    for (const auto& subscriber : subscribers_) repeats += subscriber->repeats();
    std::ostringstream out;
    out << R"({"acknowledged":)" << acknowledged << R"(,"pending":)" << pending << R"(,"newest":)"
        << newest() << R"(,"seen":[)";
    for (size_t i = 0; i < subscribers_.size(); ++i)
      out << (i == 0 ? "" : ",") << subscribers_[i]->seen();
    out << R"(],"repeats":)" << repeats << R"(,"replay":[)" << replay_first_ << "," << replay_last_
        << "],\"gap_us\":" << gap_us_;
    print(out, "refusals", refusals);
    print(out, "findings", findings_.counts());
    out << "}";
    return out.str();
  }

  static void print(std::ostream& out, const char* name,
                    const std::map<std::string, uint64_t>& counts) {
    out << ",\"" << name << "\":{";
    const char* comma = "";
    for (const auto& [key, count] : counts) {
      out << comma << '"' << key << "\":" << count;
      comma = ",";
    }
    out << "}";
  }

  const LoadOptions options_;
  zmq::context_t context_{1};
  Findings findings_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::unique_ptr<Subscriber>> subscribers_;
  std::vector<std::thread> threads_;
  std::atomic<bool> stop_{false}, wanted_{false}, may_push_{false};
  uint64_t replay_first_ = 0, replay_last_ = 0;
  int64_t gap_us_ = 0;
};

}  // namespace
}  // namespace wiremill::fault

int main(int argc, char** argv) {
  wiremill::fault::LoadOptions options;
  CLI::App app("The load of the fault tests");
  app.add_option("--folder", options.folder, "of the record")->required();
  app.add_option("--clients", options.clients);
  app.add_option("--subscribers", options.subscribers);
  app.add_option("--name", options.name, "of the subscribers and their cursors");
  app.add_option("--text-bytes", options.text_bytes);
  app.add_option("--backlog", options.backlog);
  app.add_option("--commit-every", options.commit_every);
  app.add_option("--foreign", options.foreign, "true: documents that no client here made come too");
  CLI11_PARSE(app, argc, argv);

  wiremill::fault::Load load(options);
  for (std::string line; std::getline(std::cin, line);) {
    if (load.obey(line)) continue;
    std::cerr << "not a command: " << line << std::endl;
    return 64;
  }
  load.end();
  return 0;
}
