#include "lake/replay.h"

#include <fstream>

#include "lake/data_files.h"
#include "lake/test_lake.h"

namespace tarn::lake {
namespace {

class ReplayTest : public testing::Test {
 protected:
  ReplayTest() : lake_("replay") {
    EXPECT_TRUE(lake_.Open().ok());
    const std::string payload = TestLake::Line("w1", 0) +
                                "::1 - - [24/Nov/2026:13:00:00 +0000] \"GET /x HTTP/1.1\" 200 5 7\n"
                                "nothing fits this\n";
    EXPECT_TRUE(lake_.Send(TestLake::Header("w1", 0, payload, 3), payload).ok());
    EXPECT_TRUE(lake_.landing().FlushAll(kTimeout).ok());
    sql::EngineOptions options;
    options.threads = 1;
    options.data_directories = {lake_.root() + "/lake"};
    engine_ = std::move(sql::Engine::Open(options, lake_.files())).value();
    tables_ = std::make_unique<LakeResolver>(lake_.store(), lake_.catalog(), manifests_);
  }
  Result<ReplayReport> Replay(const std::string& format) {
    return ReplayQuarantine(lake_.work(), *engine_, *tables_, "web_log", format);
  }

  TestLake lake_;
  iceberg::ManifestCache manifests_;
  std::unique_ptr<sql::Engine> engine_;
  std::unique_ptr<LakeResolver> tables_;
};

TEST_F(ReplayTest, RowsThatFitNowMoveToCleanOnce) {
  EXPECT_EQ(lake_.Ask("SELECT count(*) FROM quarantine.web_log"), "2");
  const std::string format = R"(%h %l %u %t "%r" %>s %b %D)";
  const auto first = Replay(format);
  ASSERT_TRUE(first.ok()) << first.error().ToString();
  EXPECT_EQ(first->replayed, 1);
  EXPECT_EQ(first->rejected, 1);
  EXPECT_EQ(Replay(format)->replayed, 0);
  EXPECT_EQ(lake_.Ask("SELECT count(*) FROM clean.web_log"), "2");
  EXPECT_EQ(lake_.Ask("SELECT count(*) FROM clean.web_log WHERE path = '/x'"), "1");
  EXPECT_EQ(lake_.Ask("SELECT count(*) FROM quarantine.web_log"), "1");
  EXPECT_EQ(lake_.Ask("SELECT count(*) FROM raw.web_log"), "3");
}

TEST_F(ReplayTest, RowsOfATableOfTheFirstDaysMoveToClean) {
  lake_.MakeOld({catalog::Zone::kQuarantine, "web_log"});
  lake_.MakeOld({catalog::Zone::kClean, "web_log"});
  EXPECT_EQ(lake_.Ask("SELECT count(_file) FROM quarantine.web_log"), "2");
  const auto report = Replay(R"(%h %l %u %t "%r" %>s %b %D)");
  ASSERT_TRUE(report.ok()) << report.error().ToString();
  EXPECT_EQ(report->replayed, 1);
  EXPECT_EQ(lake_.Ask("SELECT count(_file_id) FROM clean.web_log"), "2");
  EXPECT_EQ(lake_.Ask("SELECT string_agg(DISTINCT _file_id) FROM quarantine.web_log"), "file-1");
}

TEST_F(ReplayTest, DamagedFileDoesNotKeepTheOthersInQuarantine) {
  const std::string payload = "::1 - - [24/Nov/2026:13:00:00 +0000] \"GET /y HTTP/1.1\" 200 5 7\n";
  const auto header = TestLake::Header("w2", 0, payload, 1);
  const std::string first = lake_.store().List("quarantine/web_log/data/")->front().key;
  ASSERT_TRUE(lake_.Send(header, payload).ok());
  ASSERT_TRUE(lake_.landing().FlushAll(kTimeout).ok());
  ASSERT_EQ(lake_.store().List("quarantine/web_log/data/")->size(), 2U);
  const std::string bytes = *lake_.store().Get(first);
  // The page, and the footer.
  for (const size_t at : {bytes.size() / 4, bytes.size() - 20}) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 1);
    std::ofstream(lake_.store().PathOf(first), std::ios::binary) << damaged;
    const auto report = Replay(R"(%h %l %u %t "%r" %>s %b %D)");
    ASSERT_TRUE(report.ok()) << report.error().ToString();
    EXPECT_EQ(report->damage.error().code(), Code::kDataLoss);
    EXPECT_NE(report->damage.error().message().find(first), std::string::npos);
    EXPECT_EQ(lake_.Ask("SELECT count(*) FROM clean.web_log WHERE path = '/y'"), "1");
  }
  std::ofstream(lake_.store().PathOf(first), std::ios::binary) << bytes;
  EXPECT_EQ(Replay(R"(%h %l %u %t "%r" %>s %b %D)")->replayed, 1);
}

