#pragma once

#include <vector>

#include "catalog/dataset.h"
#include "codec/json.h"
#include "http/router.h"
#include "serve/rest/rest_server.h"
#include "serve/rest/worker.h"

namespace tarn::serve::rest {

// The tables among `datasets`, as the status shows them: zone, name, rows, bytes, commits.
codec::Json DatasetsJson(const std::vector<catalog::Dataset>& datasets);

struct Workers {
  Worker& reading;
  Worker& flushing;
};

// GET  /health      200 while the process lives; no key
// GET  /ready       200 if batches are taken and land, else 503 with the reasons; no key
// GET  /metrics     Prometheus text: the registry's, then those of sources and hosts; no key
// GET  /v1/status   one screen of JSON; reader
// POST /v1/flush    200 once everything acknowledged so far is in the lake; reader
void AddOperationRoutes(const Backend& backend, const Workers& workers, http::Router& router);

}  // namespace tarn::serve::rest
