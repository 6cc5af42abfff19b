#pragma once

#include "base/text.h"
#include "iceberg/scan.h"
#include "lake/test_table.h"

namespace tarn::lake {

// Bounds that hold whatever the number of commits: an hour has 180 of them.
inline constexpr uint64_t kMaxMetadataPerCommit = 600'000;
inline constexpr int64_t kMaxOpenFiles = 150;
inline constexpr int64_t kMaxFilesAnHour = 12;
inline constexpr int64_t kMaxManifests = 100;  // more are merged

// What a query of one hour costs. What it opens is the same on every machine; the time is for the
// log of the run.
struct HourQuery {
  int64_t manifests = 0;
  int64_t files = 0;
  int64_t micros = 0;
};

// Of the hour before this one: closed, and with late rows of the hours behind it.
inline HourQuery QueryAnHour(TestTable& table) {
  const int64_t begin = (table.ThisHour() - 1) * kMicrosPerHour;
  const int64_t end = begin + kMicrosPerHour;
  const auto metadata = LoadTable(table.work(), table.name());
  EXPECT_TRUE(metadata.ok());
  using iceberg::Op;
  const auto plan =
      iceberg::PlanFiles(table.store(), table.work().manifests, *metadata, {},
                         {{{.column = "time", .op = Op::kGreaterOrEqual, .values = {begin}},
                           {.column = "time", .op = Op::kLess, .values = {end}}}});
  EXPECT_TRUE(plan.ok());
  const std::string statement = "SELECT count(*) FROM clean.web WHERE time >= make_timestamptz(" +
                                std::to_string(begin) + ") AND time < make_timestamptz(" +
                                std::to_string(end) + ") AND text LIKE 'row %'";
  const os::SystemClock clock;
  int64_t least_micros = INT64_MAX;  // of a few: the machine has other work
  for (int tries = 0; tries < 3; ++tries) {
    const int64_t started = clock.MonotonicMicros();
    const std::string rows = table.Ask(statement);
    least_micros = std::min(least_micros, clock.MonotonicMicros() - started);
    EXPECT_GT(ParseInt64(rows).value_or(0), 0) << rows;
  }
  return {plan->manifests_read, static_cast<int64_t>(plan->files.size()), least_micros};
}

// Queries as the commits go by.
class HourQueries {
 public:
  void Ask(TestTable& table, int64_t commits) {
    last_ = QueryAnHour(table);
    last_commits_ = commits;
    if (commits == kFirstCommits) first_ = last_;
    most_manifests_ = std::max(most_manifests_, last_.manifests);
    most_files_ = std::max(most_files_, last_.files);
  }

  void ExpectBounded() const {
    EXPECT_LT(most_manifests_, kMaxManifests);
    EXPECT_LT(most_files_, kMaxOpenFiles);
    Print(kFirstCommits, first_);
    Print(last_commits_, last_);
    std::printf("at most %lld manifests and %lld files\n", static_cast<long long>(most_manifests_),
                static_cast<long long>(most_files_));
  }

 private:
  static constexpr int64_t kFirstCommits = 100;

