// One document's whole history for `wiremill show`: how it came, what became of it, what is still
// kept of it, and the other documents with its id. Reads both logs by readers of its own, which do
// not disturb their writers; waits for the disk, so on the thread "admin".
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "daemon/admin/rooms.hpp"

namespace wiremill {

// The document's id. Errors: NotFound (nothing is kept of it, or no document has this sequence yet),
// Io.
Result<std::string> id_of(const Rooms& rooms, uint64_t sequence);

// `latest`: the newest document with the id, where it is known. Errors: as id_of.
Result<std::string> history_json(const Rooms& rooms, uint64_t sequence,
                                 std::optional<uint64_t> latest);

}  // namespace wiremill
