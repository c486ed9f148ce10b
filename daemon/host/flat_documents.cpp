// See flat_documents.hpp. One visit() says which fields of a document are pointers; the writer and
// the reader go along it.
#include "daemon/host/flat_documents.hpp"

#include <cstdint>
#include <cstring>
#include <tuple>

namespace wiremill {
namespace {

// `visitor` takes a wm_view, or a pointer to an array and its count; for an array of structs with
// pointers it visits their elements by the third argument.
template <class Visitor>
void visit(wm_document& document, Visitor& visitor) {
  const auto of_pair = [&](wm_pair& pair) {
    visitor.view(pair.name);
    visitor.view(pair.value);
  };
  for (wm_view* view :
       {&document.id, &document.source, &document.uri, &document.content_type, &document.body,
        &document.title, &document.byline, &document.dateline, &document.text, &document.carry})
    visitor.view(*view);
  visitor.array(document.attributes, document.attributes_count, of_pair);
  visitor.array(document.sentences, document.sentences_count);
  visitor.array(document.tokens, document.tokens_count);
  wm_language& language = document.language;
  visitor.view(language.code);
  visitor.view(language.script);
  visitor.array(language.alternatives, language.alternatives_count,
                [&](wm_alternative& alternative) { visitor.view(alternative.code); });
  visitor.array(language.spans, language.spans_count,
                [&](wm_language_span& span) { visitor.view(span.code); });
  visitor.array(document.entities, document.entities_count, [&](wm_entity& entity) {
    visitor.view(entity.type);
    visitor.view(entity.name);
    visitor.array(entity.mentions, entity.mentions_count);
  });
  wm_duplicate& duplicate = document.duplicate;
  for (wm_view* view : {&duplicate.of, &duplicate.cluster, &duplicate.story, &duplicate.follows})
    visitor.view(*view);
  wm_summary& summary = document.summary;
  visitor.view(summary.text);
  visitor.array(summary.sentences, summary.sentences_count);
  visitor.array(summary.keywords, summary.keywords_count,
                [&](wm_view& keyword) { visitor.view(keyword); });
  visitor.array(document.extensions, document.extensions_count, of_pair);
}

// Without a block it only counts.
class FlatWriter {
 public:
  explicit FlatWriter(char* block) : block_(block) {}

  void documents(std::span<const wm_document* const> documents) {
    size_t at = take(documents.size() * sizeof(wm_document));
    for (const wm_document* document : documents) {
      wm_document copy = *document;
      visit(copy, *this);
      put(at, &copy, sizeof copy);
      at += sizeof copy;
    }
  }
  size_t bytes() const { return bytes_; }

  void view(wm_view& view) { move(view.data, view.size); }
  template <class T>
  void array(const T*& items, size_t count) {
    move(items, count * sizeof(T));
  }
  template <class T, class Inner>
  void array(const T*& items, size_t count, const Inner& inner) {
    const size_t begin = take(count * sizeof(T));
    for (size_t i = 0; i < count; ++i) {
      T copy = items[i];
      inner(copy);
      put(begin + i * sizeof(T), &copy, sizeof copy);
    }
    point(items, begin);
  }

 private:
  size_t take(size_t bytes) {
    const size_t begin = bytes_;
    bytes_ += (bytes + 7) / 8 * 8;
    return begin;
  }
  void put(size_t at, const void* from, size_t bytes) {
    if (block_ != nullptr && bytes > 0) std::memcpy(block_ + at, from, bytes);
  }
  template <class T>
  void move(const T*& pointer, size_t bytes) {
    const size_t begin = take(bytes);
    put(begin, pointer, bytes);
    point(pointer, begin);
  }
  template <class T>
  static void point(const T*& pointer, size_t offset) {
    pointer = reinterpret_cast<const T*>(static_cast<uintptr_t>(offset));
  }

  char* const block_;
  size_t bytes_ = 0;
};

}  // namespace

class FlatReader {
 public:
  FlatReader(const char* block, FlatDocuments& into) : block_(block), into_(into) {}

  void documents(size_t count) {
    into_.documents_.resize(count);
    std::memcpy(into_.documents_.data(), block_, count * sizeof(wm_document));
    for (wm_document& document : into_.documents_) {
      visit(document, *this);
      into_.pointers_.push_back(&document);
    }
  }

  void view(wm_view& view) { settle(view.data); }
  template <class T>
  void array(const T*& items, size_t) {
    settle(items);
  }
  template <class T, class Inner>
  void array(const T*& items, size_t count, const Inner& inner) {
    settle(items);
    if (count == 0) return;
    auto& copies = lists<T>().emplace_back(items, items + count);
    for (T& copy : copies) inner(copy);
    items = copies.data();
  }

 private:
  template <class T>
  void settle(const T*& pointer) const {
    pointer = reinterpret_cast<const T*>(block_ + reinterpret_cast<uintptr_t>(pointer));
  }
  template <class T>
  std::deque<std::vector<T>>& lists() {
    return std::get<std::deque<std::vector<T>>&>(std::tie(into_.pairs_, into_.alternatives_,
                                                          into_.language_spans_, into_.entities_,
                                                          into_.keywords_));
  }

  const char* const block_;
  FlatDocuments& into_;
};

size_t flat_bytes(std::span<const wm_document* const> documents) {
  FlatWriter writer(nullptr);
  writer.documents(documents);
  return writer.bytes();
}

void flatten(std::span<const wm_document* const> documents, char* into) {
  FlatWriter(into).documents(documents);
}

const std::vector<const wm_document*>& FlatDocuments::read(const char* block, size_t count) {
  *this = {};
  FlatReader(block, *this).documents(count);
  return pointers_;
}

}  // namespace wiremill
