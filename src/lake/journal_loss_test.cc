// What the log says of acknowledged lines that a damaged journal lost.

#include "lake/journal_record.h"
#include "lake/landing.h"
#include "lake/test_lake.h"

namespace tarn::lake {
namespace {

// What a damaged journal lost between two batches.
TEST(JournalLoss, LinesThatAreMissingAreToldOnceHoweverOftenAFlushIsTried) {
  TestLake lake("missing");
  ASSERT_TRUE(lake.Open().ok());
  uint64_t offset = 0;
  ASSERT_TRUE(lake.SendLines("w1", offset, 5).ok());
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  const std::string line = TestLake::Line("w1", offset + 100);
  codec::ZstdCompressor zstd;
  const auto batch = agent_wire::Encode(TestLake::Header("w1", offset + 100, line, 1), line, zstd);
  ASSERT_TRUE(
      lake.journal().Append(EncodeJournalRecord(RecordKind::kAgentBatch, {1}, batch.value())).ok());
  lake.lossy().applies = false;
  lake.lossy().lost = true;
  testing::internal::CaptureStderr();
  EXPECT_FALSE(lake.landing().FlushAll(kMicrosPerSecond / 50).ok());
  lake.lossy().AwaitUnanswered();
  lake.lossy().lost = false;
  EXPECT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  const std::string log = testing::internal::GetCapturedStderr();
  const size_t told = log.find("landing.lines_missing");
  ASSERT_NE(told, std::string::npos) << log;
  EXPECT_EQ(log.find("landing.lines_missing", told + 1), std::string::npos) << log;
  const std::string range =
      "from=" + std::to_string(offset) + " to=" + std::to_string(offset + 100);
  EXPECT_NE(log.find(range, told), std::string::npos) << log;
}

// The file's first record is the one that was lost, so that nothing is known of it.
TEST(JournalLoss, LinesBeforeTheFirstThatIsKnownAreMissingOnlyAfterALoss) {
  TestLake lake("missing_first");
  ASSERT_TRUE(lake.Open().ok());
  uint64_t offset = 0;
  ASSERT_TRUE(lake.SendLines("w1", offset, 5).ok());
  const uint64_t lost = offset;
  ASSERT_TRUE(lake.SendLines("w1", offset, 5).ok());
  uint64_t middle = 700;
  ASSERT_TRUE(lake.SendLines("w2", middle, 5).ok());
  lake.Kill();
  const std::string folder = lake.root() + "/journal/";
  const auto names = lake.files().List(folder);
  ASSERT_TRUE(names.ok());
  std::string segment;
  for (const std::string& name : *names) {
    if (name.starts_with("segment-")) segment = folder + name;
  }
  const auto file = lake.files().Open(segment, os::OpenMode::kReadWrite);
  ASSERT_TRUE((*file)->WriteAt(4'096 + 100, "?!").ok());
  lake.accept_loss(0);
  testing::internal::CaptureStderr();
  ASSERT_TRUE(lake.Open().ok());
  EXPECT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  const std::string log = testing::internal::GetCapturedStderr();
  const size_t told = log.find("landing.lines_missing");
  ASSERT_NE(told, std::string::npos) << log;
  EXPECT_NE(log.find("host=w1", told), std::string::npos) << log;
  EXPECT_NE(log.find("from=0 to=" + std::to_string(lost), told), std::string::npos) << log;
  EXPECT_NE(log.find("initial_position", told), std::string::npos) << log;

  TestLake whole("begun_in_the_middle");
  testing::internal::CaptureStderr();
  ASSERT_TRUE(whole.Open().ok());
  ASSERT_TRUE(whole.SendLines("w2", middle, 5).ok());
  EXPECT_TRUE(whole.landing().FlushAll(kTimeout).ok());
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace tarn::lake
