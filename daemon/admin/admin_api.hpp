// What the admin server answers: /metrics, /healthz, /readyz and /api/ (docs/operations.md). Owned
// by the daemon; main thread.
#pragma once

#include <functional>
#include <memory>

#include "daemon/admin/admin_server.hpp"
#include "daemon/admin/rooms.hpp"

namespace wiremill {

class AdminApi {
 public:
  // Adds its routes. While the daemon recovers, metrics, health and status answer with what
  // `report` knows, everything else 503. `server` is gone, or stopped, before it.
  AdminApi(AdminServer& server, std::function<DaemonReport()> report);
  // Ends the thread "admin".
  ~AdminApi();

  // From now on questions about documents are answered. All rooms outlive it.
  void serve(Rooms rooms);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace wiremill
