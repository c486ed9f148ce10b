// The tests' file system: daemon/log/memory_file_system.hpp.
#include "daemon/log/memory_file_system.hpp"

#include <algorithm>
#include <cstring>

namespace wiremill {
namespace {

constexpr size_t kSectorBytes = 512;

void write_into(std::string& contents, size_t at, std::string_view bytes) {
  if (contents.size() < at + bytes.size()) contents.resize(at + bytes.size());
  std::memcpy(contents.data() + at, bytes.data(), bytes.size());
}

std::string directory_of(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

// Calls take(sector's offset in the file, its bytes) for each sector of a write, in order.
template <class Take>
void for_each_sector(int64_t offset, std::string_view bytes, Take take) {
  for (size_t done = 0; done < bytes.size();) {
    const size_t at = static_cast<size_t>(offset) + done;
    const size_t step = std::min(kSectorBytes - at % kSectorBytes, bytes.size() - done);
    take(at, bytes.substr(done, step));
    done += step;
  }
}

size_t sectors_of(int64_t offset, size_t bytes) {
  const size_t begin = static_cast<size_t>(offset);
  return bytes == 0 ? 0 : (begin + bytes - 1) / kSectorBytes - begin / kSectorBytes + 1;
}

}  // namespace

class MemoryFileSystem::MemoryFile final : public File {
 public:
  MemoryFile(MemoryFileSystem& files, std::string path, size_t node)
      : files_(files), path_(std::move(path)), node_(node) {}

  Status write_at(int64_t offset, std::string_view bytes) override {
    const Status passed = files_.pass_gate(Kind::Write, path_);
    if (!passed) bytes = bytes.substr(0, bytes.size() / 2);
    const MutexLock lock(files_.mutex_);
    WM_TRY(files_.alive());
    write_into(files_.nodes_[node_], static_cast<size_t>(offset), bytes);
    files_.operations_.push_back({.change = Change::Write,
                                  .node = node_,
                                  .at = offset,
                                  .bytes = std::string(bytes),
                                  .from = {},
                                  .to = {}});
    return passed;
  }

  Result<size_t> read_at(int64_t offset, char* into, size_t size) const override {
    WM_TRY(files_.pass_gate(Kind::Read, path_));
    const MutexLock lock(files_.mutex_);
    const std::string& contents = files_.nodes_[node_];
    const auto at = static_cast<size_t>(offset);
    if (at >= contents.size()) return 0;
    return contents.copy(into, size, at);
  }

  Status sync() override {
    const Status passed = files_.pass_gate(Kind::Sync, path_);
    const MutexLock lock(files_.mutex_);
    WM_TRY(files_.alive());
    files_.operations_.push_back({.change = passed ? Change::Sync : Change::FailedSync,
                                  .node = node_,
                                  .at = 0,
                                  .bytes = {},
                                  .from = {},
                                  .to = {}});
    return passed;
  }

  Status allocate(int64_t size) override { return truncate(size); }

  Status truncate(int64_t size) override {
    WM_TRY(files_.pass_gate(Kind::Resize, path_));
    const MutexLock lock(files_.mutex_);
    WM_TRY(files_.alive());
    files_.nodes_[node_].resize(static_cast<size_t>(size));
    files_.operations_.push_back(
        {.change = Change::Resize, .node = node_, .at = size, .bytes = {}, .from = {}, .to = {}});
    return {};
  }

  Result<int64_t> size() const override {
    const MutexLock lock(files_.mutex_);
    return static_cast<int64_t>(files_.nodes_[node_].size());
  }

 private:
  MemoryFileSystem& files_;
  const std::string path_;
  const size_t node_;
};

class MemoryFileSystem::MemoryLock final : public FileLock {
 public:
  MemoryLock(MemoryFileSystem& files, std::string path) : files_(files), path_(std::move(path)) {}
  ~MemoryLock() override {
    const MutexLock lock(files_.mutex_);
    files_.locks_.erase(path_);
  }

