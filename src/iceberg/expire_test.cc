#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "iceberg/commit.h"
#include "iceberg/memory_store_test.h"
#include "iceberg/scan.h"
#include "iceberg/update.h"

namespace tarn::iceberg {
namespace {

constexpr int64_t kMinute = 60 * kMicrosPerSecond;

class ExpireTest : public testing::Test {
 protected:
  void SetUp() override {
    event::Schema schema;
    schema.fields.push_back({.id = 1, .name = "id", .type = {.kind = event::TypeKind::kLong}});
    auto table = NewTable({.location = "file:///lake/t", .schema = schema, .uuid = "u"});
    ASSERT_TRUE(table.ok());
    auto prepared = PrepareMetadata(Work(), nullptr, *table);
    ASSERT_TRUE(prepared.ok());
    table_ = prepared->metadata;
  }

  Workspace Work() { return {store_, clock_, random_, cache_}; }

  DataFile File(const std::string& name) {
    DataFile file;
    file.path = "file:///lake/t/data/" + name;
    file.record_count = 1;
    file.file_size_in_bytes = 1;
    store_.objects["t/data/" + name] = "x";
    return file;
  }

  void Commit(const std::string& operation, const std::vector<std::string>& added,
              const std::vector<std::string>& removed) {
    clock_.Advance(kMinute);
    SnapshotChange change{.operation = operation};
    for (const auto& name : added) change.added.push_back(File(name));
    for (const auto& name : removed) change.removed_paths.push_back("file:///lake/t/data/" + name);
    auto prepared = PrepareSnapshot(Work(), table_, change, {});
    ASSERT_TRUE(prepared.ok()) << prepared.error().ToString();
    table_ = prepared->metadata;
  }

  // Expires all but the newest; answers the data files that go.
  std::set<std::string> ExpireAll() {
    auto prepared = PrepareExpiry(Work(), table_, {.max_age_ms = 0, .min_to_keep = 1});
    EXPECT_TRUE(prepared.ok());
    std::set<std::string> data;
    if (!prepared.ok() || !prepared->has_value()) return data;
    table_ = (*prepared)->metadata;
    for (const auto& url : (*prepared)->files_unreachable) {
      const size_t at = url.find("/data/");
      if (at != std::string::npos) data.insert(url.substr(at + 6));
    }
    EXPECT_TRUE(DeleteFiles(store_, (*prepared)->files_unreachable).ok());
    return data;
  }

