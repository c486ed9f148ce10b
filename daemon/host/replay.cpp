#include "daemon/host/replay.hpp"

#include <vector>

#include "daemon/host/answer_checks.hpp"
#include "daemon/host/frames.hpp"

namespace wiremill {
namespace {

constexpr size_t kReplyBytesMax = 1 << 20;  // and one value more
constexpr size_t kFrameBytesMax = 16;       // what a frame or a message adds to one
static_assert(kFrameBytesMax >= kFrameHeadBytes);

// Passes on what the state holds until the answer is full.
struct Found {
  StateAnswer& answer;
  size_t entries_max = 0;
  size_t bytes = 0, entries = 0;
  static void value(void* user, size_t, wm_view value, int32_t is_found) {
    auto& self = *static_cast<Found*>(user);
    if (self.bytes > kReplyBytesMax) return;
    self.answer.value(is_found != 0, value);
    self.bytes += value.size + kFrameBytesMax;
  }
  static int32_t entry(void* user, wm_view key, wm_view value) {
    auto& self = *static_cast<Found*>(user);
    if (self.bytes > kReplyBytesMax || self.entries == self.entries_max) {
      self.answer.more();
      return 0;
    }
    self.answer.entry(key, value);
    ++self.entries;
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
      return text(event.document(), static_cast<uint32_t>(event.text().field()),
                  view_of(event.text().text()));
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
    case v1::StageEvent::kCarry: return carry(event.document(), view_of(event.carry()));
    case v1::StageEvent::kPut:
      return change(event.document(), view_of(event.put().key()), view_of(event.put().value()));
    case v1::StageEvent::kRemove:
      return change(event.document(), view_of(event.remove()), std::nullopt);
    default: return false;
  }
  refused_ |= error != WM_ERROR_NONE;
  return true;
}

bool Replay::change(uint32_t document, wm_view key, std::optional<wm_view> value) {
  if (batch_.state == nullptr || document >= documents_.size()) return false;
  const int32_t error = value ? batch_.state->put(&batch_, documents_[document], key, *value)
                              : batch_.state->remove(&batch_, documents_[document], key);
  refused_ |= error != WM_ERROR_NONE;
  return true;
}

bool Replay::text(uint32_t document, uint32_t field, wm_view value) {
  if (document >= documents_.size()) return false;
  refused_ |= batch_.output->set_text(&batch_, documents_[document], field, value) != WM_ERROR_NONE;
  return true;
}

bool Replay::carry(uint32_t document, wm_view bytes) {
  if (document >= documents_.size()) return false;
  refused_ |= batch_.output->carry(&batch_, documents_[document], bytes) != WM_ERROR_NONE;
  return true;
}

int32_t Replay::take_paragraphs(uint32_t document, const v1::StageEvent::Paragraphs& paragraphs) {
  std::vector<wm_paragraph> list;
  for (const v1::Paragraph& each : paragraphs.list())
    list.push_back({each.begin(), each.end(), each.body_begin(), each.body_end()});
  return batch_.output->set_paragraphs(&batch_, document, list.data(), list.size());
}

bool Replay::answer(const v1::StageEvent& asked, StateAnswer& answer) {
  if (batch_.state == nullptr || !(asked.has_get() || asked.has_scan())) return false;
  const uint32_t entries_max = asked.scan().entries_max();
  Found found{answer, entries_max > 0 ? entries_max : SIZE_MAX};
  int32_t error = WM_ERROR_NONE;
  if (asked.has_get()) {
    std::vector<wm_view> keys;
    for (const std::string& key : asked.get().keys()) keys.push_back(view_of(key));
    error = batch_.state->get_many(&batch_, keys.data(), keys.size(), &Found::value, &found);
  } else {
    error = batch_.state->scan(&batch_, view_of(asked.scan().prefix()),
                               view_of(asked.scan().from()), &Found::entry, &found);
  }
  if (error != WM_ERROR_NONE) answer.refused(error);
  return true;
}

}  // namespace wiremill