 private:
  MemoryFileSystem& files_;
  const std::string path_;
};

void MemoryFileSystem::set_gate(Gate gate) {
  const MutexLock lock(mutex_);
  gate_ = std::move(gate);
}

Status MemoryFileSystem::pass_gate(Kind kind, const std::string& path) const {
  Gate gate;
  {
    const MutexLock lock(mutex_);
    gate = gate_;
  }
  return gate ? gate(kind, path) : Status{};
}

void MemoryFileSystem::kill() {
  const MutexLock lock(mutex_);
  dead_ = true;
}

void MemoryFileSystem::revive() {
  const MutexLock lock(mutex_);
  dead_ = false;
}

Status MemoryFileSystem::alive() const {
  if (dead_) return fail(ErrorCode::Io, "the process is dead");
  return {};
}

size_t MemoryFileSystem::operations() const {
  const MutexLock lock(mutex_);
  return operations_.size();
}

std::unique_ptr<MemoryFileSystem> MemoryFileSystem::power_cut(size_t count,
                                                              std::mt19937_64& random) const {
  Disk disk(*this);
  disk.advance(count, random);
  return disk.image(random);
}

std::string MemoryFileSystem::contents(const std::string& path) const {
  const MutexLock lock(mutex_);
  return nodes_[names_.at(path)];
}

void MemoryFileSystem::set_contents(const std::string& path, std::string bytes) {
  const MutexLock lock(mutex_);
  const auto [name, added] = names_.try_emplace(path, nodes_.size());
  if (added) {
    nodes_.emplace_back();
    first_names_[path] = name->second;
  }
  first_contents_[name->second] = bytes;
  nodes_[name->second] = std::move(bytes);
}

Status MemoryFileSystem::make_directory(const std::string&) { return {}; }

Result<std::vector<std::string>> MemoryFileSystem::list(const std::string& directory) {
  WM_TRY(pass_gate(Kind::Read, directory));
  const MutexLock lock(mutex_);
  std::vector<std::string> names;
  for (const auto& [path, node] : names_)
    if (directory_of(path) == directory) names.push_back(path.substr(directory.size() + 1));
  return names;
}

Result<std::unique_ptr<File>> MemoryFileSystem::open(const std::string& path, OpenMode mode) {
  WM_TRY(pass_gate(Kind::Open, path));
  const MutexLock lock(mutex_);
  WM_TRY(alive());
  if (mode == OpenMode::Create) {
    names_[path] = nodes_.size();
    operations_.push_back({.change = Change::Open,
                           .node = nodes_.size(),
                           .at = 0,
                           .bytes = {},
                           .from = path,
                           .to = {}});
    nodes_.emplace_back();
  }
  const auto name = names_.find(path);
  if (name == names_.end()) return fail(ErrorCode::NotFound, "no {}", path);
  return std::make_unique<MemoryFile>(*this, path, name->second);
}

Status MemoryFileSystem::rename(const std::string& from, const std::string& to) {
  WM_TRY(pass_gate(Kind::Rename, from));
  const MutexLock lock(mutex_);
  WM_TRY(alive());
  const auto name = names_.find(from);
  if (name == names_.end()) return fail(ErrorCode::Io, "cannot rename {}: no such file", from);
  WM_INVARIANT(directory_of(from) == directory_of(to));
  names_[to] = name->second;
  names_.erase(from);
  operations_.push_back(
      {.change = Change::Rename, .node = 0, .at = 0, .bytes = {}, .from = from, .to = to});
  return {};
}

Status MemoryFileSystem::remove(const std::string& path) {
  WM_TRY(pass_gate(Kind::Remove, path));
  const MutexLock lock(mutex_);
  WM_TRY(alive());
  if (names_.erase(path) == 0) return {};
  operations_.push_back(
      {.change = Change::Remove, .node = 0, .at = 0, .bytes = {}, .from = path, .to = {}});
  return {};
}

Status MemoryFileSystem::sync_directory(const std::string& path) {
  WM_TRY(pass_gate(Kind::SyncDirectory, path));
  const MutexLock lock(mutex_);
  WM_TRY(alive());
  operations_.push_back(
      {.change = Change::SyncDirectory, .node = 0, .at = 0, .bytes = {}, .from = path, .to = {}});
  return {};
}

Result<std::unique_ptr<FileLock>> MemoryFileSystem::lock(const std::string& path) {
  const MutexLock lock(mutex_);
  if (!locks_.insert(path).second) return fail(ErrorCode::Locked, "{} is held", path);
  return std::make_unique<MemoryLock>(*this, path);
}

MemoryFileSystem::Disk::Disk(const MemoryFileSystem& files) : files_(files) {
  const MutexLock lock(files.mutex_);
  names_ = files.first_names_;
  for (const auto& [node, contents] : files.first_contents_) nodes_[node].synced = contents;
}

void MemoryFileSystem::Disk::change_names(Names& names, const Operation& operation) {
  if (operation.change == Change::Open) names[operation.from] = operation.node;
  if (operation.change == Change::Remove) names.erase(operation.from);
  if (operation.change != Change::Rename) return;
  names[operation.to] = names[operation.from];
  names.erase(operation.from);
}

void MemoryFileSystem::Disk::advance(size_t count, std::mt19937_64& random) {
  const MutexLock lock(files_.mutex_);
  for (; count_ < count; ++count_) {
    const Operation& operation = files_.operations_[count_];
    switch (operation.change) {
      case Change::Open:
      case Change::Rename:
      case Change::Remove:
        directory_changes_[directory_of(operation.from)].push_back(&operation);
        break;
      case Change::SyncDirectory:
        for (const Operation* change : directory_changes_[operation.from])
          change_names(names_, *change);
        directory_changes_.erase(operation.from);
        break;
      case Change::Write:
      case Change::Resize: nodes_[operation.node].unsynced.push_back(&operation); break;
      case Change::Sync: {
        Node& node = nodes_[operation.node];
        for (const Operation* change : node.unsynced) {
          if (change->change == Change::Write)
            write_into(node.synced, static_cast<size_t>(change->at), change->bytes);
          else
            node.synced.resize(static_cast<size_t>(change->at));
        }
        node.unsynced.clear();
        break;
      }
      case Change::FailedSync: sync_by_chance(nodes_[operation.node], random); break;
    }
  }
}

void MemoryFileSystem::Disk::sync_some(Node& node, const Keeps& keeps) {
  size_t sector = 0;
  for (const Operation* change : node.unsynced) {
    if (change->change == Change::Resize) {
      if (keeps(sector)) node.synced.resize(static_cast<size_t>(change->at));
      continue;
    }
    for_each_sector(change->at, change->bytes, [&](size_t at, std::string_view bytes) {
      if (keeps(sector++)) write_into(node.synced, at, bytes);
    });
  }
  node.unsynced.clear();
}

// What reaches the disk of what nobody waited for.
void MemoryFileSystem::Disk::sync_by_chance(Node& node, std::mt19937_64& random) {
  const size_t sectors = sectors_in(node);
  enum { kNothing, kEverything, kBeginning, kEnd, kSeldom, kHalf, kMostly, kWays };
  auto way = random() % kWays;
  const bool appended =
      std::all_of(node.unsynced.begin(), node.unsynced.end(), [&](const Operation* change) {
        return change->change == Change::Write &&
               static_cast<size_t>(change->at) >= node.synced.size();
      });
  if (appended && way > kBeginning) way = kBeginning;
  const size_t border = sectors == 0 ? 0 : random() % (sectors + 1);
  sync_some(node, [&](size_t sector) {
    switch (way) {
      case kNothing: return false;
      case kEverything: return true;
      case kBeginning: return sector < border;
      case kEnd: return sector >= border;
      default: return random() % 4 < way - kSeldom + 1;
    }
  });
}

size_t MemoryFileSystem::Disk::sectors_in(const Node& node) {
  size_t sectors = 0;
  for (const Operation* change : node.unsynced)
    sectors += sectors_of(change->at, change->bytes.size());
  return sectors;
}

std::unique_ptr<MemoryFileSystem> MemoryFileSystem::Disk::make_image(
    const Names& names, const std::function<std::string(size_t node)>& contents) {
  auto image = std::make_unique<MemoryFileSystem>();
  for (const auto& [name, node] : names) image->set_contents(name, contents(node));
  return image;
}

MemoryFileSystem::Disk::Names MemoryFileSystem::Disk::names_by_chance(
    std::mt19937_64& random) const {
  Names names = names_;
  for (const auto& [directory, changes] : directory_changes_) {
    const size_t kept = random() % (changes.size() + 1);
    for (size_t i = 0; i < kept; ++i) change_names(names, *changes[i]);
  }
  return names;
}

std::unique_ptr<MemoryFileSystem> MemoryFileSystem::Disk::image(std::mt19937_64& random) const {
  return make_image(names_by_chance(random), [&](size_t index) {
    const auto node = nodes_.find(index);
    if (node == nodes_.end()) return std::string();
    Node copy = node->second;
    sync_by_chance(copy, random);
    return std::move(copy.synced);
  });
}

std::map<std::string, size_t> MemoryFileSystem::Disk::unsynced_sectors() const {
  std::map<std::string, size_t> found;
  for (const auto& [path, index] : names_) {
    const auto node = nodes_.find(index);
    if (node == nodes_.end()) continue;
    if (const size_t sectors = sectors_in(node->second); sectors > 0) found[path] = sectors;
  }
  return found;
}

void MemoryFileSystem::Disk::tear(const std::string& path, std::mt19937_64& random,
                                  const std::function<void(MemoryFileSystem&)>& visit) const {
  const size_t torn = names_.at(path);
  const size_t sectors = sectors_in(nodes_.at(torn));
  const auto tear_so = [&](const Keeps& keeps) {
    const auto image = make_image(names_by_chance(random), [&](size_t index) {
      const auto node = nodes_.find(index);
      if (node == nodes_.end()) return std::string();
      Node copy = node->second;
      if (index == torn)
        sync_some(copy, keeps);
      else
        sync_by_chance(copy, random);
      return std::move(copy.synced);
    });
    visit(*image);
  };
  for (size_t n = 0; n < sectors; ++n) {
    tear_so([n](size_t sector) { return sector < n; });
    tear_so([n](size_t sector) { return sector >= n; });
    tear_so([n](size_t sector) { return sector != n; });
    tear_so([n](size_t sector) { return sector == n; });
  }
}

}  // namespace wiremill
