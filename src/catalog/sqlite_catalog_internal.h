#pragma once

#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "catalog/catalog.h"
#include "catalog/commit_check.h"
#include "catalog/sqlite_catalog.h"
#include "catalog/sqlite_db_internal.h"
#include "os/mutex.h"

namespace tarn::catalog {

inline constexpr int kSchemaVersion = 2;
inline constexpr int64_t kApplicationId = 0x5441524e;  // "TARN", in the SQLite header

// The catalog's siblings: its write-ahead log, and the file of OpenMarker.
inline std::string LogPath(const std::string& path) { return path + "-wal"; }
inline std::string MarkerPath(const std::string& path) { return path + "-open"; }

// Brings the schema to kSchemaVersion. The version is not above it.
Status MigrateSchema(SqliteDb& db);

// The open file "path-open": it is there while a process may have commits in the log alone.
struct OpenMarker {
  os::FileSystem& file_system;
  std::string path;
  std::unique_ptr<os::FileLock> lock;  // null: another process owns it
};

// A file as it was when it was opened; another one may lie at its path since.
struct OpenedFile {
  std::string path;
  os::FileInfo info;
};

// Watermarks age by the time the catalog is in use: the wall clock may jump, and goes on while
// nobody can send. `life` counts that time, and runs with the wall clock until one of these happens
// (docs/formats/catalog.md).
struct LifeClock {
  int64_t wall_micros = 0;  // when it was looked at
  int64_t life_micros = 0;  // what it was then
  int64_t behind_micros() const { return wall_micros - life_micros; }
};

// The mutexes guard the connections, which SQLite does not let two threads use at once; they are
// therefore held over the I/O of one transaction, and over no callback of others.
class SqliteCatalog final : public Catalog {
 public:
  struct Parts {
    std::unique_ptr<SqliteDb> write;  // null: read-only
    std::unique_ptr<SqliteDb> read;
    std::unique_ptr<OpenMarker> marker;  // null: read-only
    std::vector<OpenedFile> files;       // what commits go to; none: read-only
  };
  SqliteCatalog(Parts parts, const os::Clock& clock, os::Random& random,
                int64_t watermark_keep_micros);
  ~SqliteCatalog() override;

  Result<CommitReceipt> Apply(const Commit& commit) override;
  Result<std::optional<CommitReceipt>> FindCommit(const std::string& commit_id) override;
  Result<std::vector<CommitReceipt>> ListCommits(size_t limit) override;

  Result<Dataset> CreateDataset(const DatasetSpec& spec, const Actor& who) override;
  Result<Dataset> GetDataset(const DatasetName& name) override;
  Result<std::vector<Dataset>> ListDatasets(std::optional<Zone> zone) override;
  Result<Dataset> UpdateDataset(const DatasetName& name, const DatasetChange& change,
                                const Actor& who) override;
  Result<Dataset> SetTags(const DatasetName& name, const std::vector<TagChange>& changes,
                          const Actor& who) override;
  Result<std::vector<TaggedDataset>> ListTags(const std::string& key) override;
  Status DropDataset(const DatasetName& name, const Actor& who) override;

  Result<Fence> AcquireFence(const std::string& pipeline, const std::string& holder,
                             int64_t ttl_micros, Acquire mode) override;
  Result<Fence> RenewFence(const std::string& pipeline, FencingToken token,
                           int64_t ttl_micros) override;
  Status ReleaseFence(const std::string& pipeline, FencingToken token) override;
  Result<std::string> GetPosition(const std::string& pipeline) override;
  Result<std::vector<PipelineState>> ListPipelines() override;
  Result<std::optional<Watermark>> GetWatermark(const WatermarkKey& key) override;
  Result<std::vector<Watermark>> ListWatermarks(const std::string& source) override;

  Status RecordRun(const LineageRun& run) override;
  Result<std::vector<LineageRun>> ListRuns(const RunFilter& filter) override;
  Result<std::optional<LineageRun>> LastSuccessfulRun(const std::string& job) override;

  Result<std::vector<DatasetEvent>> ReadEvents(int64_t after_id, size_t limit) override;
  Status RegisterConsumer(const std::string& consumer) override;
  Result<int64_t> GetConsumerPosition(const std::string& consumer) override;
  Status AdvanceConsumer(const std::string& consumer, int64_t event_id) override;
  Status DropConsumer(const std::string& consumer) override;
  Result<std::vector<ConsumerState>> ListConsumers() override;

