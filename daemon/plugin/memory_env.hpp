// RocksDB on the tests' file system (daemon/log/memory_file_system.hpp), so that its writes and syncs
// stand in the same order of operations as those of the logs. Threads, clock and the rest are
// RocksDB's own. Any thread.
#pragma once

#include <rocksdb/env.h>

#include <memory>

#include "daemon/log/memory_file_system.hpp"

namespace wiremill {

// `files` outlives it.
std::unique_ptr<rocksdb::Env> make_memory_env(MemoryFileSystem& files);

}  // namespace wiremill
