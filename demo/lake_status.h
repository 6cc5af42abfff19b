#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "base/result.h"
#include "codec/json.h"

namespace tarn::demo {

// What the demo shows of the server's GET /v1/status. Fields the answer lacks stay as they are
// here, so an older or newer server can be shown too.
struct SourceStatus {
  double lag_seconds = -1;  // -1: unknown
  int64_t lag_bytes = -1;
  double records_per_second = -1;
  int64_t rejected = -1;
  std::string last_error;
};
struct LakeStatus {
  std::map<std::string, SourceStatus> sources;  // by name or host
  std::map<std::string, int64_t> zone_rows;     // "raw", "clean", "quarantine"
  int64_t last_commit_micros = -1;
  int64_t commits = -1;
};

// InvalidArgument only if the text is no JSON object.
Result<LakeStatus> ParseLakeStatus(std::string_view json);
codec::Json LakeStatusJson(const LakeStatus& status);

}  // namespace tarn::demo
