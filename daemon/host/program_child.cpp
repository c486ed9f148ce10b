// A message is its length, four bytes, the highest first, and its bytes. No message is over 64 MiB, so
// the first byte of one is at most 4, and whatever a program prints beside them begins with another.
//
// The program answers one request after the other, so how many documents it has answered says which
// one it is at. In process the daemon writes ahead as far as the socket takes it, and the program
// finds the next document there when it is done with one; in settle a reply may have to come first, so
// each document waits for the answer to the one before.
#include "daemon/host/program_child.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <utility>
#include <vector>

#include "daemon/base/clock.hpp"
#include "daemon/host/messages.hpp"
#include "daemon/host/process.hpp"
#include "daemon/host/replay.hpp"
#include "daemon/host/watch.hpp"

namespace wiremill {
namespace {

constexpr uint32_t kProtocol = 1;
constexpr size_t kHeadBytes = 4;
constexpr size_t kMessageBytesMax = 64 << 20;
constexpr size_t kWriteAheadBytes = 256 << 10;
constexpr size_t kReadBytes = 64 << 10;
constexpr size_t kSeenBytesMax = 100;  // of what is no message
constexpr int64_t kEndTimeoutNs = 1'000'000'000;

// A descriptor, closed in every case.
class Fd {
 public:
  explicit Fd(int fd = -1) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() {
    if (fd_ >= 0) close(fd_);
  }
  int get() const { return fd_; }

 private:
  int fd_;
};

// As of a plugin's id and version, with the zero at their end.
bool is_name(std::string_view name, size_t bytes_max) {
  return !name.empty() && name.size() < bytes_max &&
         std::ranges::all_of(name, [](char c) { return c > ' ' && c < 0x7f; });
}

class MessageAnswer final : public StateAnswer {
 public:
  explicit MessageAnswer(v1::StageReply& reply) : reply_(reply) {}
  void value(bool is_found, wm_view value) override {
    v1::StageReply::Value& to = *reply_.add_values();
    to.set_found(is_found);
    to.set_value(value.data, value.size);
  }
  void entry(wm_view key, wm_view value) override {
    v1::StageReply::Entry& to = *reply_.add_entries();
    to.set_key(key.data, key.size);
    to.set_value(value.data, value.size);
  }
  void more() override { reply_.set_more(true); }
  void refused(int32_t error) override { reply_.set_error(error); }

 private:
  v1::StageReply& reply_;
};

// The two ends of what the daemon writes, and of what it reads. The daemon's ends do not block.
struct Pipes {
  Fd to_program, program_reads, from_program, program_writes;
  static Result<Pipes> make() {
    // A socket, for a write to it can do without SIGPIPE.
    int input[2] = {-1, -1}, output[2] = {-1, -1};
    const bool made = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, input) == 0 &&
                      pipe2(output, O_CLOEXEC) == 0;
    Pipes pipes{Fd(input[0]), Fd(input[1]), Fd(output[0]), Fd(output[1])};
    if (!made || fcntl(input[0], F_SETFL, O_NONBLOCK) != 0 ||
        fcntl(output[0], F_SETFL, O_NONBLOCK) != 0)
      return fail_errno(errno, "cannot make", "a stage's standard input and output");
    return pipes;
  }
};

class ProgramChild final : public Child {
 public:
  ProgramChild(Pipes pipes, Process process, const StageConfig& config, const std::stop_token& stop)
      : to_program_(std::move(pipes.to_program)),
        from_program_(std::move(pipes.from_program)),
        process_(std::move(process)),
        limits_(config),
        end_(stop, [this] { process_.kill(); }) {}

  Status greet() {
    v1::StageRequest hello;
    hello.mutable_hello()->set_protocol(kProtocol);
    hello.mutable_hello()->set_stage(limits_.name);
    auto response = ask(hello);
    if (!response) return tl::unexpected(std::move(response).error());
    if (!response->has_hello())
      return fail(ErrorCode::Config, "its program answered hello with something else");
    descriptor_ = std::move(*response->mutable_hello());
    if (descriptor_.protocol() != kProtocol)
      return fail(ErrorCode::Config, "its program speaks protocol {}, this daemon {}",
                  descriptor_.protocol(), kProtocol);
    if (!is_name(descriptor_.id(), sizeof(wm_note::id)) ||
        !is_name(descriptor_.version(), sizeof(wm_note::version)))
      return fail(ErrorCode::Config,
                  "its program gives no id or no version, or one that is not short and of visible "
                  "ASCII characters");
    parts_ = parts_of(descriptor_);
    return {};
  }

  Status start(const v1::StageStart& start) override {
    v1::StageRequest request;
    *request.mutable_start() = start;
    auto response = ask(request);
    if (!response) return tl::unexpected(std::move(response).error());
    if (!response->has_started())
      return fail(ErrorCode::Config, "its program answered start with something else");
    return {};
  }

