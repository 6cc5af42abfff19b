#include "iceberg/commit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/time.h"
#include "iceberg/memory_store_test.h"
#include "iceberg/scan.h"
#include "iceberg/schema_json.h"
#include "iceberg/update.h"

namespace tarn::iceberg {
namespace {

using event::TypeKind;

constexpr Timestamp kStart{1'790'000'000'000'000};

// A table partitioned by hour, and the catalog's part: the pointer.
class CommitTest : public testing::Test {
 protected:
  void SetUp() override {
    event::Schema schema;
    schema.fields.push_back({.id = 1, .name = "ts", .type = {.kind = TypeKind::kTimestamptz}});
    schema.fields.push_back({.id = 2, .name = "user", .type = {.kind = TypeKind::kString}});
    NewTableOptions options{.location = "file:///lake/t", .schema = schema, .uuid = "u"};
    options.partition.push_back(*PartitionBy(schema, "ts", "hour"));
    auto table = NewTable(std::move(options));
    ASSERT_TRUE(table.ok());
    auto prepared = PrepareMetadata(Work(), nullptr, *table);
    ASSERT_TRUE(prepared.ok());
    table_ = prepared->metadata;
  }

  Workspace Work() { return {store_, clock_, random_, cache_}; }

  DataFile File(int64_t number) {
    DataFile file;
    file.path = "file:///lake/t/data/" + std::to_string(number) + ".parquet";
    file.partition = {number / 60};
    file.record_count = 100;
    file.file_size_in_bytes = 5'000;
    file.value_counts = {{1, 100}, {2, 100}};
    file.null_value_counts = {{1, 0}, {2, 5}};
    store_.objects["t/data/" + std::to_string(number) + ".parquet"] = "data";
    return file;
  }

  // Commits and swaps the pointer; deletes what became unreachable.
  Status Commit(const SnapshotChange& change, const PrepareOptions& options = {}) {
    TARN_ASSIGN_OR_RETURN(auto prepared, PrepareSnapshot(Work(), table_, change, options));
    table_ = std::move(prepared.metadata);
    return DeleteFiles(store_, prepared.files_unreachable);
  }

  Status Append(int64_t number, const PrepareOptions& options = {}) {
    SnapshotChange change;
    change.added.push_back(File(number));
    return Commit(change, options);
  }

  std::set<std::string> Live(std::optional<int64_t> snapshot_id = {}) {
    auto plan = PlanFiles(store_, cache_, table_, snapshot_id, {});
    EXPECT_TRUE(plan.ok());
    std::set<std::string> paths;
    for (const auto& planned : plan->files) paths.insert(planned.file.path);
    return paths;
  }

  size_t CountObjects(std::string_view part) {
    return static_cast<size_t>(std::count_if(
        store_.objects.begin(), store_.objects.end(),
        [&](const auto& object) { return object.first.find(part) != std::string::npos; }));
  }

  MemoryStore store_;
  os::FakeClock clock_{kStart};
  os::SeededRandom random_{7};
  ManifestCache cache_;
  TableMetadata table_;
};

TEST_F(CommitTest, AppendsFilesAndLogsTheOldMetadata) {
  const std::string first = table_.metadata_location;
  EXPECT_TRUE(first.starts_with("file:///lake/t/metadata/00000-"));
  SnapshotChange change;
  change.added = {File(1), File(61)};
  change.summary = {{"tarn.commit-id", "c1"}};
  ASSERT_TRUE(Commit(change).ok());
  EXPECT_TRUE(table_.metadata_location.starts_with("file:///lake/t/metadata/00001-"));
  ASSERT_EQ(table_.metadata_log.size(), 1u);
  EXPECT_EQ(table_.metadata_log[0].metadata_file, first);
  const Snapshot& snapshot = *table_.current_snapshot();
  EXPECT_EQ(snapshot.sequence_number, 1);
  EXPECT_EQ(snapshot.summary.at("tarn.commit-id"), "c1");
  EXPECT_EQ(snapshot.summary.at("added-records"), "200");
  EXPECT_EQ(snapshot.summary.at("total-data-files"), "2");
  EXPECT_EQ(snapshot.summary.at("changed-partition-count"), "2");
  EXPECT_EQ(Live().size(), 2u);
  auto loaded = LoadMetadata(store_, table_.metadata_location);
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(PrintMetadata(*loaded), PrintMetadata(table_));
}

TEST_F(CommitTest, ReplacesOnlyFilesThatAreLive) {
  for (int64_t i = 0; i < 3; ++i) ASSERT_TRUE(Append(i).ok());
  SnapshotChange change{.operation = "replace", .added = {File(10)}};
  change.removed_paths = {File(0).path, File(1).path};
  ASSERT_TRUE(Commit(change).ok());
  EXPECT_EQ(Live(), (std::set<std::string>{File(2).path, File(10).path}));
  EXPECT_EQ(table_.current_snapshot()->summary.at("total-records"), "200");
  EXPECT_EQ(table_.current_snapshot()->summary.at("deleted-data-files"), "2");
  EXPECT_EQ(Live(table_.snapshots[2].id).size(), 3u);  // time travel

  const size_t objects = store_.objects.size();
  auto again = Commit(change);
  ASSERT_FALSE(again.ok());
  EXPECT_EQ(again.error().code(), Code::kConflict);
  EXPECT_EQ(store_.objects.size(), objects);
}

TEST_F(CommitTest, KeepsSequenceNumbersOfEntriesItRewrites) {
  SnapshotChange both;
  both.added = {File(0), File(1)};
  ASSERT_TRUE(Commit(both).ok());
  ASSERT_TRUE(Append(2).ok());
  SnapshotChange change{.operation = "overwrite", .added = {File(3)}};
  change.removed_paths = {File(0).path};
  ASSERT_TRUE(Commit(change).ok());
  SnapshotChange compaction{.operation = "replace", .added = {File(4)}};
  compaction.removed_paths = {File(2).path};
  compaction.data_sequence_number = 2;
  ASSERT_TRUE(Commit(compaction).ok());
  auto plan = PlanFiles(store_, cache_, table_, {}, {});
  ASSERT_TRUE(plan.ok());
  std::map<std::string, int64_t> numbers;
  for (const auto& planned : plan->files) numbers[planned.file.path] = planned.sequence_number;
  EXPECT_EQ(numbers.at(File(1).path), 1);
  EXPECT_EQ(numbers.at(File(3).path), 3);
  EXPECT_EQ(numbers.at(File(4).path), 2);
}

TEST_F(CommitTest, RefusesChangesThatMakeNoSense) {
  ASSERT_TRUE(Append(1).ok());
  SnapshotChange change;
  change.removed_paths = {File(1).path};
  EXPECT_EQ(Commit(change).error().code(), Code::kInvalidArgument);  // append removes
  change = {.operation = "upsert"};
  EXPECT_EQ(Commit(change).error().code(), Code::kInvalidArgument);
  change = {.operation = "append", .added = {File(2), File(2)}};
  EXPECT_EQ(Commit(change).error().code(), Code::kInvalidArgument);
  change = {.operation = "append", .added = {File(2)}};
  change.added[0].partition.clear();
  EXPECT_EQ(Commit(change).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(table_.snapshots.size(), 1u);
}

TEST_F(CommitTest, LeavesNothingBehindWhenTheStoreFails) {
  ASSERT_TRUE(Append(1).ok());
  const auto before = store_.objects.size();
  SnapshotChange change;
  change.added.push_back(File(1));
  change.added[0].path += "x";
  for (int64_t puts = 0; puts < 3; ++puts) {
    store_.puts_until_failure = puts;
    EXPECT_EQ(Commit(change).error().code(), Code::kIo);
    EXPECT_EQ(store_.objects.size(), before);
  }
  store_.puts_until_failure = -1;
  EXPECT_TRUE(Commit(change).ok());
}

TEST_F(CommitTest, NamesTheFilesALostRaceMustDelete) {
  SnapshotChange change;
  change.added.push_back(File(1));
  const auto before = store_.objects.size();
  auto prepared = PrepareSnapshot(Work(), table_, change, {});
  ASSERT_TRUE(prepared.ok());
  EXPECT_EQ(prepared->files_written.size(), 3u);
  ASSERT_TRUE(DeleteFiles(store_, prepared->files_written).ok());
  EXPECT_EQ(store_.objects.size(), before);
}

TEST_F(CommitTest, MergesManifestsWhenThereAreMany) {
  table_.properties["commit.manifest.min-count-to-merge"] = "5";
  for (int64_t i = 0; i < 200; ++i) {
    ASSERT_TRUE(Append(i).ok());
    auto list = cache_.List(store_, *table_.current_snapshot());
    ASSERT_TRUE(list.ok());
    EXPECT_LE((*list)->size(), 10u);
  }
  EXPECT_EQ(Live().size(), 200u);
  EXPECT_EQ(table_.current_snapshot()->summary.at("total-data-files"), "200");
}

TEST_F(CommitTest, KeepsManifestsOfDifferentSpecsApart) {
  table_.properties["commit.manifest.min-count-to-merge"] = "2";
  ASSERT_TRUE(Append(1).ok());
  auto spec = AddSpec(table_, {*PartitionBy(table_.schema(), "ts", "day")});
  ASSERT_TRUE(spec.ok());
  ASSERT_TRUE(SetDefaultSpec(table_, *spec).ok());
  SnapshotChange change;
  change.added.push_back(File(100));
  change.added[0].spec_id = *spec;
  ASSERT_TRUE(Commit(change).ok());
  ASSERT_TRUE(Append(2).ok());
  EXPECT_EQ(Live().size(), 3u);
  auto list = cache_.List(store_, *table_.current_snapshot());
  EXPECT_EQ((*list)->size(), 2u);
}

TEST_F(CommitTest, EvolvesTheSchemaInACommitOfItsOwn) {
  ASSERT_TRUE(Append(1).ok());
  TableMetadata changed = table_;
  ASSERT_TRUE(EvolveSchema(changed, [](event::Schema& schema, int32_t& last) {
                return AddColumn(schema, {.parent = "", .field = {.name = "new"}}, last);
              }).ok());
  auto prepared = PrepareMetadata(Work(), &table_, changed);
  ASSERT_TRUE(prepared.ok());
  auto loaded = LoadMetadata(store_, prepared->metadata.metadata_location);
  ASSERT_TRUE(loaded.ok());
  EXPECT_EQ(loaded->schema().Find("new")->id, 3);
  EXPECT_EQ(loaded->current_snapshot()->schema_id, 0);
}

TEST_F(CommitTest, KeepsACommitsCostFlatOver3000Commits) {
  const PrepareOptions expire{.expire = ExpirePolicy{.max_age_ms = 60 * 60'000, .min_to_keep = 10}};
  uint64_t largest_metadata = 0;
  int64_t gets_early = 0;
  int64_t gets_late = 0;
  for (int64_t i = 0; i < 3'000; ++i) {
    clock_.Advance(60 * kMicrosPerSecond);
    const int64_t gets = store_.gets;
    ASSERT_TRUE(Append(i, i % 10 == 9 ? expire : PrepareOptions{}).ok()) << i;
    if (i >= 500 && i < 1'000) gets_early += store_.gets - gets;
    if (i >= 2'500) gets_late += store_.gets - gets;
    const std::string key = *store_.KeyOf(table_.metadata_location);
    if (i >= 100)
      largest_metadata = std::max(largest_metadata, uint64_t{store_.objects[key].size()});
  }
  EXPECT_EQ(Live().size(), 3'000u);
  EXPECT_LE(table_.snapshots.size(), 71u);
  EXPECT_LT(largest_metadata, 60'000u);
  EXPECT_LE(table_.metadata_log.size(), 20u);
  EXPECT_LE(CountObjects(".metadata.json"), 21u);
  EXPECT_LE(CountObjects("/snap-"), 71u);
  EXPECT_LE(CountObjects("-m"), 300u);
  EXPECT_LE(gets_late, 2 * gets_early + 10);
  // Nothing is left that the table does not reach.
  auto reachable = Reachable(Work(), table_);
  ASSERT_TRUE(reachable.ok());
  EXPECT_EQ(reachable->size(), store_.objects.size());
}

}  // namespace
}  // namespace tarn::iceberg
