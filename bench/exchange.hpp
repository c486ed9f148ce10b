// The load of the benchmarks: clients that push documents by the numbered protocol over raw ZeroMQ
// sockets, and the bare server that the daemon is compared with. The same clients send the same
// bytes to both, so what differs is the server alone. IntakeClient is not used: it copies each
// document and keeps it until it is answered, which would be measured, too.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace wiremill {

inline constexpr size_t kClients = 4;
inline constexpr size_t kWindow = 2000;  // documents of one client that are not yet acknowledged
inline constexpr size_t kDocumentsPerAck = 32;  // of the bare server

// Pushes the documents by kClients clients, each its share from a thread of its own, and returns
// when all are acknowledged, with the seconds from the first send on. For the bare server their number
// is a multiple of kClients * kDocumentsPerAck. Throws std::runtime_error where the server refuses
// one, or says nothing for a minute.
// `session`: another one each time for the same server, since its numbers begin with 1.
double push_documents(const std::string& endpoint, std::span<const std::string> documents,
                      uint64_t session = 1);

// Says HELLO and returns when WELCOME came, however long the server takes to start (a minute at most).
void greet(const std::string& endpoint);

// A ROUTER that reads whole messages, drops them, and answers each kDocumentsPerAck of a client
// with an acknowledgement. Never returns.
[[noreturn]] void serve_raw(const std::string& endpoint);

}  // namespace wiremill
