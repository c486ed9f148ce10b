// The index of earlier documents, as one settle sees it: what it needs of the stage's key space is
// fetched in few steps for the whole batch, then documents are taken one by one, each seeing all
// that came before it. Nothing is remembered between batches. Used by stage.cpp, in settle.
//
// A document that is forgotten loses its record at once. Its sequence stays in its buckets, where it
// counts for nothing, until one of them is written again or the sweep comes by: each removal looks at
// the next kSweptPerRemoval buckets, in the order of their keys. To look into the buckets of each
// document that goes would be some forty reads and as many writes all over the key space; the sweep's
// lie side by side.
//
//   d<sequence>     a document: when accepted, its cluster, its id, its fingerprint. One that is
//                   tried again keeps its place: the sequence under which it first came
//   b<band><value>  sequences of documents that agree in a band: the oldest and the newest seven
//   x<hash>         the same for documents whose folded texts are equal
//   m               the oldest sequence that may have a record, how many there are, and the key that
//                   the sweep has come to
#pragma once

#include <wiremill/stage.hpp>

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "plugins/duplicates/fingerprint.hpp"

namespace wiremill::duplicates {

constexpr size_t kBucketEntries = 8;
// Old records that one document's settle removes at most: more than the one that it adds, so that
// the state shrinks back to its bounds, and few enough that no document waits for a great clearing.
constexpr int kRemovalsPerDocument = 2;
// Twice as many as a document has: so no more of the buckets await the sweep than are in use.
constexpr size_t kSweptPerRemoval = 2 * (1 + kBands);

struct IndexOptions {
  double near_similarity = 0;
  int64_t window_us = 0;
  uint64_t documents_max = 0;
};

struct Match {
  bool is_exact = false;
  std::string of, cluster;
  double similarity = 0, containment = 0;
};

class Index {
 public:
  // Reads what the batch's documents need; `fingerprints[i]` belongs to document i.
  Index(const IndexOptions& options, const Batch& batch,
        const std::vector<std::optional<Fingerprint>>& fingerprints);

  // Removes what is due, finds what document `i` is a copy of and adds it to the index, or brings
  // the record of an earlier attempt up to date. Documents in ascending order. A document never
  // matches itself: an earlier attempt, its own id, or its own copies.
  std::optional<Match> settle(size_t i);

 private:
  struct Record {
    int64_t accepted_at_us = 0;
    std::string cluster, id;
    Fingerprint fingerprint;
  };
  using Bucket = std::vector<uint64_t>;

  static size_t bucket_count(const Fingerprint& fingerprint);
  static std::string bucket_key(const Fingerprint& fingerprint, size_t which);
  static std::vector<std::string> bucket_keys(const Fingerprint& fingerprint);
  static Bucket decode_bucket(std::string_view bytes);
  static std::string record_key(uint64_t sequence);
  static std::string encode_record(const Record& record);
  static Record decode_record(std::string_view bytes);

  void read_counts();
  void read_oldest();
  void read_earlier_attempts();
  void read_buckets();
  void read_candidates();
  void read_sweep();

  void remove_due(size_t i);
  void remove_oldest(State& state);
  void sweep(State& state);
  void strip(const Fingerprint& fingerprint);
  std::optional<Match> find_match(const Document& document, const Fingerprint& fingerprint) const;
  void add(uint64_t sequence, Record record, State& state);
  void replace(uint64_t sequence, Record record, State& state);
  void enter(uint64_t sequence, const Record& record, State& state);
  void leave(uint64_t sequence, const std::vector<std::string>& keys, State& state);
  void put_bucket(const std::string& key, const Bucket& bucket, State& state);

  const IndexOptions& options_;
  const Batch& batch_;
  const std::vector<std::optional<Fingerprint>>& fingerprints_;

  // What the store holds, with what this batch changed.
  uint64_t oldest_ = 0, count_ = 0;
  std::string swept_up_to_;
  std::unordered_map<std::string, Bucket> buckets_;
  std::unordered_map<uint64_t, Record> records_;
  std::deque<uint64_t> oldest_sequences_;  // those that this batch may remove, ascending
  bool has_all_sequences_ = true;          // oldest_sequences_ names every record there is
  std::deque<std::string> sweep_;          // the keys that this batch may sweep, ascending
};

}  // namespace wiremill::duplicates
