#include "demo/truth.h"

#include "demo/temp_folder.h"
#include "os/posix_file_system.h"

namespace tarn::demo {
namespace {

constexpr Timestamp kNow{1'795'530'057 * kMicrosPerSecond};
constexpr Truth::Key kKey{0, 1'795'530'057 / 3'600};

class TruthTest : public testing::Test {
 protected:
  std::unique_ptr<Truth> Open() {
    auto truth = Truth::Open(fs_, path_);
    EXPECT_TRUE(truth.ok());
    return std::move(truth).value();
  }
  os::PosixFileSystem fs_;
  TempFolder folder_;
  const std::string path_ = folder_ / "truth.jsonl";
};

TEST_F(TruthTest, CountsHitsStatusesSessionsAndVisitors) {
  auto truth = Open();
  truth->AddHit(0, kNow, 200, "v1.0.1");
  truth->AddHit(0, kNow, 200, "v1.0.1");
  truth->AddHit(0, kNow, 404, "v1.0.2");
  truth->AddHit(0, kNow, 400, "");
  truth->AddRejected(0, kNow);
  const HourCounts counts = truth->Counts().at(kKey);
  EXPECT_EQ(counts.hits, 4U);
  EXPECT_EQ(counts.by_status, (std::map<int, uint64_t>{{200, 2}, {400, 1}, {404, 1}}));
  EXPECT_EQ(counts.rejected, 1U);
  EXPECT_EQ(counts.sessions, 2U);
  EXPECT_EQ(counts.visitors, 1U);
}

TEST_F(TruthTest, SurvivesUpToTheLastFlush) {
  {
    auto truth = Open();
    truth->AddHit(0, kNow, 200, "v1.0.1");
    ASSERT_TRUE(truth->Flush().ok());
    truth->AddHit(0, kNow, 200, "v2.0.2");
    ASSERT_TRUE(truth->Flush().ok());
    truth->AddHit(0, kNow, 200, "v3.0.3");
  }
  const HourCounts counts = Open()->Counts().at(kKey);
  EXPECT_EQ(counts.hits, 2U);
  EXPECT_EQ(counts.sessions, 2U);
}

TEST_F(TruthTest, KnowsAVisitorAgainAfterReopening) {
  {
    auto truth = Open();
    truth->AddHit(0, kNow, 200, "v1.0.1");
    ASSERT_TRUE(truth->Flush().ok());
  }
  auto truth = Open();
  truth->AddHit(0, kNow, 200, "v1.0.1");
  truth->AddHit(0, kNow, 200, "v1.1.1");
  const HourCounts counts = truth->Counts().at(kKey);
  EXPECT_EQ(counts.visitors, 1U);
  EXPECT_EQ(counts.sessions, 2U);
}

TEST_F(TruthTest, DropsATornLastLineAndWritesOverIt) {
  {
    auto truth = Open();
    truth->AddHit(0, kNow, 200, "");
    ASSERT_TRUE(truth->Flush().ok());
  }
  auto file = fs_.Open(path_, os::OpenMode::kReadWrite).value();
  ASSERT_TRUE(file->WriteAt(file->Size().value(), R"({"server":"w1","ho)").ok());
  auto truth = Open();
  EXPECT_EQ(truth->Counts().at(kKey).hits, 1U);
  truth->AddHit(0, kNow, 200, "");
  ASSERT_TRUE(truth->Flush().ok());
  EXPECT_EQ(Open()->Counts().at(kKey).hits, 2U);
}

TEST_F(TruthTest, CompactionKeepsTheCountsAndRecentIds) {
  const Timestamp old{kNow.micros - 10 * kMicrosPerHour};
  {
    auto truth = Open();
    for (int i = 0; i < 5; ++i) {
      truth->AddHit(0, kNow, 200, "v1.0.1");
      truth->AddHit(0, old, 200, "v1.0.1");
      truth->AddUncertain();
      ASSERT_TRUE(truth->Flush().ok());
    }
    ASSERT_TRUE(truth->Compact({kNow.micros - kMicrosPerHour}).ok());
  }
  auto truth = Open();
  EXPECT_EQ(truth->Total(0).hits, 10U);
  EXPECT_EQ(truth->uncertain(), 5U);
  truth->AddHit(0, kNow, 200, "v1.0.1");
  EXPECT_EQ(truth->Counts().at(kKey).sessions, 1U);
  EXPECT_EQ(truth->Counts().at({0, kKey.second - 10}).sessions, 1U);
}

TEST_F(TruthTest, SaysWhereItsFileIsDamaged) {
  ASSERT_TRUE(fs_.WriteFileAtomically(path_, "{\"uncertain\":0}\n{\"server\":\"w1\"}\n").ok());
  const auto truth = Truth::Open(fs_, path_);
  ASSERT_FALSE(truth.ok());
  EXPECT_NE(truth.error().message().find("truth.jsonl:2"), std::string::npos);
}

}  // namespace
}  // namespace tarn::demo
