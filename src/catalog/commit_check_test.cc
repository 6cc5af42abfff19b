#include "catalog/commit_check.h"

namespace tarn::catalog {
namespace {

const DatasetName kWebLog{Zone::kClean, "web_log"};

Commit GoodCommit() {
  Commit commit;
  commit.commit_id = "c-1";
  commit.pipeline = "land:web";
  commit.token = {3};
  commit.expected_position = "100";
  commit.new_position = "200";
  commit.swaps = {{kWebLog, "m1", "m2", 7, 10, 1000, std::nullopt}};
  commit.watermarks = {{{"web", "web-1", "f1"}, 500, 9, {}}};
  commit.replays = {{{Zone::kQuarantine, "web_log"}, "snap-1:5", 1, "", {}}};
  commit.audit.who = "landing";
  return commit;
}

CommitState GoodState() {
  CommitState state;
  state.token = {3};
  state.token_holder = "server-a";
  state.position = "100";
  state.pointers[kWebLog] = "m1";
  state.watermarks[{"web", "web-1", "f1"}] = 400;
  return state;
}

TEST(CheckCommit, AppliesWhatMatchesTheState) {
  const auto decision = CheckCommit(GoodCommit(), GoodState());
  ASSERT_TRUE(decision.ok());
  EXPECT_EQ(*decision, CommitDecision::kApply);
}

TEST(CheckCommit, RefusesAnOlderTokenBeforeAnythingElse) {
  CommitState state = GoodState();
  state.token = {4};
  state.position = "150";
  const auto decision = CheckCommit(GoodCommit(), state);
  ASSERT_FALSE(decision.ok());
  EXPECT_EQ(decision.error().ToString(),
            "Conflict: fenced: pipeline land:web was taken over: this commit carries token 3, the "
            "newest is 4 of server-a");
}

TEST(CheckCommit, RefusesATokenNeverGivenOut) {
  Commit commit = GoodCommit();
  commit.token = {9};
  EXPECT_EQ(CheckCommit(commit, GoodState()).error().code(), Code::kConflict);
  commit.token = {0};
  EXPECT_EQ(CheckCommit(commit, GoodState()).error().code(), Code::kConflict);
}

TEST(CheckCommit, RefusesAnotherPosition) {
  CommitState state = GoodState();
  state.position = "150";
  EXPECT_EQ(CheckCommit(GoodCommit(), state).error().ToString(),
            "Conflict: position: pipeline land:web is at '150', the commit expects '100'");
  state.position = "";
  EXPECT_EQ(CheckCommit(GoodCommit(), state).error().ToString(),
            "Conflict: position: pipeline land:web is at none, the commit expects '100'");
}

TEST(CheckCommit, RefusesAMovedPointerAndAMissingDataset) {
  CommitState state = GoodState();
  state.pointers[kWebLog] = "m1b";
  EXPECT_EQ(CheckCommit(GoodCommit(), state).error().ToString(),
            "Conflict: pointer: clean.web_log is at 'm1b', the commit expects 'm1'");
  state.pointers.clear();
  EXPECT_EQ(CheckCommit(GoodCommit(), state).error().ToString(),
            "NotFound: clean.web_log does not exist; create the dataset first");
}

TEST(CheckCommit, RefusesAWatermarkThatGoesBackButNotOneThatStays) {
  CommitState state = GoodState();
  state.watermarks[{"web", "web-1", "f1"}] = 500;
  EXPECT_TRUE(CheckCommit(GoodCommit(), state).ok());
  state.watermarks[{"web", "web-1", "f1"}] = 501;
  EXPECT_EQ(CheckCommit(GoodCommit(), state).error().ToString(),
            "Conflict: watermark: file f1 of host web-1 would go back from 501 to 500");
}

TEST(CheckCommit, RefusesASecondReplayOfAnItem) {
  CommitState state = GoodState();
  state.replays[{Zone::kQuarantine, "web_log"}]["snap-1:5"] = "c-0";
  EXPECT_EQ(CheckCommit(GoodCommit(), state).error().ToString(),
            "AlreadyExists: quarantine.web_log: 'snap-1:5' was replayed before, by commit c-0");
}

TEST(CheckCommit, RepeatsAKnownCommitWhateverHappenedSince) {
  CommitState state = GoodState();
  state.receipt = CommitReceipt{.commit_id = "c-1", .pipeline = "land:web", .new_position = "200"};
  state.token = {8};
  state.position = "900";
  const auto decision = CheckCommit(GoodCommit(), state);
  ASSERT_TRUE(decision.ok());
  EXPECT_EQ(*decision, CommitDecision::kRepeated);
}

TEST(CheckCommit, RefusesAnIdThatBelongsToAnotherCommit) {
  CommitState state = GoodState();
  state.receipt = CommitReceipt{.commit_id = "c-1", .pipeline = "land:web", .new_position = "999"};
  EXPECT_EQ(CheckCommit(GoodCommit(), state).error().code(), Code::kConflict);
}

TEST(CheckCommit, NeedsNoTokenWithoutAPipeline) {
  Commit commit = GoodCommit();
  commit.pipeline = "";
  commit.token = {};
  commit.expected_position = commit.new_position = "";
  EXPECT_TRUE(ValidateCommit(commit).ok());
  EXPECT_TRUE(CheckCommit(commit, GoodState()).ok());
}

void ExpectInvalid(const std::function<void(Commit&)>& spoil) {
  Commit commit = GoodCommit();
  EXPECT_TRUE(ValidateCommit(commit).ok());
  spoil(commit);
  const auto status = ValidateCommit(commit);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code(), Code::kInvalidArgument);
}

TEST(ValidateCommit, RefusesWhatIsMalformed) {
  ExpectInvalid([](Commit& c) { c.commit_id = ""; });
  ExpectInvalid([](Commit& c) { c.audit.who = ""; });
  ExpectInvalid([](Commit& c) { c.pipeline = ""; });
  ExpectInvalid([](Commit& c) { c.swaps.push_back(c.swaps[0]); });
  ExpectInvalid([](Commit& c) { c.swaps[0].new_metadata_location = ""; });
  ExpectInvalid([](Commit& c) { c.swaps[0].dataset.table = "a;b"; });
  ExpectInvalid([](Commit& c) { c.watermarks.push_back(c.watermarks[0]); });
  ExpectInvalid([](Commit& c) { c.watermarks[0].end_offset = -1; });
  ExpectInvalid([](Commit& c) { c.replays.push_back(c.replays[0]); });
  ExpectInvalid([](Commit& c) { c.events.push_back({}); });
}

TEST(ValidateCommit, BoundsEveryList) {
  ExpectInvalid([](Commit& c) { c.swaps.resize(kMaxSwaps + 1); });
  ExpectInvalid([](Commit& c) { c.watermarks.resize(kMaxWatermarks + 1); });
  ExpectInvalid([](Commit& c) { c.events.resize(kMaxEvents + 1); });
  ExpectInvalid([](Commit& c) { c.replays.resize(kMaxReplays + 1); });
  ExpectInvalid([](Commit& c) { c.new_position.resize(kMaxTextBytes + 1); });
}

}  // namespace
}  // namespace tarn::catalog
