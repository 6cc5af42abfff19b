#pragma once

#include "app/lake_handle.h"
#include "app/project.h"

namespace tarn::app {

struct ServeOptions {
  bool accept_loss = false;  // go on without records or a log that are gone; each loss is logged
  auth::TlsFiles tls;        // those of listen.tls, if there is one
};

// Runs the server until SIGINT or SIGTERM, then stops it: no new requests, those in work finish,
// what is buffered lands; at most about 30 s. Errors before it is ready start nothing: Conflict if
// another server has the project or the port, those of the configuration, DataLoss for a damaged
// journal or catalog.
Status Serve(Machine& machine, const Project& project, const ServeOptions& options);

// Where a project's server listens: from state/server.json. NotFound if none runs, whatever
// one that was killed left in the file; Unavailable if one runs and the file does not say where.
struct RunningServer {
  int64_t pid = 0;
  std::string url;                 // "http://127.0.0.1:8700"
  std::string certificate_sha256;  // of the certificate it shows, 32 bytes; empty without TLS
};
Result<RunningServer> FindServer(Machine& machine, const Project& project);

}  // namespace tarn::app
