#include "lake/maintenance.h"

#include "lake/test_many_commits.h"
#include "lake/test_table.h"

namespace tarn::lake {
namespace {

constexpr int64_t kPast = -48;

MaintenanceReport Expire(TestTable& table) {
  MaintenanceReport report;
  table.maintainer().Expire(Maintainer::Mode::kDo, report);
  return report;
}

MaintenanceReport RemoveOrphans(TestTable& table) {
  MaintenanceReport report;
  table.maintainer().RemoveOrphans(Maintainer::Mode::kDo, report);
  return report;
}

size_t Snapshots(TestTable& table) {
  return LoadTable(table.work(), table.name())->snapshots.size();
}

TEST(Maintainer, ExpiresSnapshotsOfATableNobodyCommitsTo) {
  TestTable table("expire");
  ASSERT_TRUE(table.Open().ok());
  const int64_t hour = table.ThisHour() + kPast;
  for (int64_t i = 0; i < 8; ++i) ASSERT_TRUE(table.Append(hour, i, 1).ok());
  ASSERT_EQ(table.Compact().compactions, 1);
  EXPECT_EQ(Expire(table).tables_expired, 0);
  EXPECT_EQ(Snapshots(table), 9U);
  table.clock().Advance(2 * kMicrosPerHour);
  EXPECT_EQ(Expire(table).tables_expired, 1);
  EXPECT_EQ(Snapshots(table), 3U);
  EXPECT_EQ(Expire(table).tables_expired, 0);
  table.clock().Advance(30 * kMicrosPerHour);
  EXPECT_EQ(Expire(table).tables_expired, 1);
  EXPECT_EQ(Snapshots(table), 1U);
  EXPECT_EQ(table.Rows(), TestTable::RowsTo(8));
}

TEST(Maintainer, DeletesExpiredFilesOnlyAfterTheReadersGrace) {
  TestTable table("grace");
  ASSERT_TRUE(table.Open().ok());
  const int64_t hour = table.ThisHour() + kPast;
  for (int64_t i = 0; i < 8; ++i) ASSERT_TRUE(table.Append(hour, i, 1).ok());
  ASSERT_EQ(table.Compact().compactions, 1);
  table.clock().Advance(30 * kMicrosPerHour);
  ASSERT_EQ(Expire(table).tables_expired, 1);
  EXPECT_EQ(table.Keys("/data/").size(), 9U);
  table.clock().Advance(TestTable::kGraceMicros - 1);
  Expire(table);
  EXPECT_EQ(table.Keys("/data/").size(), 9U);
  table.clock().Advance(1);
  Expire(table);
  EXPECT_EQ(table.Keys("/data/").size(), 1U);
  EXPECT_EQ(table.Rows(), TestTable::RowsTo(8));
}

TEST(Maintainer, RemovesWhatNobodyPointsToOnceItIsOld) {
  TestTable table("orphans");
  ASSERT_TRUE(table.Open().ok());
  ASSERT_TRUE(table.Append(table.ThisHour() + kPast, 0, 5).ok());
  ASSERT_TRUE(table.Write(table.ThisHour(), 5, 1).ok());  // never committed
  ASSERT_TRUE(table.store().Put("clean/web/metadata/left.avro", "x").ok());
  ASSERT_TRUE(table.store().Put("clean/web/json/kept.json.zst", "x").ok());
  ASSERT_TRUE(table.store().Put("clean/web2/data/other.parquet", "x").ok());
  table.clock().Advance(71 * kMicrosPerHour);
  EXPECT_EQ(RemoveOrphans(table).orphans, 0);
  table.clock().Advance(2 * kMicrosPerHour);
  MaintenanceReport dry;
  table.maintainer().RemoveOrphans(Maintainer::Mode::kDryRun, dry);
  EXPECT_EQ(dry.orphans, 2);
  EXPECT_EQ(dry.orphans_removed, 0);
  EXPECT_EQ(table.Keys("/data/").size(), 2U);
  EXPECT_EQ(RemoveOrphans(table).orphans_removed, 2);
  EXPECT_EQ(table.Keys("/data/").size(), 1U);
  EXPECT_EQ(table.Keys("/json/").size(), 1U);
  EXPECT_TRUE(table.store().Head("clean/web2/data/other.parquet").ok());
  EXPECT_EQ(table.Rows(), TestTable::RowsTo(5));
}

TEST(Maintainer, NothingIsAnOrphanForAClockThatWasSetForward) {
  TestTable table("jump");
  ASSERT_TRUE(table.Open().ok());
  ASSERT_TRUE(table.Append(table.ThisHour() + kPast, 0, 5).ok());
  EXPECT_EQ(RemoveOrphans(table).orphans, 0);             // the clock is known from here on
  ASSERT_TRUE(table.Write(table.ThisHour(), 5, 1).ok());  // about to be committed
  table.clock().JumpTo({table.clock().Now().micros + 400 * kMicrosPerDay});
  EXPECT_EQ(RemoveOrphans(table).orphans, 0);
  table.clock().Advance(71 * kMicrosPerHour);
  EXPECT_EQ(RemoveOrphans(table).orphans, 0);
  table.clock().Advance(2 * kMicrosPerHour);
  EXPECT_EQ(RemoveOrphans(table).orphans_removed, 1);
}

TEST(Maintainer, NightsThatTheMachineSleepsThroughKeepNoOrphans) {
  TestTable table("nights");
  ASSERT_TRUE(table.Open().ok());
  ASSERT_TRUE(table.Append(table.ThisHour() + kPast, 0, 5).ok());
  EXPECT_EQ(RemoveOrphans(table).orphans, 0);
  ASSERT_TRUE(table.Write(table.ThisHour(), 5, 1).ok());
  int64_t removed = 0;
  for (int night = 0; night < 4; ++night) {
    table.clock().Advance(14 * kMicrosPerHour);
    removed += RemoveOrphans(table).orphans_removed;
    table.clock().JumpTo({table.clock().Now().micros + 10 * kMicrosPerHour});
  }
  EXPECT_EQ(removed, 1);
}

TEST(Maintainer, AnOldFileThatExpiredJustNowIsLeftToItsReaders) {
  TestTable table("late_orphan");
  ASSERT_TRUE(table.Open().ok());
  const int64_t hour = table.ThisHour() + kPast;
  for (int64_t i = 0; i < 8; ++i) ASSERT_TRUE(table.Append(hour, i, 1).ok());
  table.clock().Advance(100 * kMicrosPerHour);
  ASSERT_EQ(table.Compact().compactions, 1);
  ASSERT_TRUE(table.committer().Expire(table.name(), {.max_age_ms = -1, .min_to_keep = 1}).ok());
  table.Close();  // a restart: nobody remembers what is to be deleted
  ASSERT_TRUE(table.Open().ok());
  EXPECT_EQ(RemoveOrphans(table).orphans_removed, 0);
  EXPECT_EQ(table.Keys("/data/").size(), 9U);
  // Another commit, so that the table does not count as quiet.
  table.clock().Advance(TestTable::kGraceMicros);
  ASSERT_TRUE(table.Append(hour, 8, 1).ok());
  EXPECT_GE(RemoveOrphans(table).orphans_removed, 8);
  EXPECT_EQ(table.Keys("/data/").size(), 2U);
  EXPECT_EQ(table.Rows(), TestTable::RowsTo(9));
}

TEST(Maintainer, TrimsOldRowsOfTheCatalogWithNobodyReadingEvents) {
  TestTable table("trim");
  ASSERT_TRUE(table.Open().ok());
  for (int64_t i = 0; i < 5; ++i) ASSERT_TRUE(table.Append(table.ThisHour(), i, 1).ok());
  MaintenanceReport report;
  table.maintainer().TrimCatalog(report);
  EXPECT_EQ(report.catalog_rows, 0);
  table.clock().Advance(40 * 24 * kMicrosPerHour);
  ASSERT_TRUE(table.Append(table.ThisHour(), 5, 1).ok());
  table.maintainer().TrimCatalog(report);
  EXPECT_EQ(report.failures, 0) << report.last_error;
  EXPECT_EQ(table.catalog().ReadEvents(0, 100)->size(), 1U);
  EXPECT_EQ(table.catalog().ListCommits(100)->size(), 1U);
}

TEST(Maintainer, OneTableThatCannotBeReadDoesNotHoldUpTheOthers) {
  TestTable table("broken");
  ASSERT_TRUE(table.Open().ok());
  TableSpec broken = table.spec();
  broken.name.table = "a_broken";
  const auto metadata = OpenOrCreateTable(table.work(), broken);
  ASSERT_TRUE(metadata.ok());
  ASSERT_TRUE(table.store().Delete(*table.store().KeyOf(metadata->metadata_location)).ok());
  for (int64_t i = 0; i < 8; ++i) {
    ASSERT_TRUE(table.Append(table.ThisHour() + kPast, i, 1).ok());
  }
  const MaintenanceReport report = table.Compact();
  EXPECT_EQ(report.failures, 1);
  EXPECT_NE(report.last_error.find("clean.a_broken"), std::string::npos);
  EXPECT_EQ(report.compactions, 1);
}

TEST(Maintainer, OneHourThatCannotBeReadDoesNotHoldUpTheOthers) {
  TestTable table("broken_hour");
  ASSERT_TRUE(table.Open().ok());
  for (int64_t i = 0; i < 8; ++i) {
    ASSERT_TRUE(table.Append(table.ThisHour() + kPast, i, 1).ok());
    ASSERT_TRUE(table.Append(table.ThisHour() + kPast + 1, 8 + i, 1).ok());
  }
  const auto plan = table.Plan();
  ASSERT_EQ(plan->groups.size(), 2U);
  const std::string key = *table.store().KeyOf(plan->groups[0].urls.front());
  const std::string bytes = *table.store().Get(key);
  ASSERT_TRUE(table.store().Put(key, "no parquet").ok());
  MaintenanceReport report = table.Compact();
  EXPECT_EQ(report.failures, 1);
  EXPECT_EQ(report.compactions, 1);
  ASSERT_TRUE(table.store().Put(key, bytes).ok());
  report = table.Compact();
  EXPECT_EQ(report.failures, 0) << report.last_error;
  EXPECT_EQ(report.compactions, 1);
  EXPECT_EQ(table.Rows(), TestTable::RowsTo(16));
}

TEST(Maintainer, DryRunSaysWhatWouldBeDoneAndDoesNothing) {
  TestTable table("dry");
  ASSERT_TRUE(table.Open().ok());
  for (int64_t i = 0; i < 8; ++i) {
    ASSERT_TRUE(table.Append(table.ThisHour() + kPast, i, 1).ok());
  }
  table.clock().Advance(30 * kMicrosPerHour);
  MaintenanceReport report;
  table.maintainer().Compact(Maintainer::Mode::kDryRun, report);
  table.maintainer().Expire(Maintainer::Mode::kDryRun, report);
  EXPECT_EQ(report.compactions, 1);
  EXPECT_EQ(report.files_rewritten, 8);
  EXPECT_EQ(report.tables_expired, 1);
  EXPECT_EQ(table.Keys("/data/").size(), 8U);
  EXPECT_EQ(Snapshots(table), 8U);
}

TEST(Maintainer, NothingGrowsWithTheNumberOfCommits) {
  TestTable table("commits_300");
  LandManyCommits(table, 300);
}

TEST(Maintenance, CompactsByItselfAndStops) {
  TestTable table("thread");
  ASSERT_TRUE(table.Open().ok());
  for (int64_t i = 0; i < 8; ++i) {
    ASSERT_TRUE(table.Append(table.ThisHour() + kPast, i, 1).ok());
  }
  const os::SystemClock clock;
  const Workspace& work = table.work();
  const Workspace live{work.store,     work.catalog, clock,       work.random,
                       work.manifests, work.log,     work.metrics};
  const auto maintenance = Maintenance::Start(live, table.store(), table.files(), table.Options(),
                                              {.look_micros = 10'000});
  os::Mutex mutex;
  os::ConditionVariable never;
  os::MutexLock lock(mutex);
  const int64_t deadline = clock.MonotonicMicros() + 30 * kMicrosPerSecond;
  while (table.catalog().ListRuns({.job = "compact"})->empty() &&
         clock.MonotonicMicros() < deadline) {
    never.WaitFor(mutex, 10'000);
  }
  maintenance->Stop();
  EXPECT_EQ(table.catalog().ListRuns({.job = "compact"})->size(), 1U);
  EXPECT_EQ(table.Rows(), TestTable::RowsTo(8));
}

}  // namespace
}  // namespace tarn::lake
