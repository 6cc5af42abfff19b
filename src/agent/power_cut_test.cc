// Power cuts. The log's bytes that were not on the disk are gone, whether acknowledged or not.
#include <algorithm>

#include "agent/test_rig.h"
#include "base/text.h"

namespace tarn::agent {
namespace {

using namespace testing;

std::vector<std::string> LinesOf(const std::string& bytes) {
  std::vector<std::string> lines;
  for (const std::string_view line : Split(bytes, '\n')) {
    if (!line.empty()) lines.emplace_back(line);
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

TEST(PowerCut, LogThatLostItsEndGoesOnAtTheByteUnderItsNextId) {
  const std::string before = Lines(0, 100) + Lines(100, 40);
  for (const int lost : {1, 17, 40, 60, 99}) {  // lines, of one batch or two
    for (const int written : {0, 3, 300}) {     // before the agent looks; 300: longer than it was
      SCOPED_TRACE(std::to_string(lost) + " lost, " + std::to_string(written) + " written");
      TempFolder folder;
      Rig rig(SettingsFor(folder / "a.log*"));
      Append(folder / "a.log", Lines(0, 100));
      rig.Settle(1);
      Append(folder / "a.log", Lines(100, 40));
      rig.Settle(1);
      rig.Save();
      std::filesystem::resize_file(folder / "a.log", Lines(0, 140 - lost).size());
      Append(folder / "a.log", Lines(1000, written));
      rig.Reboot();
      rig.Settle(1);
      Append(folder / "a.log", Lines(2000, 5));
      rig.Settle(1);
      rig.Save();
      rig.Kill();
      Append(folder / "a.log", Lines(3000, 5));
      std::filesystem::rename(folder / "a.log", folder / "a.log.1");
      rig.Settle();
      EXPECT_EQ(rig.server.files.size(), 2U);
      EXPECT_EQ(LinesOf(rig.server.AllBytes()),
                LinesOf(before + Lines(1000, written) + Lines(2000, 5) + Lines(3000, 5)));
    }
  }
}

// How a log was rotated after the power cut, before the agent looked.
enum class Turn : uint8_t { kCopyTruncate, kGzip, kCopyTruncateGzip, kRenameOnARenumberedDisk };
constexpr Turn kTurns[] = {Turn::kCopyTruncate, Turn::kGzip, Turn::kCopyTruncateGzip,
                           Turn::kRenameOnARenumberedDisk};

void Rotate(Turn turn, Rig& rig, const std::string& path) {
  const std::string to = path + ".1";
  if (turn == Turn::kCopyTruncate || turn == Turn::kCopyTruncateGzip) {
    CopyTruncate(path, to);
  } else {
    std::filesystem::rename(path, to);
  }
  if (turn == Turn::kGzip || turn == Turn::kCopyTruncateGzip) Gzip(to);
  if (turn == Turn::kRenameOnARenumberedDisk) rig.RenumberDevices();
}

TEST(PowerCut, LogThatLostItsEndAndWasRotatedGoesOnUnderItsNewName) {
  for (const char* pattern : {"a.log", "a.log*"}) {
    for (const Turn turn : kTurns) {
      for (const int lost : {0, 1, 40, 60, 99}) {
        for (const int written : {1, 3, 300}) {  // 300: longer than it was
          SCOPED_TRACE(std::string(pattern) + " turn " + std::to_string(static_cast<int>(turn)) +
                       ", " + std::to_string(lost) + " lost, " + std::to_string(written) +
                       " written");
          TempFolder folder;
          Rig rig(SettingsFor(folder / pattern));
          Append(folder / "a.log", Lines(0, 100));
          rig.Settle(1);
          Append(folder / "a.log", Lines(100, 40));
          rig.Settle(1);
          rig.Save();
          std::filesystem::resize_file(folder / "a.log", Lines(0, 140 - lost).size());
          Append(folder / "a.log", Lines(1000, written));
          Rotate(turn, rig, folder / "a.log");
          Append(folder / "a.log", Lines(2000, 5));
          rig.Reboot();
          rig.Settle();
          EXPECT_EQ(rig.server.files.size(), 3U);
          EXPECT_EQ(LinesOf(rig.server.AllBytes()),
                    LinesOf(Lines(0, 140) + Lines(1000, written) + Lines(2000, 5)));
        }
      }
    }
  }
}

TEST(PowerCut, RebootInOrderLeavesTheFileItsId) {
  for (const bool answered : {true, false}) {
    SCOPED_TRACE(answered);
    TempFolder folder;
    Rig rig(SettingsFor(folder / "a.log"));
    Append(folder / "a.log", Lines(0, 100));
    rig.Settle(1);
    rig.server.loses_answers = !answered;
    Append(folder / "a.log", Lines(100, 40));
    rig.clock.Advance(30 * kMicrosPerSecond);
    rig.Step();
    rig.clock.Advance(30 * kMicrosPerSecond);
    rig.Step();
    rig.End();
    rig.server.loses_answers = false;
    Append(folder / "a.log", Lines(140, 10));
    rig.Reboot();
    rig.Settle(1);
    EXPECT_EQ(rig.server.files.size(), 1U);
    EXPECT_EQ(rig.server.AllBytes(), Lines(0, 150));
  }
}

// The agent was stopped, and the log's bytes were not on the disk yet.
TEST(PowerCut, PowerCutAfterTheAgentEndedTakesNoMoreThanOneWhileItRan) {
  for (const bool answered : {true, false}) {
    for (const int kept : {100, 120}) {
      SCOPED_TRACE(std::to_string(kept) + (answered ? " answered" : ""));
      TempFolder folder;
      Rig rig(SettingsFor(folder / "a.log"));
      Append(folder / "a.log", Lines(0, 100));
      rig.Settle(1);
      rig.server.loses_answers = !answered;
      Append(folder / "a.log", Lines(100, 40));
      rig.Step();
      rig.clock.Advance(30 * kMicrosPerSecond);
      rig.Step();
      rig.End();
      rig.server.loses_answers = false;
      std::filesystem::resize_file(folder / "a.log", Lines(0, kept).size());
      Append(folder / "a.log", Lines(1000, 100));
      rig.Reboot();
      rig.Settle(1);
      EXPECT_EQ(rig.server.files.size(), 2U);
      // What is there of a batch without an answer is sent again.
      EXPECT_EQ(
          LinesOf(rig.server.AllBytes()),
          LinesOf(Lines(0, 140) + (answered ? "" : Lines(100, kept - 100)) + Lines(1000, 100)));
    }
  }
}

// What was written where acknowledged lines stood is no duplicate of theirs.
TEST(PowerCut, RotatedLogThatLostWhatTheCheckpointDidNotKnowGoesOnUnderItsNextId) {
  for (const Turn turn : kTurns) {
    SCOPED_TRACE(static_cast<int>(turn));
    TempFolder folder;
    Rig rig(SettingsFor(folder / "a.log*"));
    Append(folder / "a.log", Lines(0, 100));
    rig.Settle(1);
    rig.Save();
    Append(folder / "a.log", Lines(100, 40));
    rig.Settle(1);
    std::filesystem::resize_file(folder / "a.log", Lines(0, 100).size());
    Append(folder / "a.log", Lines(1000, 20));
    Rotate(turn, rig, folder / "a.log");
    rig.Reboot();
    rig.Settle();
    EXPECT_EQ(LinesOf(rig.server.AllBytes()), LinesOf(Lines(0, 140) + Lines(1000, 20)));
  }
}

TEST(PowerCut, CopyOfALogIsStillOneAfterAReboot) {
  TempFolder folder;
  Rig rig(SettingsFor(folder / "*.log"));
  Append(folder / "b.log", Lines(0, 50));
  rig.Settle(1);
  std::filesystem::copy_file(folder / "b.log", folder / "a-copy.log");  // looked at first
  Append(folder / "b.log", Lines(50, 50));
  rig.Settle(1);
  rig.clock.Advance(FileTable::kTrailMicros);
  rig.Settle(1);
  rig.Save();
  rig.Reboot();
  Append(folder / "b.log", Lines(100, 1));
  rig.Settle();
  EXPECT_EQ(LinesOf(rig.server.AllBytes()), LinesOf(Lines(0, 101)));
}

TEST(PowerCut, LogThatIsCutTwiceGoesOnBothTimes) {
  TempFolder folder;
  Rig rig(SettingsFor(folder / "a.log"));
  std::string all;
  Append(folder / "a.log", Lines(900, 50));
  rig.Settle(1);
  for (int cut = 0; cut < 3; ++cut) {
    const std::string kept = Lines(cut * 100, 20);
    const std::string lost = Lines(cut * 100 + 20, 10);
    Append(folder / "a.log", kept + lost);
    all += kept + lost;
    rig.Settle(1);
    rig.Save();
    const auto size = std::filesystem::file_size(folder / "a.log");
    std::filesystem::resize_file(folder / "a.log", size - lost.size());
    rig.Reboot();
  }
  // The last takes more than was written since the one before.
  Append(folder / "a.log", Lines(500, 5));
  rig.Settle(1);
  rig.Save();
  std::filesystem::resize_file(folder / "a.log", Lines(900, 50).size() + Lines(0, 15).size());
  rig.Reboot();
  Append(folder / "a.log", Lines(600, 100));
  rig.Settle(1);
  EXPECT_EQ(rig.server.files.size(), 5U);
  EXPECT_EQ(LinesOf(rig.server.AllBytes()),
            LinesOf(Lines(900, 50) + all + Lines(500, 5) + Lines(600, 100)));
}

TEST(PowerCut, LogThatWasAcknowledgedBeforeAKillIsFoundAsWell) {
  TempFolder folder;
  AgentSettings settings = SettingsFor(folder / "a.log");
  settings.batch_bytes = 4096;
  Rig rig(settings);
  Append(folder / "a.log", Lines(0, 50));
  rig.Settle(1);
  rig.Save();
  Append(folder / "a.log", Lines(50, 3000));
  rig.Settle(1);
  rig.Kill();
  rig.Settle(1);  // the server has it all, says the first answer
  rig.Save();
  std::filesystem::resize_file(folder / "a.log", Lines(0, 3000).size());
  rig.Reboot();
  Append(folder / "a.log", Lines(5000, 5));
  rig.Settle(1);
  EXPECT_EQ(rig.server.files.size(), 2U);
  const std::string all = Lines(0, 3050) + Lines(5000, 5);
  const std::vector<std::string> received = LinesOf(rig.server.AllBytes());
  const std::vector<std::string> written = LinesOf(all);
  EXPECT_TRUE(std::includes(received.begin(), received.end(), written.begin(), written.end()));
  EXPECT_LE(rig.server.AllBytes().size(), all.size() + settings.batch_bytes)
      << "a batch doubles at most: it was far behind";
}

// Acknowledged after the last checkpoint: what of it the log still has is sent again, since what
// stands there now may be something else.
TEST(PowerCut, NothingIsTakenForWhatWasAcknowledgedAfterTheCheckpoint) {
  TempFolder folder;
  Rig rig(SettingsFor(folder / "a.log"));
  Append(folder / "a.log", Lines(0, 50));
  rig.Settle(1);
  rig.Save();
  Append(folder / "a.log", Lines(50, 10));
  rig.Settle(1);
  std::filesystem::resize_file(folder / "a.log", Lines(0, 52).size());
  Append(folder / "a.log", Lines(100, 10));
  rig.Reboot();
  rig.Settle(1);
  EXPECT_EQ(LinesOf(rig.server.AllBytes()), LinesOf(Lines(0, 60) + Lines(50, 2) + Lines(100, 10)));
}

TEST(PowerCut, QuietLogThatLostItsLastLineGoesOnAtTheByte) {
  for (const bool from_start : {true, false}) {
    SCOPED_TRACE(from_start);
    TempFolder folder;
    AgentSettings settings = SettingsFor(folder / "a.log");
    settings.flows[0].from_start = from_start;
    Append(folder / "a.log", Lines(0, 100));
    Rig rig(settings);
    rig.Settle(1);
    rig.clock.Advance(FileTable::kTrailMicros);
    rig.Settle(1);
    Append(folder / "a.log", Lines(100, 1));
    rig.Settle(1);
    rig.Save();
    std::filesystem::resize_file(folder / "a.log", Lines(0, 100).size());
    Append(folder / "a.log", Lines(200, 10));
    rig.Reboot();
    rig.Settle(1);
    EXPECT_EQ(LinesOf(rig.server.AllBytes()),
              LinesOf((from_start ? Lines(0, 100) : "") + Lines(100, 1) + Lines(200, 10)));
  }
}

TEST(PowerCut, LogThatLostMoreThanIsRememberedIsSentFromItsStart) {
  TempFolder folder;
  Rig rig(SettingsFor(folder / "a.log"));
  Append(folder / "a.log", Lines(0, 100));
  rig.Settle(1);
  rig.clock.Advance(FileTable::kTrailMicros);  // it is on the disk, says the kernel
  rig.Settle(1);
  rig.Save();
  std::filesystem::resize_file(folder / "a.log", Lines(0, 50).size());
  Append(folder / "a.log", Lines(1000, 100));
  rig.Reboot();
  rig.Settle();
  EXPECT_EQ(LinesOf(rig.server.AllBytes()),
            LinesOf(Lines(0, 100) + Lines(0, 50) + Lines(1000, 100)));
}

// Not only once the next pass has counted the files that grew.
TEST(PowerCut, WhatIsRememberedOfAllFilesIsBoundedAtEveryMoment) {
  constexpr int kFiles = 1'500;
  TempFolder folder;
  Rig rig(SettingsFor(folder / "*.log"));
  const auto grow = [&](int from, int to, int lines) {
    for (int i = from; i < to; ++i) {
      const std::string name = std::to_string(i);
      Append(folder / (name + ".log"), name + "\n" + Lines(i, lines));
    }
  };
  const auto check = [&] {
    size_t lines = 0;
    size_t pieces = 0;
    size_t least = 0;  // two of each file stay
    for (const FileState& state : rig.table().States()) {
      for (const Piece& piece : state.trail) lines += piece.lines.size();
      pieces += state.trail.size();
      least += std::min<size_t>(state.trail.size(), 2);
    }
    EXPECT_LE(lines, kTrailLines);
    EXPECT_LE(pieces, std::max(kTrailPieces, least));
  };
  grow(0, 1, 3);
  rig.Step();
  grow(1, 100, 100);  // all before the next pass
  rig.Step();
  check();
  for (int round = 0; round < 25; ++round) {
    grow(round, 100 + round, 5);
    rig.clock.Advance(2 * kMicrosPerSecond);
    rig.Step();
    check();
  }
  grow(100, kFiles, 8);
  rig.Step();
  check();
  rig.Save();
  const auto checkpoint = rig.table().States();
  rig.Kill();
  EXPECT_EQ(rig.table().States(), checkpoint) << "a restart forgets nothing";
}

// A busy log beside it does not take what is remembered of a quiet one.
TEST(PowerCut, QuietLogBesideABusyOneGoesOnAtTheByte) {
  TempFolder folder;
  Rig rig(SettingsFor(folder / "*.log"));
  Append(folder / "quiet.log", "quiet\n" + Lines(0, 100));
  Append(folder / "busy.log", "busy\n");
  rig.Settle(1);
  Append(folder / "quiet.log", Lines(100, 100));
  rig.Step();
  std::string busy = "busy\n";
  for (int i = 0; i < 20; ++i) {
    const std::string lines = Lines(10'000 * i, 5'000);
    Append(folder / "busy.log", lines);
    busy += lines;
    rig.clock.Advance(2 * kMicrosPerSecond);
    rig.Step();
  }
  rig.Save();
  std::filesystem::resize_file(folder / "quiet.log", 6 + Lines(0, 150).size());
  Append(folder / "quiet.log", Lines(500, 10));
  rig.Reboot();
  rig.Settle(1);
  EXPECT_EQ(LinesOf(rig.server.AllBytes()),
            LinesOf("quiet\n" + Lines(0, 200) + Lines(500, 10) + busy));
}

TEST(PowerCut, RefillAfterARebootIsAnotherFile) {
  for (const Refill& refill : Refills()) {
    if (refill.what == std::string_view("16 KiB alike, shorter")) continue;  // as if it were cut
    SCOPED_TRACE(refill.what);
    TempFolder folder;
    Rig rig(SettingsFor(folder / "a.csv"));
    Append(folder / "a.csv", refill.before);
    rig.Settle(1);
    rig.Save();
    Fill(folder / "a.csv", refill);
    rig.Reboot();
    rig.Settle();
    const std::vector<std::string> received = LinesOf(rig.server.AllBytes());
    const std::vector<std::string> written = LinesOf(refill.before + refill.after);
    EXPECT_LE(received.size(), written.size());
    for (const std::string& line : written) {
      EXPECT_TRUE(std::binary_search(received.begin(), received.end(), line)) << line;
    }
  }
}

}  // namespace
}  // namespace tarn::agent
