#pragma once

#include <cstdint>
#include <string>

#include "catalog/dataset.h"
#include "lake/committer.h"
#include "lake/table_resolver.h"
#include "lake/workspace.h"
#include "sql/engine.h"

namespace tarn::lake {

struct ReplayReport {
  int64_t files = 0;     // quarantine files looked at
  int64_t rows = 0;      // in them
  int64_t replayed = 0;  // now in clean
  int64_t rejected = 0;  // still in quarantine
  int64_t cut = 0;       // of them pieces of cut lines, which are not tried
  Status damage;         // DataLoss: of the first file that could not be read; the others were
};

// Brings the rows of quarantine.<source> that `format` can read back into clean.<source>; the
// others stay, with the reason of this attempt, and pieces of cut lines stay as they are. Each
// quarantine file is one commit that takes the file away and adds its rows on the other side, so a
// replay that is interrupted, or run twice, or beside a server, counts every row once. Memory: the
// rows of one file.
Result<ReplayReport> ReplayQuarantine(const Workspace& work, sql::Engine& engine,
                                      LakeResolver& tables, const std::string& source,
                                      const std::string& format);

}  // namespace tarn::lake
