// The C++ client of Wiremill: documents in (IntakeClient), results out (ReplayClient). Both connect
// by themselves, reconnect by themselves, and go on where they were, so that a restart of the
// daemon loses and repeats nothing. A daemon that is not there yet is no error: disconnected_for()
// tells.
//
// Each object belongs to one thread at a time. Nothing here throws but std::bad_alloc.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wiremill {

struct IntakeClientOptions {
  std::string endpoint = "tcp://127.0.0.1:5750";
  std::string client = "wiremill-client";  // a lasting name, 1 to 128 bytes
  uint32_t window = 2000;                  // documents pushed and not yet answered
  uint64_t window_bytes_max = 64 << 20;    // and their bytes; one document always fits
  // With documents unanswered and nothing heard for so long, the client says HELLO and sends again.
  std::chrono::milliseconds silence{2000};
};

enum class Encoding { Protobuf, Json };  // of a wiremill.v1.Document

struct IntakeEvent {
  enum class Kind { Accepted, Refused };
  Kind kind = Kind::Accepted;
  uint64_t tag = 0;       // as given to push()
  uint64_t sequence = 0;  // Accepted: its place
  std::string id;         // as submitted, or given by the daemon
  bool repeat = false;    // Accepted: known already, `sequence` is the first one's
  std::string code;       // Refused: "TOO_LARGE", "MALFORMED", …
  std::string message;
};

// Documents to the intake, in order, each answered once: Accepted when it is on the daemon's disk,
// or Refused when sending it again would not help. What is refused for now (BUSY, SHUTTING_DOWN …)
// is sent again by poll().
class IntakeClient {
 public:
  // Null where the options are wrong; `error` says why.
  static std::unique_ptr<IntakeClient> connect(const IntakeClientOptions& options,
                                               std::string& error);
  // Does not wait: what is unanswered may or may not have arrived.
  ~IntakeClient();

  // Queues a document. False: the window is full; poll() first.
  bool push(Encoding encoding, std::string document, uint64_t tag);

  // Sends and receives until there is an event or the time is over, and appends the events in the
  // order in which the daemon answered. Returns at once where nothing is unanswered.
  void poll(std::chrono::milliseconds timeout, std::vector<IntakeEvent>& events);

  size_t unanswered() const;

  // How long the daemon has not been reached; nullopt while it is. As poll() last saw it.
  std::optional<std::chrono::milliseconds> disconnected_for() const;

  // Why the daemon does not take documents just now ("SHUTTING_DOWN: …"); empty where it does.
  const std::string& held_up_by() const;

 private:
  class Impl;
  explicit IntakeClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

struct ReplayEvent {
  enum class Kind {
    Result,
    Head,       // everything up to `sequence` was seen; the last event where `follow` is false
    Lagged,     // results `lagged_from` to `lagged_to` are no longer kept
    Rewound,    // what stood from `sequence` on was lost by the log; it goes on there, in `epoch`
    Committed,  // the cursor is at {epoch, sequence}, on the daemon's disk
    CommitRefused,  // `code`, `message`; results go on, and a later commit may be taken
    Error,          // refused: `code`, `message`; nothing more comes
  };
  enum class Status { Unspecified, Processed, Dropped, Dead };
  Kind kind = Kind::Result;
  uint64_t sequence = 0;
  uint64_t previous = 0;  // sequence of the result before on this topic; 0: none, or forgotten
  uint64_t epoch = 0;     // raised when an unclean restart may have lost results
  Status status = Status::Unspecified;
  std::string topic;
  std::string result;  // a serialised wiremill.v1.Result
  uint64_t lagged_from = 0, lagged_to = 0;
  std::string code, message;
};

struct ReplayClientOptions {
  enum class From { First, Sequence, Time, Live, Cursor };
  std::string endpoint = "tcp://127.0.0.1:5752";
  From from = From::Live;
  uint64_t sequence = 1;  // From::Sequence: the first one wanted
  int64_t time_us = 0;    // From::Time: the first accepted at or after
  // From::Cursor: behind the cursor of this name, a new one begins with the oldest result kept.
  // commit() moves it, with any `from`.
  std::string cursor;
  // Filters; a result passes that fits each one given.
  std::vector<std::string> topics;     // prefixes of "<language>/<source>/"
  std::vector<std::string> sources;    // exactly so
  std::vector<std::string> languages;  // codes as in topics: "en", "und"
  std::vector<ReplayEvent::Status> statuses;
  bool follow = true;      // go on past the newest result
  uint32_t credit = 1000;  // results that may be under way
  // Nothing heard for so long: the client fetches anew. The daemon is heard each second.
  std::chrono::milliseconds silence{10'000};
};

// Results from the log, in order, without gap or repeat.
//
// With a cursor a consumer lives through its own end, too: it commits what it is done with, and the
// next one of that name goes on behind it. What was shown and not committed comes again.
class ReplayClient {
 public:
  struct Place {
    uint64_t epoch = 0, sequence = 0;
    friend bool operator==(const Place&, const Place&) = default;
  };

  // Null where the options are wrong; `error` says why.
  static std::unique_ptr<ReplayClient> connect(const ReplayClientOptions& options,
                                               std::string& error);
  ~ReplayClient();

  // Waits for the next event; false when the time is over, and at once after the last event.
  bool poll(std::chrono::milliseconds timeout, ReplayEvent& event);
  // The last event was seen, apart from what a commit under way will bring.
  bool done() const;
  std::optional<std::chrono::milliseconds> disconnected_for() const;

  // How far the events went: every result up to here that passes the filters was given out by
  // poll(), the last event included. Moves on without an event where the filters let nothing pass.
  // Epoch 0: nothing is known yet.
  Place position() const;

  // Says that everything up to `sequence` is done with. The commit goes out at once or with the next
  // poll(), again after a break, one at a time: of those that wait only the newest is sent. poll()
  // brings Committed or CommitRefused.
  void commit(uint64_t epoch, uint64_t sequence);

 private:
  class Impl;
  explicit ReplayClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace wiremill