  // What a policy of so many minutes lets go of now.
  std::vector<int64_t> Expired(int64_t minutes) {
    return ExpiredSnapshots(table_, {.max_age_ms = minutes * 60'000, .min_to_keep = 1},
                            clock_.Now().micros / 1'000);
  }

  MemoryStore store_;
  os::FakeClock clock_{{1'790'000'000'000'000}};
  os::SeededRandom random_{3};
  ManifestCache cache_{0};  // reads everything again
  TableMetadata table_;
};

TEST_F(ExpireTest, DeletesWhatOnlyOldSnapshotsReach) {
  Commit("append", {"a", "b"}, {});
  Commit("append", {"c"}, {});
  Commit("replace", {"ab"}, {"a", "b"});
  Commit("append", {"d"}, {});
  EXPECT_EQ(ExpireAll(), (std::set<std::string>{"a", "b"}));
  auto plan = PlanFiles(store_, cache_, table_, {}, {});
  ASSERT_TRUE(plan.ok());
  EXPECT_EQ(plan->files.size(), 3u);
  for (const auto& planned : plan->files) {
    EXPECT_TRUE(store_.objects.contains(*store_.KeyOf(planned.file.path)));
  }
  auto reachable = Reachable(Work(), table_);
  ASSERT_TRUE(reachable.ok());
  EXPECT_EQ(reachable->size(), store_.objects.size());
  EXPECT_TRUE(ExpireAll().empty());
}

TEST_F(ExpireTest, KeepsWhatATagReaches) {
  Commit("append", {"a"}, {});
  ASSERT_TRUE(
      SetRef(table_, "audit", {.snapshot_id = *table_.current_snapshot_id, .is_branch = false})
          .ok());
  Commit("overwrite", {"b"}, {"a"});
  Commit("append", {"c"}, {});
  EXPECT_TRUE(ExpireAll().empty());
  EXPECT_EQ(table_.snapshots.size(), 2u);  // the tag's and the current one
  table_.refs["audit"].max_ref_age_ms = 1;
  clock_.Advance(kMinute);
  EXPECT_EQ(ExpireAll(), (std::set<std::string>{"a"}));
  EXPECT_FALSE(table_.refs.contains("audit"));
}

TEST_F(ExpireTest, KeepsTheNewestAndTheYoung) {
  for (const char* name : {"a", "b", "c", "d", "e"}) Commit("append", {name}, {});
  const int64_t now_ms = clock_.Now().micros / 1'000;
  EXPECT_EQ(ExpiredSnapshots(table_, {.max_age_ms = 0, .min_to_keep = 3}, now_ms).size(), 2u);
  EXPECT_EQ(ExpiredSnapshots(table_, {.max_age_ms = 3 * 60'000, .min_to_keep = 1}, now_ms).size(),
            1u);
  table_.refs["main"].min_snapshots_to_keep = 4;
  EXPECT_EQ(ExpiredSnapshots(table_, {.max_age_ms = 0, .min_to_keep = 1}, now_ms).size(), 1u);
  EXPECT_FALSE(PrepareExpiry(Work(), table_, {.min_to_keep = 1})->has_value());
}

TEST_F(ExpireTest, KeepsCountingAgesAfterTheClockStoodInTheFuture) {
  Commit("append", {"a"}, {});
  Commit("append", {"b"}, {});
  const Timestamp right = clock_.Now();
  clock_.JumpTo({right.micros + 400 * kMicrosPerDay});
  Commit("append", {"c"}, {});
  Commit("append", {"d"}, {});
  clock_.JumpTo(right);
  // Nothing is known of c and d yet.
  EXPECT_EQ(Expired(5).size(), 0u);
  for (const char* name : {"e", "f", "g", "h"}) Commit("append", {name}, {});
  // The specification wants times that do not go back.
  EXPECT_GT(table_.current_snapshot()->timestamp_ms, right.micros / 1'000 + 399 * 86'400'000LL);
  EXPECT_EQ(Expired(5).size(), 0u);
  EXPECT_EQ(Expired(4).size(), 1u);
  EXPECT_EQ(Expired(3).size(), 2u);
  // c and d are as old as e, which took their place.
  clock_.Advance(kMinute);
  EXPECT_EQ(Expired(4).size(), 2u);
  EXPECT_EQ(Expired(3).size(), 5u);
  clock_.Advance(10 * kMinute);
  EXPECT_EQ(Expired(5).size(), 7u);
}

TEST_F(ExpireTest, KeepsCountingAgesAfterTheClockStoodInThePast) {
  for (const char* name : {"a", "b", "c"}) Commit("append", {name}, {});
  const Timestamp right = clock_.Now();
  clock_.JumpTo({0});
  // Of a clock in the past, everything is in the future.
  EXPECT_EQ(Expired(5).size(), 0u);
  for (const char* name : {"d", "e"}) Commit("append", {name}, {});
  EXPECT_EQ(Expired(5).size(), 0u);
  clock_.Advance(5 * kMinute);
  EXPECT_EQ(Expired(5).size(), 4u);  // d came six minutes ago, and the others before it
  clock_.JumpTo({right.micros + kMinute});
  Commit("append", {"f"}, {});
  // d and e are no older than c, which came two minutes before f.
  EXPECT_EQ(Expired(3).size(), 1u);
  EXPECT_EQ(Expired(2).size(), 2u);
  EXPECT_EQ(Expired(1).size(), 5u);
}

TEST_F(ExpireTest, KeepsNoMoreThanItsLimitHoweverYoungTheyAre) {
  Commit("append", {"a"}, {});
  Snapshot snapshot = *table_.current_snapshot();
  for (int i = 0; i < kMaxSnapshots + 5; ++i) {
    snapshot.parent_id = snapshot.id++;
    table_.snapshots.push_back(snapshot);
  }
  table_.refs["main"].snapshot_id = snapshot.id;
  EXPECT_EQ(Expired(60).size(), 6u);
  table_.refs["main"].max_snapshot_age_ms = 60'000;
  EXPECT_EQ(Expired(60).size(), 0u);
}

TEST_F(ExpireTest, GoesOnAfterADeletionThatWasCutShort) {
  Commit("append", {"a"}, {});
  const std::string list = table_.current_snapshot()->manifest_list;
  Commit("overwrite", {"b"}, {"a"});
  store_.objects.erase(*store_.KeyOf(list));
  auto prepared = PrepareExpiry(Work(), table_, {.max_age_ms = 0, .min_to_keep = 1});
  EXPECT_TRUE(prepared.ok());
}

TEST_F(ExpireTest, DropsStatisticsOfExpiredSnapshots) {
  Commit("append", {"a"}, {});
  table_.statistics =
      codec::Json::Array{codec::Json::Object{{"snapshot-id", *table_.current_snapshot_id},
                                             {"statistics-path", "file:///lake/t/s.puffin"}}};
  store_.objects["t/s.puffin"] = "p";
  Commit("append", {"b"}, {});
  ExpireAll();
  EXPECT_FALSE(store_.objects.contains("t/s.puffin"));
  EXPECT_TRUE(table_.statistics.AsArray()->empty());
}

// Random appends, replaces and deletes against a model that keeps every snapshot's files in a set.
TEST_F(ExpireTest, MatchesAModelOverRandomHistories) {
  table_.properties["commit.manifest.min-count-to-merge"] = "4";
  std::map<int64_t, std::set<std::string>> model;
  std::set<std::string> live;
  os::SeededRandom dice(11);
  int next = 0;
  for (int step = 0; step < 150; ++step) {
    const auto name = "f" + std::to_string(next++);
    if (live.size() > 2 && dice.Below(3) == 0) {
      const std::string victim =
          *std::next(live.begin(), static_cast<int>(dice.Below(live.size())));
      Commit("overwrite", {name}, {victim});
      live.erase(victim);
    } else {
      Commit("append", {name}, {});
    }
    live.insert(name);
    model[*table_.current_snapshot_id] = live;
    if (dice.Below(5) != 0) continue;
    auto prepared = PrepareExpiry(Work(), table_, {.max_age_ms = 4 * 60'000, .min_to_keep = 2});
    ASSERT_TRUE(prepared.ok());
    if (!prepared->has_value()) continue;
    table_ = (*prepared)->metadata;
    ASSERT_TRUE(DeleteFiles(store_, (*prepared)->files_unreachable).ok());
    std::set<std::string> expected;
    for (const auto& snapshot : table_.snapshots) {
      expected.insert(model[snapshot.id].begin(), model[snapshot.id].end());
    }
    std::set<std::string> stored;
    for (const auto& [key, bytes] : store_.objects) {
      if (key.starts_with("t/data/")) stored.insert(key.substr(7));
    }
    ASSERT_EQ(stored, expected) << step;
  }
}

}  // namespace
}  // namespace tarn::iceberg
