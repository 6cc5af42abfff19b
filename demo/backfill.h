#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "demo/truth.h"
#include "demo/world.h"
#include "os/file_system.h"

namespace tarn::demo {

struct BackfillReport {
  uint64_t lines = 0;
  uint64_t bytes = 0;
};

// Writes the hits of the world from its start up to `end` (exclusive) as
// <log_dirs[server]>/access.log.YYYY-MM-DD and adds them to the truth, then flushes it. Files are
// synced. Lines lie in the order in which requests end, as Apache writes them.
Result<BackfillReport> Backfill(os::FileSystem& fs, const WorldOptions& options, Timestamp end,
                                const std::vector<std::string>& log_dirs, Truth& truth);

// Counts what lies in the log files and adds to the truth what it lacks: a demo that was killed
// knows up to a second less than Apache wrote. Answers the number of lines added.
Result<uint64_t> RecoverTruth(os::FileSystem& fs, const std::vector<std::string>& log_dirs,
                              Truth& truth);

}  // namespace tarn::demo
