// Documents as one block of memory without pointers, so that a stage's own process reads them where
// they lie in shared memory: text, sentences, tokens and mentions are not copied there.
//
// The block is a wm_document for each document, each pointer replaced by an offset into the block,
// then what they point to, on multiples of 8. Both ends come from the same build.
#pragma once

#include <wiremill/plugin.h>

#include <cstddef>
#include <deque>
#include <span>
#include <vector>

namespace wiremill {

// How many bytes flatten() writes.
size_t flat_bytes(std::span<const wm_document* const> documents);

// `into`: flat_bytes() bytes, on a multiple of 8.
void flatten(std::span<const wm_document* const> documents, char* into);

// The documents of a block. What they point to lies in the block, or in here.
class FlatDocuments {
 public:
  // Valid until the next call, while the block stays as it is. The block is believed.
  const std::vector<const wm_document*>& read(const char* block, size_t count);

 private:
  friend class FlatReader;
  std::vector<wm_document> documents_;
  std::vector<const wm_document*> pointers_;
  // Arrays of structs with pointers, with the pointers in place.
  std::deque<std::vector<wm_pair>> pairs_;
  std::deque<std::vector<wm_alternative>> alternatives_;
  std::deque<std::vector<wm_language_span>> language_spans_;
  std::deque<std::vector<wm_entity>> entities_;
  std::deque<std::vector<wm_view>> keywords_;
};

}  // namespace wiremill
