// What every implementation of Catalog promises. A new one adds itself to the instantiation.
#include "catalog/catalog_test_internal.h"

namespace tarn::catalog {
namespace {

class CatalogContract : public testing::TestWithParam<const char*> {
 protected:
  CatalogContract() : catalog_(place_.Open()) {}

  // Closes and opens again: what was answered must still be there.
  void Reopen() {
    catalog_.reset();
    catalog_ = place_.Open();
  }
  DatasetSpec Spec(Zone zone, const char* table) {
    DatasetSpec spec;
    spec.name = {zone, table};
    spec.location = spec.name.ToString();
    return spec;
  }

  TestPlace place_;
  std::unique_ptr<Catalog> catalog_;
};

TEST_P(CatalogContract, CreatesADatasetOnce) {
  DatasetSpec spec = Spec(Zone::kRaw, "web_access");
  spec.owner = "ann";
  spec.source = "web";
  const auto made = catalog_->CreateDataset(spec, kTester);
  ASSERT_TRUE(made.ok()) << made.error().ToString();
  EXPECT_TRUE(ParseUuid(made->table_uuid));
  EXPECT_EQ(made->owner, "ann");
  EXPECT_EQ(made->metadata_location, "");
  Reopen();
  const auto again = catalog_->CreateDataset(spec, kTester);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(*again, *made);
  spec.location = "elsewhere";
  EXPECT_EQ(catalog_->CreateDataset(spec, kTester).error().ToString(),
            "AlreadyExists: raw.web_access exists with location 'raw.web_access', not 'elsewhere'");
  AuditFilter filter;
  filter.object = "raw.web_access";
  EXPECT_EQ(catalog_->ListAudit(filter)->size(), 1U);
}

TEST_P(CatalogContract, KeepsATableUuidForOneDataset) {
  DatasetSpec spec = Spec(Zone::kRaw, "a");
  spec.table_uuid = "0193f2a0-0000-7000-8000-000000000001";
  ASSERT_TRUE(catalog_->CreateDataset(spec, kTester).ok());
  DatasetSpec other = Spec(Zone::kRaw, "b");
  other.table_uuid = spec.table_uuid;
  EXPECT_EQ(catalog_->CreateDataset(other, kTester).error().code(), Code::kAlreadyExists);
  spec.table_uuid = "0193f2a0-0000-7000-8000-000000000002";
  EXPECT_EQ(catalog_->CreateDataset(spec, kTester).error().code(), Code::kAlreadyExists);
  other.table_uuid = "x";
  EXPECT_EQ(catalog_->CreateDataset(other, kTester).error().code(), Code::kInvalidArgument);
}

TEST_P(CatalogContract, ListsDatasetsByZoneThenName) {
  for (const auto& [zone, table] : std::vector<std::pair<Zone, const char*>>{
           {Zone::kClean, "b"}, {Zone::kRaw, "z"}, {Zone::kClean, "a"}}) {
    ASSERT_TRUE(catalog_->CreateDataset(Spec(zone, table), kTester).ok());
  }
  const auto all = catalog_->ListDatasets(std::nullopt);
  ASSERT_EQ(all->size(), 3U);
  EXPECT_EQ(all->at(0).name.ToString(), "raw.z");
  EXPECT_EQ(all->at(1).name.ToString(), "clean.a");
  EXPECT_EQ(catalog_->ListDatasets(Zone::kClean)->size(), 2U);
  EXPECT_EQ(catalog_->ListDatasets(Zone::kCurated)->size(), 0U);
}

TEST_P(CatalogContract, ChangesTagsAndDescription) {
  ASSERT_TRUE(catalog_->CreateDataset(Spec(Zone::kRaw, "a"), kTester).ok());
  const DatasetName name{Zone::kRaw, "a"};
  ASSERT_TRUE(
      catalog_->SetTags(name, {{"ip", "pii", "address"}, {"", "team", "web"}}, kTester).ok());
  ASSERT_TRUE(catalog_->SetTags(name, {{"", "team", std::nullopt}}, kTester).ok());
  place_.clock.Advance(5);
  ASSERT_TRUE(catalog_->UpdateDataset(name, {.owner = "bob"}, kTester).ok());
  Reopen();
  const auto dataset = catalog_->GetDataset(name);
  EXPECT_EQ(dataset->tags, (std::vector<Tag>{{"ip", "pii", "address"}}));
  EXPECT_EQ(dataset->owner, "bob");
  EXPECT_EQ(dataset->location, "raw.a");
  EXPECT_GT(dataset->updated, dataset->created);
  ASSERT_EQ(catalog_->ListTags("pii")->size(), 1U);
  EXPECT_EQ(catalog_->ListTags("pii")->at(0).dataset, name);
  EXPECT_EQ(catalog_->SetTags({Zone::kRaw, "no"}, {}, kTester).error().code(), Code::kNotFound);
}

TEST_P(CatalogContract, DropsADatasetWithItsTags) {
  ASSERT_TRUE(catalog_->CreateDataset(Spec(Zone::kRaw, "a"), kTester).ok());
  const DatasetName name{Zone::kRaw, "a"};
  ASSERT_TRUE(catalog_->SetTags(name, {{"ip", "pii", "address"}}, kTester).ok());
  ASSERT_TRUE(catalog_->DropDataset(name, kTester).ok());
  EXPECT_EQ(catalog_->GetDataset(name).error().code(), Code::kNotFound);
  EXPECT_EQ(catalog_->DropDataset(name, kTester).error().code(), Code::kNotFound);
  EXPECT_TRUE(catalog_->ListTags("pii")->empty());
}

TEST_P(CatalogContract, EveryChangeSaysWho) {
  EXPECT_EQ(catalog_->CreateDataset(Spec(Zone::kRaw, "a"), {}).error().code(),
            Code::kInvalidArgument);
}

TEST_P(CatalogContract, ACommitMovesEverythingTogether) {
  const FencingToken token = StartChain(*catalog_);
  EXPECT_EQ(ChainLength(*catalog_), 0);
  for (int64_t n = 1; n <= 3; ++n) {
    const auto receipt = catalog_->Apply(ChainCommit(n, token));
    ASSERT_TRUE(receipt.ok()) << receipt.error().ToString();
    EXPECT_EQ(receipt->sequence, n);
    EXPECT_EQ(receipt->first_event_id, n);
    EXPECT_FALSE(receipt->repeated);
    EXPECT_EQ(ChainLength(*catalog_), n);
  }
  Reopen();
  EXPECT_EQ(ChainLength(*catalog_), 3);
  EXPECT_EQ(catalog_->ListPipelines()->at(0).last_commit_id, "c3");
  EXPECT_EQ(catalog_->ListWatermarks("web")->size(), 1U);
}

TEST_P(CatalogContract, CommitTakesTheTablesOfThousandSources) {
  Commit commit;
  commit.commit_id = "many";
  commit.audit.who = "landing";
  for (int i = 0; i < 3'000; ++i) {
    DatasetSpec spec;
    spec.name = {Zone::kRaw, "s" + std::to_string(i)};
    spec.location = "raw/s" + std::to_string(i);
    ASSERT_TRUE(catalog_->CreateDataset(spec, kTester).ok());
    commit.swaps.push_back({spec.name, "", "m1", 1, 0, 0, std::nullopt});
    commit.events.push_back({0, spec.name, 1, "append", "{}", "", {}, {}});
  }
  const auto receipt = catalog_->Apply(commit);
  ASSERT_TRUE(receipt.ok()) << receipt.error().ToString();
  EXPECT_EQ(receipt->last_event_id - receipt->first_event_id, 2'999);
}

TEST_P(CatalogContract, ARefusedCommitChangesNothing) {
  const FencingToken token = StartChain(*catalog_);
  ASSERT_TRUE(catalog_->Apply(ChainCommit(1, token)).ok());
  Commit gap = ChainCommit(3, token);
  EXPECT_EQ(catalog_->Apply(gap).error().code(), Code::kConflict);
  Commit missing = ChainCommit(2, token);
  missing.swaps.push_back({{Zone::kRaw, "nowhere"}, "", "m", 1, 0, 0, std::nullopt});
  EXPECT_EQ(catalog_->Apply(missing).error().code(), Code::kNotFound);
  EXPECT_EQ(ChainLength(*catalog_), 1);
}

TEST_P(CatalogContract, TheSameCommitAgainAnswersItsFirstReceipt) {
  const FencingToken token = StartChain(*catalog_);
  const auto first = catalog_->Apply(ChainCommit(1, token));
  ASSERT_TRUE(catalog_->Apply(ChainCommit(2, token)).ok());
  // Even from a worker that has been fenced off meanwhile.
  ASSERT_TRUE(catalog_->AcquireFence("land:web", "b", 1, Acquire::kTake).ok());
  const auto again = catalog_->Apply(ChainCommit(1, token));
  ASSERT_TRUE(again.ok());
  EXPECT_TRUE(again->repeated);
  EXPECT_EQ(again->sequence, first->sequence);
  EXPECT_EQ(again->first_event_id, first->first_event_id);
  EXPECT_EQ(ChainLength(*catalog_), 2);
  EXPECT_EQ((*catalog_->FindCommit("c1"))->sequence, first->sequence);
  EXPECT_FALSE(catalog_->FindCommit("c9")->has_value());
}

TEST_P(CatalogContract, TheSlowerWorkerIsFencedOff) {
  const FencingToken slow = StartChain(*catalog_);
  const auto fast = catalog_->AcquireFence("land:web", "fast", 1, Acquire::kTake);
  EXPECT_GT(fast->token, slow);
  const auto refused = catalog_->Apply(ChainCommit(1, slow));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), Code::kConflict);
  EXPECT_EQ(refused.error().message().substr(0, 7), "fenced:");
  EXPECT_TRUE(catalog_->Apply(ChainCommit(1, fast->token)).ok());
  EXPECT_EQ(catalog_->RenewFence("land:web", slow, 1).error().code(), Code::kConflict);
}

TEST_P(CatalogContract, TokensRiseOverReleaseAndReopen) {
  const auto a = catalog_->AcquireFence("p", "a", 100, Acquire::kWhenExpired);
  EXPECT_EQ(a->token.value, 1);
  EXPECT_EQ(catalog_->AcquireFence("p", "b", 100, Acquire::kWhenExpired).error().code(),
            Code::kConflict);
  ASSERT_TRUE(catalog_->ReleaseFence("p", a->token).ok());
  Reopen();
  const auto b = catalog_->AcquireFence("p", "b", 100, Acquire::kWhenExpired);
  ASSERT_TRUE(b.ok());
  EXPECT_EQ(b->token.value, 2);
  place_.clock.Advance(50);
  ASSERT_TRUE(catalog_->RenewFence("p", b->token, 100).ok());
  place_.clock.Advance(60);
  EXPECT_EQ(catalog_->AcquireFence("p", "c", 1, Acquire::kWhenExpired).error().code(),
            Code::kConflict);
  place_.clock.Advance(60);
  EXPECT_EQ(catalog_->AcquireFence("p", "c", 1, Acquire::kWhenExpired)->token.value, 3);
}

TEST_P(CatalogContract, WatermarksUntouchedForAWeekGoWithTheNextCommit) {
  const FencingToken token = StartChain(*catalog_);
  Commit commit = ChainCommit(1, token);
  commit.watermarks.push_back({{"web", "web-2", "old"}, 5, 1, {}});
  ASSERT_TRUE(catalog_->Apply(commit).ok());
  place_.clock.Advance(7 * kMicrosPerDay);
  ASSERT_TRUE(catalog_->Apply(ChainCommit(2, token)).ok());
  EXPECT_EQ(catalog_->ListWatermarks("web")->size(), 2U);  // exactly seven days: kept
  place_.clock.Advance(1);
  ASSERT_TRUE(catalog_->Apply(ChainCommit(3, token)).ok());
  const auto left = catalog_->ListWatermarks("web");
  ASSERT_EQ(left->size(), 1U);
  EXPECT_EQ(left->at(0).key.file_id, "f1");
}

// Two files, of which only f1 goes on; what is left of them after the next commit.
class WatermarkAges : public CatalogContract {
 protected:
  WatermarkAges() {
    token_ = StartChain(*catalog_);
    Commit commit = ChainCommit(++commits_, token_);
    commit.watermarks.push_back({{"web", "web-2", "old"}, 5, 1, {}});
    EXPECT_TRUE(catalog_->Apply(commit).ok());
  }
  size_t LeftAfterACommit() {
    EXPECT_TRUE(catalog_->Apply(ChainCommit(++commits_, token_)).ok());
    return catalog_->ListWatermarks("web")->size();
  }
  void Jump(int64_t micros) { place_.clock.JumpTo({place_.clock.Now().micros + micros}); }

