#include "lake/test_full_journal.h"

namespace tarn::lake {
namespace {

constexpr int64_t kTimeout = 120 * kMicrosPerSecond;

TEST(Landing, HundredSourcesLandInOneCommit) {
  TestLake lake("hundred");
  lake.options().sources.clear();
  for (int i = 0; i < 100; ++i) {
    lake.options().sources.push_back(
        {"s" + std::to_string(i), "common", {.parquet = true, .json = false}});
  }
  ASSERT_TRUE(lake.Open().ok());
  for (const LogSource& source : lake.options().sources) {
    const std::string payload = TestLake::Line("w1", 0) + "no line\n";
    agent_wire::BatchHeader header = TestLake::Header("w1", 0, payload, 2);
    header.source = source.name;
    ASSERT_TRUE(lake.Send(header, payload).ok());
  }
  const Status flushed = lake.landing().FlushAll(kTimeout);
  ASSERT_TRUE(flushed.ok()) << flushed.error().ToString();
  EXPECT_EQ(lake.landing().status().commits, 1U);
  EXPECT_EQ(lake.Ask("SELECT count(*) FROM clean.s99"), "1");
}

TEST(Landing, StartsInSecondsWithAJournalAtItsMaximum) {
  TestLake lake("full_journal_4g");
  StartWithFullJournal(lake, 4'000'000'000, 10);
}

}  // namespace
}  // namespace tarn::lake
