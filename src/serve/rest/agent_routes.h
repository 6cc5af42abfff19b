#pragma once

#include "http/router.h"
#include "serve/rest/rest_server.h"

namespace tarn::serve::rest {

// POST /v1/agent/batches: one encoded batch (docs/formats/agent-batch.md).
//   200 {"status":"stored","next_offset":N}       durable
//   200 {"status":"duplicate","next_offset":N}    was here already
//   409 {"expected_offset":N}                     bytes before it are missing
//   401, 403, 404 (source), 413, 422 (broken bytes), 429, 503
void AddAgentRoutes(const Backend& backend, http::Router& router);

}  // namespace tarn::serve::rest
