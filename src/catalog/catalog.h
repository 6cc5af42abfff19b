#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "catalog/access.h"
#include "catalog/commit.h"
#include "catalog/dataset.h"

namespace tarn::catalog {

// Who does it; written into the audit rows.
struct Actor {
  std::string name;
};

struct Fence {
  std::string pipeline;
  FencingToken token;
  std::string holder;
  Timestamp expires;
};

enum class Acquire : uint8_t {
  kTake,         // whoever holds it is fenced off; for the one server of an embedded catalog
  kWhenExpired,  // Conflict while another holder's lease runs; for several nodes
};

struct PipelineState {
  std::string pipeline;
  std::string position;
  FencingToken token;
  std::string holder;
  Timestamp lease_expires;
  std::string last_commit_id;  // empty: none yet
  Timestamp last_commit;
};

struct ConsumerState {
  std::string consumer;
  int64_t position = 0;  // events up to this id are done
  int64_t behind = 0;    // events waiting
  Timestamp updated;
};

struct RunFilter {
  std::optional<DatasetName> dataset;  // read or made it
  std::string job;                     // empty: any
  size_t limit = 100;
};

struct AuditFilter {
  std::string who;     // empty: any
  std::string object;  // empty: any
  size_t limit = 100;
};

// The first screen of `tarn status`.
struct CatalogSummary {
  std::string project_id;
  std::string created_by;  // version of the Tarn that made it
  int schema_version = 0;
  int64_t datasets = 0;
  int64_t commits = 0;
  std::optional<Timestamp> last_commit;
  int64_t watermarks = 0;
  int64_t events_waiting = 0;  // not yet passed by every consumer
  int64_t file_bytes = 0;
};

// Rows older than these are removed by Trim; nullopt keeps them. Undelivered events, the newest
// receipt of each pipeline and the newest run of each job always stay.
struct TrimPolicy {
  std::optional<Timestamp> receipts_before;
  std::optional<Timestamp> events_before;
  std::optional<Timestamp> runs_before;
  std::optional<Timestamp> audit_before;
  std::optional<Timestamp> watermarks_before;
};

// Where datasets, their pointers, positions, tags, lineage, users and audit live. Every change is a
// command: checked against the state and applied in one durable transaction, so that after a crash
// the state is before or after it. Commands of several processes on one catalog are serialised.
//
// Thread-safe. Errors of every call: Unavailable (another process kept it locked for as long as a
// call waits; nothing was changed), ResourceExhausted (disk full; nothing was changed), DataLoss
// (damaged), Io, PermissionDenied (a change through a catalog opened read-only). After Io from
// Apply the outcome is unknown: ask FindCommit, or Apply the same commit again.
//
// Does not read or write data files, and deletes none.
class Catalog {
 public:
  virtual ~Catalog() = default;

  // ---- the one commit
  virtual Result<CommitReceipt> Apply(const Commit& commit) = 0;  // errors: see CheckCommit
  virtual Result<std::optional<CommitReceipt>> FindCommit(const std::string& commit_id) = 0;
  virtual Result<std::vector<CommitReceipt>> ListCommits(size_t limit) = 0;  // newest first

  // ---- datasets
  // Answers the dataset as it now is. If it exists with the same kind, location and source (and
  // table uuid, if one is given) nothing changes and it is answered; else AlreadyExists.
  virtual Result<Dataset> CreateDataset(const DatasetSpec& spec, const Actor& who) = 0;
  virtual Result<Dataset> GetDataset(const DatasetName& name) = 0;                  // NotFound
  virtual Result<std::vector<Dataset>> ListDatasets(std::optional<Zone> zone) = 0;  // sorted
  virtual Result<Dataset> UpdateDataset(const DatasetName& name, const DatasetChange& change,
                                        const Actor& who) = 0;
  virtual Result<Dataset> SetTags(const DatasetName& name, const std::vector<TagChange>& changes,
                                  const Actor& who) = 0;
  virtual Result<std::vector<TaggedDataset>> ListTags(const std::string& key) = 0;
  // Forgets the dataset, its tags and replay marks; lineage, events and audit stay. NotFound.
  virtual Status DropDataset(const DatasetName& name, const Actor& who) = 0;

  // ---- pipelines
  // A token greater than any before. `ttl_micros` is how long others who wait stay away.
  virtual Result<Fence> AcquireFence(const std::string& pipeline, const std::string& holder,
                                     int64_t ttl_micros, Acquire mode) = 0;
  // Conflict if the token is no longer the newest.
  virtual Result<Fence> RenewFence(const std::string& pipeline, FencingToken token,
                                   int64_t ttl_micros) = 0;
  virtual Status ReleaseFence(const std::string& pipeline, FencingToken token) = 0;
  virtual Result<std::string> GetPosition(const std::string& pipeline) = 0;  // empty: none
  virtual Result<std::vector<PipelineState>> ListPipelines() = 0;            // sorted
  virtual Result<std::optional<Watermark>> GetWatermark(const WatermarkKey& key) = 0;
  virtual Result<std::vector<Watermark>> ListWatermarks(const std::string& source) = 0;  // sorted

  // ---- lineage
  // Outside a commit: a run that started, or that failed. A run of that id is replaced.
  virtual Status RecordRun(const LineageRun& run) = 0;
  virtual Result<std::vector<LineageRun>> ListRuns(const RunFilter& filter) = 0;  // newest first
  virtual Result<std::optional<LineageRun>> LastSuccessfulRun(const std::string& job) = 0;

  // ---- events
  virtual Result<std::vector<DatasetEvent>> ReadEvents(int64_t after_id, size_t limit) = 0;
  // Starts at 0 (everything kept); fine if it exists.
  virtual Status RegisterConsumer(const std::string& consumer) = 0;
  virtual Result<int64_t> GetConsumerPosition(const std::string& consumer) = 0;  // NotFound
  // Forwards only: Conflict for going back, InvalidArgument past the last event.
  virtual Status AdvanceConsumer(const std::string& consumer, int64_t event_id) = 0;
  virtual Status DropConsumer(const std::string& consumer) = 0;  // fine if it is gone
  virtual Result<std::vector<ConsumerState>> ListConsumers() = 0;

  // ---- quarantine
  virtual Result<std::vector<ReplayMark>> ListReplays(const DatasetName& dataset) = 0;

  // ---- people and keys (auth decides what they mean)
  virtual Status PutUser(const User& user, const Actor& who) = 0;  // creates or replaces
  virtual Result<User> GetUser(const std::string& name) = 0;       // NotFound
  virtual Result<std::vector<User>> ListUsers() = 0;
  virtual Status DropUser(const std::string& name, const Actor& who) = 0;  // with their keys
  virtual Status PutKey(const AccessKey& key, const Actor& who) = 0;
  virtual Result<AccessKey> GetKey(const std::string& key_id) = 0;  // NotFound
  virtual Result<std::vector<AccessKey>> ListKeys() = 0;
  virtual Status DropKey(const std::string& key_id, const Actor& who) = 0;

  // ---- settings, audit, upkeep
  virtual Result<std::optional<std::string>> GetSetting(const std::string& key) = 0;
  virtual Status SetSetting(const std::string& key, const std::string& value, const Actor& who) = 0;
  virtual Status Audit(const AuditRow& row) = 0;
  virtual Result<std::vector<AuditRow>> ListAudit(const AuditFilter& filter) = 0;  // newest first
  virtual Result<CatalogSummary> Summary() = 0;
  // Removes old rows, in bounded transactions; answers how many.
  virtual Result<int64_t> Trim(const TrimPolicy& policy) = 0;
};

}  // namespace tarn::catalog