  FencingToken token_;
  int64_t commits_ = 0;
};

TEST_P(WatermarkAges, JumpsOfTheClockDoNotCount) {
  for (const int64_t days : {400, -800, 401, 1, -30, 20, -1, 1, 1, 1, 1, 1, 1, 1, 1, 1}) {
    Jump(days * kMicrosPerDay);
    EXPECT_EQ(LeftAfterACommit(), 2U) << days;
  }
  place_.clock.Advance(7 * kMicrosPerDay);
  EXPECT_EQ(LeftAfterACommit(), 2U);
  place_.clock.Advance(1);
  EXPECT_EQ(LeftAfterACommit(), 1U);
}

TEST_P(WatermarkAges, TimeTheServerWasOffDoesNotCount) {
  for (const int64_t days : {30, 400, -800, 2}) {
    catalog_.reset();
    Jump(days * kMicrosPerDay);
    catalog_ = place_.Open();
    // As old as it is to whoever compares it with the clock.
    const auto mark = catalog_->GetWatermark({"web", "web-2", "old"});
    EXPECT_EQ((*mark)->updated, place_.clock.Now()) << days;
    EXPECT_EQ(LeftAfterACommit(), 2U) << days;
  }
  place_.clock.Advance(7 * kMicrosPerDay + 1);
  EXPECT_EQ(LeftAfterACommit(), 1U);
}

TEST_P(WatermarkAges, NightsOffAndIdleDaysCount) {
  for (int day = 0; day < 4; ++day) {
    EXPECT_EQ(LeftAfterACommit(), 2U);
    Jump(kMicrosPerDay);
    Reopen();
  }
  for (int day = 0; day < 3; ++day) {
    place_.clock.Advance(kMicrosPerDay);
    ASSERT_TRUE(catalog_->Trim({}).ok());
  }
  Jump(9 * kMicrosPerDay);
  Reopen();
  EXPECT_EQ(LeftAfterACommit(), 2U);
  place_.clock.Advance(1);
  EXPECT_EQ(LeftAfterACommit(), 1U);
}

TEST_P(WatermarkAges, ACommandBesideTheServerCountsNoTimeTwice) {
  for (int step = 0; step < 7 * 4; ++step) {
    place_.clock.Advance(6 * kMicrosPerHour);
    const auto beside = place_.Open();
    ASSERT_TRUE(beside->Trim({}).ok());
  }
  EXPECT_EQ(LeftAfterACommit(), 2U);
  place_.clock.Advance(1);
  EXPECT_EQ(LeftAfterACommit(), 1U);
}

INSTANTIATE_TEST_SUITE_P(Sqlite, WatermarkAges, testing::Values("sqlite"));

TEST_P(CatalogContract, RemembersRunsWithWhatTheyReadAndMade) {
  LineageRun run;
  run.run_id = "r1";
  run.job = "model:daily";
  run.started = {10};
  run.ended = {20};
  run.inputs = {{{Zone::kClean, "b"}, 9'007'199'254'740'993}, {{Zone::kClean, "a"}, 2}};
  run.outputs = {{{Zone::kCurated, "c"}, 3}};
  run.status = RunStatus::kFailed;
  run.message = "out of memory";
  ASSERT_TRUE(catalog_->RecordRun(run).ok());
  Reopen();
  RunFilter filter;
  filter.dataset = DatasetName{Zone::kClean, "a"};
  ASSERT_EQ(catalog_->ListRuns(filter)->size(), 1U);
  EXPECT_EQ(catalog_->ListRuns(filter)->at(0), run);
  EXPECT_FALSE(catalog_->LastSuccessfulRun("model:daily")->has_value());
  run.status = RunStatus::kSucceeded;
  run.message = "";
  ASSERT_TRUE(catalog_->RecordRun(run).ok());
  EXPECT_EQ(**catalog_->LastSuccessfulRun("model:daily"), run);
  filter.dataset = DatasetName{Zone::kClean, "other"};
  EXPECT_TRUE(catalog_->ListRuns(filter)->empty());
}

TEST_P(CatalogContract, ConsumersReadEventsInOrderAtTheirOwnPace) {
  const FencingToken token = StartChain(*catalog_);
  ASSERT_TRUE(catalog_->RegisterConsumer("quality").ok());
  ASSERT_TRUE(catalog_->RegisterConsumer("console").ok());
  for (int64_t n = 1; n <= 3; ++n) ASSERT_TRUE(catalog_->Apply(ChainCommit(n, token)).ok());
  ASSERT_TRUE(catalog_->AdvanceConsumer("quality", 2).ok());
  ASSERT_TRUE(catalog_->RegisterConsumer("quality").ok());  // does not rewind
  EXPECT_EQ(*catalog_->GetConsumerPosition("quality"), 2);
  EXPECT_EQ(catalog_->ReadEvents(2, 10)->at(0).commit_id, "c3");
  EXPECT_FALSE(catalog_->ReadEvents(0, 1)->at(0).delivered);
  ASSERT_TRUE(catalog_->AdvanceConsumer("console", 1).ok());
  EXPECT_TRUE(catalog_->ReadEvents(0, 1)->at(0).delivered);
  EXPECT_FALSE(catalog_->ReadEvents(1, 1)->at(0).delivered);
  EXPECT_EQ(catalog_->AdvanceConsumer("quality", 1).error().code(), Code::kConflict);
  EXPECT_EQ(catalog_->AdvanceConsumer("quality", 4).error().code(), Code::kInvalidArgument);
  EXPECT_EQ(catalog_->AdvanceConsumer("nobody", 1).error().code(), Code::kNotFound);
  EXPECT_EQ(catalog_->ListConsumers()->at(1).behind, 1);
  ASSERT_TRUE(catalog_->DropConsumer("console").ok());
  EXPECT_TRUE(catalog_->ReadEvents(1, 1)->at(0).delivered);
}

TEST_P(CatalogContract, AnItemIsReplayedOnce) {
  const FencingToken token = StartChain(*catalog_);
  const DatasetName quarantine{Zone::kQuarantine, "web_log"};
  ASSERT_TRUE(catalog_->CreateDataset(Spec(Zone::kQuarantine, "web_log"), kTester).ok());
  Commit commit = ChainCommit(1, token);
  commit.replays = {{quarantine, "s1:0", 4, "", {}}};
  ASSERT_TRUE(catalog_->Apply(commit).ok());
  Commit second = ChainCommit(2, token);
  second.replays = commit.replays;
  EXPECT_EQ(catalog_->Apply(second).error().code(), Code::kAlreadyExists);
  ASSERT_EQ(catalog_->ListReplays(quarantine)->size(), 1U);
  EXPECT_EQ(catalog_->ListReplays(quarantine)->at(0).commit_id, "c1");
  EXPECT_EQ(ChainLength(*catalog_), 1);
}

TEST_P(CatalogContract, ACommitWithoutAPipelineNeedsOnlyThePointer) {
  StartChain(*catalog_);
  Commit commit = ChainCommit(1, {});
  commit.pipeline = commit.new_position = "";
  commit.swaps[0].schema_summary = "two columns";
  ASSERT_TRUE(catalog_->Apply(commit).ok());
  EXPECT_EQ(catalog_->GetDataset(kTestTable)->schema_summary, "two columns");
  commit.commit_id = "other";
  EXPECT_EQ(catalog_->Apply(commit).error().message().substr(0, 8), "pointer:");
}

TEST_P(CatalogContract, KeepsUsersAndTheirKeys) {
  User user{"ann", "scram", {"analyst", "admin"}, false, {}};
  ASSERT_TRUE(catalog_->PutUser(user, kTester).ok());
  ASSERT_TRUE(
      catalog_->PutKey({"k1", "hash", "ann", {"sql"}, Timestamp{99}, false, {}}, kTester).ok());
  ASSERT_TRUE(catalog_->PutKey({"k2", "hash2", "", {"ingest"}, {}, true, {}}, kTester).ok());
  EXPECT_EQ(catalog_->PutKey({"k3", "h", "nobody", {}, {}, false, {}}, kTester).error().code(),
            Code::kNotFound);
  Reopen();
  EXPECT_EQ(catalog_->GetUser("ann")->roles, user.roles);
  EXPECT_EQ(catalog_->GetKey("k1")->expires, Timestamp{99});
  EXPECT_TRUE(catalog_->GetKey("k2")->disabled);
  EXPECT_EQ(catalog_->ListKeys()->size(), 2U);
  ASSERT_TRUE(catalog_->DropUser("ann", kTester).ok());
  EXPECT_EQ(catalog_->GetKey("k1").error().code(), Code::kNotFound);
  EXPECT_EQ(catalog_->GetUser("ann").error().code(), Code::kNotFound);
  ASSERT_TRUE(catalog_->DropKey("k2", kTester).ok());
  EXPECT_TRUE(catalog_->ListUsers()->empty());
  const auto audit = catalog_->ListAudit({});
  EXPECT_EQ(audit->size(), 5U);
  for (const AuditRow& row : *audit) {
    EXPECT_EQ(row.detail.find("scram"), std::string::npos);
    EXPECT_EQ(row.detail.find("hash"), std::string::npos);
  }
}

TEST_P(CatalogContract, SummarisesAndKeepsSettings) {
  const FencingToken token = StartChain(*catalog_);
  ASSERT_TRUE(catalog_->Apply(ChainCommit(1, token)).ok());
  ASSERT_TRUE(catalog_->SetSetting("color", "blue", kTester).ok());
  const auto summary = catalog_->Summary();
  ASSERT_TRUE(summary.ok());
  EXPECT_TRUE(ParseUuid(summary->project_id));
  EXPECT_EQ(summary->created_by, "test");
  EXPECT_EQ(summary->datasets, 1);
  EXPECT_EQ(summary->commits, 1);
  EXPECT_EQ(summary->events_waiting, 1);
  EXPECT_EQ(summary->watermarks, 1);
  Reopen();
  EXPECT_EQ(catalog_->Summary()->project_id, summary->project_id);
  EXPECT_EQ(**catalog_->GetSetting("color"), "blue");
  EXPECT_FALSE(catalog_->GetSetting("none")->has_value());
}

TEST_P(CatalogContract, TrimKeepsWhatIsStillNeeded) {
  const FencingToken token = StartChain(*catalog_);
  ASSERT_TRUE(catalog_->RegisterConsumer("quality").ok());
  for (int64_t n = 1; n <= 5; ++n) {
    ASSERT_TRUE(catalog_->Apply(ChainCommit(n, token)).ok());
    place_.clock.Advance(kMicrosPerSecond);
  }
  ASSERT_TRUE(catalog_->AdvanceConsumer("quality", 3).ok());
  const Timestamp now = place_.clock.Now();
  const auto removed = catalog_->Trim({now, now, now, std::nullopt, std::nullopt});
  ASSERT_TRUE(removed.ok()) << removed.error().ToString();
  EXPECT_EQ(*removed, 4 + 3 + 4);  // receipts, delivered events, runs
  EXPECT_TRUE(catalog_->Apply(ChainCommit(5, token))->repeated);
  EXPECT_EQ(catalog_->ReadEvents(0, 10)->at(0).id, 4);
  EXPECT_EQ((*catalog_->LastSuccessfulRun("land:web"))->run_id, "r5");
  EXPECT_EQ(catalog_->Apply(ChainCommit(6, token))->sequence, 6);
  EXPECT_EQ(*catalog_->Trim({.watermarks_before = Timestamp{now.micros + kMicrosPerDay}}), 1);
}

TEST_P(CatalogContract, StoresAnyBytesInNamesOfTheOutside) {
  const FencingToken token = StartChain(*catalog_);
  Commit commit = ChainCommit(1, token);
  const std::string odd("a'\"\0;\xff", 6);
  commit.watermarks[0].key.file_id = odd;
  commit.new_position = odd;
  ASSERT_TRUE(catalog_->Apply(commit).ok());
  EXPECT_EQ(catalog_->ListWatermarks("web")->at(0).key.file_id, odd);
  EXPECT_EQ(*catalog_->GetPosition("land:web"), odd);
}

INSTANTIATE_TEST_SUITE_P(Sqlite, CatalogContract, testing::Values("sqlite"));

}  // namespace
}  // namespace tarn::catalog
