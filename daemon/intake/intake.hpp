// The way in: documents from ZeroMQ sockets to the intake log, acknowledged once they are on disk.
// Messages: proto/wiremill/v1/intake.proto. Made and destroyed by main; works on the io thread.
//
// Main calls SocketLoop::wake() from the intake log's durable listener; the intake then answers
// what became durable.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/error.hpp"

namespace wiremill {

class Log;
class SocketLoop;

struct IntakeOptions {
  std::string endpoint = "tcp://127.0.0.1:5750";
  std::string firehose_endpoint;  // empty: none
  std::string ledger_directory;   // what must survive a restart beside the log
  int64_t document_bytes_max = 10 << 20;
  uint32_t credit = 4096;                // unacknowledged documents of one session
  uint32_t bare_outstanding_max = 1024;  // unanswered bare messages of one connection
  uint32_t retry_after_ms = 100;         // said with BUSY
  size_t clients_max = 4096;             // connections, and sessions, that are remembered
  int64_t idempotency_window_ms = 24 * 3600 * 1000;
  uint64_t idempotency_documents_max = 1'000'000;
};

// Counted where it happens, read from any thread.
struct IntakeCounters {
  static constexpr size_t kCodes = 12;  // Nack.Code
  std::atomic<uint64_t> accepted{0};    // since the log's beginning
  std::atomic<uint64_t> accepted_bytes{0};
  std::atomic<uint64_t> repeats{0};
  std::atomic<uint64_t> retries{0};  // accepted by retry(), and counted there, too
  std::array<std::atomic<uint64_t>, kCodes> refused{};  // by Nack.Code, firehose included
  std::atomic<uint64_t> firehose_accepted{0}, firehose_dropped{0};
  std::atomic<uint64_t> replies_dropped{0};           // the peer did not read, or is gone
  std::atomic<uint64_t> damaged_records{0};           // skipped when the intake was opened
  std::atomic<uint64_t> connections{0}, sessions{0};  // remembered now
  std::atomic<uint64_t> waiting{0};                   // taken or refused, answer not yet due
};

class Intake {
 public:
  // Reads what the log has above the ledger, binds the sockets and adds them to the loop, which is
  // not started yet. `log` gets no records from anybody else; both outlive the intake. Errors: as
  // bind_socket(), and Io, Locked, Damaged for the ledger.
  static Result<std::unique_ptr<Intake>> open(const IntakeOptions& options, SocketLoop& loop,
                                              Log& log);
  // After the loop has stopped. Writes the ledger's checkpoint.
  ~Intake();

  std::string endpoint() const;
  std::string firehose_endpoint() const;  // empty where there is none

  // From now on documents are refused with SHUTTING_DOWN; answers that are due still go out.
  // Drained when counters().waiting is 0. Any thread.
  void stop_accepting();

  // While `why` is not empty, documents are refused with NO_SPACE and that message; repeats of what
  // is stored are still acknowledged. Any thread.
  void hold(std::string why);

  // Takes a dead letter's IntakeRecord, serialised, once more: a new sequence with the same client,
  // id and content, never judged as a repeat; number 0, so that the client's own numbers go on
  // without it. A client that sends the document again gets the newest such sequence and makes no
  // new document, unless the id has come with other content since: then it keeps standing for that.
  // A letter that is tried again already has the sequence of that.
  //
  // `done` is told on the io thread (or by the destructor) the sequence, once it is durable, or why
  // not: Malformed, Busy, NoSpace, Io, Unavailable (the daemon stops). Beyond 1024 requests that
  // wait it is told Busy at once, on the calling thread. Any thread.
  void retry(uint64_t dead_sequence, std::string intake_record,
             std::function<void(Result<uint64_t>)> done);
  // The sequence of the latest document that was submitted with this id, where it is still
  // remembered; it may not be durable yet. Told as with retry(), nullopt where a retry would be told
  // Busy or Unavailable. Any thread.
  void find(std::string id, std::function<void(std::optional<uint64_t>)> done);

  // What became of each client's documents since the start, the busiest first, at most `clients_max`
  // entries: numbered clients by their name, senders of bare and firehose messages (and of numbered
  // ones before HELLO, as bare) by their address. Any thread.
  struct ClientCounts {
    std::string client;
    bool firehose = false, bare = false;
    uint64_t accepted = 0, repeats = 0;
    std::array<uint64_t, IntakeCounters::kCodes> refused{};  // by Nack.Code
  };
  std::vector<ClientCounts> clients() const;

  const IntakeCounters& counters() const;
  // Intake records above this one are needed at the next start: keep their segments. Any thread.
  uint64_t records_needed_above() const;
  // Ok, or why the ledger is not written at present: documents are refused with NO_SPACE or READ_ONLY
  // until it is. Any thread.
  Status health() const;

 private:
  class Impl;
  explicit Intake(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace wiremill
