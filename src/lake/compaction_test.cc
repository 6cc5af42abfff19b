#include "lake/compaction.h"

#include <sys/wait.h>

#include "iceberg/scan.h"
#include "iceberg/schema_json.h"
#include "lake/test_table.h"
#include "os/thread.h"

namespace tarn::lake {
namespace {

using event::TypeKind;

// An hour that is closed in every test.
constexpr int64_t kPast = -48;

std::unique_ptr<sql::Engine> EngineOf(TestTable& table) {
  sql::EngineOptions options;
  options.threads = 1;
  options.temp_directory = table.root() + "/tmp";
  options.data_directories = {table.root() + "/lake"};
  auto engine = sql::Engine::Open(options, table.files());
  EXPECT_TRUE(engine.ok());
  return std::move(*engine);
}

std::vector<std::string> LiveFiles(TestTable& table) {
  const auto metadata = LoadTable(table.work(), table.name());
  EXPECT_TRUE(metadata.ok());
  const auto plan = iceberg::PlanFiles(table.store(), table.work().manifests, *metadata, {}, {});
  EXPECT_TRUE(plan.ok());
  std::vector<std::string> urls;
  for (const auto& file : plan->files) urls.push_back(file.file.path);
  return urls;
}

// A file that says row `position` of the data file `url` is deleted, as another engine writes it.
Result<iceberg::DataFile> WritePositionDelete(TestTable& table, const std::string& url,
                                              int64_t position, int64_t hour) {
  event::Schema columns;
  columns.fields = {{2'147'483'546, "file_path", {TypeKind::kString}, true, ""},
                    {2'147'483'545, "pos", {TypeKind::kLong}, true, ""}};
  event::ColumnBatch rows(columns);
  rows.column(0).AppendBytes(url);
  rows.column(1).AppendInt(position);
  const std::string key = TablePrefix(table.name()) + "/data/foreign-delete.parquet";
  TARN_ASSIGN_OR_RETURN(auto sink, table.store().OpenWriter(key));
  TARN_ASSIGN_OR_RETURN(const auto writer, parquet::FileWriter::Open(std::move(sink), columns, {}));
  TARN_TRY(writer->Write(rows));
  TARN_ASSIGN_OR_RETURN(const parquet::FileStats stats, writer->Finish());
  iceberg::DataFile file = DescribeFile(columns, stats, table.store().UrlOf(key));
  file.content = iceberg::FileContent::kPositionDeletes;
  file.partition = {iceberg::Value(hour)};
  file.referenced_data_file = url;
  return file;
}

TEST(CompactionPlan, TakesClosedHoursWithManySmallFiles) {
  TestTable table("plan");
  ASSERT_TRUE(table.Open().ok());
  const int64_t hour = table.ThisHour();
  for (int64_t i = 0; i < 8; ++i) {
    ASSERT_TRUE(table.Append(hour + kPast, i * 10, 10).ok());
    ASSERT_TRUE(table.Append(hour, 1'000 + i * 10, 10).ok());  // open
    if (i == 0) continue;
    ASSERT_TRUE(table.Append(hour + kPast + 1, 2'000 + i * 10, 10).ok());  // seven
  }
  auto plan = table.Plan();
  ASSERT_TRUE(plan.ok());
  ASSERT_EQ(plan->groups.size(), 1U);
  EXPECT_EQ(plan->groups[0].hour, hour + kPast);
  EXPECT_EQ(plan->groups[0].urls.size(), 8U);
  EXPECT_EQ(plan->groups[0].rows, 80);
  CompactionPolicy eager;
  eager.open_min_files = 8;
  EXPECT_EQ(table.Plan(eager)->groups.size(), 2U);
  table.clock().Advance(2 * kMicrosPerHour);  // and the open hour is over
  EXPECT_EQ(table.Plan()->groups.size(), 2U);
}

TEST(CompactionPlan, CutsAnHourIntoFilesOfTheTargetSize) {
  TestTable table("cut");
  ASSERT_TRUE(table.Open().ok());
  for (int64_t i = 0; i < 12; ++i) {
    ASSERT_TRUE(table.Append(table.ThisHour() + kPast, i * 10, 10).ok());
  }
  CompactionPolicy policy;
  policy.max_files = 5;
  auto plan = table.Plan(policy);
  ASSERT_EQ(plan->groups.size(), 3U);
  EXPECT_EQ(plan->groups[2].urls.size(), 2U);
  policy.max_files = 100;
  policy.target_bytes = plan->groups[2].bytes * 3 + 200;
  EXPECT_EQ(table.Plan(policy)->groups.size(), 2U);
  policy.small_bytes = 10;  // none is small
  EXPECT_EQ(table.Plan(policy)->groups.size(), 0U);
}

TEST(CompactionPlan, LeavesAFileAloneThatOutweighsTheOthers) {
  TestTable table("tiers");
  ASSERT_TRUE(table.Open().ok());
  const int64_t hour = table.ThisHour() + kPast;
  ASSERT_TRUE(table.Append(hour, 0, 20'000).ok());
  for (int64_t i = 0; i < 8; ++i) ASSERT_TRUE(table.Append(hour, 20'000 + i, 1).ok());
  const auto plan = table.Plan();
  ASSERT_EQ(plan->groups.size(), 1U);
  EXPECT_EQ(plan->groups[0].rows, 8);
}

TEST(Compactor, RewritesAnHourSortedByTime) {
  TestTable table("sorted");
  ASSERT_TRUE(table.Open().ok());
  const int64_t hour = table.ThisHour() + kPast;
  for (int64_t i = 0; i < 10; ++i) ASSERT_TRUE(table.Append(hour, i * 7, 7).ok());
  const MaintenanceReport report = table.Compact();
  EXPECT_EQ(report.compactions, 1);
  EXPECT_EQ(report.files_rewritten, 10);
  EXPECT_EQ(report.rows, 70);
  EXPECT_EQ(report.failures, 0) << report.last_error;
  EXPECT_EQ(LiveFiles(table).size(), 1U);
  EXPECT_EQ(table.Rows(), TestTable::RowsTo(70));
  EXPECT_EQ(table.Ask("SELECT count(*) FROM (SELECT time, lag(time) OVER () AS before "
                      "FROM clean.web) WHERE before > time"),
            "0");
  const auto metadata = LoadTable(table.work(), table.name());
  EXPECT_EQ(metadata->current_snapshot()->operation, "replace");
  EXPECT_EQ(metadata->current_snapshot()->summary.at("total-records"), "70");
  const auto runs = table.catalog().ListRuns({.job = "compact"});
  ASSERT_EQ(runs->size(), 1U);
  EXPECT_EQ(runs->front().inputs.size(), 1U);
  EXPECT_EQ(runs->front().outputs.front().snapshot_id, *metadata->current_snapshot_id);
  EXPECT_EQ(table.Compact().compactions, 0);
}

// A column of every kind our writer takes, named by its type.
event::Schema EveryKind() {
  event::Schema schema;
  const std::vector<event::Type> types = {
      {TypeKind::kTimestamptz}, {TypeKind::kBoolean}, {TypeKind::kInt},
      {TypeKind::kLong},        {TypeKind::kFloat},   {TypeKind::kDouble},
      {TypeKind::kDate},        {TypeKind::kTime},    {TypeKind::kTimestamp},
      {TypeKind::kString},      {TypeKind::kUuid},    {TypeKind::kFixed, 0, 0, 3, {}},
      {TypeKind::kBinary},
  };
  for (const event::Type& type : types) {
    const auto id = static_cast<int32_t>(schema.fields.size() + 1);
    schema.fields.push_back(
        {id, id == 1 ? "time" : "a \"" + event::TypeName(type) + "\"", type, false, ""});
  }
  return schema;
}

event::ColumnBatch RowsOfEveryKind(const event::Schema& schema, int64_t hour, int64_t seed) {
  event::ColumnBatch rows(schema);
  for (int64_t row = 0; row < 20; ++row) {
    for (size_t index = 0; index < schema.fields.size(); ++index) {
      event::Column& column = rows.column(index);
      const TypeKind kind = schema.fields[index].type.kind;
      const int64_t value = (seed * 31 + row) * (row % 2 == 0 ? 1 : -1);
      if (index > 0 && (row + static_cast<int64_t>(index)) % 5 == 0) {
        column.AppendNull();
      } else if (index == 0) {
        column.AppendInt(hour * kMicrosPerHour + (seed * 20 + row) * 1'000'001);
      } else if (kind == TypeKind::kBoolean) {
        column.AppendInt(row % 2);
      } else if (kind == TypeKind::kTime) {
        column.AppendInt(seed * 1'000 + row);
      } else if (column.is_double()) {
        column.AppendDouble(row == 1 ? -1e-30 : static_cast<double>(value) / 4);
      } else if (kind == TypeKind::kUuid) {
        column.AppendBytes(std::string(8, static_cast<char>(seed)) +
                           std::string(8, static_cast<char>(0xf0 + row % 10)));
      } else if (kind == TypeKind::kFixed) {
        column.AppendBytes({"\x00\xff!", 3});
      } else if (kind == TypeKind::kBinary) {
        column.AppendBytes(std::string("\0\xfe", 2) + std::to_string(value));
      } else if (kind == TypeKind::kString) {
        column.AppendBytes(row == 3 ? "" : "ünï " + std::string(row == 4 ? 9'000 : 1, 'x'));
      } else {
        column.AppendInt(kind == TypeKind::kLong ? value * 1'000'000'000'007 : value);
      }
    }
  }
  return rows;
}

TEST(Compactor, KeepsEveryValueOfEveryKind) {
  TestTable table("kinds");
  table.spec().schema = EveryKind();
  ASSERT_TRUE(table.Open().ok());
  const auto metadata = LoadTable(table.work(), table.name());
  ASSERT_TRUE(metadata.ok());
  const int64_t hour = table.ThisHour() + kPast;
  for (int64_t seed = 1; seed <= 9; ++seed) {
    DataFiles files(table.work());
    auto file = files.Write({table.name(), *metadata, metadata->schema()}, hour,
                            RowsOfEveryKind(metadata->schema(), hour, seed));
    ASSERT_TRUE(files.Publish().ok());
    ASSERT_TRUE(file.ok()) << file.error().ToString();
    ASSERT_TRUE(table.Commit({.operation = "append", .added = {*file}}).ok());
  }
  const std::string all =
      "SELECT list(row_of ORDER BY row_of)::VARCHAR FROM "
      "(SELECT web::VARCHAR AS row_of FROM clean.web)";
  const std::string before = table.Ask(all);
  EXPECT_GT(before.size(), 9'000U);
  const MaintenanceReport report = table.Compact();
  ASSERT_EQ(report.compactions, 1) << report.last_error;
  EXPECT_EQ(LiveFiles(table).size(), 1U);
  EXPECT_EQ(table.Ask(all), before);
}

TEST(Compactor, ColumnsAddedAndWidenedLaterAreRead) {
  TestTable table("evolved");
  table.spec().schema.fields.push_back({4, "size", {TypeKind::kInt}, false, ""});
  ASSERT_TRUE(table.Open().ok());
  const int64_t hour = table.ThisHour() + kPast;
  table.spec().schema.fields.pop_back();
  for (int64_t i = 0; i < 4; ++i) ASSERT_TRUE(table.Append(hour, i, 1).ok());
  event::Schema wanted = table.spec().schema;
  wanted.fields.push_back({4, "size", {TypeKind::kLong}, false, ""});
  wanted.fields.push_back({5, "agent", {TypeKind::kString}, false, ""});
  ASSERT_TRUE(table.committer().Evolve(table.name(), wanted).ok());
  for (int64_t i = 4; i < 8; ++i) ASSERT_TRUE(table.Append(hour, i, 1).ok());
  const MaintenanceReport report = table.Compact();
  ASSERT_EQ(report.compactions, 1) << report.last_error;
  EXPECT_EQ(table.Rows(), TestTable::RowsTo(8));
  EXPECT_EQ(table.Ask("SELECT count(agent) || ' ' || count(size) || ' ' || any_value(typeof(size)) "
                      "FROM clean.web"),
            "0 0 BIGINT");
}

TEST(Compactor, OvertakenByACommitThatTookAFileItChangesNothing) {
  TestTable table("overtaken");
  ASSERT_TRUE(table.Open().ok());
  const int64_t hour = table.ThisHour() + kPast;
  for (int64_t i = 0; i < 9; ++i) ASSERT_TRUE(table.Append(hour, i, 1).ok());
  const auto plan = table.Plan();
  ASSERT_EQ(plan->groups.size(), 1U);
  // A row goes, and another comes.
  auto file = table.Write(hour, 100, 1);
  ASSERT_TRUE(table
                  .Commit({.operation = "overwrite",
                           .added = {*file},
                           .removed_paths = {plan->groups[0].urls.back()}})
                  .ok());
  const std::string rows = table.Rows();
  const size_t files = table.Keys("/data/").size();
  const auto engine = EngineOf(table);
  Compactor compactor(table.work(), table.store(), *engine);
  const auto result = compactor.Compact(table.committer(), table.name(), plan->groups[0]);
  ASSERT_TRUE(result.ok()) << result.error().ToString();
  EXPECT_FALSE(result->done);
  EXPECT_EQ(table.Rows(), rows);
  EXPECT_EQ(table.Keys("/data/").size(), files);
}

TEST(Compactor, CommitsOnTopOfWhatLandedMeanwhile) {
  TestTable table("meanwhile");
  ASSERT_TRUE(table.Open().ok());
  const int64_t hour = table.ThisHour() + kPast;
  for (int64_t i = 0; i < 8; ++i) ASSERT_TRUE(table.Append(hour, i, 1).ok());
  const auto plan = table.Plan();
  Committer stale(table.work(), TestTable::expire(), 0);
  ASSERT_TRUE(stale.Table(table.name()).ok());
  ASSERT_TRUE(table.Append(hour, 8, 1).ok());
  const auto engine = EngineOf(table);
  Compactor compactor(table.work(), table.store(), *engine);
  const auto result = compactor.Compact(stale, table.name(), plan->groups[0]);
  ASSERT_TRUE(result.ok() && result->done);
  EXPECT_EQ(table.Rows(), TestTable::RowsTo(9));
  EXPECT_EQ(LiveFiles(table).size(), 2U);
}

TEST(Compactor, RefusesFilesThatDoNotHoldWhatTheirManifestCounts) {
  TestTable table("short");
  ASSERT_TRUE(table.Open().ok());
  for (int64_t i = 0; i < 8; ++i) {
    ASSERT_TRUE(table.Append(table.ThisHour() + kPast, i, 1).ok());
  }
  auto plan = table.Plan();
  ++plan->groups[0].rows;
  const size_t files = table.Keys("/data/").size();
  const auto engine = EngineOf(table);
  Compactor compactor(table.work(), table.store(), *engine);
  const auto result = compactor.Compact(table.committer(), table.name(), plan->groups[0]);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().code(), Code::kDataLoss);
  EXPECT_EQ(table.Keys("/data/").size(), files);
  compactor.Interrupt();
  EXPECT_EQ(compactor.Compact(table.committer(), table.name(), plan->groups[0]).error().code(),
            Code::kCancelled);
}

TEST(Compactor, LandingBesideItLosesAndDoublesNothing) {
  TestTable table("beside");
  ASSERT_TRUE(table.Open().ok());
  const int64_t hour = table.ThisHour() + kPast;
  constexpr int64_t kCommits = 120;
  std::atomic<bool> landed = false;
  Status status;
  os::Thread landing("landing", [&] {
    Committer committer(table.work(), TestTable::expire(), TestTable::kGraceMicros);
    for (int64_t i = 0; i < kCommits && status.ok(); ++i) {
      auto file = table.Write(hour + i % 3, i * 5, 5);
      if (!file.ok()) status = file.error();
      if (!file.ok()) break;
      CommitRequest request;
      request.tables.push_back({table.name(), {.operation = "append", .added = {*file}}});
      request.commit.audit = {.who = "test", .action = "commit", .object = "web"};
      const auto receipt = committer.Run(request);
      if (!receipt.ok()) status = receipt.error();
    }
    landed = true;
  });
  MaintenanceOptions options = table.Options();
  options.compaction.min_files = 3;
  Maintainer maintainer(table.work(), table.store(), table.files(), options);
  MaintenanceReport report;
  while (!landed) maintainer.Compact(Maintainer::Mode::kDo, report);
  landing.Join();
  ASSERT_TRUE(status.ok()) << status.error().ToString();
  MaintenanceReport last;  // the first one may have had all the compactions of a look
  maintainer.Compact(Maintainer::Mode::kDo, last);
  EXPECT_EQ(report.failures + last.failures, 0) << report.last_error << last.last_error;
  EXPECT_GE(report.compactions + last.compactions, 3);
  EXPECT_EQ(table.Rows(), TestTable::RowsTo(kCommits * 5));
  EXPECT_LT(LiveFiles(table).size(), 3U * 12);
}

// A store in which the power goes at one of its changes: before it, or right after it.
class CutStore final : public store::ObjectStore {
 public:
  CutStore(store::ObjectStore& store, int cut) : store_(store), cut_(cut) {}

  Status Put(const std::string& key, std::string_view bytes) override {
    Step();
    Status done = store_.Put(key, bytes);
    Step();
    return done;
  }
  Status PutIfAbsent(const std::string& key, std::string_view bytes) override {
    return store_.PutIfAbsent(key, bytes);
  }
  Result<std::unique_ptr<store::ObjectWriter>> OpenWriter(const std::string& key) override {
    TARN_ASSIGN_OR_RETURN(auto writer, store_.OpenWriter(key));
    return std::unique_ptr<store::ObjectWriter>(new Writer(*this, std::move(writer)));
  }
  Result<std::string> Get(const std::string& key) const override { return store_.Get(key); }
  Result<std::string> GetRange(const std::string& key, uint64_t offset,
                               size_t size) const override {
    return store_.GetRange(key, offset, size);
  }
  Result<store::ObjectInfo> Head(const std::string& key) const override { return store_.Head(key); }
  Result<std::vector<store::ObjectInfo>> List(const std::string& prefix) const override {
    return store_.List(prefix);
  }
  Status Delete(const std::string& key) override {
    Step();
    return store_.Delete(key);
  }
  const std::string& base_url() const override { return store_.base_url(); }

 private:
  class Writer final : public store::ObjectWriter {
   public:
    Writer(CutStore& store, std::unique_ptr<store::ObjectWriter> writer)
        : store_(store), writer_(std::move(writer)) {}
    Status Write(std::string_view bytes) override {
      store_.Step();
      return writer_->Write(bytes);
    }
    Status Finish() override {
      store_.Step();
      Status done = writer_->Finish();
      store_.Step();
      return done;
    }
    uint64_t written() const override { return writer_->written(); }

   private:
    CutStore& store_;
    std::unique_ptr<store::ObjectWriter> writer_;
  };
  void Step() {
    if (++steps_ == cut_) _exit(9);
  }

  store::ObjectStore& store_;
  const int cut_;
  int steps_ = 0;
};

// Compacts and expires in a process of its own that dies at the step. True if it did.
bool KilledAt(TestTable& table, int step) {
  table.Close();
  const pid_t child = fork();
  if (child == 0) {
    if (!table.Open().ok()) _exit(1);
    CutStore cut(table.store(), step);
    Maintainer maintainer(table.WorkOn(cut), table.store(), table.files(), table.Options());
    MaintenanceReport report;
    maintainer.Compact(Maintainer::Mode::kDo, report);
    table.clock().Advance(30 * kMicrosPerHour);
    maintainer.Expire(Maintainer::Mode::kDo, report);
    table.clock().Advance(TestTable::kGraceMicros);
    maintainer.Expire(Maintainer::Mode::kDo, report);
    _exit(report.failures == 0 ? 0 : 2);
  }
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_TRUE(WEXITSTATUS(status) == 9 || WEXITSTATUS(status) == 0) << WEXITSTATUS(status);
  EXPECT_TRUE(table.Open().ok());
  return WEXITSTATUS(status) == 9;
}

TEST(Compactor, KilledBetweenAnyTwoStepsLosesAndDoublesNothing) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "before a fork DuckDB's allocator takes more locks than the sanitizer counts";
#endif
  TestTable table("killed");
  ASSERT_TRUE(table.Open().ok());
  const int64_t hour = table.ThisHour() + kPast;
  int64_t rows = 0;
  const auto land = [&] {
    for (int i = 0; i < 8; ++i, ++rows) ASSERT_TRUE(table.Append(hour, rows, 1).ok());
  };
  land();
  int step = 1;
  while (step < 500 && KilledAt(table, step)) {
    ASSERT_EQ(table.Rows(), TestTable::RowsTo(rows)) << "step " << step;
    if (table.Plan()->groups.empty()) land();  // this time it had got through
    ++step;
  }
  EXPECT_GT(step, 20);
  EXPECT_LT(step, 500);
  ASSERT_EQ(table.Rows(), TestTable::RowsTo(rows));
  // What was left behind goes once it is old.
  MaintenanceReport report;
  table.clock().Advance(60 * kMicrosPerHour);
  table.maintainer().Expire(Maintainer::Mode::kDo, report);
  table.clock().Advance(80 * kMicrosPerHour);
  table.maintainer().RemoveOrphans(Maintainer::Mode::kDo, report);
  EXPECT_GT(report.orphans_removed, 0);
  EXPECT_EQ(report.failures, 0) << report.last_error;
  EXPECT_EQ(table.Rows(), TestTable::RowsTo(rows));
  EXPECT_EQ(table.Keys("/data/").size(), LiveFiles(table).size());
}

TEST(Compactor, RowsAnotherEngineDeletesMeanwhileDoNotComeBack) {
  TestTable table("foreign_delete");
  ASSERT_TRUE(table.Open().ok());
  const int64_t hour = table.ThisHour() + kPast;
  for (int64_t i = 0; i < 10; ++i) ASSERT_TRUE(table.Append(hour, 10 * i, 10).ok());
  const auto plan = table.Plan();
  ASSERT_TRUE(plan.ok());
  ASSERT_EQ(plan->groups.size(), 1U);
  // Between the plan and the swap.
  auto deletes = WritePositionDelete(table, plan->groups[0].urls[3], 4, hour);
  ASSERT_TRUE(deletes.ok()) << deletes.error().ToString();
  ASSERT_TRUE(table.Commit({.operation = "overwrite", .added = {*std::move(deletes)}}).ok());
  const auto before = LiveFiles(table);
  const auto engine = EngineOf(table);
  Compactor compactor(table.work(), table.store(), *engine);
  const auto overtaken = compactor.Compact(table.committer(), table.name(), plan->groups[0]);
  ASSERT_TRUE(overtaken.ok()) << overtaken.error().ToString();
  EXPECT_FALSE(overtaken->done);
  EXPECT_EQ(LiveFiles(table), before);
  // The next plan leaves that file alone and takes the others.
  const auto again = table.Plan();
  ASSERT_EQ(again->groups.size(), 1U);
  EXPECT_EQ(again->left_alone, 1);
  EXPECT_EQ(again->groups[0].urls.size(), 9U);
  const auto compacted = compactor.Compact(table.committer(), table.name(), again->groups[0]);
  ASSERT_TRUE(compacted.ok()) << compacted.error().ToString();
  EXPECT_TRUE(compacted->done);
}

}  // namespace
}  // namespace tarn::lake
