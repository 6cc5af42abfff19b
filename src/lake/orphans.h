#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "catalog/dataset.h"
#include "iceberg/table_metadata.h"
#include "lake/workspace.h"
#include "store/object_store.h"

namespace tarn::lake {

// Objects in a table's data and metadata folders that neither its current metadata nor the metadata
// files it still logs reach, and that were last written before `before`: leftovers of writers that
// died, and of deletions a restart cut short. Choose a time no write in progress can reach back to.
// The JSON objects beside a raw table are the landing's and are not looked at.
Result<std::vector<store::ObjectInfo>> FindOrphans(const Workspace& work,
                                                   const catalog::DatasetName& dataset,
                                                   Timestamp before);

struct OrphanReport {
  int64_t found = 0;
  int64_t found_bytes = 0;
  int64_t removed = 0;
  int64_t removed_bytes = 0;
};

// Removes orphans once nobody can be reading them: a file that expired a moment ago is old, and yet
// a query may have it open. So a file goes only if it was an orphan at a look at least the readers'
// grace ago, too; or `at_once`, if the table has not changed for that long. Thread-confined.
class OrphanRemoval {
 public:
  OrphanRemoval(const Workspace& work, int64_t reader_grace_micros, bool at_once)
      : work_(work), reader_grace_micros_(reader_grace_micros), at_once_(at_once) {}

  // One look at one table. Objects last written before `before` are considered.
  Result<OrphanReport> Look(const catalog::DatasetName& dataset, Timestamp before);

 private:
  const Workspace work_;
  const int64_t reader_grace_micros_;
  const bool at_once_;
  // By table: keys and the (monotonic) time they were first seen to be orphans.
  std::map<catalog::DatasetName, std::map<std::string, int64_t>> seen_;
};

}  // namespace tarn::lake
