// What `wiremill dead` asks of the daemon: lists of dead letters, one letter, its submitted bytes,
// and many to be tried again or discarded. On the thread "admin", unless said otherwise.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/admin/admin_server.hpp"
#include "daemon/admin/jobs.hpp"
#include "daemon/admin/rooms.hpp"

namespace wiremill {

constexpr size_t kLettersPerRequestMax = 1000;

// The query's stage, code, since, until (RFC 3339), from (a sequence) and limit.
AdminReply list_dead(const Rooms& rooms, const AdminRequest& request);
AdminReply show_dead(const Rooms& rooms, uint64_t sequence);
// The body as it was submitted, under its own content type.
AdminReply dead_body(const Rooms& rooms, uint64_t sequence);

// {"sequences":[…]}, at most kLettersPerRequestMax. Errors: Malformed.
Result<std::vector<uint64_t>> read_sequences(const std::string& body);

// Hands the letters to the intake once more, few at a time, in order; `reply` says which sequence
// each got or why not. `jobs` runs what follows each answer.
void retry_dead(const Rooms& rooms, std::shared_ptr<Jobs> jobs, std::vector<uint64_t> sequences,
                std::function<void(AdminReply)> reply);

}  // namespace wiremill
