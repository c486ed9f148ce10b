// wiremill-stagehost: one stage in a process of its own. Started by the daemon with its process id, the
// number of processes that the stage may have, the entrance of its control group (empty: none), and a
// plugin's file as arguments and a channel as descriptors 3 to 5 (daemon/host/plugin_child.hpp), or with
// the command of a stage that is a program, which it then becomes (program_child.hpp); of no use
// otherwise.
#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <deque>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/base/memory.hpp"
#include "daemon/host/channel.hpp"
#include "daemon/host/flat_documents.hpp"
#include "daemon/host/messages.hpp"
#include "daemon/host/recorder.hpp"
#include "daemon/host/sandbox.hpp"
#include "daemon/plugin/plugin.hpp"

namespace {

using namespace wiremill;  // NOLINT

std::string describe(const wm_descriptor& descriptor) {
  v1::StageDescriptor message;
  message.set_id(descriptor.id);
  message.set_version(descriptor.version);
  message.set_summary(descriptor.summary);
  message.set_state_version(descriptor.state_version);
  message.set_settles(descriptor.settle != nullptr);
  for (const char* const* name = descriptor.required; *name != nullptr; ++name)
    message.add_required(*name);
  for (const char* const* name = descriptor.used; *name != nullptr; ++name) message.add_used(*name);
  for (const char* const* name = descriptor.provided; *name != nullptr; ++name)
    message.add_provided(*name);
  for (const wm_option* row = descriptor.options; row != nullptr && row->name != nullptr; ++row) {
    v1::StageDescriptor::Option& option = *message.add_options();
    option.set_name(row->name);
    option.set_type(static_cast<v1::StageDescriptor::Option::Type>(row->type));
    if (row->default_value != nullptr) option.set_default_value(row->default_value);
    if (row->help != nullptr) option.set_help(row->help);
    option.set_minimum(row->minimum);
    option.set_maximum(row->maximum);
  }
  return message.SerializeAsString();
}

// The options of a message as the contract's structs, which point into it.
class Values {
 public:
  explicit Values(const v1::StageStart& start) {
    for (const auto& option : start.options()) {
      std::vector<wm_view>& texts = texts_.emplace_back();
      for (const std::string& text : option.texts()) texts.push_back(view_of(text));
      values_.push_back({view_of(option.name()), static_cast<uint32_t>(option.type()), 0,
                         option.integer(), option.number(), view_of(option.text()), texts.data(),
                         texts.size()});
    }
  }
  const std::vector<wm_option_value>& get() const { return values_; }

 private:
  std::deque<std::vector<wm_view>> texts_;
  std::vector<wm_option_value> values_;
};

std::string inbox(const Channel& channel) { return {channel.inbox(), channel.control().bytes}; }

// Says why in words and waits for the end.
[[noreturn]] void refuse(Channel& channel, std::string_view why) {
  for (;;) tell_daemon(channel, Handover::Refused, why.substr(0, kOutboxBytes));
}

[[noreturn]] void serve(Channel& channel, const std::string& file) {
  const auto plugin = Plugin::load(file, {});
  if (!plugin) refuse(channel, plugin.error().message);
  const wm_descriptor& descriptor = (*plugin)->descriptor();
  tell_daemon(channel, Handover::Loaded, describe(descriptor));

  v1::StageStart start;
  WM_INVARIANT(start.ParseFromString(inbox(channel)));
  const std::string directory = std::filesystem::path(file).parent_path().string();
  Recorder recorder(channel, start.deadline_us());
  std::string reason;
  const auto keep = [](void* user, wm_view message) {
    static_cast<std::string*>(user)->assign(message.data, message.size);
  };
  const Values values(start);
  void* const instance = descriptor.create(recorder.host(start.stage(), directory),
                                           values.get().data(), values.get().size(), keep, &reason);
  if (instance == nullptr)
    refuse(channel, reason.empty() ? "the plugin refused without a reason" : reason);
  tell_daemon(channel, Handover::Started, "");

  FlatDocuments documents;
  for (;;) {
    const auto what = static_cast<Handover>(channel.control().handover.load());
    const uint32_t count = channel.control().documents_count;
    const auto block = channel.documents(channel.control().documents_bytes);
    WM_INVARIANT(block);
    recorder.call(descriptor, instance, what, documents.read(*block, count));
  }
}

bool enter(const char* entrance) {
  const int file = open(entrance, O_WRONLY | O_CLOEXEC);
  const bool is_in = file >= 0 && write(file, "0", 1) == 1;
  if (is_in) close(file);
  return is_in;
}

// The words after the folder in which the program runs.
int become(char** folder_and_words, bool may_fork) {
  char** const words = folder_and_words + 1;
  int error = 0;
  if (chdir(folder_and_words[0]) != 0) {
    error = errno;
    std::fprintf(stderr, "cannot go to the folder %s: %s\n", folder_and_words[0],
                 std::strerror(error));
    return 127;
  }
  if (const auto limited = enter_program_sandbox(may_fork); !limited) {
    std::fprintf(stderr, "%s\n", limited.error().message.c_str());
    return 127;
  }
  execvp(words[0], words);
  error = errno;
  std::fprintf(stderr, "cannot run %s: %s\n", words[0], std::strerror(error));
  _exit(127);  // what runs at an ordinary end (a sanitizer) may do what is denied by now
}

}  // namespace

int main(int count, char** arguments) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // The daemon may have ended before that took effect.
  if (count < 5 || std::to_string(getppid()) != arguments[1]) {
    std::fputs("wiremill-stagehost is started by wiremilld, for a stage with isolation: process\n",
               stderr);
    return 64;
  }
  const bool may_fork = std::string_view(arguments[2]) != "1";
  if (arguments[3][0] != '\0' && !enter(arguments[3])) {
    std::fprintf(stderr, "cannot enter the control group of %s: %s\n", arguments[3],
                 std::strerror(errno));
    return exit_code(ErrorCode::Io);
  }
  if (count >= 7 && std::string_view(arguments[4]) == "--command")
    return become(arguments + 5, may_fork);
  auto channel = Channel::attach();
  if (!channel) {
    std::fprintf(stderr, "wiremill-stagehost: %s\n", channel.error().message.c_str());
    return exit_code(channel.error().code);
  }
  keep_freed_memory();
  // Nothing preempts a worker that is waking it, so its threads never see the place it is woken at
  // (wakes_here.hpp). Where that is not allowed, its threads may begin on one core.
  const sched_param priority{};
  sched_setscheduler(0, SCHED_BATCH, &priority);
  if (const auto inside = enter_sandbox(may_fork); !inside)
    refuse(*channel, inside.error().message);
  serve(*channel, arguments[4]);
}
