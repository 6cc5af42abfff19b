#include "demo/lake_status.h"

namespace tarn::demo {
namespace {

TEST(LakeStatus, ReadsSourcesZonesAndTheLastCommit) {
  const auto status = ParseLakeStatus(R"({
    "sources": [{"name": "web_log", "last_error": "disk full",
                 "hosts": [{"host": "w1", "lag_seconds": 0.5, "rejected": 3}]}],
    "datasets": [{"zone": "raw", "name": "web_log", "rows": 10, "bytes": 7},
                 {"zone": "clean", "name": "web_log", "rows": 9}],
    "landing": {"commits": 4, "last_commit": "2026-11-24T13:09:46Z"}, "new_field": []})");
  ASSERT_TRUE(status.ok());
  EXPECT_EQ(status->sources.at("w1").lag_seconds, 0.5);
  EXPECT_EQ(status->sources.at("w1").rejected, 3);
  EXPECT_EQ(status->sources.at("w1").last_error, "disk full");
  EXPECT_EQ(status->zone_rows.at("raw"), 10);
  EXPECT_EQ(status->zone_rows.at("clean"), 9);
  EXPECT_EQ(status->commits, 4);
  EXPECT_EQ(status->last_commit_micros, 1'795'525'786'000'000);
}

TEST(LakeStatus, ToleratesWhatIsMissing) {
  const auto status = ParseLakeStatus("{}");
  ASSERT_TRUE(status.ok());
  EXPECT_TRUE(status->zone_rows.empty());
  EXPECT_EQ(status->last_commit_micros, -1);
  EXPECT_TRUE(ParseLakeStatus(R"({"sources":7,"datasets":{},"landing":{"last_commit":{}}})").ok());
}

TEST(LakeStatus, RefusesWhatIsNoObject) {
  EXPECT_FALSE(ParseLakeStatus("[]").ok());
  EXPECT_FALSE(ParseLakeStatus("<html>").ok());
}

}  // namespace
}  // namespace tarn::demo
