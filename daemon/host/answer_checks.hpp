// What the host refuses of what a stage says of a document: the rules of wm_output. Asked by the call
// that takes the answers, and beforehand in a stage's own process, so that a plugin hears at once.
// Stateless; any thread.
#pragma once

#include <wiremill/plugin.h>

#include <cstddef>
#include <span>
#include <string_view>

namespace wiremill {

inline constexpr size_t kStateKeyBytesMax = 1 << 10;
inline constexpr size_t kStateValueBytesMax = 1 << 20;
inline constexpr size_t kCarryBytesMax = 16 << 20;
// A text, or a list with all that is in it.
inline constexpr size_t kAnnotationBytesMax = 64 << 20;
// What one stage may change of its state for one document, by change_bytes(). As many stages as a line
// may have leave half of a record of the log for the result.
inline constexpr size_t kChangesBytesMax = 8 << 20;

// What a change of state takes, a removal with an empty value; no less than it does in a record.
inline size_t change_bytes(size_t key_bytes, size_t value_bytes) {
  constexpr size_t kSurcharge = 32;
  return key_bytes + value_bytes + kSurcharge;
}

inline std::string_view as_string_view(wm_view view) {
  return view.size == 0 ? std::string_view{} : std::string_view{view.data, view.size};
}

// Each is false, too, for what is over kAnnotationBytesMax. `text` is the text that the spans lie in.
bool is_valid_text(wm_view text);
bool are_valid(std::span<const wm_paragraph> paragraphs, std::string_view text, size_t body_bytes);
bool is_valid(const wm_language& language, std::string_view text);
bool are_valid(std::span<const wm_entity> entities, std::string_view text);
bool is_valid(const wm_duplicate& duplicate);
bool is_valid(const wm_summary& summary, std::string_view text);
bool is_valid_extension(wm_view json);

}  // namespace wiremill
