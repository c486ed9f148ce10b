// The two sides that load the daemon in the fault tests: a client of the intake and a subscriber of
// the replay endpoint with a named cursor. Used by load.cpp alone. They know the protocol from
// proto/ and share no code with clients/. Each runs on a thread of its own, for one life of the
// daemon at a time; what they know outlives it.
//
// What they saw goes to plain files as it comes, so that their memory does not grow with the run;
// load_verdict.py reads the files when all is over:
//
//   acknowledged.CLIENT    8 bytes for each number 1, 2, 3 …: the sequence
//   seen.SUBSCRIBER       16 bytes for each sequence 1, 2, 3 …: a digest of topic and result, and
//                         status << 56 | client << 48 | number
//
// Every document says in its URI and title whose and which it is, and is made anew from that
// whenever it is sent again. Half of the documents have no id: only the number tells a repeat. Every
// eighth is an earlier document with an id under a new number, which must get no result of its own.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <vector>
#include <zmq.hpp>

#include "wiremill/v1/intake.pb.h"
#include "wiremill/v1/replay.pb.h"

namespace wiremill::fault {

namespace v1 = ::wiremill::v1;

// Violations by kind; each is also said on standard error. Any thread.
class Findings {
 public:
  void add(const std::string& kind, const std::string& message);
  std::map<std::string, uint64_t> counts() const;

 private:
  mutable std::mutex mutex_;
  std::map<std::string, uint64_t> counts_;
};

// Rows of one size in a file, written and read where they stand.
class Rows {
 public:
  Rows(const std::string& path, size_t row_bytes);
  ~Rows();
  Rows(const Rows&) = delete;
  Rows& operator=(const Rows&) = delete;
  void put(uint64_t index, const void* row);
  void get(uint64_t index, void* row) const;

 private:
  int fd_;
  size_t row_bytes_;
};

class Client {
 public:
  static constexpr uint64_t kWindow = 1024;
  static constexpr uint64_t kRepeatDistance = 50'000;

  // `index` from 1; `text_bytes` of each document's body.
  Client(const std::string& folder, uint64_t index, uint64_t text_bytes, Findings& findings);

  // Until `stop`. New documents are made only while `may_push` is true.
  void run(zmq::context_t& context, const std::string& endpoint, const std::atomic<bool>& stop,
           const std::atomic<bool>& may_push);

  // Any thread.
  uint64_t settled() const { return settled_; }
  uint64_t pending() const { return made_ - settled_; }
  uint64_t newest() const { return newest_; }  // the highest sequence acknowledged
  std::map<std::string, uint64_t> refusals() const;

 private:
  void hello(zmq::socket_t& socket);
  bool send_some(zmq::socket_t& socket, bool make);
  void handle(zmq::socket_t& socket, const v1::IntakeReply& reply);
  void welcome(const v1::Welcome& welcome);
  void accept(const v1::Accepted& accepted);
  void refused(zmq::socket_t& socket, const v1::Nack& nack);
  static uint64_t original(uint64_t number);  // which number's document is sent under `number`
  std::string document(uint64_t number) const;

  const std::string name_;
  const uint64_t index_, text_bytes_;
  Findings& findings_;
  Rows record_;
  std::mt19937_64 random_;
  uint64_t session_;
  std::atomic<uint64_t> made_{0}, settled_{0}, newest_{0};
  uint64_t next_ = 0;  // the number to send next; 0: none before WELCOME and while it drains
  uint64_t credit_up_to_ = 0, said_settled_up_to_ = 0;
  int64_t send_after_us_ = 0;  // where a refusal asks to wait
  mutable std::mutex refusals_mutex_;
  std::map<std::string, uint64_t> refusals_;
};

class Subscriber {
 public:
  static constexpr size_t kGapsKept = 65'536;

  // Commits its cursor after that many results at most. With 0 it has none, and always begins at the
  // first result that is kept. `foreign`: documents that no Client made come too, so nothing is known
  // of what stands in them.
  Subscriber(const std::string& folder, const std::string& name, uint64_t commit_every,
             uint32_t credit, bool foreign, Findings& findings);

  // Until `stop`; without a cursor until the head.
  void run(zmq::context_t& context, const std::string& endpoint, const std::atomic<bool>& stop);

  uint64_t seen() const { return seen_; }    // every sequence up to here; any thread
  uint64_t first() const { return first_; }  // the first one that this life sent; any thread
  uint64_t repeats() const { return repeats_; }
  // The longest time without a result since this was last asked, up to now; any thread.
  int64_t take_gap_us();
  // How long after the result before it this one came, which was seen and is one of the last kGapsKept;
  // any thread.
  int64_t gap_before_us(uint64_t sequence) const;
  bool ended() const { return ended_; }

 private:
  void handle(zmq::socket_t& socket, const v1::ReplayReply& reply, std::string_view result);
  void take(zmq::socket_t& socket, const v1::Item& item, std::string_view result);
  void said_to_be_sent(uint64_t sequence);
  void begins_at(uint64_t sequence);
  void check_new(const v1::Item& item, const v1::Result& result);
  void commit(zmq::socket_t& socket, const v1::FeedHeader& header);

  const std::string name_;
  const bool cursor_;
  const uint64_t commit_every_;
  const uint32_t credit_;
  const bool foreign_;
  Findings& findings_;
  Rows record_;
  std::mt19937_64 random_;
  std::atomic<uint64_t> seen_{0}, first_{0}, repeats_{0};
  std::atomic<bool> ended_{false};
  std::atomic<int64_t> taken_at_us_{0}, gap_us_{0};
  int64_t last_at_us_ = 0;
  std::vector<std::atomic<int64_t>> gaps_before_us_ =
      std::vector<std::atomic<int64_t>>(kGapsKept);  // by sequence
  uint64_t expected_ = 0;                            // in this life's stream; 0: nothing came yet
  uint32_t consumed_ = 0;
  // The cursor stands between these two: what was answered, and the most that was asked for.
  uint64_t committed_ = 0, commit_asked_ = 0;
  uint64_t commit_at_ = 1;  // commits when it has seen this one
  std::map<std::string, uint64_t> previous_;
  int64_t accepted_at_us_ = 0;
};

}  // namespace wiremill::fault
