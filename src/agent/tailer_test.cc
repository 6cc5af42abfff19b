#include "agent/tailer.h"

#include "agent/test_rig.h"

namespace tarn::agent {
namespace {

using namespace testing;

TEST(Tailer, BatchCarriesWhereItIsFrom) {
  TempFolder folder;
  Rig rig(SettingsFor(folder / "*.log"));
  Append(folder / "a.log", "one\ntwo\n");
  rig.Settle(1);
  ASSERT_EQ(rig.server.headers_seen.size(), 1U);
  const agent_wire::BatchHeader& header = rig.server.headers_seen[0];
  EXPECT_EQ(header.host, "web-1");
  EXPECT_EQ(header.source, "shop");
  EXPECT_EQ(header.format, "combined");
  EXPECT_EQ(header.path, folder / "a.log");
  EXPECT_EQ(header.file_id, FileIdOf("shop", "one\n"));
  EXPECT_EQ(header.begin_offset, 0U);
  EXPECT_EQ(header.end_offset, 8U);
  EXPECT_EQ(header.line_count, 2U);
  EXPECT_FALSE(header.cut);
  EXPECT_EQ(rig.server.last_headers[1].second, "Bearer secret");
}

TEST(Tailer, WaitsForTheAgeOrTheSizeOfABatch) {
  TempFolder folder;
  AgentSettings settings = SettingsFor(folder / "a.log");
  settings.batch_bytes = 5000;
  Rig rig(settings);
  Append(folder / "a.log", "one\n");
  rig.Step();
  EXPECT_EQ(rig.server.requests, 0);
  EXPECT_EQ(rig.tailer().NextDue(), rig.clock.MonotonicMicros() + settings.batch_age_micros);
  rig.clock.Advance(settings.batch_age_micros);
  rig.Step();
  EXPECT_EQ(rig.server.requests, 1);
  Append(folder / "a.log", std::string(3000, 'x') + "\n" + std::string(3000, 'y') + "\n");
  rig.Step();  // over 5,000: the first of the two lines is due at once
  EXPECT_EQ(rig.server.requests, 2);
  EXPECT_EQ(rig.server.headers_seen.back().end_offset, 3005U);
}

TEST(Tailer, InitialPositionEndCountsAtTheFirstStartOnly) {
  TempFolder folder;
  AgentSettings settings = SettingsFor(folder / "*.log");
  settings.flows[0].from_start = false;
  Append(folder / "a.log", "old\nold too\nhal");
  Rig rig(settings);
  rig.Settle();
  rig.Settle(1);
  EXPECT_EQ(rig.server.requests, 0);
  Append(folder / "a.log", "f\n");
  rig.Settle();
  EXPECT_EQ(rig.server.AllBytes(), "half\n");
  Append(folder / "b.log", "new\n");
  rig.Save();
  rig.Kill();
  Append(folder / "c.log", "newer\n");
  rig.Settle();
  EXPECT_EQ(rig.server.files.size(), 3U);
}

AgentSettings SettingsWithHeading(const std::string& glob) {
  AgentSettings settings = SettingsFor(glob);
  settings.flows[0].skip_lines = 2;
  return settings;
}

TEST(Tailer, HeadingIsNotSent) {
  TempFolder folder;
  Rig rig(SettingsWithHeading(folder / "*.csv"));
  Append(folder / "a.csv", "one\n");
  rig.Settle();
  EXPECT_EQ(rig.server.requests, 0);
  Append(folder / "a.csv", "two\nthree");
  rig.Settle();
  EXPECT_EQ(rig.server.requests, 0);
  Append(folder / "a.csv", "\nfour\n");
  rig.Settle();
  EXPECT_EQ(rig.server.AllBytes(), "three\nfour\n");
  EXPECT_EQ(rig.server.headers_seen[0].begin_offset, 8U);
  EXPECT_EQ(rig.server.headers_seen[0].file_id, FileIdOf("shop", "one\n"));
  rig.Kill();  // nothing was saved
  Append(folder / "a.csv", "five\n");
  rig.Settle();
  EXPECT_EQ(rig.server.AllBytes(), "three\nfour\nfive\n");
  rig.Save();
  rig.Kill();
  Append(folder / "a.csv", "six\n");
  rig.Settle();
  EXPECT_EQ(rig.server.AllBytes(), "three\nfour\nfive\nsix\n");
  EXPECT_EQ(rig.server.files.size(), 1U);
}

TEST(Tailer, EachFileHasAHeadingAfterEveryKindOfRotation) {
  TempFolder folder;
  Rig rig(SettingsWithHeading(folder / "a.csv*"));
  const std::string heading = "date,path\n----\n";
  Append(folder / "a.csv", heading + Lines(0, 3));
  rig.Settle(1);
  std::filesystem::rename(folder / "a.csv", folder / "a.csv.1");
  Append(folder / "a.csv.1", Lines(3, 3));
  Append(folder / "a.csv", heading + Lines(10, 3));
  rig.Settle();
  CopyTruncate(folder / "a.csv", folder / "a.csv.2");
  Append(folder / "a.csv", heading + Lines(20, 9));
  rig.Settle();
  Append(folder / "b", "time,path\n----\n" + Lines(30, 3));
  Gzip(folder / "b");
  std::filesystem::rename(folder / "b.gz", folder / "a.csv.3.gz");
  rig.Settle();
  std::multiset<std::string> sent;
  for (const auto& [id, file] : rig.server.files) sent.insert(file.bytes);
  EXPECT_EQ(sent,
            (std::multiset<std::string>{Lines(0, 6), Lines(10, 3), Lines(20, 9), Lines(30, 3)}));
}

// What was passed over is known as what was sent is: it may be truncated and filled again.
TEST(Tailer, HeadingIsRememberedAsWhatWasRead) {
  TempFolder folder;
  Rig rig(SettingsWithHeading(folder / "a.csv"));
  Append(folder / "a.csv", "one\ntwo\n");
  rig.Settle(1);
  const TrackedFile& file = rig.table().files().begin()->second;
  EXPECT_EQ(file.anchor().end, 8U);
  ASSERT_EQ(file.state.trail.size(), 1U);
  EXPECT_EQ(file.state.trail[0].lines, LineHashes("one\ntwo\n"));
  std::filesystem::resize_file(folder / "a.csv", 0);
  Append(folder / "a.csv", "one\n2\nthree\n");
  rig.Settle();
  EXPECT_EQ(rig.table().files().size(), 2U);
  EXPECT_EQ(rig.server.AllBytes(), "three\n");
}

TEST(Tailer, FileThatIsAllHeadingIsDoneWith) {
  for (const std::string text : {"one\n", "one\ntwo\n"}) {
    TempFolder folder;
    Rig rig(SettingsWithHeading(folder / "a.csv"));
    Append(folder / "a.csv", text);
    rig.Settle();
    std::filesystem::remove(folder / "a.csv");
    rig.Settle();
    EXPECT_TRUE(rig.tailer().Idle());
    EXPECT_EQ(rig.server.requests, 0);
    EXPECT_EQ(rig.registry.GetCounter("tarn_agent_lost_files_total", "").value(), 0U) << text;
  }
}

TEST(Tailer, HeadingIsSentWithWhatItBeginsIfItIsNone) {
  TempFolder folder;
  Rig rig(SettingsWithHeading(folder / "a.csv"));
  const std::string text = "one\n" + std::string(agent_wire::kMaxLineBytes + 9, 'x') + "\nthree\n";
  Append(folder / "a.csv", text);
  rig.Settle();
  EXPECT_EQ(rig.server.AllBytes(), text);
}

TEST(Tailer, HeadingSurvivesAPowerCut) {
  TempFolder folder;
  Rig rig(SettingsWithHeading(folder / "a.csv"));
  Append(folder / "a.csv", "one\ntwo\n");
  rig.Settle();
  rig.Save();
  rig.Reboot();
  Append(folder / "a.csv", "three\n");
  rig.Settle();
  EXPECT_EQ(rig.server.AllBytes(), "three\n");
}

TEST(Tailer, UnfinishedLineOfALiveFileWaitsForItsRest) {
  TempFolder folder;
  Rig rig(SettingsFor(folder / "a.log"));
  Append(folder / "a.log", "one\ntw");
  rig.Step();
  rig.clock.Advance(2 * kMicrosPerSecond);
  rig.Step();
  rig.clock.Advance(2 * kMicrosPerSecond);
  rig.Step();
  EXPECT_EQ(rig.server.AllBytes(), "one\n");
  Append(folder / "a.log", "o\nthr");
  rig.clock.Advance(2 * kMicrosPerSecond);
  rig.Step();
  rig.clock.Advance(2 * kMicrosPerSecond);
  rig.Step();
  EXPECT_EQ(rig.server.AllBytes(), "one\ntwo\n");
  rig.Settle(100);  // an hour of silence
  EXPECT_EQ(rig.server.AllBytes(), "one\ntwo\n");
  rig.Save();
  rig.Kill();
  rig.Settle(100);
  Append(folder / "a.log", "ee\n");
  rig.Settle();
  EXPECT_EQ(rig.server.AllBytes(), "one\ntwo\nthree\n");
  for (const auto& header : rig.server.headers_seen) EXPECT_FALSE(header.cut);
}

TEST(Tailer, UnfinishedLineGoesAsItIsWhenItsFileHasEnded) {
  for (const std::string_view end : {"renamed", "renamed, killed", "moved away", "deleted"}) {
    SCOPED_TRACE(end);
    TempFolder folder;
    Rig rig(SettingsFor(folder / "a.log*"));
    Append(folder / "a.log", "one\ntw");
    rig.Settle();
    EXPECT_EQ(rig.server.AllBytes(), "one\n");
    const std::string to = folder / (end == "moved away" ? "old" : "a.log.1");
    if (end == "deleted") {
      std::filesystem::remove(folder / "a.log");
    } else {
      std::filesystem::rename(folder / "a.log", to);
      rig.Step();
      Append(to, "o\nthr");  // by a process that still has it open
    }
    rig.Step();
    if (end == "renamed, killed") {
      rig.Save();
      rig.Kill();
    }
    rig.clock.Advance(Tailer::kPartialMicros / 2);
    rig.Step();
    rig.clock.Advance(kMicrosPerSecond);
    rig.Step();
    EXPECT_EQ(rig.server.AllBytes(), end == "deleted" ? "one\n" : "one\ntwo\n");
    rig.clock.Advance(Tailer::kPartialMicros);
    rig.Step();
    EXPECT_EQ(rig.server.AllBytes(), end == "deleted" ? "one\ntw" : "one\ntwo\nthr");
    EXPECT_TRUE(rig.server.headers_seen.back().cut);
  }
}

TEST(Tailer, OnceSendsTheUnfinishedLineToo) {
  TempFolder folder;
  Rig rig(SettingsFor(folder / "a.log"));
  rig.tailer().SetFlush(true);
  Append(folder / "a.log", "one\ntw");
  rig.Step();
  EXPECT_EQ(rig.server.AllBytes(), "one\ntw");
}

TEST(Tailer, LineOverTheLimitIsCut) {
  TempFolder folder;
  AgentSettings settings = SettingsFor(folder / "a.log");
  settings.batch_bytes = 100'000;
  Rig rig(settings);
  const std::string text =
      "one\n" + std::string(agent_wire::kMaxLineBytes * 5 / 2, 'x') + "\nlast\n";
  Append(folder / "a.log", text);
  rig.Settle(1);
  EXPECT_TRUE(rig.server.AllBytes() == text);
  int cut = 0;
  int inside = 0;
  for (const auto& header : rig.server.headers_seen) {
    cut += header.cut ? 1 : 0;
    if (!header.line_begin) continue;
    ++inside;
    EXPECT_EQ(header.line_begin, 4U);
  }
  EXPECT_EQ(cut, 2);
  EXPECT_EQ(inside, 2);
}

TEST(Tailer, RestOfALineIsKnownAsSuchAfterAKill) {
  TempFolder folder;
  Rig rig(SettingsFor(folder / "a.log"));
  Append(folder / "a.log", "one\n" + std::string(agent_wire::kMaxLineBytes + 5, 'x'));
  rig.Settle(1);
  rig.Save();
  rig.Kill();
  Append(folder / "a.log", "\nlast\n");
  rig.Settle(1);
  EXPECT_EQ(rig.server.headers_seen.back().line_begin, 4U);
}

TEST(Tailer, RestOfALineIsKnownAsSuchThoughTheServerAsksForItTwice) {
  TempFolder folder;
  Rig rig(SettingsFor(folder / "a.log"));
  Append(folder / "a.log", "one\n" + std::string(agent_wire::kMaxLineBytes + 5, 'x'));
  rig.Settle(1);
  const uint64_t acked = rig.table().files().begin()->second.state.acked;
  EXPECT_EQ(acked, 4 + agent_wire::kMaxLineBytes);
  Append(folder / "a.log", "\nlast\n");
  rig.server.script = {{409, -1, "{\"expected_offset\":" + std::to_string(acked) + "}"}};
  rig.Settle(1);
  EXPECT_EQ(rig.server.headers_seen.back().begin_offset, acked);
  EXPECT_EQ(rig.server.headers_seen.back().line_begin, 4U);
}

TEST(Tailer, RestOfACutLineIsARecordOfItsOwn) {
  TempFolder folder;
  AgentSettings settings = SettingsFor(folder / "error.log");
  settings.flows[0].multiline_start = "^\\[";
  Rig rig(settings);
  const std::string line = "[1] " + std::string(agent_wire::kMaxLineBytes, 'x');
  Append(folder / "error.log", line + "\n  at y\n[2] b\n");
  rig.Settle();
  const std::vector<std::string> expected = {line.substr(0, agent_wire::kMaxLineBytes), "xxxx\n",
                                             "  at y\n", "[2] b\n"};
  EXPECT_TRUE(rig.server.files.begin()->second.records == expected);
}

TEST(Tailer, MultilineRecordsStayWhole) {
  TempFolder folder;
  AgentSettings settings = SettingsFor(folder / "error.log");
  settings.flows[0].multiline_start = "^\\[";
  Rig rig(settings);
  Append(folder / "error.log", "[1] a\n  at x\n  at y\n[2] b\n[3] c\n  at");
  rig.Step();
  rig.clock.Advance(kMicrosPerSecond);
  rig.Step();
  rig.clock.Advance(kMicrosPerSecond);
  rig.Step();
  rig.clock.Advance(kMicrosPerSecond);
  rig.Step();
  ASSERT_EQ(rig.server.files.size(), 1U);
  const auto& records = rig.server.files.begin()->second.records;
  ASSERT_GE(records.size(), 2U);
  EXPECT_EQ(records[0], "[1] a\n  at x\n  at y\n");
  EXPECT_EQ(records[1], "[2] b\n");
}

TEST(Tailer, RewindsToTheOffsetTheServerExpects) {
  TempFolder folder;
  Rig rig(SettingsFor(folder / "a.log"));
  Append(folder / "a.log", "one\ntwo\n");
  rig.Settle(1);
  auto& file = rig.server.files.begin()->second;
  file.bytes.resize(4);  // a server restored from an older backup
  Append(folder / "a.log", "three\n");
  rig.Settle(2);
  EXPECT_EQ(file.bytes, "one\ntwo\nthree\n");
}

TEST(Tailer, SkipsWhatTheServerHas) {
  TempFolder folder;
  AgentSettings settings = SettingsFor(folder / "a.log");
  settings.batch_bytes = 5000;
  Rig rig(settings);
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "line " + std::to_string(i) + "\n";
  Append(folder / "a.log", text);
  rig.server.files[FileIdOf("shop", "line 0\n")].bytes = text.substr(0, text.size() - 9);
  rig.Settle(1);
  // Four batches were read ahead at most before the first answer came.
  EXPECT_LE(rig.server.requests, 6);
  EXPECT_EQ(rig.server.AllBytes(), text);
}

TEST(Tailer, TooLargeBatchesAreHalved) {
  TempFolder folder;
  Rig rig(SettingsFor(folder / "a.log"));
  std::string text;
  while (text.size() < 1'500'000) text.append(99, 'x').append("\n");
  Append(folder / "a.log", text);
  rig.server.largest_payload = 200'000;
  rig.Settle(1);
  EXPECT_TRUE(rig.server.AllBytes() == text);
}

TEST(Tailer, TooLargeBatchesEndAfterTheLineThatIsLongerThanTheLimit) {
  for (const std::string pattern : {"", "^\\["}) {
    SCOPED_TRACE(pattern);
    TempFolder folder;
    AgentSettings settings = SettingsFor(folder / "a.log");
    settings.flows[0].multiline_start = pattern;
    Rig rig(settings);
    std::string text = "[" + std::string(150'000, 'x') + "\n";
    while (text.size() < 1'500'000) text.append("[").append(98, 'y').append("\n");
    Append(folder / "a.log", text);
    rig.server.largest_payload = 160'000;
    rig.Settle(1);
    EXPECT_EQ(rig.log.Count("batch.refused"), 0U) << rig.log.Text();
    EXPECT_TRUE(rig.server.AllBytes() == text);
  }
}

TEST(Tailer, NoBatchHasMoreRowsThanADoorTakes) {
  for (const std::string pattern : {"", "^"}) {
    SCOPED_TRACE(pattern);
    TempFolder folder;
    AgentSettings settings = SettingsFor(folder / "a.log");
    settings.flows[0].multiline_start = pattern;
    Rig rig(settings);
    const std::string text = std::string(150'000, 'x') + "\n" + std::string(900'000, '\n');
    Append(folder / "a.log", text);
    rig.Settle(1);
    EXPECT_TRUE(rig.server.AllBytes() == text);
    EXPECT_EQ(rig.server.requests, 14) << "none is sent twice";
  }
}

TEST(Tailer, RefusedFileWaitsAndOthersGoOn) {
  for (const int status : {400, 422}) {  // 422: a limit of the key's files
    SCOPED_TRACE(status);
    TempFolder folder;
    Rig rig(SettingsFor(folder / "*.log"));
    Append(folder / "a.log", "one\n");
    rig.Step();
    rig.clock.Advance(kMicrosPerSecond);
    rig.server.script = {{status, -1, "no"}};
    rig.Step();
    EXPECT_EQ(rig.registry.GetCounter("tarn_agent_refused_total", "").value(), 1U);
    Append(folder / "b.log", "two\n");
    rig.Step();
    rig.clock.Advance(2 * kMicrosPerSecond);
    rig.Step();
    EXPECT_EQ(rig.server.AllBytes(), "two\n");
    rig.clock.Advance(Tailer::kHoldMicros);
    rig.Step();
    EXPECT_EQ(rig.server.AllBytes().size(), 8U);
  }
}

TEST(Tailer, WrongKeyIsTriedSlowlyAndLosesNothing) {
  TempFolder folder;
  Rig rig(SettingsFor(folder / "a.log"));
  Append(folder / "a.log", "one\n");
  rig.server.script = {{401, -1, "who?"}, {403, -1, "no"}};
  rig.Step();
  rig.clock.Advance(kMicrosPerSecond);
  rig.Step();
  EXPECT_EQ(rig.shipper().wait_micros(), Shipper::kKeyBackoffMicros);
  rig.Step();
  rig.Step();
  EXPECT_EQ(rig.server.AllBytes(), "one\n");
}

TEST(Tailer, BacksOffWithJitterUpToABound) {
  TempFolder folder;
  Rig rig(SettingsFor(folder / "a.log"));
  Append(folder / "a.log", "one\n");
  rig.Step();
  rig.clock.Advance(kMicrosPerSecond);
  rig.server.script.assign(30, {0, -1, ""});
  rig.server.script.push_back({503, 7, "busy"});
  rig.server.script.push_back({503, 100'000, "busy"});
  for (int i = 0; i < 30; ++i) {
    rig.Step();
    const int64_t most =
        std::min(Shipper::kFirstBackoffMicros << std::min(i, 10), Shipper::kMaxBackoffMicros);
    EXPECT_GE(rig.shipper().wait_micros(), most / 2);
    EXPECT_LE(rig.shipper().wait_micros(), most);
  }
  rig.Step();
  EXPECT_EQ(rig.shipper().wait_micros(), 7 * kMicrosPerSecond);
  rig.Step();
  EXPECT_EQ(rig.shipper().wait_micros(), Shipper::kMaxRetryAfterSeconds * kMicrosPerSecond);
  rig.Step();
  EXPECT_EQ(rig.server.AllBytes(), "one\n");
}

TEST(Tailer, NothingIsReadWhileTheQueueIsFull) {
  TempFolder folder;
  AgentSettings settings = SettingsFor(folder / "a.log");
  settings.batch_bytes = 4096;
  Rig rig(settings);
  std::string text;
  while (text.size() < 100'000) text.append(99, 'x').append("\n");
  Append(folder / "a.log", text);
  rig.server.script.assign(5, {0, -1, ""});
  rig.Step();
  // One is being sent, four wait.
  EXPECT_LE(rig.table().files().begin()->second.read_offset, 5U * 4096U);
  rig.Settle(6);
  EXPECT_TRUE(rig.server.AllBytes() == text);
}

// `late` is written after the look at the file's size that makes the first text due.
void SendWithLateText(Rig& rig, const std::string& path, const std::string& text,
                      const std::string& late) {
  Append(path, text);
  rig.table().Discover();
  rig.table().RefreshSizes();
  rig.clock.Advance(60 * kMicrosPerSecond);
  Append(path, late);
  rig.Pump(1);
}

TEST(Tailer, WhatIsWrittenBetweenLookingAndReadingIsAcknowledgedToo) {
  TempFolder folder;
  Rig rig(SettingsFor(folder / "a.log"));
  SendWithLateText(rig, folder / "a.log", "one\n", "two\n");
  EXPECT_EQ(rig.server.AllBytes(), "one\ntwo\n");
  EXPECT_EQ(rig.table().States().front().acked, 8U);
  EXPECT_TRUE(rig.tailer().Idle());
  Append(folder / "a.log", "three\n");
  rig.Settle(1);
  EXPECT_EQ(rig.table().States().front().acked, 14U);
  EXPECT_TRUE(rig.tailer().Idle());
  EXPECT_TRUE(rig.table().files().begin()->second.handed_out.empty());
}

TEST(Tailer, AHeadingThatCameBetweenLookingAndReadingIsPassedWhole) {
  TempFolder folder;
  Rig rig(SettingsWithHeading(folder / "a.csv"));
  SendWithLateText(rig, folder / "a.csv", "one\n", "two\n");
  EXPECT_EQ(rig.table().States().front().acked, 8U);
  Append(folder / "a.csv", "three\n");
  rig.Settle(1);
  EXPECT_EQ(rig.server.AllBytes(), "three\n");
  EXPECT_EQ(rig.table().States().front().acked, 14U);
}

// The lines of one record are written while it is read; that it was quiet before says nothing.
TEST(Tailer, ARecordThatCameBetweenLookingAndReadingWaitsForItsOtherLines) {
  TempFolder folder;
  AgentSettings settings = SettingsFor(folder / "a.log");
  settings.flows[0].multiline_start = "^\\[";
  Rig rig(settings);
  SendWithLateText(rig, folder / "a.log", "[1] one\n", "[2] two\n");
  Append(folder / "a.log", "  more\n");
  rig.Settle();
  const auto& records = rig.server.files.begin()->second.records;
  EXPECT_EQ(records, (std::vector<std::string>{"[1] one\n", "[2] two\n  more\n"}));
}

// It has another file for this one, or an older Tarn's catalog is damaged.
TEST(Tailer, AServerThatHasMoreThanThereIsIsAnError) {
  TempFolder folder;
  Rig rig(SettingsFor(folder / "a.log"));
  Append(folder / "a.log", "one\n");
  rig.server.script.push_back(FakeServer::Stored("duplicate", 1'000));
  rig.Settle(1);
  const std::string log = rig.log.Text();
  EXPECT_NE(log.find("file.server_ahead"), std::string::npos) << log;
  EXPECT_NE(log.find("file.known_already"), std::string::npos) << log;
  EXPECT_EQ(rig.table().States().front().acked, 4U);
}

TEST(Tailer, UnreadableFileDoesNotStopTheOthers) {
  TempFolder folder;
  Rig rig(SettingsFor(folder / "*.log"));
  Append(folder / "a.log", "one\n");
  rig.files.unreadable.insert(folder / "a.log");
  Append(folder / "b.log", "two\n");
  rig.Settle(1);
  EXPECT_EQ(rig.server.AllBytes(), "two\n");
}

}  // namespace
}  // namespace tarn::agent
