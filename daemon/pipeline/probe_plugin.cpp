// A stage for tests: does what the document's body asks for, and counts documents per source in its
// state. Loaded by pipeline_test and by the end-to-end tests. Also built with another STATE_VERSION, and
// FATAL: dying of every document.

#include <wiremill/stage.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iterator>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#ifndef STATE_VERSION
#define STATE_VERSION 1
#endif

namespace {

// Fills the stack; the compiler must not make a loop of it.
__attribute__((noinline)) int overflow(int depth) {  // NOLINT(misc-no-recursion)
  volatile char frame[4096];
  frame[0] = static_cast<char>(depth);
  return depth < 0 ? 0 : overflow(depth + 1) + frame[0];
}

// Writes over all that the stage's process shares with the daemon, wakes it, and says no more.
void scribble(char with) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find("memfd:wiremill-stage") == line.npos) continue;
    char* end = nullptr;
    auto* const begin = reinterpret_cast<uint32_t*>(std::strtoull(line.c_str(), &end, 16));
    auto* const behind = reinterpret_cast<uint32_t*>(std::strtoull(end + 1, nullptr, 16));
    std::mt19937 random(static_cast<unsigned char>(with));
    std::generate(begin, behind, [&]() -> uint32_t {
      return with == 'f' ? ~0U : with == '0' ? 0U : static_cast<uint32_t>(random());
    });
    const uint64_t one = 1;
    (void)!write(5, &one, sizeof one);
  }
  for (;;) sleep(1000);
}

