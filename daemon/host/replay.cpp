#include "daemon/host/replay.hpp"

#include <vector>

#include "daemon/host/answer_checks.hpp"

namespace wiremill {
namespace {

constexpr size_t kReplyBytesMax = 1 << 20;  // and one value more
constexpr size_t kFrameBytesMax = 16;       // what a message adds to one

// Gathers values until the message is full.
struct Values {
  v1::StageReply& reply;
  size_t bytes = 0;
  static void found(void* user, size_t, wm_view value, int32_t is_found) {
    auto& self = *static_cast<Values*>(user);
    if (self.bytes > kReplyBytesMax) return;
    v1::StageReply::Value& to = *self.reply.add_values();
    to.set_found(is_found != 0);
    to.set_value(value.data, value.size);
    self.bytes += value.size + kFrameBytesMax;
  }
};

struct Entries {
  v1::StageReply& reply;
  size_t bytes = 0;
  static int32_t scanned(void* user, wm_view key, wm_view value) {
    auto& self = *static_cast<Entries*>(user);
    if (self.bytes > kReplyBytesMax) {
      self.reply.set_more(true);
      return 0;
    }
    v1::StageReply::Entry& to = *self.reply.add_entries();
    to.set_key(key.data, key.size);
    to.set_value(value.data, value.size);
    self.bytes += key.size + value.size + kFrameBytesMax;
    return 1;
  }
};

}  // namespace

bool Replay::take(const v1::StageEvent& event) {
  if (event.document() >= documents_.size()) return false;
  const uint32_t document = documents_[event.document()];
  const wm_output& output = *batch_.output;
  MessageViews views;
  int32_t error = WM_ERROR_NONE;
  switch (event.what_case()) {
    case v1::StageEvent::kVerdict:
      output.verdict(&batch_, document, static_cast<uint32_t>(event.verdict().kind()),
                     view_of(event.verdict().code()), view_of(event.verdict().message()));
      break;
    case v1::StageEvent::kText:
      error = output.set_text(&batch_, document, static_cast<uint32_t>(event.text().field()),
                              view_of(event.text().text()));
      break;
    case v1::StageEvent::kPublishedUs:
      error = output.set_published(&batch_, document, event.published_us());
      break;
    case v1::StageEvent::kParagraphs: error = take_paragraphs(document, event.paragraphs()); break;
    case v1::StageEvent::kLanguage: {
      const wm_language language = views.language(event.language());
      error = output.set_language(&batch_, document, &language);
      break;
    }
    case v1::StageEvent::kEntities: {
      const std::vector<wm_entity>& entities = views.entities(event.entities().list());
      error = output.set_entities(&batch_, document, entities.data(), entities.size());
      break;
    }
    case v1::StageEvent::kDuplicate: {
      const wm_duplicate duplicate = view_of(event.duplicate());
      error = output.set_duplicate(&batch_, document, &duplicate);
      break;
    }
    case v1::StageEvent::kSummary: {
      const wm_summary summary = views.summary(event.summary());
      error = output.set_summary(&batch_, document, &summary);
      break;
    }
    case v1::StageEvent::kExtension:
      error = output.set_extension(&batch_, document, view_of(event.extension()));
      break;
    case v1::StageEvent::kCarry:
      error = output.carry(&batch_, document, view_of(event.carry()));
      break;
    case v1::StageEvent::kPut:
      if (batch_.state == nullptr) return false;
      error = batch_.state->put(&batch_, document, view_of(event.put().key()),
                                view_of(event.put().value()));
      break;
    case v1::StageEvent::kRemove:
      if (batch_.state == nullptr) return false;
      error = batch_.state->remove(&batch_, document, view_of(event.remove()));
      break;
    default: return false;
  }
  refused_ |= error != WM_ERROR_NONE;
  return true;
}

int32_t Replay::take_paragraphs(uint32_t document, const v1::StageEvent::Paragraphs& paragraphs) {
  std::vector<wm_paragraph> list;
  for (const v1::Paragraph& each : paragraphs.list())
    list.push_back({each.begin(), each.end(), each.body_begin(), each.body_end()});
  return batch_.output->set_paragraphs(&batch_, document, list.data(), list.size());
}

bool Replay::answer(const v1::StageEvent& asked, v1::StageReply& reply) {
  if (batch_.state == nullptr) return false;
  if (asked.has_get()) {
    std::vector<wm_view> keys;
    for (const std::string& key : asked.get().keys()) keys.push_back(view_of(key));
    Values values{reply};
    reply.set_error(
        batch_.state->get_many(&batch_, keys.data(), keys.size(), &Values::found, &values));
    return true;
  }
  if (!asked.has_scan()) return false;
  Entries entries{reply};
  reply.set_error(batch_.state->scan(&batch_, view_of(asked.scan().prefix()),
                                     view_of(asked.scan().from()), &Entries::scanned, &entries));
  return true;
}

}  // namespace wiremill
