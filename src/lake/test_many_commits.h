#pragma once

#include "base/text.h"
#include "iceberg/scan.h"
#include "lake/test_table.h"

namespace tarn::lake {

// For tests: lands `commits` small commits twenty seconds apart, a few rows late in each, with the
// maintenance a server would do, and checks that nothing grows with their number.
inline void LandManyCommits(TestTable& table, int64_t commits) {
  ASSERT_TRUE(table.Open().ok());
  constexpr int64_t kStep = 20 * kMicrosPerSecond;
  // Bounds that hold whatever the number of commits: an hour has 180 of them.
  constexpr uint64_t kMaxMetadataPerCommit = 600'000;
  constexpr int64_t kMaxOpenFiles = 150;
  constexpr int64_t kMaxFilesAnHour = 12;
  uint64_t most_metadata = 0;
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