// Ends the process as the body says.
void die(std::string_view body) {
  volatile uintptr_t nowhere = 8;
  if (body == "die by a wild pointer") *reinterpret_cast<int*>(nowhere) = 1;
  if (body == "die by abort") std::abort();
  if (body == "die by a full stack") overflow(0);
  if (body == "die by exit") std::exit(3);
  if (body == "die in a thread") std::thread([] { std::abort(); }).join();
  if (body == "die by kill") kill(getpid(), SIGKILL);
  if (body == "die by a loop")
    for (volatile unsigned forever = 0;;) forever = forever + 1;
  if (body == "die by busy threads")
    for (std::vector<std::thread> all;;)
      if (all.size() < 32) all.emplace_back([] { die("die by a loop"); });
  if (body == "die by memory")
    for (std::vector<std::string> all;;) all.emplace_back(16 << 20, 'x');
  if (body == "die by shared memory")
    for (;;) {
      void* const shared =
          mmap(nullptr, 16 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
      if (shared != MAP_FAILED) std::memset(shared, 'x', 16 << 20);
    }
  if (body == "die by closing")
    for (int fd = 0; fd < 1024; ++fd) close(fd);
  if (body == "die by overrun") {
    auto* const small = new char[64];
    std::fill_n(static_cast<volatile char*>(small), 1 << 20, 'x');
    delete[] small;
  }
  if (body.starts_with("die by scribbling ")) scribble(body.back());
  if (body == "reach out") {
    // Neither the daemon nor a file is to be hurt.
    if (syscall(SYS_tgkill, getppid(), getppid(), SIGKILL) == 0) die("die by kill");
    if (open("/proc/self/exe", O_RDONLY | O_TRUNC) >= 0) die("die by kill");
  }
  if (body == "die by forks")
    for (int i = 0; i < 1000; ++i) fork();
  if (body == "die by threads")
    for (std::vector<std::thread> all;; usleep(100)) all.emplace_back([] { sleep(1000); });
  if (body == "die by many processes")
    for (;; usleep(2000))
      if (fork() == 0) _exit(static_cast<int>(sleep(1000)));
  if (body == "die by a fork bomb")
    for (;;) fork();
  if (body == "die with many words") {
    std::fputs((std::string(1 << 20, 'w') + "\nthe end").c_str(), stderr);
    std::abort();
  }
  if (body == "die with words") {
    std::fputs("the last\nwords\n", stderr);
    std::abort();
  }
}

// What a stage's own process was left with, where that is more than it should be.
std::string too_free() {
  std::string found;
  if (environ != nullptr && *environ != nullptr) found += "an environment ";
  constexpr int kOwnFds = 6;  // standard ones, the channel's
  for (int fd = kOwnFds; fd < 1024; ++fd)
    if (fcntl(fd, F_GETFD) >= 0) found += "descriptor " + std::to_string(fd) + " ";
  std::ifstream status("/proc/self/status");
  const std::string text{std::istreambuf_iterator<char>(status), {}};
  for (const char* line : {"\nNoNewPrivs:\t1\n", "\nSeccomp:\t2\n"})
    if (text.find(line) == std::string::npos) found += "no line" + std::string(line);
  return found;
}

struct Probe {
  static constexpr wm_option kOptions[] = {
      {"refuse", WM_OPTION_STRING, 0, "", "Makes create fail with this message.", 0, 0}, {}};
  static constexpr wiremill::StageInfo kInfo = {.id = "test.probe",
                                                .version = "1.0.0",
                                                .summary = "Does what the body asks for.",
                                                .required = {"text"},
                                                .provided = {"byline", "extensions.test.probe"},
                                                .options = kOptions,
                                                .state_version = STATE_VERSION};

  Probe(const wiremill::Host& stage_host, const wiremill::Options& options) : host(stage_host) {
    if (!options.text("refuse").empty()) throw std::invalid_argument(options.text("refuse"));
  }

  wiremill::Verdict process(const wiremill::Document& document, wiremill::Output& output) const {
    const std::string_view body = document.body();
#ifdef FATAL
    std::abort();
#endif
    if (const auto file = document.attribute("wait_for"))
      while (access(std::string(*file).c_str(), F_OK) != 0) usleep(1000);
    output.byline("half an annotation");
    if (body.starts_with("die") || body == "reach out") die(body);
    if (body.starts_with("slow")) usleep(200'000);
    if (body == "very slow") usleep(2'000'000);
    if (body == "compute") {
      const std::clock_t until = std::clock() + CLOCKS_PER_SEC / 5;
      while (std::clock() < until) {
      }
    }
    if (body == "fork once") {
      const pid_t child = fork();
      if (child == 0) _exit(7);
      int status = 0;
      if (waitpid(child, &status, 0) != child || WEXITSTATUS(status) != 7)
        throw std::runtime_error("no child");
    }
    if (body == "look around")
      if (const std::string found = too_free(); !found.empty()) throw std::runtime_error(found);
    if (body == "compute in another process") {
      const pid_t child = fork();
      if (child == 0) die("die by a loop");
      waitpid(child, nullptr, 0);
    }
    if (body == "alone?") {
      const int others = inside++;
      usleep(2000);
      output.extension(others == 0 && inside == 1 ? R"({"alone":true})" : R"({"alone":false})");
      --inside;
      return {};
    }
    if (body.starts_with("measure ")) {
      const double value = std::stod(std::string(body.substr(8)));
      host.gauge("last_value", value);
      host.observe("values", value);
      host.gauge("left_seconds", static_cast<double>(output.time_left_us().value_or(-1)) * 1e-6);
    }
    if (body == "count often")
      for (int i = 0; i < 100'000; ++i) {
        host.observe("rounds", 0.25);
        host.count("rounds_counted");
      }
    if (body == "until cancelled")
      while (!output.cancelled()) usleep(1000);
    if (body == "until late") {
      while (output.time_left_us().value_or(0) > 1'000'000) usleep(1000);
      return wiremill::Verdict::bad_document("LATE", "given up in time");
    }
    if (body == "drop") return wiremill::Verdict::drop("ASKED", "the body says so");
    if (body == "bad") return wiremill::Verdict::bad_document("UNREADABLE", "the body says so");
    if (body.ends_with("throw")) throw std::runtime_error("thrown in process");
    if (body == "skip") return wiremill::Verdict::skip();
    if (body == "retry" && ++attempts % 3 != 0) return wiremill::Verdict::retry("not yet");
    if (body == "bad span") {
      const wm_mention mention = {{0, 1'000'000}, 1};
      const wm_entity entity = {wiremill::to_view("PER"), wiremill::to_view("Nobody"), 1, &mention,
                                1};
      output.entities({&entity, 1});
    }
    if (body == "say much") output.extension("\"" + std::string(1'000'000, 'x') + "\"");
    if (body == "a byline without end") output.byline(std::string((64 << 20) + 1, 'x'));
    if (body == "bad place") {
      const wm_paragraph paragraph = {0, 0, 0, static_cast<uint32_t>(body.size() + 1)};
      output.paragraphs({&paragraph, 1});
    }
    output.byline("by " + std::string(document.source()));
    output.carry(body);
    host.count("processed");
    return {};
  }

  wiremill::Verdict settle(const wiremill::Document& document, wiremill::Output& output,
                           wiremill::State& state) {
    if (document.body() == "alone?") return {};
    const std::string key = "count/" + std::string(document.source());
    const int count = std::stoi(state.get(key).value_or("0")) + 1;
    state.put(key, std::to_string(count));
    if (document.body() == "forget") state.remove(key);
    if (document.body() == "settle slowly") usleep(50'000);
    if (constexpr std::string_view kHere = "in settle: "; document.body().starts_with(kHere))
      die(document.body().substr(kHere.size()));
    if (document.body() == "ask for many")
      (void)state.get_many(std::vector<std::string>(1'000'000, "absent"));
    if (document.body() == "fill")
      for (int i = 0; i < 40; ++i)
        state.put("count/" + std::to_string(i), std::string(100'000, '1'));
    if (document.body() == "change much")
      for (int i = 0; i < 4; ++i) state.put("large/" + std::to_string(i), std::string(1 << 20, '1'));
    if (document.body() == "change without end")
      for (int i = 0; i < 20; ++i) {
        try {
          state.put("count/endless-" + std::to_string(i), std::string(1 << 20, '1'));
        } catch (const std::invalid_argument&) {
          if (i < 7) throw;  // too early
        }
      }
    if (document.body() == "throw in settle") throw std::runtime_error("thrown in settle");
    std::string sources;
    state.scan("count/", "", [&](std::string_view name, std::string_view value) {
      sources += std::string(name.substr(6)) + "=" + std::string(value) + " ";
      return true;
    });
    output.extension("{\"count\":" + std::to_string(count) + ",\"sources\":\"" + sources +
                     "\",\"carried\":" + (document.carry() == document.body() ? "true" : "false") +
                     "}");
    return {};
  }

  wiremill::Host host;
  mutable std::atomic<int> attempts{0};
  mutable std::atomic<int> inside{0};
};

}  // namespace

WIREMILL_STAGE(Probe)