  CallEnd call(What what, const wm_batch& batch, std::span<const uint32_t> documents,
               const OwnEvent& own_event) override {
    uint32_t said = 0, answered = 0;
    int64_t began_ns = monotonic_ns();
    Watch watch(process_, limits_, documents.size(), 0, batch.cancelled, [&] {
      return Watch::Place{answered, began_ns};
    });
    Replay replay(batch, documents);
    std::string refused;
    batch.output->begin(&batch, documents[0]);
    while (answered < documents.size()) {
      v1::StageResponse response;
      const auto got = next(response);
      if (!got) return tl::unexpected(watch.stop("PROTOCOL", got.error()));
      if (*got) {
        watch.pause();
        v1::StageRequest reply;
        if (!response.has_events() || answered == said ||
            !take(*response.mutable_events(), answered, replay, own_event, refused, reply))
          return tl::unexpected(watch.stop("PROTOCOL", "said what does not belong there"));
        watch.go_on();
        if (reply.has_reply()) {
          say(reply);
          continue;
        }
        if (!refused.empty())
          verdict(batch, documents[answered], WM_FAILED, "REFUSED",
                  fmt::format("its {}: a span out of range, text that is not UTF-8, a text that is "
                              "not in `provided`, no JSON, or over a limit",
                              std::exchange(refused, {})));
        began_ns = monotonic_ns();
        if (++answered < documents.size()) batch.output->begin(&batch, documents[answered]);
        continue;
      }
      while (said < documents.size() && outgoing_.size() - sent_ < kWriteAheadBytes &&
             (what == What::Process || said == answered)) {
        const uint32_t document = documents[said];
        v1::StageRequest request;
        copy(*batch.documents[document], parts_,
             what == What::Process ? *request.mutable_process() : *request.mutable_settle());
        if (request.ByteSizeLong() <= kMessageBytesMax) {
          say(request);
          ++said;
          continue;
        }
        if (said != answered) break;  // those before it come first
        verdict(batch, document, WM_BAD_DOCUMENT, "TOO_LARGE",
                fmt::format("a message of {} bytes, over the limit of {}", request.ByteSizeLong(),
                            kMessageBytesMax));
        ++said;
        ++answered;
      }
      if (answered == said) continue;
      if (auto death = watch.wait(awaited())) return tl::unexpected(std::move(*death));
      if (!transfer()) return tl::unexpected(closed(watch));
    }
    return 0;
  }

  std::optional<std::string> ended() override { return process_.ended(); }
  void trim_words() override { process_.trim_words(); }

