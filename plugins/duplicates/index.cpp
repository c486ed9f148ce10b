#include "plugins/duplicates/index.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <tuple>
#include <utility>

namespace wiremill::duplicates {
namespace {

constexpr std::string_view kCountsKey = "m", kRecordPrefix = "d";
constexpr std::string_view kExactPrefix = "x", kBandPrefix = "b";

// Big-endian, so that keys ascend with the number.
void append_number(std::string& bytes, uint64_t number, size_t size = 8) {
  for (size_t i = size; i-- > 0;) bytes += static_cast<char>(number >> (8 * i));
}

// Reads what append_number and append_text wrote; throws where the bytes end early.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : rest_(bytes) {}
  uint64_t number(size_t size = 8) {
    uint64_t number = 0;
    for (const char byte : take(size)) number = number << 8 | static_cast<unsigned char>(byte);
    return number;
  }
  std::string_view text() { return take(number(4)); }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view take(size_t size) {
    if (size > rest_.size()) throw std::runtime_error("a record of the state is damaged");
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  std::string_view rest_;
};

void append_text(std::string& bytes, std::string_view text) {
  append_number(bytes, text.size(), 4);
  bytes += text;
}

}  // namespace

size_t Index::bucket_count(const Fingerprint& fingerprint) {
  return fingerprint.has_signature ? 1 + kBands : 1;
}

// The first is that of equal texts, the others those of the bands.
std::string Index::bucket_key(const Fingerprint& fingerprint, size_t which) {
  if (which == 0)
    return std::string(kExactPrefix).append(fingerprint.exact.begin(), fingerprint.exact.end());
  std::string key(kBandPrefix);
  append_number(key, which - 1, 1);
  for (size_t row = 0; row < kRows; ++row)
    append_number(key, fingerprint.signature[(which - 1) * kRows + row], 2);
  return key;
}

std::vector<std::string> Index::bucket_keys(const Fingerprint& fingerprint) {
  std::vector<std::string> keys;
  for (size_t which = 0; which < bucket_count(fingerprint); ++which)
    keys.push_back(bucket_key(fingerprint, which));
  return keys;
}

Index::Bucket Index::decode_bucket(std::string_view bytes) {
  Bucket bucket;
  for (Reader reader(bytes); !reader.rest().empty();) bucket.push_back(reader.number());
  return bucket;
}

std::string Index::record_key(uint64_t sequence) {
  std::string key(kRecordPrefix);
  append_number(key, sequence);
  return key;
}

std::string Index::encode_record(const Record& record) {
  std::string bytes;
  append_number(bytes, static_cast<uint64_t>(record.accepted_at_us));
  append_text(bytes, record.cluster);
  append_text(bytes, record.id);
  return bytes + encode(record.fingerprint);
}

Index::Record Index::decode_record(std::string_view bytes) {
  Reader reader(bytes);
  Record record;
  record.accepted_at_us = static_cast<int64_t>(reader.number());
  record.cluster = reader.text();
  record.id = reader.text();
  const auto fingerprint = decode(reader.rest());
  if (!fingerprint) throw std::runtime_error("a record of the state is damaged");
  record.fingerprint = *fingerprint;
  return record;
}

Index::Index(const IndexOptions& options, const Batch& batch,
             const std::vector<std::optional<Fingerprint>>& fingerprints)
    : options_(options), batch_(batch), fingerprints_(fingerprints) {
  read_counts();
  read_oldest();
  read_earlier_attempts();
  read_buckets();
  read_candidates();
  read_sweep();
}

void Index::read_counts() {
  const auto counts = batch_.state(0).get(std::string(kCountsKey));
  if (!counts) return;
  Reader reader(*counts);
  oldest_ = reader.number();
  count_ = reader.number();
  swept_up_to_ = reader.rest();
}

// The oldest records go first, and one that stays keeps all after it: so the first that no document
// of this batch can remove ends the reading.
void Index::read_oldest() {
  int64_t last_accepted_us = batch_.document(0).accepted_at_us();
  for (size_t i = 1; i < batch_.size(); ++i)
    last_accepted_us = std::max(last_accepted_us, batch_.document(i).accepted_at_us());
  const size_t removals_max = batch_.size() * kRemovalsPerDocument;
  batch_.state(0).scan(kRecordPrefix, record_key(oldest_), [&](auto key, auto value) {
    Record record = decode_record(value);
    const uint64_t count_without_earlier = count_ + batch_.size() - oldest_sequences_.size();
    const bool may_go = record.accepted_at_us < last_accepted_us - options_.window_us ||
                        count_without_earlier > options_.documents_max;
    if (!may_go || oldest_sequences_.size() == removals_max) {
      has_all_sequences_ = false;
      return false;
    }
    const uint64_t sequence = Reader(key.substr(kRecordPrefix.size())).number();
    oldest_sequences_.push_back(sequence);
    records_.emplace(sequence, std::move(record));
    return true;
  });
}

// The one further step, and only where a document is tried again.
void Index::read_earlier_attempts() {
  std::vector<uint64_t> sequences;
  std::vector<std::string> keys;
  for (size_t i = 0; i < batch_.size(); ++i) {
    const uint64_t first = batch_.document(i).first_sequence();
    if (first == batch_.document(i).sequence() || !fingerprints_[i] || records_.contains(first))
      continue;
    sequences.push_back(first);
    keys.push_back(record_key(first));
  }
  if (keys.empty()) return;
  const auto values = batch_.state(0).get_many(keys);
  for (size_t i = 0; i < sequences.size(); ++i)
    if (values[i]) records_.emplace(sequences[i], decode_record(*values[i]));
}

void Index::read_buckets() {
  std::vector<std::string> keys;
  const auto want = [&](const Fingerprint& fingerprint) {
    for (std::string& key : bucket_keys(fingerprint)) keys.push_back(std::move(key));
  };
  for (size_t i = 0; i < batch_.size(); ++i) {
    if (!fingerprints_[i]) continue;
    want(*fingerprints_[i]);
    const auto earlier = records_.find(batch_.document(i).first_sequence());
    if (earlier != records_.end()) want(earlier->second.fingerprint);
  }
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  if (keys.empty()) return;
  const auto values = batch_.state(0).get_many(keys);
  for (size_t i = 0; i < keys.size(); ++i)
    buckets_.emplace(keys[i], values[i] ? decode_bucket(*values[i]) : Bucket());
}

void Index::read_candidates() {
  std::vector<uint64_t> sequences;
  for (const auto& fingerprint : fingerprints_) {
    if (!fingerprint) continue;
    for (const std::string& key : bucket_keys(*fingerprint))
      for (const uint64_t sequence : buckets_.at(key))
        if (sequence >= oldest_ && !records_.contains(sequence)) sequences.push_back(sequence);
  }
  std::sort(sequences.begin(), sequences.end());
  sequences.erase(std::unique(sequences.begin(), sequences.end()), sequences.end());
  if (sequences.empty()) return;
  std::vector<std::string> keys;
  for (const uint64_t sequence : sequences) keys.push_back(record_key(sequence));
  const auto values = batch_.state(0).get_many(keys);
  for (size_t i = 0; i < sequences.size(); ++i)
    if (values[i]) records_.emplace(sequences[i], decode_record(*values[i]));
}

// From one end of the key space to the other, bands first, and from the beginning again.
void Index::read_sweep() {
  const size_t wanted = oldest_sequences_.size() * kSweptPerRemoval;
  if (wanted == 0) return;
  const bool in_bands = !swept_up_to_.starts_with(kExactPrefix);
  batch_.state(0).scan(in_bands ? kBandPrefix : kExactPrefix, swept_up_to_,
                       [&](auto key, auto value) {
                         buckets_.try_emplace(sweep_.emplace_back(key), decode_bucket(value));
                         return sweep_.size() < wanted;
                       });
  if (sweep_.size() < wanted) sweep_.emplace_back(in_bands ? kExactPrefix : kBandPrefix);
}

std::optional<Match> Index::settle(size_t i) {
  const Document document = batch_.document(i);
  const std::optional<Fingerprint>& fingerprint = fingerprints_[i];
  if (!fingerprint) return std::nullopt;
  remove_due(i);
  strip(*fingerprint);
  std::optional<Match> match = find_match(document, *fingerprint);
  const std::string id(document.id());
  Record record{document.accepted_at_us(), match ? match->cluster : id, id, *fingerprint};
  State state = batch_.state(i);
  const uint64_t sequence = document.first_sequence();
  if (records_.contains(sequence))
    replace(sequence, std::move(record), state);
  else
    add(sequence, std::move(record), state);
  std::string counts;
  append_number(counts, oldest_);
  append_number(counts, count_);
  state.put(kCountsKey, counts + swept_up_to_);
  return match;
}

void Index::remove_due(size_t i) {
  State state = batch_.state(i);
  const int64_t begin_us = batch_.document(i).accepted_at_us() - options_.window_us;
  for (int step = 0; step < kRemovalsPerDocument && !oldest_sequences_.empty(); ++step) {
    const Record& record = records_.at(oldest_sequences_.front());
    if (record.accepted_at_us >= begin_us && count_ < options_.documents_max) return;
    remove_oldest(state);
  }
}

void Index::remove_oldest(State& state) {
  const uint64_t sequence = oldest_sequences_.front();
  state.remove(record_key(sequence));
  records_.erase(sequence);
  oldest_sequences_.pop_front();
  oldest_ = sequence + 1;
  --count_;
  sweep(state);
}

void Index::sweep(State& state) {
  for (size_t step = 0; step < kSweptPerRemoval && !sweep_.empty(); ++step) {
    swept_up_to_ = std::move(sweep_.front());
    sweep_.pop_front();
    const auto bucket = buckets_.find(swept_up_to_);
    if (bucket == buckets_.end()) continue;  // a prefix: where it goes on
    const auto is_gone = [&](uint64_t sequence) { return sequence < oldest_; };
    if (std::erase_if(bucket->second, is_gone) > 0) put_bucket(bucket->first, bucket->second, state);
  }
}

// Takes out of the fingerprint's buckets what is forgotten, or came again with another text.
void Index::strip(const Fingerprint& fingerprint) {
  for (size_t which = 0; which < bucket_count(fingerprint); ++which) {
    const std::string key = bucket_key(fingerprint, which);
    std::erase_if(buckets_.at(key), [&](uint64_t sequence) {
      const auto record = records_.find(sequence);
      return record == records_.end() || which >= bucket_count(record->second.fingerprint) ||
             bucket_key(record->second.fingerprint, which) != key;
    });
  }
}

std::optional<Match> Index::find_match(const Document& document,
                                       const Fingerprint& fingerprint) const {
  struct Found {
    bool is_exact;
    double similarity;
    const Record* record;
  };
  std::map<uint64_t, Found> found;  // by sequence: the earliest first
  const int64_t begin_us = document.accepted_at_us() - options_.window_us;
  for (const std::string& key : bucket_keys(fingerprint)) {
    for (const uint64_t sequence : buckets_.at(key)) {
      if (found.contains(sequence)) continue;
      const Record& record = records_.at(sequence);
      if (record.accepted_at_us < begin_us || sequence == document.first_sequence() ||
          record.id == document.id() || record.cluster == document.id())
        continue;
      const bool is_exact = record.fingerprint.exact == fingerprint.exact;
      const bool is_comparable = record.fingerprint.has_signature && fingerprint.has_signature;
      const double share = is_exact ? 1
                           : is_comparable
                               ? similarity(fingerprint.signature, record.fingerprint.signature)
                               : 0;
      if (is_exact || share >= options_.near_similarity)
        found.emplace(sequence, Found{is_exact, share, &record});
    }
  }
  if (found.empty()) return std::nullopt;

  // The most similar document says which cluster; the original is its founder where that matches,
  // else its earliest member that does. An exact copy is one of a document with the same text. Of
  // equals the earliest counts.
  const auto best = std::max_element(found.begin(), found.end(), [](const auto& a, const auto& b) {
    return std::tie(a.second.is_exact, a.second.similarity) <
           std::tie(b.second.is_exact, b.second.similarity);
  });
  const auto is_original = [&](const auto& candidate) {
    return candidate.second.record->cluster == best->second.record->cluster &&
           candidate.second.is_exact == best->second.is_exact;
  };
  auto original = std::find_if(found.begin(), found.end(), [&](const auto& candidate) {
    return is_original(candidate) &&
           candidate.second.record->id == candidate.second.record->cluster;
  });
  if (original == found.end()) original = std::find_if(found.begin(), found.end(), is_original);
  const auto& [is_exact, share, record] = original->second;
  return Match{is_exact, record->id, record->cluster, share,
               is_exact ? 1 : containment(share, fingerprint.grams, record->fingerprint.grams)};
}

void Index::add(uint64_t sequence, Record record, State& state) {
  enter(sequence, record, state);
  records_.insert_or_assign(sequence, std::move(record));
  // One that is tried again may come before others: the names stay the first ones there are.
  const auto place = std::lower_bound(oldest_sequences_.begin(), oldest_sequences_.end(), sequence);
  if (has_all_sequences_ || place != oldest_sequences_.end())
    oldest_sequences_.insert(place, sequence);
  oldest_ = std::min(oldest_, sequence);
  ++count_;
}

// The document is as old as its first attempt.
void Index::replace(uint64_t sequence, Record record, State& state) {
  Record& earlier = records_.at(sequence);
  record.accepted_at_us = earlier.accepted_at_us;
  if (record.fingerprint != earlier.fingerprint) {
    std::vector<std::string> keys = bucket_keys(earlier.fingerprint);
    const std::vector<std::string> kept = bucket_keys(record.fingerprint);
    std::erase_if(keys, [&](const std::string& key) {
      return std::find(kept.begin(), kept.end(), key) != kept.end();
    });
    leave(sequence, keys, state);
  }
  enter(sequence, record, state);
  earlier = std::move(record);
}

void Index::enter(uint64_t sequence, const Record& record, State& state) {
  for (const std::string& key : bucket_keys(record.fingerprint)) {
    Bucket& bucket = buckets_.at(key);
    const auto place = std::lower_bound(bucket.begin(), bucket.end(), sequence);
    if (place != bucket.end() && *place == sequence) continue;
    bucket.insert(place, sequence);
    if (bucket.size() > kBucketEntries) bucket.erase(bucket.begin() + 1);
    put_bucket(key, bucket, state);
  }
  state.put(record_key(sequence), encode_record(record));
}

void Index::leave(uint64_t sequence, const std::vector<std::string>& keys, State& state) {
  for (const std::string& key : keys) {
    Bucket& bucket = buckets_.at(key);
    if (std::erase(bucket, sequence) > 0) put_bucket(key, bucket, state);
  }
}

void Index::put_bucket(const std::string& key, const Bucket& bucket, State& state) {
  if (bucket.empty()) return state.remove(key);
  std::string value;
  for (const uint64_t sequence : bucket) append_number(value, sequence);
  state.put(key, value);
}

}  // namespace wiremill::duplicates
