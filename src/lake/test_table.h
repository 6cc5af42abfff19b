#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>

#include "catalog/sqlite_catalog.h"
#include "lake/committer.h"
#include "lake/data_files.h"
#include "lake/maintenance.h"
#include "lake/table.h"
#include "lake/table_resolver.h"
#include "lake/test_ask.h"
#include "os/posix_file_system.h"
#include "sql/engine.h"
#include "store/local_store.h"

namespace tarn::lake {

// For tests: one table with tiny rows in a store and a catalog of its own, by a clock that moves
// when told and starts at the machine's time, which the files' ages are measured by.
class TestTable {
 public:
  explicit TestTable(const std::string& name)
      : root_(testing::TempDir() + "tarn_table_" + name + "_" + std::to_string(getpid())),
        log_(clock_, STDERR_FILENO, obs::LogFormat::kText, obs::Level::kError) {
    EXPECT_TRUE(files_.RemoveRecursively(root_).ok());
    EXPECT_TRUE(files_.CreateDirectories(root_).ok());
    spec_.name = {catalog::Zone::kClean, "web"};
    spec_.schema.fields = {{1, "id", {event::TypeKind::kLong}, true, ""},
                           {2, "time", {event::TypeKind::kTimestamptz}, false, ""},
                           {3, "text", {event::TypeKind::kString}, false, ""}};
    spec_.partition_column = "time";
  }
  ~TestTable() {
    Close();
    EXPECT_TRUE(files_.RemoveRecursively(root_).ok());
  }

  Status Open() {
    TARN_ASSIGN_OR_RETURN(store_, store::LocalStore::Open(files_, random_, root_ + "/lake"));
    catalog::SqliteOptions sqlite;
    sqlite.path = root_ + "/catalog.db";
    TARN_ASSIGN_OR_RETURN(catalog_, catalog::OpenSqliteCatalog(sqlite, {files_, clock_, random_}));
    work_ = std::make_unique<Workspace>(WorkOn(*store_));
    committer_ = std::make_unique<Committer>(*work_, expire(), kGraceMicros);
    TARN_TRY(OpenOrCreateTable(*work_, spec_));
    return {};
  }
  void Close() {
    maintainer_.reset();
    committer_.reset();
    work_.reset();
    catalog_.reset();
    store_.reset();
  }

  static constexpr int64_t kGraceMicros = 600 * kMicrosPerSecond;
  static iceberg::ExpirePolicy expire() { return {.max_age_ms = 3'600'000, .min_to_keep = 3}; }
  const catalog::DatasetName& name() const { return spec_.name; }
  TableSpec& spec() { return spec_; }
  const std::string& root() const { return root_; }
  os::FakeClock& clock() { return clock_; }
  os::PosixFileSystem& files() { return files_; }
  store::LocalStore& store() { return *store_; }
  catalog::Catalog& catalog() { return *catalog_; }
  Committer& committer() { return *committer_; }
  const Workspace& work() const { return *work_; }
  Workspace WorkOn(store::ObjectStore& store) {
    return {store, *catalog_, clock_, random_, manifests_, log_, metrics_};
  }
  int64_t ThisHour() const { return FloorDiv(clock_.Now().micros, kMicrosPerHour); }

  MaintenanceOptions Options() const {
    MaintenanceOptions options;
    options.expire = expire();
    options.reader_grace_micros = kGraceMicros;
    options.temp_directory = root_ + "/tmp";
    options.data_directory = root_ + "/lake";
    return options;
  }
  Maintainer& maintainer() {
    if (maintainer_ == nullptr) {
      maintainer_ = std::make_unique<Maintainer>(*work_, *store_, files_, Options());
    }
    return *maintainer_;
  }
  MaintenanceReport Compact() {
    MaintenanceReport report;
    maintainer().Compact(Maintainer::Mode::kDo, report);
    return report;
  }

  // Rows first … first + count - 1, one a second from the start of the hour, latest first, in a
  // file of their own, not yet committed.
  Result<iceberg::DataFile> Write(int64_t hour, int64_t first, int64_t count) {
    TARN_ASSIGN_OR_RETURN(const auto table, LoadTable(*work_, spec_.name));
    const event::Schema columns = WithIdsOf(table, spec_.schema);
    event::ColumnBatch rows(columns);
    for (int64_t id = first + count - 1; id >= first; --id) {
      rows.column(0).AppendInt(id);
      rows.column(1).AppendInt(hour * kMicrosPerHour + (id % 3'600) * kMicrosPerSecond);
      rows.column(2).AppendBytes("row " + std::to_string(id));
    }
    DataFiles files(*work_);
    auto file = files.Write({spec_.name, table, columns}, hour, rows);
    TARN_TRY(files.Publish());
    return file;
  }
  Status Append(int64_t hour, int64_t first, int64_t count) {
    TARN_ASSIGN_OR_RETURN(auto file, Write(hour, first, count));
    return Commit({.operation = "append", .added = {std::move(file)}});
  }
  Status Commit(iceberg::SnapshotChange change) {
    CommitRequest request;
    request.tables.push_back({spec_.name, std::move(change)});
    request.commit.audit = {.who = "test", .action = "commit", .object = "web"};
    TARN_TRY(committer_->Run(request));
    return {};
  }

  Result<CompactionPlan> Plan(const CompactionPolicy& policy = {}) {
    TARN_ASSIGN_OR_RETURN(const auto table, LoadTable(*work_, spec_.name));
    return PlanCompaction(*work_, table, policy);
  }
  std::vector<std::string> Keys(const std::string& folder) {
    std::vector<std::string> keys;
    const auto objects = store_->List(TablePrefix(spec_.name) + folder);
    EXPECT_TRUE(objects.ok());
    for (const auto& object : *objects) keys.push_back(object.key);
    return keys;
  }

  // The first column of the first row, as text.
  std::string Ask(const std::string& statement) {
    LakeResolver tables(*store_, *catalog_, manifests_);
    return AskTables(root_ + "/lake", files_, tables, statement);
  }
  // "rows distinct sum": what a reader sees of `id`.
  std::string Rows() {
    return Ask(
        "SELECT count(*) || ' ' || count(DISTINCT id) || ' ' || coalesce(sum(id), 0) "
        "FROM clean.web");
  }
  // The same, of rows 0 … count - 1.
  static std::string RowsTo(int64_t count) {
    return std::to_string(count) + " " + std::to_string(count) + " " +
           std::to_string(count * (count - 1) / 2);
  }

 private:
  const std::string root_;
  TableSpec spec_;
  os::PosixFileSystem files_;
  os::FakeClock clock_{os::SystemClock().Now()};
  os::SystemRandom random_;
  obs::Logger log_;
  obs::Registry metrics_;
  iceberg::ManifestCache manifests_;
  std::unique_ptr<store::LocalStore> store_;
  std::unique_ptr<catalog::Catalog> catalog_;
  std::unique_ptr<Workspace> work_;
  std::unique_ptr<Committer> committer_;
  std::unique_ptr<Maintainer> maintainer_;
};

}  // namespace tarn::lake