// Landing refuses them because they might fit a format that takes anything; so it does here.
TEST_F(ReplayTest, PiecesOfACutLineStayAsTheyAre) {
  const std::string format = "regex:(?P<path>.*)";
  const std::string line(agent_wire::kMaxLineBytes + 9, 'x');
  const std::string whole = "bad line\n" + line + "\n";
  uint64_t offset = 0;
  for (const size_t end : {9 + agent_wire::kMaxLineBytes, whole.size()}) {
    const std::string payload = whole.substr(offset, end - offset);
    agent_wire::BatchHeader header = TestLake::Header("w3", offset, payload, 1);
    header.cut = !payload.ends_with('\n');
    if (offset > 0) header.line_begin = 9;
    ASSERT_TRUE(lake_.Send(header, payload).ok());
    offset = end;
  }
  ASSERT_TRUE(lake_.landing().FlushAll(kTimeout).ok());
  const std::string cut =
      "SELECT string_agg(_rule || ' ' || _format || ' ' || left(_reason, 16) || ' ' || "
      "length(_raw), ', ' "
      "ORDER BY _position) FROM quarantine.web_log WHERE _source = 'w3' AND _position > 0";
  const std::string pieces = "cut common the line was cut 1048576, cut common the line was cut 9";
  EXPECT_EQ(lake_.Ask(cut), pieces);
  const auto first = Replay(format);
  ASSERT_TRUE(first.ok()) << first.error().ToString();
  EXPECT_EQ(first->replayed, 3);
  EXPECT_EQ(first->rejected, 2);
  EXPECT_EQ(first->cut, 2);
  EXPECT_EQ(first->rows, 5);
  EXPECT_EQ(lake_.Ask(cut), pieces);
  const auto second = Replay(format);
  EXPECT_EQ(second->replayed, 0);
  EXPECT_EQ(second->cut, 2);
  EXPECT_EQ(lake_.Ask("SELECT max(length(path)) FROM clean.web_log WHERE server = 'w3'"), "8");
}

// As a version without that rule wrote it.
TEST_F(ReplayTest, PieceOfACutLineOfOldIsKnownByItsReason) {
  const catalog::DatasetName name{catalog::Zone::kQuarantine, "web_log"};
  const auto table = LoadTable(lake_.work(), name);
  ASSERT_TRUE(table.ok());
  const event::Schema columns = WithIdsOf(*table, QuarantineSchema());
  event::ColumnBatch rows(columns);
  for (size_t i = 0; i < columns.fields.size(); ++i) {
    event::Column& column = rows.column(i);
    const std::string& field = columns.fields[i].name;
    if (!column.is_bytes()) {
      column.AppendInt(7);
    } else if (field == kRawBytesColumn) {
      column.AppendNull();
    } else if (field == kReasonColumn) {
      column.AppendBytes("the line was cut: these are its first 1048576 bytes");
    } else {
      column.AppendBytes(field == kRuleColumn ? "format" : "w9");
    }
  }
  DataFiles files(lake_.work());
  CommitRequest request;
  request.tables.push_back({name, {.operation = "append"}});
  request.tables[0].change.added = files.WriteByHour({name, *table, columns}, rows).value();
  ASSERT_TRUE(files.Publish().ok());
  request.commit.audit = {.who = "test", .action = "commit", .object = "web_log"};
  Committer committer(lake_.work(), kExpire, kTimeout);
  ASSERT_TRUE(committer.Run(request).ok());
  const auto report = Replay("regex:(?P<path>.*)");
  ASSERT_TRUE(report.ok()) << report.error().ToString();
  EXPECT_EQ(report->cut, 1);
  EXPECT_EQ(report->replayed, 2);
  EXPECT_EQ(lake_.Ask("SELECT count(*) FROM quarantine.web_log WHERE _source = 'w9'"), "1");
}

TEST_F(ReplayTest, SlowerOfTwoIsToldThatAnotherCameFirst) {
  const std::string format = R"(%h %l %u %t "%r" %>s %b %D)";
  lake_.lossy().meanwhile = [&] {
    lake_.lossy().meanwhile = [&] { EXPECT_EQ(Replay(format)->replayed, 1); };
  };
  const auto slower = Replay(format);
  ASSERT_FALSE(slower.ok());
  EXPECT_EQ(slower.error().code(), Code::kConflict);
  EXPECT_NE(slower.error().message().find("another commit"), std::string::npos)
      << slower.error().message();
  EXPECT_NE(slower.error().message().find("run it again"), std::string::npos);
  EXPECT_EQ(Replay(format)->replayed, 0);
  EXPECT_EQ(lake_.Ask("SELECT count(*) FROM clean.web_log"), "2");
}

TEST_F(ReplayTest, LandingGoesOnBesideAReplay) {
  ASSERT_TRUE(Replay(R"(%h %l %u %t "%r" %>s %b %D)").ok());
  uint64_t offset = 10'000;
  const std::string payload = TestLake::Line("w2", 0);
  ASSERT_TRUE(lake_.Send(TestLake::Header("w2", offset, payload, 1), payload).ok());
  const Status flushed = lake_.landing().FlushAll(kTimeout);
  ASSERT_TRUE(flushed.ok()) << flushed.error().ToString();
  EXPECT_EQ(lake_.Ask("SELECT count(*) FROM clean.web_log"), "3");
}

}  // namespace
}  // namespace tarn::lake
