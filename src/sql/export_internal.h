#pragma once

#include <string>

#include "base/result.h"
#include "sql/query_internal.h"

namespace tarn::sql {

// Runs a checked SELECT into a staged file and moves that to `path`. Answers the rows.
Result<uint64_t> ExportParquet(EngineImpl& engine, Query& query, const std::string& sql,
                               const std::string& path);

}  // namespace tarn::sql
