// `wiremill push`: documents to a daemon, a line for each once it is on the daemon's disk.

#include <fmt/format.h>
#include <unistd.h>

#include <deque>
#include <memory>

#include "cli/command.hpp"
#include "cli/input.hpp"
#include "cli/terminal.hpp"
#include "wiremill/client.hpp"

namespace wiremill::cli {
namespace {

constexpr std::chrono::milliseconds kPoll{200};
constexpr std::chrono::milliseconds kInputPoll{20};  // while standard input has nothing
constexpr std::chrono::seconds kToldAfter{2};

struct PushOptions {
  std::string config_path;
  std::string intake;
  InputKind input = InputKind::Auto;
  std::string source;
  uint32_t window = 1000;
  uint32_t give_up_after_s = 0;
  std::vector<std::string> files;
};

class Push {
 public:
  Push(const PushOptions& options, std::unique_ptr<IntakeClient> client, std::string endpoint)
      : client_(std::move(client)),
        endpoint_(std::move(endpoint)),
        give_up_after_(options.give_up_after_s),
        input_(options.files, options.input, options.source),
        progress_("pushed", input_.total()) {}

  int execute() {
    while (!interrupted() && exit_code_ == 0) {
      if (!input_.ready() && client_->unanswered() > 0) {
        poll(kInputPoll);
        continue;
      }
      InputDocument input;
      Error refusal;
      const DocumentInput::Next next = input_.next(input, refusal);
      if (next == DocumentInput::Next::End) break;
      if (next == DocumentInput::Next::Refused)
        refuse(refusal.message);
      else
        push(std::move(input));
    }
    while (client_->unanswered() > 0 && exit_code_ == 0 && !interrupted()) poll(kPoll);
    if (client_->unanswered() > 0)
      print_error(fmt::format("{} documents were sent without an answer; they may be stored",
                              client_->unanswered()));
    if (exit_code_ == 0 && interrupted()) return wiremill::exit_code(ErrorCode::Unavailable);
    if (exit_code_ == 0 && refused_ > 0) return wiremill::exit_code(ErrorCode::Malformed);
    return exit_code_;
  }

 private:
  void push(InputDocument input) {
    std::string bytes = input.document.SerializeAsString();
    where_.push_back(std::move(input.where));
    const uint64_t tag = first_tag_ + where_.size() - 1;
    while (!client_->push(Encoding::Protobuf, bytes, tag)) {
      poll(kPoll);
      if (exit_code_ != 0 || interrupted()) return;
    }
    // Answers are taken as they come; nothing waits here.
    poll(std::chrono::milliseconds(0));
  }

  void poll(std::chrono::milliseconds timeout) {
    events_.clear();
    client_->poll(timeout, events_);
    std::string lines;
    for (const IntakeEvent& event : events_) {
      ++answered_;
      if (event.kind == IntakeEvent::Kind::Accepted) {
        lines +=
            fmt::format("{}\t{}{}\n", event.sequence, event.id, event.repeat ? "\trepeat" : "");
      } else {
        refuse(fmt::format("{}: refused: {}: {}", where_.at(event.tag - first_tag_), event.code,
                           event.message));
      }
      finished(event.tag);
    }
    if (const Status written = write_out(lines); !written) {
      print_error(written.error().message);
      exit_code_ = wiremill::exit_code(written.error().code);
    }
    progress_.update(answered_);
    watch_connection();
  }

  // Answers come nearly in order, so the names of what is answered leave at the front.
  void finished(uint64_t tag) {
    where_.at(tag - first_tag_).clear();
    while (!where_.empty() && where_.front().empty()) {
      where_.pop_front();
      ++first_tag_;
    }
  }

  void watch_connection() {
    const auto away = client_->disconnected_for();
    if (!away || client_->unanswered() == 0) {
      told_ = false;
      return;
    }
    if (*away >= kToldAfter && !std::exchange(told_, true))
      print_error(fmt::format("no daemon answers at {}; trying on", endpoint_));
    if (give_up_after_.count() > 0 && *away >= give_up_after_) {
      print_error(
          fmt::format("no daemon answered at {} for {} s", endpoint_, give_up_after_.count()));
      exit_code_ = wiremill::exit_code(ErrorCode::Unavailable);
    }
  }

  void refuse(const std::string& message) {
    ++refused_;
    print_error(message);
  }

  const std::unique_ptr<IntakeClient> client_;
  const std::string endpoint_;
  const std::chrono::seconds give_up_after_;
  DocumentInput input_;
  Progress progress_;
  std::deque<std::string> where_;  // of the unanswered documents, by tag - first_tag_
  uint64_t first_tag_ = 0;
  uint64_t answered_ = 0, refused_ = 0;
  std::vector<IntakeEvent> events_;
  bool told_ = false;
  int exit_code_ = 0;
};

int push(const PushOptions& options) {
  const auto config = read_config(options.config_path);
  if (!config) return config.error();
  IntakeClientOptions client_options;
  client_options.endpoint = options.intake.empty() ? config->intake.endpoint : options.intake;
  client_options.client = fmt::format("wiremill-push-{}", getpid());
  client_options.window = options.window;
  std::string error;
  auto client = IntakeClient::connect(client_options, error);
  if (client == nullptr) {
    print_error(error);
    return wiremill::exit_code(ErrorCode::Usage);
  }
  return Push(options, std::move(client), client_options.endpoint).execute();
}

}  // namespace

void add_push(CLI::App& app, int& exit_code) {
  auto options = std::make_shared<PushOptions>();
  CLI::App* command =
      app.add_subcommand("push", "Hand documents to a daemon; a line each once it is on its disk.");
  command
      ->add_option("--config", options->config_path, "Take the endpoint from this configuration.")
      ->type_name("FILE");
  command
      ->add_option("--intake", options->intake,
                   "The daemon's intake (default: tcp://127.0.0.1:5750).")
      ->type_name("ENDPOINT");
  command->add_option("--input", options->input, "auto, text, html, json or jsonl (default: auto).")
      ->transform(CLI::CheckedTransformer(input_kinds()))
      ->option_text("KIND");
  command->add_option("--source", options->source, "The source of documents that name none.")
      ->type_name("NAME");
  command
      ->add_option("--window", options->window, "Documents on their way at once (default: 1000).")
      ->check(CLI::Range(1, 100'000))
      ->option_text("N");
  command
      ->add_option("--give-up-after", options->give_up_after_s,
                   "Seconds without a daemon until exit 69 (default: 0, never).")
      ->check(CLI::Range(0, 86'400))
      ->option_text("S");
  command->add_option("files", options->files, "Files, or - for standard input.")
      ->required()
      ->option_text("FILE...");
  command->footer(
      "Prints SEQUENCE and ID of each acknowledged document; `repeat` where the daemon had it "
      "already.\n"
      "A file's name becomes its id. When the daemon restarts, push reconnects and sends again "
      "what\n"
      "was not acknowledged: nothing is lost, nothing is stored twice.\n"
      "Examples:\n"
      "  wiremill push --source example.org *.html\n"
      "  scraper | wiremill push --input jsonl -\n"
      "Exit codes: 0 all acknowledged, 65 some refused (said which and why), 69 no daemon.");
  command->callback([options, &exit_code] { exit_code = push(*options); });
}

}  // namespace wiremill::cli
