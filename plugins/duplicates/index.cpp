#include "plugins/duplicates/index.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <tuple>
#include <utility>

namespace wiremill::duplicates {
namespace {

constexpr std::string_view kCountsKey = "m", kRecordPrefix = "d";

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

std::vector<std::string> Index::bucket_keys(const Fingerprint& fingerprint) {
  std::vector<std::string> keys;
  keys.emplace_back("x").append(fingerprint.exact.begin(), fingerprint.exact.end());
  if (!fingerprint.has_signature) return keys;
  for (size_t band = 0; band < kBands; ++band) {
    std::string& key = keys.emplace_back("b");
    append_number(key, band, 1);
    for (size_t row = 0; row < kRows; ++row)
      append_number(key, fingerprint.signature[band * kRows + row], 2);
  }
  return keys;
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
}

void Index::read_counts() {
  const auto counts = batch_.state(0).get(std::string(kCountsKey));
  if (!counts) return;
  Reader reader(*counts);
  oldest_ = reader.number();
  count_ = reader.number();
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
  for (const auto& fingerprint : fingerprints_)
    if (fingerprint) want(*fingerprint);
  for (const auto& [sequence, record] : records_) want(record.fingerprint);
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  if (keys.empty()) return;
  const auto values = batch_.state(0).get_many(keys);
  for (size_t i = 0; i < keys.size(); ++i) {
    Bucket& bucket = buckets_[keys[i]];
    if (!values[i]) continue;
    for (Reader reader(*values[i]); !reader.rest().empty();) bucket.push_back(reader.number());
  }
}

void Index::read_candidates() {
  std::vector<uint64_t> sequences;
  for (const auto& fingerprint : fingerprints_) {
    if (!fingerprint) continue;
    for (const std::string& key : bucket_keys(*fingerprint))
      for (const uint64_t sequence : buckets_.at(key))
        if (!records_.contains(sequence)) sequences.push_back(sequence);
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

std::optional<Match> Index::settle(size_t i) {
  const Document document = batch_.document(i);
  const std::optional<Fingerprint>& fingerprint = fingerprints_[i];
  if (!fingerprint) return std::nullopt;
  remove_due(i);
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
  state.put(kCountsKey, counts);
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
  leave(sequence, bucket_keys(records_.at(sequence).fingerprint), state);
  state.remove(record_key(sequence));
  records_.erase(sequence);
  oldest_sequences_.pop_front();
  oldest_ = sequence + 1;
  --count_;
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
      const auto entry = records_.find(sequence);
      if (entry == records_.end() || found.contains(sequence)) continue;
      const Record& record = entry->second;
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
