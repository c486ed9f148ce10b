#include "cli/check/trial.hpp"

#include <algorithm>
#include <atomic>
#include <thread>
#include <utility>

#include "daemon/document/result_json.hpp"
#include "daemon/plugin/plugin_note.hpp"
#include "daemon/text/utf8.hpp"

namespace wiremill::check {
namespace {

constexpr int64_t kFirstAcceptedAtUs = 1'700'000'000'000'000;
constexpr size_t kShownBytes = 60;  // of each of two answers that differ

Status read_names(const char* const* names, std::string_view list, Annotations& set) {
  for (; *names != nullptr; ++names) {
    const auto annotation = annotation_named(*names);
    if (!annotation)
      return fail(ErrorCode::Config, "its descriptor's list '{}' names an unknown annotation '{}'",
                  list, *names);
    set |= *annotation;
  }
  return {};
}

// What earlier stages would have given, in parts that the stage reads.
void make_up(const Subject& subject, const Sample& sample, text::Segmenter& segmenter,
             Flight& flight) {
  const Annotations wanted = subject.wanted;
  v1::Result& result = flight.result;
  const bool segmented = (wanted & kSegments) != 0;
  if ((wanted & kText) != 0 || segmented || (wanted & (kEntities | kSummary)) != 0) {
    result.set_text(text::repair(flight.document.body()));
    flight.provided |= kText;
  }
  if (segmented || (wanted & (kEntities | kSummary)) != 0) {
    segmenter.segment(result.text(), sample.language, flight.segmentation);
    flight.provided |= kSentences;
  }
  if ((wanted & kLanguage) != 0 || segmented) {
    v1::Language& language = *result.mutable_language();
    language.set_code(sample.language.empty() ? "und" : sample.language);
    language.set_confidence(sample.language.empty() ? 0 : 0.9);
    language.set_script("Latn");
    flight.provided |= kLanguage;
  }
  if ((wanted & kEntities) != 0) {
    size_t entities = 0;
    for (const wm_token& token : flight.segmentation.tokens) {
      const char first = result.text()[token.begin];
      if (token.kind != WM_TOKEN_WORD || first < 'A' || first > 'Z' || ++entities > 50) continue;
      v1::Entity& entity = *result.add_entities();
      entity.set_type("MISC");
      entity.set_name(result.text().substr(token.begin, token.end - token.begin));
      entity.set_confidence(0.9);
      v1::Entity::Mention& mention = *entity.add_mentions();
      mention.set_begin(token.begin);
      mention.set_end(token.end);
      mention.set_confidence(0.9);
    }
    flight.provided |= kEntities;
  }
  if ((wanted & kSummary) != 0 && !flight.segmentation.sentences.empty()) {
    const wm_span first = flight.segmentation.sentences.front();
    result.mutable_summary()->set_text(result.text().substr(first.begin, first.end - first.begin));
    v1::Span& span = *result.mutable_summary()->add_sentences();
    span.set_begin(first.begin);
    span.set_end(first.end);
    flight.provided |= kSummary;
  }
  flight.provided |= wanted & (kDuplicate | kByline | kDateline);
}

std::string json_of(const Answer& answer) {
  v1::Result result;
  std::string json;
  if (result.ParseFromString(answer.result)) append_result_json(result, {}, json);
  return json;
}

// Both from a little before they differ.
std::string difference(const std::string& first, const std::string& second) {
  const auto at = static_cast<size_t>(
      std::mismatch(first.begin(), first.end(), second.begin(), second.end()).first -
      first.begin());
  const size_t from = at - std::min(at, kShownBytes / 2);
  return fmt::format("'{}' and '{}'", text::repair(first.substr(from, kShownBytes)),
                     text::repair(second.substr(from, kShownBytes)));
}

}  // namespace

Result<Subject> load(const Request& request) {
  Subject subject;
  const auto plugin = Plugin::load(request.path, {});
  if (!plugin) return tl::unexpected(plugin.error());
  subject.plugin = *plugin;
  subject.config.name = "check";
  subject.config.where = "--option";
  subject.config.options = request.options;
  const wm_descriptor& descriptor = subject.descriptor();
  WM_TRY(read_names(descriptor.required, "required", subject.wanted));
  WM_TRY(read_names(descriptor.used, "used", subject.wanted));
  WM_TRY(read_names(descriptor.provided, "provided", subject.provided));
  return subject;
}

Status same(const Answers& first, const Answers& second, std::string_view how_second) {
  if (first.size() != second.size())
    return red("{}: {} answers instead of {}", how_second, second.size(), first.size());
  for (size_t i = 0; i < first.size(); ++i) {
    const Answer &a = first[i], &b = second[i];
    if (a.result != b.result) {
      const std::string before = json_of(a), after = json_of(b);
      return red("document '{}' has another result {}: {}", a.id, how_second,
                 difference(before, after));
    }
    if (a.changes != b.changes)
      return red("document '{}' makes other changes to the state {}: {}", a.id, how_second,
                 difference(a.changes, b.changes));
  }
  return {};
}

Status none_failed(const Answers& answers) {
  for (const Answer& answer : answers)
    if (answer.failed)
      return red("document '{}' failed by the stage's own fault: {}", answer.id, answer.failure);
  return {};
}

Result<std::unique_ptr<Trial>> Trial::make(const Subject& subject, HostAge age, Store store) {
  ConfigErrors errors;
  const ResolvedOptions options =
      resolve_options(subject.descriptor().options, subject.config, errors);
  if (!errors.empty()) return fail(ErrorCode::Config, "{}", errors.front().message);
  auto stage = WatchedStage::create(subject.plugin, options.data(), options.size(), age);
  if (!stage) return tl::unexpected(std::move(stage).error());
  std::unique_ptr<Trial> trial(new Trial);
  trial->subject_ = &subject;
  trial->stage_ = std::move(*stage);
  trial->store_ = std::move(store);
  if (trial->store_ == nullptr) {
    auto made = StateStore::open("", {"stage/check"});
    if (!made) return tl::unexpected(std::move(made).error());
    trial->store_ = std::move(*made);
  }
  trial->line_.stage = trial->stage_.get();
  trial->line_.calls = &trial->calls_;
  trial->line_.wanted = subject.wanted;
  trial->line_.provided = subject.provided;
  trial->line_.space = trial->store_->space("stage/check");
  return trial;
}

std::vector<Flight> Trial::flights(std::span<const Sample> samples) {
  std::vector<Flight> flights;
  flights.reserve(samples.size());
  for (const Sample& sample : samples) {
    Flight& flight = flights.emplace_back();
    flight.document.set_body(sample.body);
    flight.document.set_content_type(sample.content_type);
    for (const auto& [name, value] : sample.attributes)
      (*flight.document.mutable_attributes())[name] = value;
    flight.result.set_sequence(next_sequence_);
    flight.first_sequence = next_sequence_;
    flight.accepted_at_us = kFirstAcceptedAtUs + static_cast<int64_t>(next_sequence_) * 1'000'000;
    flight.result.set_id(sample.id);
    flight.result.set_source(sample.source);
    flight.result.set_uri(sample.uri);
    flight.result.set_title(sample.title);
    make_up(*subject_, sample, segmenter_, flight);
    ++next_sequence_;
  }
  return flights;
}

Status Trial::process(std::span<Flight> batch) const { return call_process(line_, batch); }

void Trial::renumber(std::span<Flight> batch) {
  for (Flight& flight : batch) {
    flight.result.set_sequence(next_sequence_);
    flight.first_sequence = next_sequence_++;
  }
}

Status Trial::settle(std::span<Flight> batch) {
  if (!stage_->settles()) return {};
  WM_TRY(call_settle(line_, batch, *store_));
  return store_->commit(batch.back().sequence());
}

Answers Trial::answers(std::span<const Flight> flights) const {
  Answers list;
  for (const Flight& flight : flights) {
    Answer& answer = list.emplace_back();
    v1::Result result = flight.result;
    if (flight.in_line()) result.set_status(v1::Result::PROCESSED);
    set_provided(flight.provided, result);
    answer.id = result.id();
    answer.result = result.SerializeAsString();
    answer.dead = result.status() == v1::Result::DEAD;
    answer.failed = answer.dead && !stage_->is_bad(result.sequence());
    if (answer.dead)
      answer.failure = fmt::format("{}: {}", result.failure().code(), result.failure().message());
    for (const FlightChange& change : flight.changes)
      answer.changes +=
          fmt::format("{}{}={};", change.removed ? "-" : "", change.key, change.value);
  }
  return list;
}

Result<Answers> Trial::run(std::span<const Sample> samples, size_t batch_documents,
                           size_t threads) {
  std::vector<Flight> all = flights(samples);
  std::vector<std::span<Flight>> batches;
  for (size_t from = 0; from < all.size(); from += batch_documents)
    batches.push_back(std::span(all).subspan(from, std::min(batch_documents, all.size() - from)));
  if (threads == 1) {
    for (const std::span<Flight> batch : batches) {
      WM_TRY(process(batch));
      WM_TRY(settle(batch));
    }
    return answers(all);
  }
  std::atomic<size_t> next{0};
  std::vector<std::thread> workers;
  for (size_t i = 0; i < threads; ++i)
    workers.emplace_back([&] {
      for (size_t batch = next++; batch < batches.size(); batch = next++)
        WM_INVARIANT(process(batches[batch]).has_value());
    });
  for (std::thread& worker : workers) worker.join();
  for (const std::span<Flight> batch : batches) WM_TRY(settle(batch));
  return answers(all);
}

}  // namespace wiremill::check