  Result<std::vector<ReplayMark>> ListReplays(const DatasetName& dataset) override;

  Status PutUser(const User& user, const Actor& who) override;
  Result<User> GetUser(const std::string& name) override;
  Result<std::vector<User>> ListUsers() override;
  Status DropUser(const std::string& name, const Actor& who) override;
  Status PutKey(const AccessKey& key, const Actor& who) override;
  Result<AccessKey> GetKey(const std::string& key_id) override;
  Result<std::vector<AccessKey>> ListKeys() override;
  Status DropKey(const std::string& key_id, const Actor& who) override;

  Result<std::optional<std::string>> GetSetting(const std::string& key) override;
  Status SetSetting(const std::string& key, const std::string& value, const Actor& who) override;
  Status Audit(const AuditRow& row) override;
  Result<std::vector<AuditRow>> ListAudit(const AuditFilter& filter) override;
  Result<CatalogSummary> Summary() override;
  Result<int64_t> Trim(const TrimPolicy& policy) override;

  // Of this process; done once, before anything else is asked of a catalog open for writing.
  Status StartLifeClock();

 private:
  // Runs `command` in one transaction of the writing connection; an error rolls back.
  template <typename Command>
  std::invoke_result_t<Command, SqliteDb&> Write(Command command) {
    const os::MutexLock lock(write_mutex_);
    if (parts_.write == nullptr) {
      return PermissionDenied(parts_.read->path() + " is open for reading only");
    }
    TARN_TRY(RequireInPlace());
    return Transact(*parts_.write, SqlTransaction::Kind::kWrite, std::move(command));
  }
  // Runs `query` on one snapshot.
  template <typename Query>
  std::invoke_result_t<Query, SqliteDb&> Read(Query query) {
    const os::MutexLock lock(read_mutex_);
    return Transact(*parts_.read, SqlTransaction::Kind::kRead, std::move(query));
  }
  template <typename Command>
  static std::invoke_result_t<Command, SqliteDb&> Transact(SqliteDb& db, SqlTransaction::Kind kind,
                                                           Command command) {
    TARN_ASSIGN_OR_RETURN(auto transaction, SqlTransaction::Begin(db, kind));
    auto result = command(db);
    if (!result.ok()) return result;
    TARN_TRY(transaction.Commit());
    return result;
  }

  // DataLoss if what would be written to are not the files at their paths any more.
  Status RequireInPlace() const;
  Status AddAudit(SqliteDb& db, const AuditRow& row);
  Status ApplyEffects(SqliteDb& db, const Commit& commit, CommitReceipt& receipt);
  Status ApplySwaps(SqliteDb& db, const Commit& commit, Timestamp now);
  Status ApplyWatermarks(SqliteDb& db, const Commit& commit);
  // Looks at the life clock, and keeps what it says if that is news.
  Result<LifeClock> Age(SqliteDb& db);
  Status ApplyEvents(SqliteDb& db, const Commit& commit, CommitReceipt& receipt);

  os::Mutex write_mutex_;
  os::Mutex read_mutex_;
  Parts parts_;
  const os::Clock& clock_;
  os::Random& random_;
  const int64_t watermark_keep_micros_;

  struct LifeStart {
    int64_t monotonic_micros = 0;
    int64_t life_micros = 0;
  };
  std::optional<LifeStart> life_start_;  // of this process; used within Write
};

// Shared between the files of this implementation.
// DataLoss if a position or a watermark is not what was written: a changed value that SQLite takes
// for sound, but lines would be lost or doubled for.
Status CheckProgress(SqliteDb& db);
Result<std::optional<CommitReceipt>> LoadReceipt(SqliteDb& db, const std::string& commit_id);
Status StoreRun(SqliteDb& db, const LineageRun& run);
Result<std::optional<Dataset>> LoadDataset(SqliteDb& db, const DatasetName& name);
std::string StringsToJson(const std::vector<std::string>& strings);
std::vector<std::string> StringsFromJson(const std::string& json);

// A LIMIT for SQL.
inline int64_t SqlLimit(size_t limit) {
  return static_cast<int64_t>(std::min<size_t>(limit, 1'000'000));
}
// A dataset's name out of our own rows; a broken one reads as a name that no one can create.
DatasetName StoredName(const std::string& text);

}  // namespace tarn::catalog
