#include "lake/committer.h"

#include "lake/test_lossy_catalog.h"
#include "lake/test_table.h"

namespace tarn::lake {
namespace {

Workspace Over(const Workspace& work, catalog::Catalog& catalog) {
  return {work.store, catalog, work.clock, work.random, work.manifests, work.log, work.metrics};
}

CommitRequest AppendOf(const TestTable& table, iceberg::DataFile file) {
  CommitRequest request;
  request.tables.push_back({table.name(), {.operation = "append", .added = {std::move(file)}}});
  request.commit.audit = {.who = "test", .action = "commit", .object = "web"};
  return request;
}

// A table with rows 0 to 2, and a committer that sees its catalog through one that fails when told.
struct Failing {
  explicit Failing(const std::string& name) : table(name) {
    EXPECT_TRUE(table.Open().ok());
    EXPECT_TRUE(table.Append(table.ThisHour(), 0, 3).ok());
    lossy.emplace(table.catalog());
    committer.emplace(Over(table.work(), *lossy), TestTable::expire(), 0);
  }
  event::Schema WithAgent() {
    event::Schema wanted = table.spec().schema;
    wanted.fields.push_back({4, "agent", {event::TypeKind::kString}, false, ""});
    return wanted;
  }

  TestTable table;
  std::optional<LossyCatalog> lossy;
  std::optional<Committer> committer;
};

TEST(Committer, DeletesNothingOfACommitWhoseOutcomeIsUnknown) {
  Failing failing("unknown");
  auto& [table, lossy, committer] = failing;
  auto file = table.Write(table.ThisHour(), 3, 2);
  ASSERT_TRUE(file.ok());
  lossy->lost = true;
  EXPECT_FALSE(committer->Run(AppendOf(table, *file)).ok());
  table.committer().Forget(table.name());
  EXPECT_EQ(table.Rows(), TestTable::RowsTo(5));
  EXPECT_FALSE(committer->Evolve(table.name(), failing.WithAgent()).ok());
  EXPECT_EQ(table.Rows(), TestTable::RowsTo(5));
  EXPECT_EQ(table.Ask("SELECT count(agent) FROM clean.web"), "0");
  // And it goes on from there.
  lossy->lost = false;
  file = table.Write(table.ThisHour(), 5, 1);
  ASSERT_TRUE(committer->Run(AppendOf(table, *file)).ok());
  EXPECT_EQ(table.Rows(), TestTable::RowsTo(6));
}

TEST(Committer, ABusyCatalogIsAskedOnceAndNothingIsLeftBehind) {
  Failing failing("busy");
  auto& [table, lossy, committer] = failing;
  const size_t objects = table.work().store.List("clean/")->size();
  auto file = table.Write(table.ThisHour(), 3, 2);
  ASSERT_TRUE(file.ok());
  lossy->busy = true;
  EXPECT_EQ(committer->Run(AppendOf(table, *file)).error().code(), Code::kUnavailable);
  EXPECT_EQ(lossy->busy_answers(), 1);
  EXPECT_EQ(committer->Evolve(table.name(), failing.WithAgent()).error().code(),
            Code::kUnavailable);
  EXPECT_EQ(lossy->busy_answers(), 2);
  EXPECT_EQ(table.work().store.List("clean/")->size(), objects);
  lossy->busy = false;
  file = table.Write(table.ThisHour(), 3, 2);
  ASSERT_TRUE(committer->Run(AppendOf(table, *file)).ok());
  EXPECT_EQ(table.Rows(), TestTable::RowsTo(5));
}

TEST(Committer, DeletesNothingIfTheCatalogIsBusyOnceAnAnswerWasLost) {
  Failing failing("lost_busy");
  auto& [table, lossy, committer] = failing;
  auto file = table.Write(table.ThisHour(), 3, 2);
  ASSERT_TRUE(file.ok());
  lossy->lost = lossy->busy = true;
  const auto receipt = committer->Run(AppendOf(table, *file));
  ASSERT_FALSE(receipt.ok());
  EXPECT_TRUE(Committer::OutcomeUnknown(receipt.error())) << receipt.error().ToString();
  EXPECT_EQ(lossy->busy_answers(), 1);
  table.committer().Forget(table.name());
  EXPECT_EQ(table.Rows(), TestTable::RowsTo(5));
}

TEST(Committer, ExpireRetriesOnWhatOthersCommittedMeanwhile) {
  TestTable table("expire_race");
  ASSERT_TRUE(table.Open().ok());
  for (int64_t i = 0; i < 6; ++i) ASSERT_TRUE(table.Append(table.ThisHour(), i, 1).ok());
  Committer stale(table.work(), TestTable::expire(), 0);
  ASSERT_TRUE(stale.Table(table.name()).ok());
  ASSERT_TRUE(table.Append(table.ThisHour(), 6, 1).ok());
  table.clock().Advance(2 * kMicrosPerHour);
  const auto expired = stale.Expire(table.name(), TestTable::expire());
  ASSERT_TRUE(expired.ok());
  EXPECT_TRUE(*expired);
  EXPECT_EQ(LoadTable(table.work(), table.name())->snapshots.size(), 3U);
  EXPECT_EQ(table.Rows(), TestTable::RowsTo(7));
}

}  // namespace
}  // namespace tarn::lake
