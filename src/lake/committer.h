#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "catalog/commit.h"
#include "iceberg/commit.h"
#include "lake/workspace.h"

namespace tarn::lake {

// Snapshots that stay for time travel and running readers.
inline constexpr iceberg::ExpirePolicy kExpire{.max_age_ms = 2 * 3'600'000, .min_to_keep = 10};

// What one commit does to one table.
struct TableChange {
  catalog::DatasetName dataset;
  iceberg::SnapshotChange change;
};

// One commit: table changes, and whatever must become true with them.
struct CommitRequest {
  catalog::Commit commit;  // without commit_id, swaps and run outputs: the committer's part
  std::vector<TableChange> tables;
};

// Makes the one commit of DESIGN: prepares Iceberg metadata, then swaps pointers, positions,
// watermarks, lineage and events in one catalog transaction. Lost races for a pointer are retried
// on the new state; a lost fencing token is Conflict for good. Files of a commit that failed for
// sure are deleted again (the data files too), as are those of one that another process kept from
// the catalog: Unavailable, not tried again here. When the outcome is unknown it is asked for
// again, and if the catalog does not say, nothing is deleted: orphan removal decides. Files that
// expired snapshots let go are deleted after the readers' grace. Thread-confined.
class Committer {
 public:
  // Commits expire old snapshots by `policy`.
  Committer(const Workspace& work, iceberg::ExpirePolicy policy, int64_t reader_grace_micros);

  // Errors: Conflict (fenced off; position not where expected; a removed file is gone), those of
  // the store and of the catalog.
  Result<catalog::CommitReceipt> Run(const CommitRequest& request);

  // The table as the last commit of this committer left it, or as it is now.
  Result<iceberg::TableMetadata> Table(const catalog::DatasetName& dataset);
  // Gives the table the columns it lacks (ReconcileSchema), in a commit of its own. Answers the
  // table as it then is.
  Result<iceberg::TableMetadata> Evolve(const catalog::DatasetName& dataset,
                                        const event::Schema& wanted);
  // Drops the snapshots that `policy` lets go of, in a commit of its own. False: none was due.
  // Files that only they had are deleted after the readers' grace.
  Result<bool> Expire(const catalog::DatasetName& dataset, const iceberg::ExpirePolicy& policy);
  // Next time the table is loaded afresh.
  void Forget(const catalog::DatasetName& dataset) { tables_.erase(dataset); }

  // After this error of Run the commit may have been applied or not: what it would have made
  // visible must be kept until the catalog says.
  static bool OutcomeUnknown(const Error& error);

  // Deletes files whose grace is over. Failures are left for orphan removal.
  void DeleteExpired();

 private:
  struct Attempt {
    catalog::Commit commit;
    std::map<catalog::DatasetName, iceberg::TableMetadata> tables;
    std::vector<std::string> written;
    std::vector<std::string> unreachable;
  };
  Result<Attempt> Prepare(const CommitRequest& request, const std::string& commit_id);
  Result<catalog::CommitReceipt> ApplyKnown(const catalog::Commit& commit);
  enum class Swap : uint8_t { kDone, kLostRace };
  // Makes metadata without a new snapshot the table's, and what it lets go of doomed.
  Result<Swap> SwapMetadata(const catalog::DatasetName& dataset, const iceberg::TableMetadata& base,
                            iceberg::Prepared prepared, catalog::AuditRow audit);
  void Doom(std::vector<std::string> urls);
  Result<bool> IsFenced(const catalog::Commit& commit);
  void Accept(Attempt attempt);
  void DropDataFiles(const CommitRequest& request);

  const Workspace work_;
  const iceberg::ExpirePolicy policy_;
  const int64_t reader_grace_micros_;
  std::map<catalog::DatasetName, iceberg::TableMetadata> tables_;
  struct Doomed {
    int64_t due_micros;
    std::vector<std::string> urls;
  };
  std::deque<Doomed> doomed_;
};

}  // namespace tarn::lake
