#include "serve/rest/rest_server.h"

#include <utility>

#include "serve/rest/agent_routes.h"
#include "serve/rest/operation_routes.h"
#include "serve/rest/worker.h"

namespace tarn::serve::rest {

Result<auth::Principal> Authorize(const Backend& backend,
                                  std::optional<std::string_view> authorization,
                                  std::string_view peer, auth::Role needed) {
  TARN_ASSIGN_OR_RETURN(auth::Principal who, backend.keys.Check(authorization, peer));
  TARN_TRY(who.Require(needed));
  return who;
}

http::Admission Admit(const Backend& backend, auth::Role needed) {
  return [&backend, needed](const http::Request& head, std::string_view peer) -> Status {
    TARN_TRY(Authorize(backend, head.headers.Find("authorization"), peer, needed));
    return {};
  };
}

struct RestServer::Parts {
  explicit Parts(const Backend& b) : backend(b) {}
  const Backend backend;
  Worker worker{"rest-worker"};
  // A flush waits up to a minute; what only looks must not wait behind it.
  Worker flusher{"rest-flusher"};
  std::unique_ptr<http::Server> server;
};

RestServer::RestServer(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
RestServer::~RestServer() = default;

Result<std::unique_ptr<RestServer>> RestServer::Start(const Backend& backend,
                                                      http::ServerOptions options) {
  auto parts = std::make_unique<Parts>(backend);
  http::Router router;
  AddAgentRoutes(parts->backend, router);
  AddOperationRoutes(parts->backend, {parts->worker, parts->flusher}, router);
  TARN_ASSIGN_OR_RETURN(parts->server, http::Server::Create(std::move(options), std::move(router),
                                                            backend.clock, backend.metrics));
  return std::unique_ptr<RestServer>(new RestServer(std::move(parts)));
}

uint16_t RestServer::port() const { return parts_->server->port(); }

void RestServer::Stop(int64_t grace_micros) { parts_->server->Stop(grace_micros); }

}  // namespace tarn::serve::rest