 private:
  // While it starts: an answer to a request.
  Result<v1::StageResponse> ask(const v1::StageRequest& request) {
    say(request);
    const int64_t end_ns = monotonic_ns() + kStartTimeoutNs;
    for (;;) {
      v1::StageResponse response;
      const auto got = next(response);
      if (!got) return fail(ErrorCode::Config, "its program {}", got.error());
      if (*got && response.has_refused()) return fail(ErrorCode::Config, "{}", response.refused());
      if (*got) return response;
      switch (process_.wait(awaited(), end_ns - monotonic_ns())) {
        case Process::Wait::Ready:
          if (transfer()) break;
          if (process_.wait({}, kEndTimeoutNs) == Process::Wait::Ended)
            return fail(ErrorCode::Config, "its process, while it started, {}",
                        process_.ended().value_or(""));
          return fail(ErrorCode::Config, "its program closed its standard output");
        case Process::Wait::Ended:
          return fail(ErrorCode::Config, "its process, while it started, {}",
                      process_.ended().value_or(""));
        case Process::Wait::TimedOut:
          return fail(ErrorCode::Config, "its program did not start within {} s",
                      kStartTimeoutNs / 1'000'000'000);
      }
    }
  }

  void say(const v1::StageRequest& request) {
    const size_t size = request.ByteSizeLong();
    for (int shift = 24; shift >= 0; shift -= 8)
      outgoing_ += static_cast<char>(static_cast<uint8_t>(size >> shift));
    request.AppendToString(&outgoing_);
  }

  // The next message of those that have come. The error: why there will be none.
  tl::expected<bool, std::string> next(v1::StageResponse& response) {
    const std::string_view unread = std::string_view(incoming_).substr(read_);
    size_t size = 0;
    for (const char c : unread.substr(0, kHeadBytes)) size = size << 8 | static_cast<uint8_t>(c);
    if (!unread.empty() && (static_cast<uint8_t>(unread[0]) > kMessageBytesMax >> 24 ||
                            (unread.size() >= kHeadBytes && size > kMessageBytesMax)))
      return tl::unexpected(fmt::format("wrote to its standard output what is no message: '{}'",
                                        one_line(unread.substr(0, kSeenBytesMax))));
    if (unread.size() < kHeadBytes || unread.size() - kHeadBytes < size) return false;
    if (!response.ParseFromArray(unread.data() + kHeadBytes, static_cast<int>(size)))
      return tl::unexpected(fmt::format("wrote a message of {} bytes that cannot be read", size));
    read_ += kHeadBytes + size;
    if (read_ == incoming_.size()) {
      incoming_.clear();
      read_ = 0;
    }
    return true;
  }

  std::span<const pollfd> awaited() { return std::span(awaited_).first(outgoing_.empty() ? 1 : 2); }

  // Moves what is ready. False: the program closed its standard output.
  bool transfer() {
    if (!outgoing_.empty() && process_.found(1) != 0) {
      const ssize_t sent =
          send(to_program_.get(), outgoing_.data() + sent_, outgoing_.size() - sent_, MSG_NOSIGNAL);
      if (sent > 0) sent_ += static_cast<size_t>(sent);
      // Where it reads no more, what it still says is heard, and how it ends.
      const bool reads_no_more = sent < 0 && errno != EAGAIN && errno != EINTR;
      if (sent_ == outgoing_.size() || reads_no_more) {
        outgoing_.clear();
        sent_ = 0;
      }
    }
    if (process_.found(0) == 0) return true;
    incoming_.erase(0, std::exchange(read_, 0));
    const size_t before = incoming_.size();
    incoming_.resize(before + kReadBytes);
    const ssize_t got = read(from_program_.get(), incoming_.data() + before, kReadBytes);
    incoming_.resize(before + static_cast<size_t>(std::max<ssize_t>(got, 0)));
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
  }

  // What the program said of one document. A question is answered in `reply`, and what the batch's
  // functions refused is named in `refused`. False: it does not keep to the rules.
  static bool take(v1::StageResponse::Events& events, uint32_t document, Replay& replay,
                   const OwnEvent& own_event, std::string& refused, v1::StageRequest& reply) {
    for (int i = 0; i < events.list_size(); ++i) {
      v1::StageEvent& event = *events.mutable_list(i);
      event.set_document(document);
      if (event.has_get() || event.has_scan())
        return i + 1 == events.list_size() && answer(event, replay, *reply.mutable_reply());
      if (!own_event(event) && !replay.take(event)) return false;
      if (replay.refused() && refused.empty())
        refused = v1::StageEvent::descriptor()->FindFieldByNumber(event.what_case())->name();
    }
    return true;
  }

  static bool answer(const v1::StageEvent& asked, Replay& replay, v1::StageReply& reply) {
    MessageAnswer into(reply);
    return replay.answer(asked, into);
  }

  static void verdict(const wm_batch& batch, uint32_t document, uint32_t kind,
                      const std::string& code, const std::string& message) {
    batch.output->verdict(&batch, document, kind, view_of(code), view_of(message));
  }

  Death closed(const Watch& watch) {
    if (process_.wait({}, kEndTimeoutNs) == Process::Wait::Ended) return watch.ended();
    return watch.stop("PROTOCOL", "closed its standard output");
  }

  const Fd to_program_, from_program_;
  Process process_;
  const StageConfig& limits_;
  DocumentParts parts_;
  std::string outgoing_, incoming_;
  size_t sent_ = 0, read_ = 0;  // of them
  std::array<pollfd, 2> awaited_{
      {{from_program_.get(), POLLIN, 0}, {to_program_.get(), POLLOUT, 0}}};
  const std::stop_callback<std::function<void()>> end_;
};

// What the program finds, and what the configuration adds or replaces.
std::vector<std::string> environment_of(const std::string& launcher, const StageConfig& config) {
  const std::filesystem::path prefix = std::filesystem::path(launcher).parent_path().parent_path();
  std::vector<std::string> environment;
  const auto set = [&](std::string_view name, std::string_view value) {
    std::erase_if(environment, [&](const std::string& each) {
      return each.starts_with(fmt::format("{}=", name));
    });
    environment.push_back(fmt::format("{}={}", name, value));
  };
  set("PATH", "/usr/local/bin:/usr/bin:/bin");
  set("LANG", "C.UTF-8");
  set("PYTHONPATH", (prefix / "share/wiremill/python").string());
  for (const auto& [name, value] : config.environment) set(name, value);
  return environment;
}

}  // namespace

Result<std::unique_ptr<Child>> start_program_child(const std::string& launcher,
                                                   const StageConfig& config,
                                                   const std::stop_token& stop) {
  auto pipes = Pipes::make();
  if (!pipes) return tl::unexpected(std::move(pipes).error());
  auto group = control_groups().make(config);
  if (!group) return tl::unexpected(std::move(group).error());
  Process::Plan plan{
      {launcher, std::to_string(getpid()), std::to_string(config.processes),
       *group ? (*group)->entrance() : "", "--command",
       config.folder.empty() ? "." : config.folder},
      environment_of(launcher, config),
      {{pipes->program_reads.get(), STDIN_FILENO}, {pipes->program_writes.get(), STDOUT_FILENO}}};
  plan.arguments.insert(plan.arguments.end(), config.command.begin(), config.command.end());
  auto process = Process::start(plan, std::move(*group));
  if (!process) return tl::unexpected(std::move(process).error());
  auto child = std::make_unique<ProgramChild>(std::move(*pipes), std::move(*process), config, stop);
  WM_TRY(child->greet());
  return child;
}

}  // namespace wiremill
