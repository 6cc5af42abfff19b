#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "auth/authenticator.h"
#include "catalog/catalog.h"
#include "http/server.h"
#include "journal/journal.h"
#include "lake/agent_door.h"
#include "lake/landing.h"
#include "obs/metrics.h"
#include "os/clock.h"

namespace tarn::serve::rest {

// What the routes reach; all of it outlives the server.
struct Backend {
  auth::Authenticator& keys;
  lake::AgentDoor& door;
  lake::Landing& landing;
  journal::Journal& journal;
  catalog::Catalog& catalog;
  obs::Registry& metrics;
  const os::Clock& clock;
  std::string version;
};

// Who asks, if that key is known and has the role. Unauthenticated, PermissionDenied.
Result<auth::Principal> Authorize(const Backend& backend,
                                  std::optional<std::string_view> authorization,
                                  std::string_view peer, auth::Role needed);

// Refuses who may not before a body is read; `backend` must outlive it.
http::Admission Admit(const Backend& backend, auth::Role needed);

// The HTTP door: agents' batches, health, metrics, status. docs/http-api.md lists the routes.
class RestServer {
 public:
  static Result<std::unique_ptr<RestServer>> Start(const Backend& backend,
                                                   http::ServerOptions options);
  ~RestServer();

  uint16_t port() const;
  // Refuses new requests, finishes those in work until the deadline. The worker's tasks end with
  // the destructor.
  void Stop(int64_t grace_micros);

 private:
  struct Parts;
  explicit RestServer(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace tarn::serve::rest
