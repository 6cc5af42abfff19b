#include "lake/test_lake.h"

namespace tarn::lake {
namespace {

// The catalog stops answering for a while: commits are made but nobody hears of it, or not made.
void LoseAnswers(const std::string& name, bool applies) {
  TestLake lake(name);
  ASSERT_TRUE(lake.Open().ok());
  uint64_t offset = 0;
  ASSERT_TRUE(lake.SendLines("w1", offset, 20).ok());
  lake.lossy().applies = applies;
  lake.lossy().lost = true;
  EXPECT_FALSE(lake.landing().FlushAll(kMicrosPerSecond / 2).ok());
  ASSERT_TRUE(lake.SendLines("w1", offset, 5).ok());
  lake.lossy().lost = false;
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  EXPECT_EQ(lake.Ask("SELECT count(*) || ' ' || count(DISTINCT path) FROM clean.web_log"), "25 25");
  EXPECT_EQ(lake.Ask("SELECT count(*) || ' ' || count(DISTINCT path) FROM raw.web_log"), "25 25");
  size_t lines = 0;
  const auto objects = lake.store().List("raw/web_log/json/");
  for (const auto& object : *objects) {
    const auto json = codec::ZstdDecompress(*lake.store().Get(object.key), 1 << 20);
    ASSERT_TRUE(json.ok());
    lines += static_cast<size_t>(std::count(json->begin(), json->end(), '\n'));
  }
  EXPECT_EQ(lines, 25U);
}

TEST(Landing, CommitsWhoseAnswersAreLostCountOnce) {
  LoseAnswers("lost_made", true);
  LoseAnswers("lost_not_made", false);
}

// The buffers are far from full or old: only that the first flush failed makes the next one due.
TEST(Landing, FlushAfterAFailedOneComesWithoutAFullBuffer) {
  TestLake lake("retried");
  ASSERT_TRUE(lake.Open().ok());
  uint64_t offset = 0;
  ASSERT_TRUE(lake.SendLines("w1", offset, 5).ok());
  lake.lossy().applies = false;
  lake.lossy().lost = true;
  EXPECT_FALSE(lake.landing().FlushAll(kMicrosPerSecond / 50).ok());  // asks once
  lake.lossy().AwaitUnanswered();
  lake.lossy().lost = false;
  lake.lossy().AwaitAnswered();
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());  // until the answer is noted
  EXPECT_EQ(lake.landing().status().commits, 1U);
  EXPECT_EQ(lake.landing().status().last_error, "");
  EXPECT_EQ(lake.Ask("SELECT count(*) FROM clean.web_log"), "5");
}

// Each try fails at once, is said and made again; a stop waits for no more than the one under way.
TEST(Landing, ABusyCatalogShowsAndWhatDidNotLandWaitsInTheJournal) {
  TestLake lake("busy");
  lake.options().buffer_age_micros = 0;
  ASSERT_TRUE(lake.Open().ok());
  uint64_t offset = 0;
  testing::internal::CaptureStderr();
  lake.lossy().busy = true;
  ASSERT_TRUE(lake.SendLines("w1", offset, 20).ok());
  while (lake.landing().last_error().empty()) {
    EXPECT_FALSE(lake.landing().FlushAll(kMicrosPerSecond / 50).ok());
  }
  EXPECT_NE(lake.landing().last_error().find("another process"), std::string::npos);
  const int answers = lake.lossy().busy_answers();
  EXPECT_LE(answers, 2);
  lake.landing().Stop(true);
  EXPECT_LE(lake.lossy().busy_answers(), answers + 1);
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("landing.failed"), std::string::npos) << log;
  lake.Kill();
  ASSERT_TRUE(lake.Open().ok());
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  EXPECT_EQ(lake.Ask("SELECT count(*) || ' ' || count(DISTINCT path) FROM clean.web_log"), "20 20");
}

TEST(Landing, GoesOnByItselfWhenTheCatalogIsFreeAgain) {
  TestLake lake("free_again");
  ASSERT_TRUE(lake.Open().ok());
  uint64_t offset = 0;
  lake.lossy().busy = true;
  ASSERT_TRUE(lake.SendLines("w1", offset, 20).ok());
  while (lake.lossy().busy_answers() == 0) {
    EXPECT_FALSE(lake.landing().FlushAll(kMicrosPerSecond / 50).ok());
  }
  lake.lossy().busy = false;
  ASSERT_TRUE(lake.SendLines("w1", offset, 5).ok());
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  EXPECT_EQ(lake.landing().last_error(), "");
  EXPECT_EQ(lake.Ask("SELECT count(*) || ' ' || count(DISTINCT path) FROM clean.web_log"), "25 25");
  EXPECT_EQ(lake.Ask("SELECT count(*) || ' ' || count(DISTINCT path) FROM raw.web_log"), "25 25");
}

// Its columns need a commit before the batch can be taken into the buffers.
TEST(Landing, ABatchOfANewFormatWaitsForABusyCatalog) {
  TestLake lake("new_format");
  ASSERT_TRUE(lake.Open().ok());
  uint64_t offset = 0;
  testing::internal::CaptureStderr();
  lake.lossy().busy = true;
  ASSERT_TRUE(lake.SendLines("w1", offset, 20, "regex:(?P<whole>.*)").ok());
  while (lake.landing().last_error().empty()) std::this_thread::yield();
  const std::string error = lake.landing().last_error();
  EXPECT_NE(error.find("another process"), std::string::npos) << error;
  lake.lossy().busy = false;
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  EXPECT_EQ(lake.landing().last_error(), "");
  EXPECT_EQ(lake.Ask("SELECT count(*) || ' ' || count(DISTINCT whole) FROM clean.web_log"),
            "20 20");
  const std::string log = testing::internal::GetCapturedStderr();
  EXPECT_NE(log.find("landing.record_held"), std::string::npos) << log;
  EXPECT_EQ(log.find("landing.record_refused"), std::string::npos) << log;
}

}  // namespace
}  // namespace tarn::lake
