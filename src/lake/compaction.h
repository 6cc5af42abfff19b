#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "iceberg/manifest.h"
#include "lake/committer.h"
#include "lake/layout.h"
#include "lake/workspace.h"
#include "os/mutex.h"
#include "parquet/writer.h"
#include "sql/engine.h"
#include "store/local_store.h"

namespace tarn::lake {

// Which files are worth a rewrite. An hour is closed once `lateness_micros` have gone by since its
// end; late rows still land in it, as small files.
struct CompactionPolicy {
  int64_t lateness_micros = 15 * 60 * kMicrosPerSecond;
  size_t min_files = 8;                // small files of a closed hour
  size_t open_min_files = 60;          // of an open hour, and of the rows without a time
  int64_t small_bytes = 64'000'000;    // a file below this is small
  int64_t target_bytes = 256'000'000;  // files to be rewritten into one, together; as stored
  size_t max_files = 2'000;            // the same, by their number
};

// Files of one hour that become one file.
struct CompactionGroup {
  Hour hour;
  std::vector<std::string> urls;
  int64_t rows = 0;
  int64_t bytes = 0;            // as stored
  int64_t sequence_number = 0;  // the newest of the files'
};

struct CompactionPlan {
  std::vector<CompactionGroup> groups;  // oldest hour first, rows without a time last
  int64_t snapshot_id = 0;
  int64_t live_files = 0;
  int64_t left_alone = 0;  // files with delete files of another engine, or of an older partitioning
};

// What is to be done in a table as it now is. Of an hour's small files those that outweigh all
// smaller ones together are left alone, so that a row is rewritten a number of times that grows
// with the logarithm of its hour, however often this is done. Unsupported, naming it, for a column
// whose kind our Parquet writer does not take, and for a table that is not partitioned by hour.
Result<CompactionPlan> PlanCompaction(const Workspace& work, const iceberg::TableMetadata& table,
                                      const CompactionPolicy& policy);

struct CompactionResult {
  // False: another commit took one of the files away, or deletes rows of one; nothing has changed.
  bool done = false;
  int64_t files = 0;
  int64_t rows = 0;
  int64_t bytes_in = 0;
  int64_t bytes_out = 0;
};

// Rewrites groups of files into one file each, sorted by time: the same rows with the same values;
// columns the table got later are null. Each is a `replace` snapshot in a commit of its own, which
// takes all the old files away or none, so rows that land meanwhile are neither lost nor doubled.
//
// Memory: the engine's limit (it sorts, and spills to its temp directory beyond that) plus one row
// group of 64 MB and its pages. Thread-confined, except Interrupt.
class Compactor {
 public:
  // `store` is that of `work`, where the engine finds its files. All outlive the compactor.
  Compactor(const Workspace& work, const store::LocalStore& store, sql::Engine& engine)
      : work_(work), store_(store), engine_(engine) {}

  // Errors: those of reading, of the store and the catalog; DataLoss if the files do not hold the
  // rows their manifest counts; Cancelled after Interrupt. The table is then as it was.
  Result<CompactionResult> Compact(Committer& committer, const catalog::DatasetName& dataset,
                                   const CompactionGroup& group);
  // From any thread: what runs ends within about 0.1 s and so does all that comes later.
  void Interrupt();

 private:
  // Damage that DuckDB does not see would get a checksum of its own in the new file.
  Status CheckGroup(const iceberg::TableMetadata& table, const catalog::DatasetName& dataset,
                    const CompactionGroup& group);
  Result<iceberg::DataFile> Rewrite(const iceberg::TableMetadata& table,
                                    const catalog::DatasetName& dataset,
                                    const CompactionGroup& group);
  Status CopyRows(sql::Session& session, const std::string& statement, const event::Schema& columns,
                  parquet::FileWriter& writer);

  const Workspace work_;
  const store::LocalStore& store_;
  sql::Engine& engine_;
  std::atomic<bool> interrupted_ = false;
  os::Mutex mutex_;
  sql::Session* running_ TARN_GUARDED_BY(mutex_) = nullptr;
};

}  // namespace tarn::lake
