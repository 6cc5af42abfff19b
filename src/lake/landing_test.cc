#include "lake/landing.h"

#include "base/text.h"
#include "lake/journal_record.h"
#include "lake/test_full_journal.h"
#include "os/random.h"

namespace tarn::lake {
namespace {

TEST(Landing, LinesReachRawAndCleanOnceEach) {
  TestLake lake("once");
  ASSERT_TRUE(lake.Open().ok());
  uint64_t offset = 0;
  ASSERT_TRUE(lake.SendLines("w1", offset, 100).ok());
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  EXPECT_EQ(lake.Ask("SELECT count(DISTINCT path) FROM clean.web_log WHERE status = 200"), "100");
  EXPECT_EQ(lake.Ask("SELECT count(*) FROM raw.web_log WHERE _raw LIKE '%HTTP/1.1%'"), "100");
  EXPECT_EQ(lake.Ask("SELECT count(*) FROM quarantine.web_log"), "0");
}

TEST(Landing, EveryHourOfABackFillGetsItsLinesFlushAfterFlush) {
  TestLake lake("hours");
  ASSERT_TRUE(lake.Open().ok());
  uint64_t offset = 0;
  for (int flush = 0; flush < 3; ++flush) {
    std::string payload;
    for (int hour = 0; hour < 24; ++hour) {
      for (int line = 0; line <= hour; ++line) {
        payload += "192.0.2.1 - - [2" + std::to_string(flush) +
                   "/Nov/2026:" + (hour < 10 ? "0" : "") + std::to_string(hour) +
                   ":00:00 +0000] \"GET /" + std::to_string(line) + " HTTP/1.1\" 200 5\n";
      }
    }
    ASSERT_TRUE(lake.Send(TestLake::Header("w1", offset, payload, 300), payload).ok());
    offset += payload.size();
    ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  }
  const std::string by_hour =
      " FROM (SELECT date_trunc('hour', time) h, count(*) n, count(DISTINCT path) p FROM $ "
      "GROUP BY h) WHERE n = extract('hour' FROM h) + 1 AND n = p";
  for (const std::string table : {"clean.web_log", "raw.web_log"}) {
    std::string query = "SELECT count(*) || ' ' || sum(n)" + by_hour;
    EXPECT_EQ(lake.Ask(query.replace(query.find('$'), 1, table)), "72 900") << table;
  }
  EXPECT_EQ(lake.store().List("raw/web_log/json/")->size(), 72U);
}

TEST(Landing, RejectedLinesGoToRawAndQuarantineWithTheReason) {
  TestLake lake("rejected");
  ASSERT_TRUE(lake.Open().ok());
  const std::string payload = TestLake::Line("w1", 0) + "garbage \xff\n" + TestLake::Line("w1", 9);
  ASSERT_TRUE(lake.Send(TestLake::Header("w1", 0, payload, 3), payload).ok());
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  EXPECT_EQ(lake.Ask("SELECT count(*) FROM clean.web_log"), "2");
  EXPECT_EQ(lake.Ask("SELECT count(*) FROM raw.web_log"), "3");
  EXPECT_EQ(lake.Ask("SELECT count(*) FROM quarantine.web_log WHERE _reason <> '' AND "
                     "_raw_bytes = 'garbage \\xFF'::BLOB"),
            "1");
}

// Neither agents nor their file systems need to know UTF-8; Parquet's strings must be.
TEST(Landing, NamesThatAreNoUtf8AreQueriedAndToldApart) {
  TestLake lake("names");
  ASSERT_TRUE(lake.Open().ok());
  uint64_t offset = 0;
  const auto send = [&](const std::string& path, const std::string& format) {
    const std::string payload = TestLake::Line("w1", offset) + "no line\n";
    agent_wire::BatchHeader header = TestLake::Header("w1", offset, payload, 2);
    header.path = path;
    header.format = format;
    offset = header.end_offset;
    ASSERT_TRUE(lake.Send(header, payload).ok());
  };
  for (const std::string folder : {"caf\xe9", "caf\xe8", "caf\xc3\xa9"}) {
    send("/" + folder + "/access.log", "common");
  }
  std::string long_name = "x";
  for (int i = 0; i < 60; ++i) long_name += "\xc3\xbc";
  send("/l", "none\xff");
  send("/l", "\xff%h");
  send("/l", long_name);
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  for (const std::string table : {"raw.web_log", "quarantine.web_log"}) {
    EXPECT_EQ(lake.Ask("SELECT string_agg(DISTINCT _path, ' ' ORDER BY _path) FROM " + table),
              "/caf\\xe8/access.log /caf\\xe9/access.log /caf\xc3\xa9/access.log /l");
    EXPECT_EQ(lake.Ask("SELECT count(*) FROM (SELECT hash(t) h FROM " + table + " t) WHERE h <> 0"),
              table == "raw.web_log" ? "12" : "9")
        << "every column of every row is read";
  }
  EXPECT_EQ(lake.Ask("SELECT string_agg(DISTINCT _format, ' ' ORDER BY _format) FROM "
                     "quarantine.web_log WHERE _format <> 'common'"),
            "\\xff%h none\\xff " + long_name);
  EXPECT_EQ(lake.Ask("SELECT count(*) FROM quarantine.web_log WHERE _reason LIKE '%none\\xff''%'"),
            "2");
}

// Of a server that took such names, and died before they landed.
TEST(Landing, AcknowledgedNamesThatAreNoUtf8Land) {
  TestLake lake("old_names");
  const std::string payload = TestLake::Line("w1", 0);
  agent_wire::BatchHeader header = TestLake::Header("w\xe9", 0, payload, 1);
  header.file_id = "f\xe8";
  ASSERT_TRUE(lake.Open().ok());
  codec::ZstdCompressor zstd;
  const std::string batch = agent_wire::Encode(header, payload, zstd).value();
  ASSERT_TRUE(lake.journal().Append(EncodeJournalRecord(RecordKind::kAgentBatch, {1}, batch)).ok());
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  EXPECT_EQ(lake.Ask("SELECT server || ' ' || _file_id FROM clean.web_log"), "w\\xe9 f\\xe8");
}

// They might fit a format that takes anything.
TEST(Landing, PiecesOfACutLineGoToQuarantineAndSayWhatTheyAre) {
  TestLake lake("cut_line");
  ASSERT_TRUE(lake.Open().ok());
  std::string line(2 * agent_wire::kMaxLineBytes + 9, 'x');
  line[agent_wire::kMaxLineBytes - 1] = '\r';  // the end of a piece, not of a line
  const std::string format = "regex:(?P<path>.*)";
  const std::string whole = "first\n" + line + "\nlast\n";
  uint64_t offset = 0;
  for (const size_t end : {size_t{6}, 6 + agent_wire::kMaxLineBytes,
                           6 + 2 * agent_wire::kMaxLineBytes, whole.size()}) {
    const std::string payload = whole.substr(offset, end - offset);
    agent_wire::BatchHeader header = TestLake::Header("w1", offset, payload, 1);
    header.format = format;
    header.cut = !payload.ends_with('\n');
    if (offset > 6) header.line_begin = 6;
    ASSERT_TRUE(lake.Send(header, payload).ok());
    offset = end;
  }
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  EXPECT_EQ(lake.Ask("SELECT string_agg(path, ' ' ORDER BY path) FROM clean.web_log"),
            "first last");
  EXPECT_EQ(lake.Ask("SELECT string_agg(_reason, ', ' ORDER BY _position) FROM quarantine.web_log"),
            "the line was cut: these are its first 1048576 bytes, "
            "the line was cut: these are its bytes 1048577 to 2097152, "
            "the line was cut: these are its last 9 bytes, of 2097161");
  EXPECT_EQ(lake.Ask("SELECT string_agg(DISTINCT _rule) FROM quarantine.web_log"), "cut");
  EXPECT_EQ(lake.Ask("SELECT sum(length(_raw)) FROM quarantine.web_log"), "2097161");
}

TEST(Landing, DuplicatesAreAnsweredSoAndLandOnce) {
  TestLake lake("duplicates");
  ASSERT_TRUE(lake.Open().ok());
  uint64_t offset = 0;
  ASSERT_TRUE(lake.SendLines("w1", offset, 10).ok());
  uint64_t again = 0;
  EXPECT_EQ(lake.SendLines("w1", again, 10)->kind, BatchAnswer::Kind::kDuplicate);
  uint64_t straddling = 0;
  EXPECT_EQ(lake.SendLines("w1", straddling, 15)->kind, BatchAnswer::Kind::kStored);
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  EXPECT_EQ(lake.Ask("SELECT count(*) || ' ' || count(DISTINCT path) FROM clean.web_log"), "15 15");
}

TEST(Landing, BatchPastAGapIsSentBackToTheGap) {
  TestLake lake("gap");
  ASSERT_TRUE(lake.Open().ok());
  uint64_t offset = 0;
  ASSERT_TRUE(lake.SendLines("w1", offset, 10).ok());
  uint64_t ahead = offset + 100;
  const auto answer = lake.SendLines("w1", ahead, 1);
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(answer->kind, BatchAnswer::Kind::kGap);
  EXPECT_EQ(answer->offset, offset);
}

TEST(Landing, JournalThatIsGoneIsDataLossAndCanBeGoneOnWithout) {
  TestLake lake("journal_gone");
  ASSERT_TRUE(lake.Open().ok());
  uint64_t offset = 0;
  ASSERT_TRUE(lake.SendLines("w1", offset, 10).ok());
  ASSERT_TRUE(lake.SendLines("w1", offset, 10).ok());
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  lake.Kill();
  ASSERT_TRUE(lake.files().RemoveRecursively(lake.root() + "/journal").ok());
  EXPECT_EQ(lake.Open().error().code(), Code::kDataLoss);
  lake.Kill();
  lake.accept_loss(2);
  ASSERT_TRUE(lake.Open().ok());
  EXPECT_EQ(lake.store().List("raw/web_log/json/").value().size(), 1U) << "no leftover of a flush";
  ASSERT_TRUE(lake.SendLines("w1", offset, 10).ok());
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  EXPECT_EQ(lake.Ask("SELECT count(*) || ' ' || count(DISTINCT path) FROM clean.web_log"), "30 30");
}

TEST(Landing, RecordsOfASourceThatWasTakenOutWaitForIt) {
  TestLake lake("source_gone");
  const LogSource other{"other", "common", {.parquet = true, .json = true}};
  lake.options().sources.push_back(other);
  ASSERT_TRUE(lake.Open().ok());
  const std::string payload = TestLake::Line("w1", 0);
  agent_wire::BatchHeader header = TestLake::Header("w1", 0, payload, 1);
  header.source = "other";
  ASSERT_TRUE(lake.Send(header, payload).ok());
  lake.Kill();
  lake.options().sources.pop_back();
  ASSERT_TRUE(lake.Open().ok());
  uint64_t offset = 0;
  ASSERT_TRUE(lake.SendLines("w1", offset, 10).ok());
  EXPECT_EQ(lake.landing().FlushAll(kMicrosPerSecond / 5).error().code(), Code::kDeadlineExceeded);
  EXPECT_NE(lake.landing().status().last_error.find("'other'"), std::string::npos);
  lake.Kill();
  lake.options().sources.push_back(other);
  ASSERT_TRUE(lake.Open().ok());
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  EXPECT_EQ(lake.Ask("SELECT count(*) FROM raw.other"), "1");
  EXPECT_EQ(lake.Ask("SELECT count(*) FROM raw.web_log"), "10");
}

TEST(Landing, UnknownFileMayStartAnywhere) {
  TestLake lake("anywhere");
  ASSERT_TRUE(lake.Open().ok());
  uint64_t offset = 5'000;
  EXPECT_EQ(lake.SendLines("w1", offset, 1)->kind, BatchAnswer::Kind::kStored);
}

TEST(Landing, BatchThatCouldNotBeStoredLeavesItsFileUnknown) {
  TestLake lake("unstored");
  ASSERT_TRUE(lake.Open().ok());
  os::SeededRandom random(1);
  std::string payload;  // more than the test's journal takes in one record, however compressed
  while (payload.size() < (6 << 20)) payload += std::to_string(random.Next()) + "\n";
  ASSERT_FALSE(lake.Send(TestLake::Header("w1", 5'000, payload, 1), payload).ok());
  uint64_t offset = 0;
  EXPECT_EQ(lake.SendLines("w1", offset, 1)->kind, BatchAnswer::Kind::kStored);
}

TEST(Landing, LateLinesLandInTheirOwnHour) {
  TestLake lake("late");
  ASSERT_TRUE(lake.Open().ok());
  const std::string payload =
      "::1 - - [24/Nov/2026:13:00:00 +0000] \"GET /a HTTP/1.1\" 200 5\n"
      "::1 - - [22/Nov/2026:23:59:59 +0000] \"GET /b HTTP/1.1\" 200 5\n"
      "::1 - - [24/Nov/2026:13:00:01 +0000] \"GET /c HTTP/1.1\" 200 5\n";
  ASSERT_TRUE(lake.Send(TestLake::Header("w1", 0, payload, 3), payload).ok());
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  EXPECT_EQ(lake.store().List("clean/web_log/data/2026/11/24/13/")->size(), 1U);
  EXPECT_EQ(lake.store().List("clean/web_log/data/2026/11/22/23/")->size(), 1U);
  EXPECT_EQ(lake.store().List("raw/web_log/json/2026/11/22/23/")->size(), 1U);
}

// Of the one source; empty: none.
std::string ErrorOfHost(const TestLake& lake, const std::string& name) {
  for (const HostStatus& host : lake.landing().status().hosts) {
    if (host.host == name) return host.last_error;
  }
  return "no such host";
}

TEST(Landing, HostWhoseBatchIsRefusedAsAWholeHasTheReasonUntilOneIsNot) {
  TestLake lake("host_error");
  ASSERT_TRUE(lake.Open().ok());
  uint64_t typo = 0;
  uint64_t sound = 0;
  ASSERT_TRUE(lake.SendLines("w1", typo, 3, "combind").ok());
  ASSERT_TRUE(lake.SendLines("w2", sound, 3).ok());
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  EXPECT_EQ(ErrorOfHost(lake, "w1"),
            "none of the 3 lines of the last batch, of /var/log/access.log, fits 'combind': "
            "'combind' is no log format; did you mean 'combined'?");
  EXPECT_EQ(ErrorOfHost(lake, "w2"), "");
  EXPECT_EQ(lake.landing().status().last_error, "") << "the landing itself goes well";

  ASSERT_TRUE(lake.SendLines("w1", typo, 3, "common").ok());
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  EXPECT_EQ(ErrorOfHost(lake, "w1"), "");
}

// A probe at night is no wrong format.
TEST(Landing, StatusSaysOfEverySourceWhatItsHostsBrought) {
  TestLake lake("source_status");
  ASSERT_TRUE(lake.Open().ok());
  const LandingStatus before = lake.landing().status();
  ASSERT_TRUE(before.sources.contains("web_log")) << "listed before it has sent anything";
  EXPECT_EQ(before.sources.at("web_log").lines, 0U);
  uint64_t first = 0;
  uint64_t second = 0;
  ASSERT_TRUE(lake.SendLines("w1", first, 3).ok());
  ASSERT_TRUE(lake.SendLines("w2", second, 2, "%h %nonsense").ok());
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  const LandingStatus after = lake.landing().status();
  const SourceStatus& source = after.sources.at("web_log");
  EXPECT_EQ(source.lines, 5U);
  EXPECT_EQ(source.rejected, 2U);
  EXPECT_EQ(source.bytes, after.hosts.at(0).bytes + after.hosts.at(1).bytes);
  EXPECT_EQ(source.last_read, after.hosts.at(0).last_read);
  EXPECT_EQ(source.lag_seconds,
            std::max(after.hosts.at(0).lag_seconds, after.hosts.at(1).lag_seconds));
}

TEST(Landing, HostThatSendsAFewBadLinesHasNoErrorUntilTheyAreMany) {
  TestLake lake("host_probe");
  ASSERT_TRUE(lake.Open().ok());
  uint64_t offset = 0;
  ASSERT_TRUE(lake.SendLines("w1", offset, 3).ok());
  const std::string payload = "\\x16\\x03\\x01\n";
  const auto send_bad = [&] {
    const auto header = TestLake::Header("w1", offset, payload, 1);
    ASSERT_TRUE(lake.Send(header, payload).ok());
    offset = header.end_offset;
  };
  send_bad();
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  EXPECT_EQ(ErrorOfHost(lake, "w1"), "");
  for (int i = 0; i < 10; ++i) send_bad();
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  EXPECT_NE(ErrorOfHost(lake, "w1").find("none of the 1 lines"), std::string::npos)
      << ErrorOfHost(lake, "w1");
  ASSERT_TRUE(lake.SendLines("w1", offset, 1).ok());
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  EXPECT_EQ(ErrorOfHost(lake, "w1"), "");
}

TEST(Landing, ErrorOfAHostIsAsShortAsItMayBe) {
  TestLake lake("host_error_length");
  ASSERT_TRUE(lake.Open().ok());
  const std::string payload = TestLake::Line("w1", 0);
  agent_wire::BatchHeader header = TestLake::Header("w1", 0, payload, 1);
  for (int i = 0; i < 2'000; ++i) header.path += "\xc3\xbc";
  header.format = "none" + std::string(3'000, 'x');
  ASSERT_TRUE(lake.Send(header, payload).ok());
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  const std::string error = ErrorOfHost(lake, "w1");
  EXPECT_NE(error.find("none of the 1 lines"), std::string::npos) << error;
  EXPECT_LT(error.size(), 600U);
  EXPECT_TRUE(IsValidUtf8(error)) << error;
}

TEST(HostStatus, ErrorIsForgottenAfterADay) {
  HostStatus host;
  host.last_error = "none of the lines fits";
  host.last_error_at = {5 * kMicrosPerHour};
  EXPECT_EQ(host.ErrorAt({5 * kMicrosPerHour + kMicrosPerDay - 1}), host.last_error);
  EXPECT_EQ(host.ErrorAt({5 * kMicrosPerHour + kMicrosPerDay}), "");
}

TEST(Landing, KilledAtAnyPointEveryLineIsThereOnce) {
  os::SeededRandom random(7);
  TestLake lake("killed");
  lake.options().buffer_bytes = 20'000;
  uint64_t offset = 0;
  uint64_t sent = 0;
  for (int round = 0; round < 12; ++round) {
    ASSERT_TRUE(lake.Open().ok());
    uint64_t resend = 0;  // the agent that lost its checkpoint sends everything again
    if (round % 4 == 3) {
      EXPECT_EQ(lake.SendLines("w1", resend, 3)->kind, BatchAnswer::Kind::kDuplicate);
    }
    for (uint64_t batch = 0; batch < 1 + random.Below(5); ++batch) {
      const auto lines = static_cast<int>(1 + random.Below(60));
      const auto answer = lake.SendLines("w1", offset, lines);
      ASSERT_TRUE(answer.ok() && answer->kind == BatchAnswer::Kind::kStored);
      sent += static_cast<uint64_t>(lines);
    }
    if (random.Below(2) == 0) {
      ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
    }
    lake.Kill();
  }
  ASSERT_TRUE(lake.Open().ok());
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  const std::string expected = std::to_string(sent) + " " + std::to_string(sent);
  EXPECT_EQ(lake.Ask("SELECT count(*) || ' ' || count(DISTINCT path) FROM clean.web_log"),
            expected);
  EXPECT_EQ(lake.Ask("SELECT count(*) || ' ' || count(DISTINCT path) FROM raw.web_log"), expected);
}

// Of a lake with one committed record: a restart removes the JSON that begins behind it, no other.
void ExpectJsonLeftoversGo(TestLake& lake, const std::string& source) {
  const std::string kept = JsonKey({catalog::Zone::kRaw, source}, 0, 0, 0);
  const std::string left = JsonKey({catalog::Zone::kRaw, source}, 0, 1, 5);
  ASSERT_TRUE(lake.store().Put(kept, "x").ok());
  ASSERT_TRUE(lake.store().Put(left, "x").ok());
  lake.Kill();
  ASSERT_TRUE(lake.Open().ok());
  EXPECT_TRUE(lake.store().Head(kept).ok());
  EXPECT_FALSE(lake.store().Head(left).ok());
}

TEST(Landing, JsonOfAFlushThatNeverCommittedIsRemoved) {
  TestLake lake("leftovers");
  ASSERT_TRUE(lake.Open().ok());
  uint64_t offset = 0;
  ASSERT_TRUE(lake.SendLines("w1", offset, 1).ok());
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  lake.Kill();
  ASSERT_TRUE(lake.Open().ok());
  ExpectJsonLeftoversGo(lake, "web_log");
}

TEST(Landing, FlushIsNotWaitedForOverDamage) {
  TestLake lake("damaged");
  ASSERT_TRUE(lake.Open().ok());
  uint64_t offset = 0;
  ASSERT_TRUE(lake.SendLines("w1", offset, 5).ok());
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  lake.Kill();
  ASSERT_TRUE(lake.Open().ok());
  ASSERT_TRUE(lake.files().RemoveRecursively(lake.root() + "/lake/raw/web_log/metadata").ok());
  ASSERT_TRUE(lake.SendLines("w1", offset, 5).ok());
  EXPECT_EQ(lake.landing().FlushAll(kTimeout).error().code(), Code::kDataLoss);
}

TEST(Landing, SlowerOfTwoWorkersIsRefused) {
  TestLake lake("fenced");
  ASSERT_TRUE(lake.Open().ok());
  uint64_t offset = 0;
  ASSERT_TRUE(lake.SendLines("w1", offset, 5).ok());
  ASSERT_TRUE(
      lake.catalog()
          .AcquireFence(std::string(Landing::kPipeline), "other", 0, catalog::Acquire::kTake)
          .ok());
  EXPECT_FALSE(lake.landing().FlushAll(3 * kMicrosPerSecond).ok());
  EXPECT_EQ(lake.Ask("SELECT count(*) FROM clean.web_log"), "0");
  EXPECT_NE(lake.landing().status().last_error, "");
}

TEST(Landing, FencedOffWorkerLeavesAloneWhatItsSuccessorLanded) {
  TestLake lake("successor");
  ASSERT_TRUE(lake.Open().ok());
  uint64_t offset = 0;
  ASSERT_TRUE(lake.SendLines("w1", offset, 5).ok());
  lake.lossy().applies = false;
  lake.lossy().lost = true;  // nobody knows what became of the commit …
  EXPECT_FALSE(lake.landing().FlushAll(kMicrosPerSecond / 2).ok());
  // … and meanwhile another server lands the same records.
  ASSERT_TRUE(
      lake.catalog()
          .AcquireFence(std::string(Landing::kPipeline), "other", 0, catalog::Acquire::kTake)
          .ok());
  const std::string theirs = JsonKey({catalog::Zone::kRaw, "web_log"}, 0, 0, 99);
  ASSERT_TRUE(lake.store().Put(theirs, "x").ok());
  lake.lossy().lost = false;
  EXPECT_FALSE(lake.landing().FlushAll(3 * kMicrosPerSecond).ok());
  EXPECT_TRUE(lake.store().Head(theirs).ok());
  EXPECT_NE(lake.landing().status().last_error.find("fenced"), std::string::npos)
      << lake.landing().status().last_error;
}

TEST(Landing, PositionOfRecordsThatWereRefusedIsCommittedAlone) {
  TestLake lake("refused");
  ASSERT_TRUE(lake.Open().ok());
  uint64_t offset = 0;
  ASSERT_TRUE(lake.SendLines("w1", offset, 5).ok());
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  ASSERT_TRUE(lake.journal().Append("no record of a door").ok());
  ASSERT_TRUE(lake.journal().Append("another").ok());
  const Status flushed = lake.landing().FlushAll(5 * kMicrosPerSecond);
  ASSERT_TRUE(flushed.ok()) << flushed.error().ToString();
  EXPECT_EQ(lake.catalog().GetPosition(std::string(Landing::kPipeline)).value(), "3");
  EXPECT_EQ(lake.catalog().ListRuns({.limit = 9})->size(), 1U) << "nothing was landed";
  EXPECT_EQ(lake.Ask("SELECT count(*) FROM clean.web_log"), "5");
  lake.Kill();
  ASSERT_TRUE(lake.Open().ok());
  EXPECT_TRUE(lake.landing().FlushAll(kMicrosPerSecond).ok());
}

TEST(Landing, JsonLeftoversOfASourceThatWasTakenOutAreRemoved) {
  TestLake lake("source_leftovers");
  const LogSource other{"other", "common", {.parquet = true, .json = true}};
  lake.options().sources.push_back(other);
  ASSERT_TRUE(lake.Open().ok());
  uint64_t offset = 0;
  ASSERT_TRUE(lake.SendLines("w1", offset, 1).ok());
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  lake.Kill();
  lake.options().sources.pop_back();
  ASSERT_TRUE(lake.Open().ok());
  ExpectJsonLeftoversGo(lake, "other");
}

TEST(Landing, FlushThatWouldHoldUpAStopIsGivenUpAndMadeAfterTheNextStart) {
  TestLake lake("stop");
  lake.options().stop_micros = 0;
  ASSERT_TRUE(lake.Open().ok());
  uint64_t offset = 0;
  ASSERT_TRUE(lake.SendLines("w1", offset, 5).ok());
  while (lake.landing().status().buffered_bytes == 0) std::this_thread::yield();
  lake.landing().Stop(true);
  EXPECT_EQ(lake.landing().status().commits, 0U);
  EXPECT_EQ(lake.Ask("SELECT count(*) FROM clean.web_log"), "0");
  lake.Kill();
  lake.options().stop_micros = LandingOptions().stop_micros;
  ASSERT_TRUE(lake.Open().ok());
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  EXPECT_EQ(lake.Ask("SELECT count(*) || ' ' || count(DISTINCT _position) FROM clean.web_log"),
            "5 5");
}

TEST(Landing, BatchThatIsInTheJournalAgainAfterARestartLandsOnce) {
  TestLake lake("again");
  ASSERT_TRUE(lake.Open().ok());
  uint64_t offset = 0;
  ASSERT_TRUE(lake.SendLines("w1", offset, 5).ok());
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  lake.Kill();
  ASSERT_TRUE(lake.Open().ok());
  std::string payload;
  for (int i = 0; i < 7; ++i) payload += TestLake::Line("w1", payload.size());
  codec::ZstdCompressor zstd;
  const auto batch = agent_wire::Encode(TestLake::Header("w1", 0, payload, 7), payload, zstd);
  ASSERT_TRUE(batch.ok());
  ASSERT_TRUE(lake.journal()
                  .Append(EncodeJournalRecord(RecordKind::kAgentBatch, Timestamp{1}, *batch))
                  .ok());
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  EXPECT_EQ(lake.Ask("SELECT count(*) || ' ' || count(DISTINCT path) FROM raw.web_log"), "7 7");
}

TEST(Landing, StartsInSecondsWithAFullJournal) {
  TestLake lake("full_journal");
  StartWithFullJournal(lake, 256'000'000, 5);
}

// A line is told by them, in the tables and in the catalog.
TEST(AgentDoor, HostAndFileIdMustBeUtf8) {
  TestLake lake("door_names");
  ASSERT_TRUE(lake.Open().ok());
  const std::string payload = TestLake::Line("w1", 0);
  agent_wire::BatchHeader header = TestLake::Header("w\xe9", 0, payload, 1);
  auto answer = lake.Send(header, payload);
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code(), Code::kInvalidArgument);
  EXPECT_NE(answer.error().message().find("'w\\xe9'"), std::string::npos)
      << answer.error().message();
  header.host = "w\xc3\xa9";
  header.file_id = "f\xff";
  answer = lake.Send(header, payload);
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error().code(), Code::kInvalidArgument);
  header.file_id = "f";
  EXPECT_TRUE(lake.Send(header, payload).ok());
}

TEST(AgentDoor, KeyMayBringSoManyHostsAndNoMore) {
  TestLake lake("door_hosts");
  ASSERT_TRUE(lake.Open().ok());
  const std::string payload = TestLake::Line("w", 0);
  codec::ZstdCompressor zstd;
  std::vector<Result<BatchAnswer>> answers;
  os::Mutex mutex;
  os::ConditionVariable changed;
  const auto submit = [&](const std::string& host, const std::string& file,
                          const std::string& key) {
    agent_wire::BatchHeader header = TestLake::Header(host, 0, payload, 1);
    header.file_id = file;
    const auto encoded = agent_wire::Encode(header, payload, zstd);
    lake.door().Submit(
        header, *encoded,
        [&](Result<BatchAnswer> answer) {
          os::MutexLock lock(mutex);
          answers.push_back(std::move(answer));
          changed.NotifyAll();
        },
        key);
  };
  const auto await = [&](size_t count) {
    os::MutexLock lock(mutex);
    while (answers.size() < count) changed.Wait(mutex);
    return answers.back();
  };
  for (size_t i = 0; i < AgentDoor::kMaxHostsOfKey; ++i) {
    submit("h" + std::to_string(i), "f", "wild");
  }
  ASSERT_TRUE(await(AgentDoor::kMaxHostsOfKey).ok());
  for (const auto& answer : answers) ASSERT_TRUE(answer.ok()) << answer.error().ToString();
  size_t sent = answers.size();
  submit("one more", "f", "wild");
  const auto refused = await(++sent);
  ASSERT_TRUE(refused.ok());
  EXPECT_EQ(refused->kind, BatchAnswer::Kind::kOverLimit);
  EXPECT_NE(refused->reason.find("'wild' has brought 10000 hosts"), std::string::npos);
  submit("h1", "another file", "wild");
  EXPECT_TRUE(await(++sent).ok()) << "a host that is known";
  submit("one more", "f", "tame");
  EXPECT_TRUE(await(++sent).ok()) << "another key";
  submit(std::string(300, 'h'), "f", "tame");
  EXPECT_EQ(await(++sent).error().code(), Code::kInvalidArgument);
}

TEST(Landing, IsLateWhenARecordWaitedForLongerThanBuffersMay) {
  TestLake lake("late");
  lake.options().buffer_age_micros = 1;
  ASSERT_TRUE(lake.Open().ok());
  EXPECT_FALSE(lake.landing().status().late);
  lake.lossy().applies = false;
  lake.lossy().lost = true;
  uint64_t offset = 0;
  ASSERT_TRUE(lake.SendLines("h", offset, 3).ok());
  lake.lossy().AwaitUnanswered();
  EXPECT_TRUE(lake.landing().status().late);
  lake.lossy().lost = false;
  ASSERT_TRUE(lake.landing().FlushAll(kTimeout).ok());
  EXPECT_EQ(lake.Ask("SELECT count(*) FROM clean.web_log"), "3");
}

}  // namespace
}  // namespace tarn::lake
