#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace tarn::lake {

// Which forms a raw record takes (`land:` in tarn.yaml).
struct RawForms {
  bool parquet = true;
  bool json = true;  // .json.zst objects beside the table
};

// A source of access-log lines, as tarn.yaml declares it.
struct LogSource {
  std::string name;    // names the tables: raw.<name>, clean.<name>, quarantine.<name>
  std::string format;  // for batches that bring none; docs/access-log-formats.md
  RawForms land;
};

// Each has three tables, and all are changed in one commit (catalog::kMaxSwaps).
inline constexpr size_t kMaxSources = 1'000;

// NotFound, with the nearest of the known ones.
Error NoSuchSource(std::string_view name, const std::vector<std::string_view>& known);

// How batches become files.
struct LandingOptions {
  std::vector<LogSource> sources;
  uint64_t buffer_bytes = 64'000'000;      // flush once this much is buffered …
  int64_t buffer_age_micros = 60'000'000;  // … or the oldest buffered record is this old
  bool accept_loss = false;  // go on without acknowledged records that the journal no longer has
  int64_t stop_micros = 20'000'000;  // a flush that goes on for longer after a stop is given up
  uint64_t reader_grace_micros = 600'000'000;  // files nobody points to any more live this long
};

}  // namespace tarn::lake
