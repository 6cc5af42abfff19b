// Files through renames, copies, truncation and compression, with a server that counts each byte.
#include <algorithm>

#include "agent/test_rig.h"

namespace tarn::agent {
namespace {

using namespace testing;

TEST(Rotation, RenamedFileIsFinishedUnderItsOldIdentity) {
  TempFolder folder;
  Rig rig(SettingsFor(folder / "a.log"));
  Append(folder / "a.log", Lines(0, 10));
  rig.Settle(1);
  Append(folder / "a.log", Lines(10, 5));
  std::filesystem::rename(folder / "a.log", folder / "a.log.1");
  Append(folder / "a.log.1", Lines(15, 5));  // a child that still has it open
  Append(folder / "a.log", Lines(20, 5));
  rig.Settle();
  ASSERT_EQ(rig.server.files.size(), 2U);
  std::string all = rig.server.AllBytes();
  EXPECT_TRUE(all == Lines(0, 20) + Lines(20, 5) || all == Lines(20, 5) + Lines(0, 20)) << all;
}

TEST(Rotation, RenamedWhileTheAgentWasDown) {
  TempFolder folder;
  Rig rig(SettingsFor(folder / "a.log"));
  Append(folder / "a.log", Lines(0, 10));
  rig.Settle(1);
  rig.Save();
  Append(folder / "a.log", Lines(10, 5));
  std::filesystem::rename(folder / "a.log", folder / "a.log.1");
  Append(folder / "a.log", Lines(20, 5));
  rig.Kill();
  rig.Settle();
  ASSERT_EQ(rig.server.files.size(), 2U);
  EXPECT_NE(rig.server.AllBytes().find(Lines(0, 15)), std::string::npos);
}

TEST(Rotation, CopytruncateRestIsReadFromTheCopy) {
  TempFolder folder;
  Rig rig(SettingsFor(folder / "a.log"));
  Append(folder / "a.log", Lines(0, 10));
  rig.Settle(1);
  Append(folder / "a.log", Lines(10, 5));
  CopyTruncate(folder / "a.log", folder / "a.log.1");
  Append(folder / "a.log", Lines(20, 40));  // longer than before: the size alone tells nothing
  rig.Settle();
  ASSERT_EQ(rig.server.files.size(), 2U);
  EXPECT_NE(rig.server.AllBytes().find(Lines(0, 15)), std::string::npos);
  EXPECT_NE(rig.server.AllBytes().find(Lines(20, 40)), std::string::npos);
}

TEST(Rotation, CopyOfALiveLogIsKnownAndNothingOfItIsSent) {
  TempFolder folder;
  Rig rig(SettingsFor(folder / "*.log"));
  Append(folder / "a.log", Lines(0, 10));
  rig.Settle(1);
  std::filesystem::copy_file(folder / "a.log", folder / "copy.log");
  Append(folder / "a.log", Lines(10, 5));
  rig.Settle();
  ASSERT_EQ(rig.server.files.size(), 1U);
  EXPECT_EQ(rig.server.AllBytes(), Lines(0, 15));
  EXPECT_FALSE(rig.table().files().begin()->second.state.renamed);
}

TEST(Rotation, CopyOfATruncatedLogIsItUnderAnotherName) {
  TempFolder folder;
  Rig rig(SettingsFor(folder / "a.log*"));
  Append(folder / "a.log", Lines(0, 10) + "half a li");
  rig.Settle(1);
  CopyTruncate(folder / "a.log", folder / "a.log.1");
  rig.Settle();
  ASSERT_EQ(rig.server.files.size(), 1U);
  EXPECT_TRUE(rig.table().files().begin()->second.state.renamed);
  EXPECT_EQ(rig.server.AllBytes(), Lines(0, 10) + "half a li") << "nobody writes the line on";
}

TEST(Rotation, CompressedWhileTheAgentWasDownContinuesAtTheByte) {
  TempFolder folder;
  Rig rig(SettingsFor(folder / "a.log*"));
  Append(folder / "a.log", Lines(0, 2000));
  rig.Settle(1);
  rig.Save();
  Append(folder / "a.log", Lines(2000, 500));
  std::filesystem::rename(folder / "a.log", folder / "a.log.1");
  Gzip(folder / "a.log.1");
  rig.Kill();
  rig.server.headers_seen.clear();
  rig.Settle();
  EXPECT_EQ(rig.server.AllBytes(), Lines(0, 2500));
  ASSERT_FALSE(rig.server.headers_seen.empty());
  EXPECT_EQ(rig.server.headers_seen[0].begin_offset, Lines(0, 2000).size());
}

TEST(Rotation, WrittenAndCompressedWhileTheAgentSleptIsReadToItsEnd) {
  TempFolder folder;
  Rig rig(SettingsFor(folder / "a.log*"));
  Append(folder / "a.log", Lines(0, 10));
  rig.Settle(1);
  rig.clock.Advance(FileTable::kLingerMicros);
  Append(folder / "a.log", Lines(10, 5));
  std::filesystem::rename(folder / "a.log", folder / "a.log.1");
  Gzip(folder / "a.log.1");
  rig.Settle();
  EXPECT_EQ(rig.server.AllBytes(), Lines(0, 15));
}

TEST(Rotation, FinishedFileIsNeverSentAgainAsGzip) {
  TempFolder folder;
  Rig rig(SettingsFor(folder / "a.log*"));
  Append(folder / "a.log", Lines(0, 100));
  rig.Settle();
  std::filesystem::rename(folder / "a.log", folder / "a.log.1");
  rig.Settle();
  Gzip(folder / "a.log.1");
  const int requests = rig.server.requests;
  rig.Settle();
  rig.Save();
  rig.Kill();
  rig.Settle();
  EXPECT_EQ(rig.server.requests, requests);
}

TEST(Rotation, UnknownGzipIsSentDecompressed) {
  TempFolder folder;
  Append(folder / "old", Lines(0, 5000));
  Gzip(folder / "old");
  Rig rig(SettingsFor(folder / "old*"));
  rig.Settle();
  EXPECT_EQ(rig.server.AllBytes(), Lines(0, 5000));
}

TEST(Rotation, IncompleteGzipWaitsForItsEnd) {
  TempFolder folder;
  Append(folder / "old", Lines(0, 50'000));
  Gzip(folder / "old");
  std::ifstream in(folder / "old.gz", std::ios::binary);
  const std::string packed{std::istreambuf_iterator<char>(in), {}};
  std::filesystem::resize_file(folder / "old.gz", packed.size() / 2);
  Rig rig(SettingsFor(folder / "old*"));
  rig.Settle();
  const std::string first = rig.server.AllBytes();
  EXPECT_TRUE(Lines(0, 50'000).starts_with(first));
  Append(folder / "old.gz", std::string_view(packed).substr(packed.size() / 2));
  rig.Settle();
  EXPECT_TRUE(rig.server.AllBytes() == Lines(0, 50'000));
}

// Counts what is read of the disk.
class CountingFile final : public os::File {
 public:
  CountingFile(std::unique_ptr<os::File> file, uint64_t& bytes)
      : file_(std::move(file)), bytes_(bytes) {}
  Result<std::string> ReadAt(uint64_t offset, size_t size) const override {
    bytes_ += size;
    return file_->ReadAt(offset, size);
  }
  Result<size_t> ReadInto(uint64_t offset, std::span<char> buffer) const override {
    auto count = file_->ReadInto(offset, buffer);
    bytes_ += count.ok() ? *count : 0;
    return count;
  }
  Status WriteAt(uint64_t, std::string_view) override { return Unsupported("read only"); }
  Status Sync() override { return Unsupported("read only"); }
  Status Preallocate(uint64_t) override { return Unsupported("read only"); }
  Status Truncate(uint64_t) override { return Unsupported("read only"); }
  Result<uint64_t> Size() const override { return file_->Size(); }

 private:
  std::unique_ptr<os::File> file_;
  uint64_t& bytes_;
};

TEST(Rotation, GzipIsInflatedOnce) {
  TempFolder folder;
  const std::string text = Lines(0, 100'000);
  Append(folder / "old", text);
  Gzip(folder / "old");
  os::PosixFileSystem files;
  const uint64_t size = files.Stat(folder / "old.gz").value().size;
  uint64_t bytes = 0;
  auto reader = ReadLog(std::make_unique<CountingFile>(
                            files.Open(folder / "old.gz", os::OpenMode::kRead).value(), bytes))
                    .value();
  std::string all;
  std::string buffer;
  while (!reader->complete() || all.size() < text.size()) {
    buffer.resize(64 << 10);
    buffer.resize(reader->Read(all.size(), buffer).value());
    ASSERT_FALSE(buffer.empty());
    all += buffer.substr(0, buffer.rfind('\n') + 1);
  }
  EXPECT_TRUE(all == text);
  EXPECT_LE(bytes, size + 100);
  // Going back, and going on after a rest, start it again.
  EXPECT_EQ(reader->Read(5, std::span(buffer.data(), 10)).value(), 10U);
  EXPECT_EQ(buffer.substr(0, 10), text.substr(5, 10));
  reader->Rest();
  EXPECT_EQ(reader->Read(1'000'000, std::span(buffer.data(), 10)).value(), 10U);
  EXPECT_EQ(buffer.substr(0, 10), text.substr(1'000'000, 10));
}

TEST(Rotation, ManyGzipFilesAreReadOneAfterTheOther) {
  TempFolder folder;
  AgentSettings settings = SettingsFor(folder / "old*");
  settings.batch_bytes = 4096;
  std::string text;
  for (int i = 0; i < 5; ++i) {
    Append(folder / ("old" + std::to_string(i)), Lines(1000 * i, 1000));
    Gzip(folder / ("old" + std::to_string(i)));
    text += Lines(1000 * i, 1000);
  }
  Append(folder / "old.log", Lines(9000, 3000));
  Rig rig(settings);
  rig.Settle();
  EXPECT_EQ(rig.server.AllBytes().size(), text.size() + Lines(9000, 3000).size());
  std::vector<std::string> packed;  // in the order of their batches
  for (const auto& header : rig.server.headers_seen) {
    if (!header.path.ends_with(".gz")) continue;
    if (packed.empty() || packed.back() != header.path) packed.push_back(header.path);
  }
  std::string order;
  for (const std::string& path : packed) order += path + "\n";
  EXPECT_EQ(packed.size(), 5U) << order;
}

TEST(Rotation, KilledWhileAGzipIsRead) {
  TempFolder folder;
  AgentSettings settings = SettingsFor(folder / "old*");
  settings.batch_bytes = 4096;
  Append(folder / "old", Lines(0, 3000));
  Gzip(folder / "old");
  Rig rig(settings);
  for (int i = 0; i < 10; ++i) {
    rig.server.script = {{200, -1, "{}"}};  // no answer that counts: it is sent again
    rig.Step();
    if (i % 2 == 0) rig.Save();
    rig.Kill();
    rig.Step();
  }
  rig.Settle();
  EXPECT_TRUE(rig.server.AllBytes() == Lines(0, 3000));
}

TEST(Rotation, LostStateSendsAgainAndTheServerDropsIt) {
  TempFolder folder;
  Rig rig(SettingsFor(folder / "a.log*"));
  Append(folder / "a.log", Lines(0, 100));
  rig.Settle();
  std::filesystem::rename(folder / "a.log", folder / "a.log.1");
  Append(folder / "a.log", Lines(100, 10));
  rig.Settle();
  Gzip(folder / "a.log.1");
  rig.LoseState();
  rig.Kill();
  rig.Settle();
  ASSERT_EQ(rig.server.files.size(), 2U);
  EXPECT_EQ(rig.server.AllBytes().size(), Lines(0, 110).size());
}

TEST(Rotation, TruncatedWithoutCopyIsANewFile) {
  TempFolder folder;
  Rig rig(SettingsFor(folder / "a.log"));
  Append(folder / "a.log", Lines(0, 10));
  rig.Settle();
  std::filesystem::resize_file(folder / "a.log", 0);
  Append(folder / "a.log", Lines(50, 10));
  rig.Settle();
  EXPECT_EQ(rig.server.files.size(), 2U);
}

TEST(Rotation, FilesWithTheSameFirstLineAreToldApart) {
  TempFolder folder;
  const std::string heading = "date,time,path,status\n";
  Rig rig(SettingsFor(folder / "*.csv"));
  Append(folder / "a.csv", heading + Lines(0, 100));
  rig.Settle();
  Append(folder / "b.csv", heading);
  rig.Settle();
  EXPECT_EQ(rig.server.files.size(), 1U);  // cannot be told yet
  Append(folder / "b.csv", Lines(500, 100));
  rig.Settle();
  ASSERT_EQ(rig.server.files.size(), 2U);
  std::vector<std::string> contents;
  for (const auto& [id, file] : rig.server.files) contents.push_back(file.bytes);
  std::sort(contents.begin(), contents.end());
  EXPECT_EQ(contents[0], heading + Lines(0, 100));
  EXPECT_EQ(contents[1], heading + Lines(500, 100));
  rig.Save();
  std::filesystem::rename(folder / "b.csv", folder / "c.csv");
  rig.Kill();
  Append(folder / "c.csv", Lines(600, 1));
  rig.Settle();
  EXPECT_EQ(rig.server.files.size(), 2U);
  EXPECT_NE(rig.server.AllBytes().find(Lines(500, 101)), std::string::npos);
}

// Contents of the files the server has, whatever their ids.
std::vector<std::string> Contents(const FakeServer& server) {
  std::vector<std::string> contents;
  for (const auto& [id, file] : server.files) contents.push_back(file.bytes);
  std::sort(contents.begin(), contents.end());
  return contents;
}

// What was there before and after, as two files.
void ExpectBoth(const FakeServer& server, const Refill& refill) {
  std::vector<std::string> expected = {refill.before, refill.after};
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(Contents(server), expected);
}

TEST(Rotation, RefilledWithTheSameFirstLineWhileTheAgentWasDown) {
  for (const Refill& refill : Refills()) {
    SCOPED_TRACE(refill.what);
    TempFolder folder;
    Rig rig(SettingsFor(folder / "a.csv"));
    Append(folder / "a.csv", refill.before);
    rig.Settle(1);
    rig.Save();
    Fill(folder / "a.csv", refill);
    rig.Kill();
    rig.Settle();
    ExpectBoth(rig.server, refill);
    rig.Save();
    rig.Kill();
    Append(folder / "a.csv", "more\n");
    rig.Settle();
    EXPECT_EQ(rig.server.AllBytes().size(), refill.before.size() + refill.after.size() + 5);
  }
}

TEST(Rotation, RefilledWithTheSameFirstLineBetweenTwoLooks) {
  for (const Refill& refill : Refills()) {
    SCOPED_TRACE(refill.what);
    TempFolder folder;
    Rig rig(SettingsFor(folder / "a.csv"));
    Append(folder / "a.csv", refill.before);
    rig.Settle(1);
    Fill(folder / "a.csv", refill);
    rig.Settle();
    ExpectBoth(rig.server, refill);
  }
}

TEST(Rotation, RestIsReadFromTheCopyThoughTheRefillBeginsTheSame) {
  for (const bool packed : {false, true}) {
    SCOPED_TRACE(packed);
    TempFolder folder;
    const std::string heading = "date,time,path,status\n";
    Rig rig(SettingsFor(folder / "a.csv*"));
    Append(folder / "a.csv", heading + Lines(0, 100));
    rig.Settle(1);
    rig.Save();
    Append(folder / "a.csv", Lines(100, 50));
    CopyTruncate(folder / "a.csv", folder / "a.csv.1");
    Append(folder / "a.csv", heading + Lines(500, 200));
    if (packed) Gzip(folder / "a.csv.1");
    rig.Kill();
    rig.Settle();
    EXPECT_EQ(Contents(rig.server),
              (std::vector<std::string>{heading + Lines(0, 150), heading + Lines(500, 200)}));
  }
}

TEST(Rotation, DatedNamesComeOneAfterTheOther) {
  TempFolder folder;
  Rig rig(SettingsFor(folder / "log.*"));
  for (int day = 0; day < 5; ++day) {
    Append(folder / ("log.2026112" + std::to_string(day)), Lines(day * 100, 100));
    rig.Settle(1);
  }
  rig.Settle();
  EXPECT_EQ(rig.server.files.size(), 5U);
  EXPECT_EQ(rig.server.AllBytes().size(), Lines(0, 500).size());
}

// Random appends, rotations, kills and server faults against the list of lines written.
class ModelRun {
 public:
  explicit ModelRun(uint64_t seed) : random_(seed), rig_(Settings(folder_.path())) {
    rig_.server.faults = &random_;
  }

  void Run(int actions) {
    for (int i = 0; i < actions; ++i) Act();
    rig_.server.faults = nullptr;
    for (const char* name : {"a.log", "b.log"}) Complete(name);
    rig_.Settle(12);
  }
  std::vector<std::string> written() const { return Sorted(written_); }
  // What the agent thinks of its files.
  std::string Known() {
    std::string text;
    for (const auto& [slot, file] : rig_.table().files()) {
      const FileState& state = file.state;
      text += "\n" + state.file_id + " acked " + std::to_string(state.acked) + " of " +
              std::to_string(file.size) + (file.orphan ? " orphan" : "") +
              (file.present ? " present" : "") + (state.finished ? " finished" : "") + " inode " +
              std::to_string(state.inode) + " rungs " + std::to_string(state.ladder.size()) + " " +
              state.path;
    }
    return text;
  }
  std::vector<std::string> received() const {
    std::vector<std::string> lines;
    std::string line;
    for (const char c : rig_.server.AllBytes()) {
      if (c != '\n') {
        line.push_back(c);
        continue;
      }
      lines.push_back(line);
      line.clear();
    }
    if (!line.empty()) lines.push_back("partial " + line);
    return Sorted(lines);
  }

 private:
  static AgentSettings Settings(const std::string& folder) {
    AgentSettings settings = SettingsFor(folder + "/*.log*");
    settings.batch_bytes = 4096;
    return settings;
  }
  static std::vector<std::string> Sorted(std::vector<std::string> lines) {
    std::sort(lines.begin(), lines.end());
    return lines;
  }
  void Complete(const std::string& name) {
    if (!half_[name].empty()) Append(folder_ / name, half_[name]);
    half_[name].clear();
  }
  void Write(const std::string& name) {
    Complete(name);
    const uint64_t count = 1 + random_.Below(60);
    for (uint64_t i = 0; i < count; ++i) {
      std::string line = name + " " + std::to_string(written_.size()) + " ";
      line.append(random_.Below(20) == 0 ? 3000 : random_.Below(80), 'x');
      written_.push_back(line);
      line += '\n';
      if (i + 1 == count && random_.Below(4) == 0) {
        const size_t cut = 1 + random_.Below(line.size() - 1);
        half_[name] = line.substr(cut);
        line.resize(cut);
      }
      Append(folder_ / name, line);
    }
  }
  void Rotate(const std::string& name) {
    if (!std::filesystem::exists(folder_ / name)) return;
    if (std::filesystem::file_size(folder_ / name) == 0) return;
    Complete(name);
    const std::string to = folder_ / (name + "." + std::to_string(++turn_));
    switch (random_.Below(3)) {
      case 0:
        std::filesystem::rename(folder_ / name, to);
        break;
      case 1:
        CopyTruncate(folder_ / name, to);
        break;
      default:
        std::filesystem::rename(folder_ / name, folder_ / (name + "-2026" + std::to_string(turn_)));
        return;
    }
    plain_.push_back(to);
  }
  void Pack() {
    if (plain_.empty()) return;
    Gzip(plain_.front());
    plain_.pop_front();
  }
  // Of what was acknowledged, up to three lines: what was not is lost for good.
  void LoseLines(const std::string& name) {
    const std::string path = folder_ / name;
    for (const auto& [slot, file] : rig_.table().files()) {
      if (file.state.path != path || !file.present || !std::filesystem::exists(path)) continue;
      std::ifstream in(path, std::ios::binary);
      const std::string bytes{std::istreambuf_iterator<char>(in), {}};
      const Trail& trail = file.state.trail;
      if (file.state.acked != bytes.size() || trail.empty()) continue;
      size_t size = bytes.size();
      const size_t known = std::min<size_t>(trail.back().lines.size(), 3);
      for (uint64_t lines = random_.Below(known + 1); lines > 0; --lines) {
        size = size == 1 ? 0 : bytes.rfind('\n', size - 2) + 1;
      }
      if (size > file.state.head_length) std::filesystem::resize_file(path, size);
    }
  }
  void PowerCut() {
    rig_.server.faults = nullptr;
    for (const char* name : {"a.log", "b.log"}) Complete(name);
    for (int i = 0; i < 3; ++i) {
      rig_.clock.Advance(2 * kMicrosPerSecond);
      rig_.Step(3);
    }
    rig_.Save();
    for (const char* name : {"a.log", "b.log"}) LoseLines(name);
    for (const char* name : {"a.log", "b.log"}) {  // before the agent looks
      if (random_.Below(2) == 0) Write(name);
      if (random_.Below(2) == 0) Rotate(name);
    }
    if (random_.Below(2) == 0) Pack();
    if (random_.Below(2) == 0) rig_.RenumberDevices();
    rig_.Reboot();
    rig_.table().Discover();
    rig_.Save();  // as an agent does before it sends anything
    rig_.server.faults = &random_;
  }
  void Act() {
    const std::string name = random_.Below(2) == 0 ? "a.log" : "b.log";
    switch (random_.Below(11)) {
      case 10:
        return PowerCut();
      case 0:
      case 1:
      case 2:
        return Write(name);
      case 3:
        return Rotate(name);
      case 4:
        return Pack();
      case 5:
        return rig_.Kill();
      case 6:
        return rig_.Save();
      case 7:
        return rig_.clock.Advance(static_cast<int64_t>(random_.Below(100 * kMicrosPerSecond)));
      default:
        return rig_.Step(static_cast<int>(1 + random_.Below(3)));
    }
  }

  os::SeededRandom random_;
  TempFolder folder_;
  Rig rig_;
  std::vector<std::string> written_;
  std::map<std::string, std::string> half_;  // rest of a line that is half written
  std::deque<std::string> plain_;            // rotated, not compressed yet
  int turn_ = 0;
};

TEST(Rotation, EveryLineArrivesOnceWhateverHappens) {
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    ModelRun run(seed);
    run.Run(150);
    const auto written = run.written();
    const auto received = run.received();
    EXPECT_EQ(received.size(), written.size());
    std::vector<std::string> missing;
    std::set_difference(written.begin(), written.end(), received.begin(), received.end(),
                        std::back_inserter(missing));
    ASSERT_TRUE(received == written)
        << missing.size() << " missing, first: " << (missing.empty() ? "" : missing[0])
        << run.Known();
  }
}

}  // namespace
}  // namespace tarn::agent
