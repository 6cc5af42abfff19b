#include "base/text.h"
#include "lake/landing.h"
#include "lake/test_lake.h"

// What the formats of sources and agents make of their tables.
namespace tarn::lake {
namespace {

TEST(Landing, OtherFormatWidensTheTable) {
  TestLake lake("widen");
  ASSERT_TRUE(lake.Open().ok());
  uint64_t offset = 0;
  ASSERT_TRUE(lake.SendLines("w1", offset, 1).ok());
  const std::string payload =
      "::1 - - [24/Nov/2026:13:00:00 +0000] \"GET /a HTTP/1.1\" 200 5 \"ref\" \"agent\"\n";
  agent_wire::BatchHeader header = TestLake::Header("w2", 0, payload, 1);
  header.format = "combined";
  ASSERT_TRUE(lake.Send(header, payload).ok());
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  EXPECT_EQ(lake.Ask("SELECT count(*) || ' ' || count(agent) FROM clean.web_log"), "2 1");
}

TEST(Landing, TablesOfTheFirstDaysGetTodaysColumnWhenTheyAreNextWritten) {
  TestLake lake("old_column");
  ASSERT_TRUE(lake.Open().ok());
  uint64_t offset = 0;
  ASSERT_TRUE(lake.SendLines("w1", offset, 3).ok());
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  for (const catalog::Zone zone : {catalog::Zone::kRaw, catalog::Zone::kClean}) {
    lake.MakeOld({zone, "web_log"});
  }
  EXPECT_EQ(lake.Ask("SELECT string_agg(DISTINCT _file) FROM raw.web_log"), "file-1");
  lake.Kill();
  ASSERT_TRUE(lake.Open().ok());
  ASSERT_TRUE(lake.SendLines("w1", offset, 2).ok());
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  for (const char* table : {"raw.web_log", "clean.web_log"}) {
    const std::string from = std::string(" FROM ") + table;
    EXPECT_EQ(lake.Ask("SELECT count(_file_id)" + from), "5");
    EXPECT_EQ(lake.Ask("SELECT string_agg(DISTINCT _file_id)" + from), "file-1");
    EXPECT_NE(lake.Ask("SELECT _file" + from).find("InvalidArgument"), std::string::npos);
  }
}

TEST(Landing, FilesKeepTheNarrowTypeOfAColumnThatWasWidened) {
  TestLake lake("narrow");
  ASSERT_TRUE(lake.Open().ok());
  uint64_t offset = 0;
  ASSERT_TRUE(lake.SendLines("w1", offset, 1).ok());
  const std::string payload = "{\"time\":\"2026-11-24T13:00:00Z\",\"status\":5000000000}\n";
  agent_wire::BatchHeader header = TestLake::Header("w2", 0, payload, 1);
  header.format = "json:time,status:long";
  ASSERT_TRUE(lake.Send(header, payload).ok());
  ASSERT_TRUE(lake.SendLines("w1", offset, 1).ok());
  const Status flushed = lake.landing().FlushAll(kTimeout);
  ASSERT_TRUE(flushed.ok()) << flushed.error().ToString();
  ASSERT_TRUE(lake.SendLines("w1", offset, 1).ok());
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  EXPECT_EQ(lake.Ask("SELECT count(*) || ' ' || sum(status) FROM clean.web_log"), "4 5000000600");
  EXPECT_EQ(lake.Ask("SELECT count(*) FROM clean.web_log WHERE status = 200"), "3");
}

TEST(Landing, ColumnsThatTheLandingKeepsForItselfAreRefused) {
  TestLake lake("kept");
  ASSERT_TRUE(lake.Open().ok());
  for (const std::string column : {"_source", "_error", "server"}) {
    const std::string payload = "{\"" + column + "\":\"x\"}\n";
    agent_wire::BatchHeader header = TestLake::Header("w-" + column, 0, payload, 1);
    header.format = "json:" + column;
    ASSERT_TRUE(lake.Send(header, payload).ok());
  }
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  EXPECT_EQ(lake.Ask("SELECT count(*) FROM quarantine.web_log WHERE _format LIKE 'json:%' AND "
                     "_reason LIKE '%is kept for%'"),
            "3");
}

TEST(Landing, ColumnThatDiffersFromOneOfTheTableInCapitalsIsRefused) {
  TestLake lake("capitals");
  ASSERT_TRUE(lake.Open().ok());
  uint64_t offset = 0;
  ASSERT_TRUE(lake.SendLines("w1", offset, 3).ok());
  for (const std::string format :
       {"json:Status:int,host", "json:Time,host", "json:time_hour:int"}) {
    const std::string payload = "{\"host\":\"x\"}\n";
    agent_wire::BatchHeader header = TestLake::Header("w-" + format, 0, payload, 1);
    header.format = format;
    ASSERT_TRUE(lake.Send(header, payload).ok());
  }
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  EXPECT_EQ(lake.Ask("SELECT count(*) FROM (FROM clean.web_log)"), "3");
  EXPECT_EQ(lake.Ask("SELECT count(*) FROM (FROM raw.web_log)"), "6");
  EXPECT_EQ(lake.Ask("SELECT count(*) FROM quarantine.web_log WHERE _format LIKE 'json:%'"), "3");
}

TEST(Landing, FormatThatCannotBeUsedSendsLinesToQuarantine) {
  TestLake lake("format");
  ASSERT_TRUE(lake.Open().ok());
  uint64_t offset = 0;
  ASSERT_TRUE(lake.SendLines("w1", offset, 3, "%h %nonsense").ok());
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  EXPECT_EQ(lake.Ask("SELECT count(*) FROM quarantine.web_log"), "3");
  EXPECT_EQ(lake.Ask("SELECT count(*) FROM raw.web_log"), "3");
}

TEST(Landing, FormatsThatAgentsInventEndInQuarantinePastTheLimitAndUntilTheNextCommit) {
  TestLake lake("many_formats");
  lake.options().sources[0].land = {.parquet = true, .json = false};
  ASSERT_TRUE(lake.Open().ok());
  const std::string payload = "{\"time\":\"2026-11-24T13:00:00Z\"}\n";
  const auto send = [&](int number, const std::string& format) {
    agent_wire::BatchHeader header = TestLake::Header("w" + std::to_string(number), 0, payload, 1);
    header.format = format;
    ASSERT_TRUE(lake.Send(header, payload).ok());
  };
  const int most = static_cast<int>(Landing::kMaxFormats);
  for (int i = 0; i < most + 2; ++i) send(i, "json:time,c" + std::to_string(i));
  uint64_t offset = 0;
  ASSERT_TRUE(lake.SendLines("own", offset, 3).ok());  // the source's own format
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  EXPECT_EQ(lake.Ask("SELECT count(*) FROM quarantine.web_log"), "2");
  EXPECT_EQ(lake.Ask("SELECT count(*) FROM clean.web_log"), std::to_string(most + 3));
  send(most + 2, "json:time,status:int");
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  EXPECT_EQ(lake.Ask("SELECT count(*) FROM quarantine.web_log"), "2");
}

TEST(Landing, FormatWithTooManyColumnsEndsInQuarantine) {
  TestLake lake("columns");
  ASSERT_TRUE(lake.Open().ok());
  std::string format = "json:time";
  for (size_t i = 0; i < Landing::kMaxColumns; ++i) format += ",c" + std::to_string(i);
  const std::string payload = "{\"time\":\"2026-11-24T13:00:00Z\",\"c1\":\"x\"}\n";
  agent_wire::BatchHeader header = TestLake::Header("w1", 0, payload, 1);
  header.format = format;
  ASSERT_TRUE(lake.Send(header, payload).ok());
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  EXPECT_EQ(lake.Ask("SELECT count(*) FROM quarantine.web_log WHERE _reason LIKE '%columns%'"),
            "1");
  EXPECT_NE(lake.Ask("SELECT c1 FROM clean.web_log").find("c1"), std::string::npos);
}

}  // namespace
}  // namespace tarn::lake
