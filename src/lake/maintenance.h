#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "iceberg/commit.h"
#include "lake/compaction.h"
#include "lake/orphans.h"
#include "lake/workspace.h"
#include "os/file_system.h"
#include "os/mutex.h"
#include "os/thread.h"
#include "store/local_store.h"

namespace tarn::lake {

// How long things are kept, and how much upkeep is done at a time.
struct MaintenanceOptions {
  CompactionPolicy compaction;
  int max_commits = 16;  // compactions in a round, over all tables

  // Snapshots of tables that nobody commits to (landing expires its own).
  iceberg::ExpirePolicy expire = kExpire;
  // After a day even the last ten go: their files are space and, in time, people's data.
  iceberg::ExpirePolicy expire_idle{.max_age_ms = 24 * 3'600'000, .min_to_keep = 1};
  // Files that no snapshot has any more are deleted this much later.
  int64_t reader_grace_micros = 600 * kMicrosPerSecond;

  // Objects younger than this are never orphans: longer than any write takes.
  int64_t orphan_age_micros = 72 * kMicrosPerHour;
  // Those of a table that has not changed for the grace go at the first look. Not where a server
  // may be writing and nobody knows whether the clock was set meanwhile.
  bool orphans_at_once = true;

  // Rows of the catalog.
  int64_t keep_receipts_micros = 30 * 24 * kMicrosPerHour;
  int64_t keep_events_micros = 30 * 24 * kMicrosPerHour;
  int64_t keep_runs_micros = 90 * 24 * kMicrosPerHour;
  int64_t keep_audit_micros = 400 * 24 * kMicrosPerHour;

  // The compactor's own SQL engine, open only while there is work.
  uint64_t sql_memory_bytes = 512u << 20;
  std::string temp_directory;  // where sorts spill
  std::string data_directory;  // the lake's folder
};

// What was done, or would be.
inline constexpr size_t kMaxListed = 10'000;
struct MaintenanceReport {
  int64_t compactions = 0;
  int64_t conflicts = 0;  // compactions another commit came before
  int64_t files_rewritten = 0;
  int64_t rows = 0;
  int64_t bytes_in = 0;
  int64_t bytes_out = 0;
  int64_t tables_expired = 0;
  int64_t orphans = 0;
  int64_t orphan_bytes = 0;
  int64_t orphans_removed = 0;
  std::vector<std::string> orphan_keys;  // of a dry run, the first kMaxListed
  int64_t catalog_rows = 0;
  int64_t failures = 0;    // each was logged
  std::string last_error;  // empty: none
};

// Keeps the lake in shape: a table at a time, step by step. A step that fails is logged and counted
// and does not hold up the others. Everything may be cut off at any point, by a crash too: commits
// are whole or not at all, and what a cut-off step wrote is an orphan. Thread-confined, except
// Interrupt.
class Maintainer {
 public:
  // `store` is that of `work`. All outlive the maintainer.
  Maintainer(const Workspace& work, const store::LocalStore& store, os::FileSystem& files,
             MaintenanceOptions options);
  ~Maintainer();

  enum class Mode : uint8_t { kDo, kDryRun };
  // Rewrites small files, oldest hours first, at most max_commits times.
  void Compact(Mode mode, MaintenanceReport& report);
  // Expires old snapshots, and deletes what earlier calls let go once its grace is over.
  void Expire(Mode mode, MaintenanceReport& report);
  void RemoveOrphans(Mode mode, MaintenanceReport& report);
  void TrimCatalog(MaintenanceReport& report);

  // From any thread: calls in work end soon and later ones do nothing.
  void Interrupt();

 private:
  using Step = std::function<Status(const catalog::DatasetName&)>;
  // Takes the step for every table; its failures are noted.
  void ForEachTable(const char* step, MaintenanceReport& report, const Step& action);
  void Note(const char* step, const std::string& object, const Error& error,
            MaintenanceReport& report) const;
  Status CompactTable(const catalog::DatasetName& dataset, Mode mode, MaintenanceReport& report);
  Result<CompactionResult> CompactGroup(const catalog::DatasetName& dataset,
                                        const CompactionGroup& group);
  Status ExpireTable(const catalog::DatasetName& dataset, Mode mode, MaintenanceReport& report);
  int64_t WallOffset() const;
  bool AgesAreTrue();
  Result<Compactor*> OpenCompactor();
  void CloseCompactor();
  Result<int64_t> Trim();
  Status PassOldEvents(Timestamp before);

  const Workspace work_;
  const store::LocalStore& store_;
  os::FileSystem& files_;
  const MaintenanceOptions options_;
  Committer committer_;
  OrphanRemoval orphans_;
  int64_t wall_offset_;
  int64_t ages_true_from_ = INT64_MIN;  // monotonic
  std::unique_ptr<sql::Engine> engine_;
  std::atomic<bool> interrupted_ = false;
  os::Mutex mutex_;
  std::unique_ptr<Compactor> compactor_ TARN_GUARDED_BY(mutex_);
};

// When the server does what. Every look costs a read of each table's metadata.
struct MaintenanceSchedule {
  int64_t look_micros = 60 * kMicrosPerSecond;  // compaction and expiry
  int64_t orphans_micros = kMicrosPerHour;
  int64_t trim_micros = kMicrosPerHour;
};

// A maintainer at work in a thread of its own, "maintenance". Thread-safe.
class Maintenance {
 public:
  static std::unique_ptr<Maintenance> Start(const Workspace& work, const store::LocalStore& store,
                                            os::FileSystem& files, MaintenanceOptions options,
                                            const MaintenanceSchedule& schedule = {});
  ~Maintenance();  // Stop()

  // Returns when the thread has ended: at once, or after the object being written or listed.
  void Stop();

 private:
  explicit Maintenance(const MaintenanceSchedule& schedule) : schedule_(schedule) {}
  void Run(const os::Clock& clock);

  const MaintenanceSchedule schedule_;
  std::unique_ptr<Maintainer> maintainer_;
  os::Mutex mutex_;
  os::ConditionVariable changed_;
  bool stopping_ TARN_GUARDED_BY(mutex_) = false;
  os::Thread thread_;
};

}  // namespace tarn::lake