  static void Print(int64_t commits, const HourQuery& query) {
    std::printf("a query of an hour after %lld commits: %lld manifests, %lld files, %lld ms\n",
                static_cast<long long>(commits), static_cast<long long>(query.manifests),
                static_cast<long long>(query.files), static_cast<long long>(query.micros / 1'000));
  }

  HourQuery first_;
  HourQuery last_;
  int64_t last_commits_ = 0;
  int64_t most_manifests_ = 0;
  int64_t most_files_ = 0;
};

// For tests: lands `commits` small commits twenty seconds apart, a few rows late in each, with the
// maintenance a server would do, and checks that nothing grows with their number.
inline void LandManyCommits(TestTable& table, int64_t commits) {
  ASSERT_TRUE(table.Open().ok());
  constexpr int64_t kStep = 20 * kMicrosPerSecond;
  uint64_t most_metadata = 0;
  HourQueries queries;
  for (int64_t i = 0; i < commits; ++i) {
    table.clock().Advance(kStep);
    const int64_t hour = table.ThisHour();
    auto file = table.Write(hour, i * 2, 1);
    auto late = table.Write(hour - 1 - i % 3, i * 2 + 1, 1);
    ASSERT_TRUE(file.ok() && late.ok());
    ASSERT_TRUE(table.Commit({.operation = "append", .added = {*file, *late}}).ok());
    MaintenanceReport report;
    if (i % 3 == 2) table.maintainer().Compact(Maintainer::Mode::kDo, report);
    if (i % 3 == 2) table.maintainer().Expire(Maintainer::Mode::kDo, report);
    if (i % 180 == 179) table.maintainer().RemoveOrphans(Maintainer::Mode::kDo, report);
    ASSERT_EQ(report.failures, 0) << report.last_error;
    table.committer().Forget(table.name());
    if (i % 50 != 49) continue;
    queries.Ask(table, i + 1);
    const auto metadata = LoadTable(table.work(), table.name());
    ASSERT_TRUE(metadata.ok());
    const iceberg::Snapshot& snapshot = *metadata->current_snapshot();
    uint64_t bytes = table.store().Head(*table.store().KeyOf(metadata->metadata_location))->size;
    bytes += table.store().Head(*table.store().KeyOf(snapshot.manifest_list))->size;
    const auto manifests = table.work().manifests.List(table.store(), snapshot);
    ASSERT_TRUE(manifests.ok());
    for (const auto& manifest : **manifests) {
      if (manifest.added_snapshot_id == snapshot.id) {
        bytes += static_cast<uint64_t>(manifest.length);
      }
    }
    most_metadata = std::max(most_metadata, bytes);
    const auto plan = iceberg::PlanFiles(table.store(), table.work().manifests, *metadata, {}, {});
    ASSERT_TRUE(plan.ok());
    const int64_t hours = 4 + (i * kStep) / kMicrosPerHour;
    ASSERT_LT(static_cast<int64_t>(plan->files.size()), kMaxOpenFiles + kMaxFilesAnHour * hours);
    ASSERT_LT(metadata->snapshots.size(), 400U);
  }
  EXPECT_LT(most_metadata, kMaxMetadataPerCommit);
  queries.ExpectBounded();
  EXPECT_EQ(table.Rows(), TestTable::RowsTo(commits * 2));
  // Once all hours are closed and their old files gone.
  table.clock().Advance(30 * kMicrosPerHour);
  MaintenanceReport report;
  for (int round = 0; round < 4; ++round) {
    table.maintainer().Compact(Maintainer::Mode::kDo, report);
    table.maintainer().Expire(Maintainer::Mode::kDo, report);
    table.clock().Advance(30 * kMicrosPerHour);
  }
  table.maintainer().Expire(Maintainer::Mode::kDo, report);
  table.maintainer().RemoveOrphans(Maintainer::Mode::kDo, report);
  table.clock().Advance(TestTable::kGraceMicros);
  table.maintainer().RemoveOrphans(Maintainer::Mode::kDo, report);
  EXPECT_EQ(report.failures, 0) << report.last_error;
  const auto plan = table.Plan();
  const int64_t hours = 5 + (commits * kStep) / kMicrosPerHour;
  EXPECT_LT(plan->live_files, hours * kMaxFilesAnHour);
  EXPECT_EQ(table.Keys("/data/").size(), static_cast<size_t>(plan->live_files));
  EXPECT_LT(table.Keys("/metadata/").size(), 300U);
  EXPECT_EQ(table.Rows(), TestTable::RowsTo(commits * 2));
  // For the log of the run.
  std::printf("at most %llu bytes of metadata a commit, %lld files in %lld hours\n",
              static_cast<unsigned long long>(most_metadata),
              static_cast<long long>(plan->live_files), static_cast<long long>(hours));
}

}  // namespace tarn::lake
