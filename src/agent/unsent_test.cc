// What was to be sent and was not is said: by the exit of `once`, in the log, in status and
// metrics.
#include "agent/status.h"
#include "agent/test_agent.h"

namespace tarn::agent {
namespace {

using namespace testing;

std::string Read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// `path`.gz with all of the file, of which `change` makes something else. As it was before.
std::string Pack(const std::string& path, const std::function<void(std::string&)>& change) {
  Gzip(path);
  const std::string whole = Read(path + ".gz");
  std::string packed = whole;
  change(packed);
  std::filesystem::remove(path + ".gz");
  Append(path + ".gz", packed);
  return whole;
}
void Flip(std::string& packed) { packed[packed.size() / 2] ^= 0x55; }
void Halve(std::string& packed) { packed.resize(packed.size() / 2); }

// Lines that do not compress to nothing.
std::string Noise(int count) {
  os::SeededRandom random(7);
  std::string text;
  for (int i = 0; i < count; ++i) {
    text += std::to_string(i) + " " + std::to_string(random.Below(1'000'000'000'000)) + "\n";
  }
  return text;
}

void ExpectUnsent(const Status& ended, Code code, const std::string& path) {
  ASSERT_FALSE(ended.ok()) << path;
  EXPECT_EQ(ended.error().code(), code) << ended.error().message();
  EXPECT_NE(ended.error().message().find(path), std::string::npos) << ended.error().message();
}

TEST(Unsent, OnceNamesTheFileItMayNotRead) {
  TempFolder logs;
  Append(logs / "a.log", "one\n");
  Append(logs / "b.log", "two\n");
  Fixture fixture(logs / "*.log");
  fixture.files.unreadable = {logs / "a.log"};
  ExpectUnsent(fixture.Run(true), Code::kPermissionDenied, logs / "a.log");
  EXPECT_EQ(fixture.server.AllBytes(), "two\n");
  EXPECT_EQ(fixture.log.Count("file.unreadable"), 1U) << fixture.log.Text();
  fixture.files.unreadable.clear();
  EXPECT_TRUE(fixture.Run(true).ok());
  EXPECT_EQ(fixture.server.files.size(), 2U);
}

TEST(Unsent, OnceNamesTheFolderItMayNotEnter) {
  for (const char* pattern : {"in/*.log", "in/a.log", "*/a.log"}) {
    SCOPED_TRACE(pattern);
    TempFolder logs;
    std::filesystem::create_directory(logs / "in");
    Append(logs / "in/a.log", "one\n");
    Fixture fixture(logs / pattern);
    fixture.files.closed = {logs / "in"};
    fixture.files.unreadable = {logs / "in"};
    ExpectUnsent(fixture.Run(true), Code::kPermissionDenied, logs / "in");
  }
}

TEST(Unsent, OnceNamesAFileWithoutAWildcardThatIsNotThere) {
  TempFolder logs;
  Append(logs / "a.log", "one\n");
  Fixture fixture(logs / "a.log");
  fixture.settings.flows[0].paths.push_back(logs / "b.log");
  fixture.settings.flows[0].paths.push_back(logs / "c*.log");
  ExpectUnsent(fixture.Run(true), Code::kNotFound, logs / "b.log");
  EXPECT_EQ(fixture.server.AllBytes(), "one\n");
}

TEST(Unsent, OnceSaysThatAFileIsGoneBeforeItsEndWasSent) {
  TempFolder logs;
  Append(logs / "a.log", Lines(0, 3));
  Fixture fixture(logs / "*.log");
  fixture.settings.batch_age_micros = 60'000'000;
  fixture.look = [&](const Agent& agent) { return agent.total_lag_bytes() > 0; };
  EXPECT_TRUE(fixture.Run(false).ok());
  ASSERT_EQ(fixture.server.AllBytes(), "");
  fixture.look = nullptr;
  fixture.end = nullptr;
  std::filesystem::remove(logs / "a.log");
  ExpectUnsent(fixture.Run(true), Code::kDataLoss, logs / "a.log");
  EXPECT_TRUE(fixture.Run(true).ok()) << "told once";
}

// Two virtual hosts hit by one health check in the same second.
TEST(Unsent, OnceSendsShortFilesThatBeginAlike) {
  const std::string same = "9.9.9.9 - - [24/Nov/2026:10:00:01] \"GET /\" 200\n";
  const std::pair<std::string, std::string> kCases[] = {
      {same + same + "a 11\n", same + same + "b 22\n"},
      {same + "a\nmore\n", same + "b\n"},
      {same, same + "b\n"},
      {same + "unfinish", same + "unended"},
      {same + Noise(100), same + Noise(9) + "b\n"},
  };
  for (const auto& [a, b] : kCases) {
    SCOPED_TRACE(a + "|" + b);
    TempFolder logs;
    Append(logs / "a.log", a);
    Append(logs / "b.log", b);
    Fixture fixture(logs / "*.log");
    const Status ended = fixture.Run(true);
    EXPECT_TRUE(ended.ok()) << ended.error().message();
    EXPECT_EQ(fixture.server.files.size(), 2U);
    EXPECT_EQ(fixture.server.AllBytes().size(), a.size() + b.size());
    const uint64_t sent = fixture.registry.GetCounter("tarn_agent_bytes_total", "").value();
    EXPECT_TRUE(fixture.Run(true).ok());
    std::filesystem::remove_all(fixture.folder / "state");
    EXPECT_TRUE(fixture.Run(true).ok()) << "the ids are the same, or the server would have both";
    EXPECT_EQ(fixture.server.AllBytes().size(), a.size() + b.size());
    Append(logs / "b.log", "more\n");
    EXPECT_TRUE(fixture.Run(true).ok());
    EXPECT_EQ(fixture.server.AllBytes().size(), a.size() + b.size() + 5);
    EXPECT_GE(fixture.registry.GetCounter("tarn_agent_bytes_total", "").value(), sent);
  }
}

TEST(Unsent, OnceSendsShortPackedFilesThatBeginAlike) {
  TempFolder logs;
  for (const char* name : {"a", "b", "c"}) {
    Append(logs / name, std::string("date,path\n") + name + "\n");
    Gzip(logs / name);
  }
  Fixture fixture(logs / "*.gz");
  EXPECT_TRUE(fixture.Run(true).ok());
  EXPECT_EQ(fixture.server.files.size(), 3U);
  EXPECT_EQ(fixture.server.AllBytes().size(), 36U);
}

// It may be a copy of the other, taken earlier.
TEST(Unsent, OnceNamesAFileThatIsOnlyTheBeginningOfAnother) {
  TempFolder logs;
  Append(logs / "a.log", "date,path\none\n");
  Append(logs / "b.log", "date,path\n");
  Fixture fixture(logs / "*.log");
  ExpectUnsent(fixture.Run(true), Code::kUnavailable, logs / "b.log");
  EXPECT_EQ(fixture.log.Count("file.waits"), 1U) << fixture.log.Text();
  EXPECT_EQ(fixture.server.files.size(), 1U);
  Append(logs / "b.log", "two\n");
  EXPECT_TRUE(fixture.Run(true).ok());
  EXPECT_EQ(fixture.server.files.size(), 2U);
}

TEST(Unsent, CopiesAreNotMissed) {
  TempFolder logs;
  Append(logs / "a.log", "date,path\none\n");
  std::filesystem::copy_file(logs / "a.log", logs / "b.log");
  Append(logs / "c.log", Lines(0, 100));
  std::filesystem::copy_file(logs / "c.log", logs / "d.log");
  Append(logs / "c.log", Lines(100, 1));
  Fixture fixture(logs / "*.log");
  EXPECT_TRUE(fixture.Run(true).ok());
  EXPECT_EQ(fixture.server.files.size(), 2U);
  EXPECT_EQ(fixture.log.Count("file.waits"), 0U) << fixture.log.Text();
  Gzip(logs / "a.log");
  std::filesystem::rename(logs / "a.log.gz", logs / "e.log");
  EXPECT_TRUE(fixture.Run(true).ok());
  EXPECT_EQ(fixture.server.files.size(), 2U);
}

// As a nightly export does: the same long heading each time, over the file of the day before.
struct Export {
  static std::string Of(int rows, const std::string& day) {
    std::string text = std::string(305, 'h') + "\n";
    for (int i = 0; i < rows; ++i) text += day + "," + std::to_string(i) + "\n";
    return text;
  }
  static void Replace(const std::string& path, const std::string& text, bool packed) {
    Append(path + ".new", text);
    if (packed) {
      Gzip(path + ".new");
      std::filesystem::rename(path + ".new.gz", path);
      std::filesystem::remove(path + ".new");
    } else {
      std::filesystem::rename(path + ".new", path);
    }
  }
};

TEST(Unsent, OnceSendsAShortFileThatBeginsAsOneThatIsGone) {
  for (const bool packed : {false, true}) {
    for (const int rows : {3, 20}) {
      SCOPED_TRACE(std::to_string(rows) + (packed ? " packed" : ""));
      TempFolder logs;
      Fixture fixture(logs / "a.csv");
      const std::string first = Export::Of(rows, "monday");
      const std::string second = Export::Of(2, "tuesday");
      Export::Replace(logs / "a.csv", first, packed);
      EXPECT_TRUE(fixture.Run(true).ok());
      Export::Replace(logs / "a.csv", second, packed);
      EXPECT_TRUE(fixture.Run(true).ok());
      EXPECT_EQ(fixture.server.AllBytes().size(), first.size() + second.size());
      // The same again is a copy.
      Export::Replace(logs / "a.csv", second, packed);
      EXPECT_TRUE(fixture.Run(true).ok());
      EXPECT_EQ(fixture.server.AllBytes().size(), first.size() + second.size());
      EXPECT_EQ(fixture.server.files.size(), 2U);
    }
  }
}

TEST(Unsent, ShortFileThatBeginsAsOneThatIsGoneIsSentOnceItIsQuiet) {
  for (const bool truncates : {false, true}) {
    SCOPED_TRACE(truncates);
    TempFolder folder;
    const std::string first = Export::Of(20, "monday");
    const std::string second = Export::Of(2, "tuesday");
    Append(folder / "a.csv", first);
    Rig rig(SettingsFor(folder / "*.csv"));
    rig.Settle();
    if (truncates) {
      std::filesystem::resize_file(folder / "a.csv", 0);
      Append(folder / "a.csv", second);
    } else {
      Export::Replace(folder / "a.csv", second, false);
    }
    rig.Step();
    EXPECT_EQ(rig.server.files.size(), 1U);
    rig.Settle();
    EXPECT_EQ(rig.server.files.size(), 2U) << rig.log.Text();
    EXPECT_EQ(rig.server.AllBytes().size(), first.size() + second.size());
    EXPECT_EQ(rig.table().problem_counts(), ProblemCounts{}) << rig.log.Text();
    rig.Save();
    rig.Kill();
    rig.Settle();
    EXPECT_EQ(rig.server.AllBytes().size(), first.size() + second.size());
  }
}

// Two lines that both have: it is a part of it, or will be all of it.
TEST(Unsent, ShortBeginningOfOneThatIsGoneIsNamed) {
  for (const bool in_place : {false, true}) {
    SCOPED_TRACE(in_place);
    TempFolder logs;
    const std::string text = Lines(0, 50);
    const std::string path = logs / "a.log";
    Append(path, text);
    Fixture fixture(logs / "*.log");
    EXPECT_TRUE(fixture.Run(true).ok());
    if (in_place) {
      std::filesystem::resize_file(path, Lines(0, 15).size());
    } else {
      Append(logs / "new", Lines(0, 15));
      std::filesystem::rename(logs / "new", path);
    }
    ExpectUnsent(fixture.Run(true), Code::kUnavailable, path);
    Append(path, Lines(15, 45));
    EXPECT_TRUE(fixture.Run(true).ok());
    EXPECT_EQ(fixture.server.AllBytes().size(), Lines(0, 60).size());
    EXPECT_EQ(fixture.server.files.size(), 1U);
  }
}

TEST(Unsent, FileThatComesBackGoesOnThoughAShortBeginningOfItWasSent) {
  TempFolder logs;
  TempFolder away;
  const std::string beginning = Export::Of(2, "monday");
  Fixture fixture(logs / "*.csv");
  Append(logs / "a.csv", Export::Of(200, "monday"));
  EXPECT_TRUE(fixture.Run(true).ok());
  std::filesystem::rename(logs / "a.csv", away / "a.csv");
  Append(logs / "b.csv", beginning);
  EXPECT_TRUE(fixture.Run(true).ok());
  std::filesystem::copy_file(away / "a.csv", logs / "a.csv");
  EXPECT_TRUE(fixture.Run(true).ok());
  EXPECT_EQ(fixture.server.AllBytes().size(), Export::Of(200, "monday").size() + beginning.size());
}

TEST(Unsent, HeadingOfOneThatIsGoneIsNothingNew) {
  TempFolder logs;
  Fixture fixture(logs / "a.csv");
  Append(logs / "a.csv", Export::Of(20, "monday"));
  EXPECT_TRUE(fixture.Run(true).ok());
  Export::Replace(logs / "a.csv", Export::Of(0, ""), false);
  EXPECT_TRUE(fixture.Run(true).ok());
  EXPECT_EQ(fixture.log.Count("file.waits"), 0U);
}

// It may be what is left of a copy.
TEST(Unsent, LongerBeginningOfOneThatIsGoneIsNamed) {
  TempFolder logs;
  Fixture fixture(logs / "*.csv");
  Append(logs / "a.csv", Export::Of(200, "monday"));
  EXPECT_TRUE(fixture.Run(true).ok());
  std::filesystem::remove(logs / "a.csv");
  Append(logs / "b.csv", Export::Of(100, "monday"));
  ExpectUnsent(fixture.Run(true), Code::kUnavailable, logs / "b.csv");
  EXPECT_EQ(fixture.server.files.size(), 1U);
}

// The second is told from the first, and then the third begins as the second does.
TEST(Unsent, OnceNamesTheThirdFileThatIsOnlyTheBeginningOfTheSecond) {
  TempFolder logs;
  Append(logs / "a.log", "h\nx\n");
  Append(logs / "b.log", "h\nyy\nzz\n");
  Append(logs / "c.log", "h\nyy\n");
  Fixture fixture(logs / "*.log");
  ExpectUnsent(fixture.Run(true), Code::kUnavailable, logs / "c.log");
  EXPECT_EQ(fixture.log.Count("file.waits"), 1U) << fixture.log.Text();
  EXPECT_EQ(fixture.server.files.size(), 2U);
}

TEST(Unsent, OnceNamesAFileThatIsOneTooManyForItsPattern) {
  TempFolder logs;
  for (size_t i = 0; i < FileTable::kMaxFiles; ++i) {
    Append(logs / ("a" + std::to_string(i) + ".log"), "");
  }
  Append(logs / "b.log", "one\n");
  Fixture fixture(logs / "*.log");
  ExpectUnsent(fixture.Run(true), Code::kResourceExhausted, logs / "b.log");
  std::filesystem::remove(logs / "a0.log");
  EXPECT_TRUE(fixture.Run(true).ok());
  EXPECT_EQ(fixture.server.AllBytes(), "one\n");
}

TEST(Unsent, FileThatBeginsAsAnUnfinishedLineDoesIsAnother) {
  const std::string begun = "127.0.0.1 - - [";
  const std::string text = begun + "24/Nov/2026] 1\n" + begun + "24/Nov/2026] 2\n";
  for (const bool twice : {false, true}) {
    SCOPED_TRACE(twice);
    TempFolder logs;
    Append(logs / "a.log", begun);
    Fixture fixture(logs / "*.log");
    EXPECT_TRUE(fixture.Run(true).ok());
    if (twice) {  // with a whole line that can be compared it may go on elsewhere
      Append(logs / "a.log", "24");
      EXPECT_TRUE(fixture.Run(true).ok());
    }
    Append(logs / "b.log", text);  // which thus has another inode
    std::filesystem::remove(logs / "a.log");
    EXPECT_TRUE(fixture.Run(true).ok());
    ASSERT_EQ(fixture.server.files.size(), 2U);
    EXPECT_EQ(fixture.server.files[FileIdOf("shop", begun + "24/Nov/2026] 1\n")].bytes, text);
  }
}

TEST(Unsent, FileThatWasKnownByAnUnfinishedLineIsFollowedOnceThatIsWhole) {
  TempFolder logs;
  Append(logs / "a.log", "li");
  Fixture fixture(logs / "*.log*");
  EXPECT_TRUE(fixture.Run(true).ok());
  Append(logs / "a.log", "ne\n" + Lines(0, 100));
  EXPECT_TRUE(fixture.Run(true).ok());
  Gzip(logs / "a.log");
  EXPECT_TRUE(fixture.Run(true).ok());
  EXPECT_EQ(fixture.server.files.size(), 1U);
  EXPECT_EQ(fixture.server.AllBytes(), "line\n" + Lines(0, 100));
}

// A file is called lost only after a look for it, however short ago the last one was.
TEST(Unsent, NothingIsLostWithoutASearch) {
  TempFolder folder;
  Append(folder / "a.log", Lines(0, 3));
  Rig rig(SettingsFor(folder / "a.log"));
  rig.Settle(1);
  Append(folder / "a.log", Lines(3, 3));
  rig.table().Discover();
  rig.Save();
  rig.Kill();
  std::filesystem::rename(folder / "a.log", folder / "elsewhere");
  rig.Step();
  std::filesystem::rename(folder / "elsewhere", folder / "a.log.1");
  rig.table().Decide();
  EXPECT_EQ(rig.log.Count("file.lost"), 0U) << rig.log.Text();
  rig.Settle();
  EXPECT_EQ(rig.server.AllBytes(), Lines(0, 6));
}

TEST(Unsent, OnceSendsAFileWithoutANewlineToo) {
  for (const char* text : {"one", "#Version: 1.0\n"}) {
    TempFolder logs;
    Append(logs / "a.log", text);
    Fixture fixture(logs / "*.log");
    EXPECT_TRUE(fixture.Run(true).ok());
    EXPECT_EQ(fixture.server.AllBytes(), text);
    Append(logs / "a.log", " more\n");
    EXPECT_TRUE(fixture.Run(true).ok());
    EXPECT_EQ(fixture.server.AllBytes(), std::string(text) + " more\n");
  }
}

TEST(Unsent, OnceSendsTheLinesBeforeTheDamageAndSaysWhereItIs) {
  const std::string text = Noise(20'000);
  for (const bool cut : {false, true}) {
    SCOPED_TRACE(cut);
    TempFolder logs;
    Append(logs / "a.log", text);
    Pack(logs / "a.log", cut ? Halve : Flip);
    Fixture fixture(logs / "*.gz");
    ExpectUnsent(fixture.Run(true), Code::kDataLoss, logs / "a.log.gz");
    const std::string sent = fixture.server.AllBytes();
    EXPECT_GT(sent.size(), text.size() / 4);
    EXPECT_EQ(sent.back(), '\n') << "whole lines";
    EXPECT_TRUE(!cut || text.starts_with(sent));
    EXPECT_EQ(fixture.log.Count(cut ? "WARN  file.waits" : "ERROR file.damaged"), 1U)
        << fixture.log.Text();
    ExpectUnsent(fixture.Run(true), Code::kDataLoss, logs / "a.log.gz");
    EXPECT_EQ(fixture.server.AllBytes(), sent);
  }
}

TEST(Unsent, OnceNamesAGzipOfWhichNothingCanBeRead) {
  for (const size_t left : {4U, 12U, 40U}) {
    TempFolder logs;
    Append(logs / "a.log", Noise(1000));
    Pack(logs / "a.log", [&](std::string& packed) { packed.resize(left); });
    Fixture fixture(logs / "*.gz");
    ExpectUnsent(fixture.Run(true), Code::kDataLoss, logs / "a.log.gz");
  }
}

TEST(Unsent, DamagedGzipIsReadToTheDamageAndToldOnce) {
  TempFolder folder;
  const std::string text = Noise(20'000);
  Append(folder / "a.log", text);
  Pack(folder / "a.log", Flip);
  AgentSettings settings = SettingsFor(folder / "*.gz");
  settings.batch_bytes = 4096;
  Rig rig(settings);
  rig.Settle();
  const std::string sent = rig.server.AllBytes();
  EXPECT_GT(sent.size(), text.size() / 4);
  EXPECT_EQ(sent.back(), '\n');
  EXPECT_EQ(rig.log.Count("ERROR file.damaged"), 1U) << rig.log.Text();
  rig.Settle(40);
  EXPECT_EQ(rig.log.Count("file.damaged"), 1U) << rig.log.Text();
  EXPECT_EQ(rig.server.AllBytes(), sent);
  Append(folder / "b.log", text);  // somebody mends it
  Gzip(folder / "b.log");
  const std::string whole = Read(folder / "b.log.gz");
  std::filesystem::remove(folder / "b.log.gz");
  std::fstream(folder / "a.log.gz", std::ios::in | std::ios::out | std::ios::binary) << whole;
  std::filesystem::last_write_time(
      folder / "a.log.gz", std::filesystem::file_time_type::clock::now() + std::chrono::hours(1));
  rig.Settle();
  EXPECT_EQ(rig.server.AllBytes().size(), text.size());
}

TEST(Unsent, GzipThatGrowsNoMoreIsToldOnce) {
  TempFolder folder;
  const std::string text = Noise(20'000);
  Append(folder / "a.log", text);
  const std::string packed = Pack(folder / "a.log", Halve);
  Rig rig(SettingsFor(folder / "*.gz"));
  rig.Step();
  EXPECT_EQ(rig.log.Count("file.waits"), 0U);
  rig.Settle(40);
  EXPECT_EQ(rig.log.Count("WARN  file.waits"), 1U) << rig.log.Text();
  EXPECT_GT(rig.server.AllBytes().size(), text.size() / 4);
  // Nor is it read again before it is written to.
  EXPECT_FALSE(rig.tailer().NextDue());
  Append(folder / "a.log.gz", std::string_view(packed).substr(packed.size() / 2));
  rig.Settle();
  EXPECT_TRUE(rig.server.AllBytes() == text);
  EXPECT_EQ(rig.log.Count("file.waits"), 1U);
}

TEST(Unsent, GzipThatIsWrittenSlowlyIsNotCutOff) {
  TempFolder folder;
  const std::string text = Noise(20'000);
  Append(folder / "a.log", text);
  const std::string packed = Pack(folder / "a.log", [](std::string& bytes) { bytes.resize(100); });
  Rig rig(SettingsFor(folder / "*.gz"));
  for (size_t at = 100; at < packed.size(); at += 2'000) {
    rig.Settle(1);
    Append(folder / "a.log.gz", std::string_view(packed).substr(at, 2'000));
  }
  rig.Settle();
  EXPECT_TRUE(rig.server.AllBytes() == text);
  EXPECT_EQ(rig.log.Count("file.waits"), 0U) << rig.log.Text();
}

// logrotate deletes them while the server is away.
TEST(Unsent, GzipThatIsUnlinkedWhileItWaitsIsRead) {
  for (const bool begun : {false, true}) {
    SCOPED_TRACE(begun);
    TempFolder folder;
    const std::string text = Noise(20'000);
    Append(folder / "a.log", Lines(0, 20'000));
    Append(folder / "b.log", text);
    Gzip(folder / "a.log");
    Gzip(folder / "b.log");
    AgentSettings settings = SettingsFor(folder / (begun ? "b*.gz" : "*.gz"));
    settings.batch_bytes = 4096;
    Rig rig(settings);
    rig.server.script.assign(1000, {503, 0, "busy"});
    if (begun) rig.server.script = {{400, -1, "no"}};  // and is held for a minute
    rig.Step();
    std::filesystem::remove(folder / "b.log.gz");
    rig.Settle();
    rig.server.script.clear();
    rig.Settle();
    EXPECT_EQ(rig.server.AllBytes().size(), text.size() + (begun ? 0 : Lines(0, 20'000).size()));
    EXPECT_EQ(rig.log.Count("file.finished"), begun ? 1U : 2U) << rig.log.Text();
  }
}

TEST(Unsent, CutOffGzipThatIsUnlinkedIsDoneWith) {
  TempFolder folder;
  Append(folder / "a.log", Noise(20'000));
  Pack(folder / "a.log", Halve);
  Rig rig(SettingsFor(folder / "*.gz"));
  rig.Settle();
  std::filesystem::remove(folder / "a.log.gz");
  rig.Settle();
  EXPECT_EQ(rig.log.Count("file.finished"), 1U) << rig.log.Text();
  EXPECT_GT(rig.server.AllBytes().size(), 0U);
}

// The one that was unread when they were compared has been read since.
TEST(Unsent, ShortFilesThatBeginAlikeAreToldApartWhileTailing) {
  TempFolder folder;
  Append(folder / "a.log", "up\nanna\n");
  Append(folder / "b.log", "up\nbert\n");
  Rig rig(SettingsFor(folder / "*.log"));
  rig.Settle();
  EXPECT_EQ(rig.server.files.size(), 2U);
}

TEST(Unsent, FileThatWaitsIsToldOnce) {
  TempFolder folder;
  Append(folder / "a.log", "up\nanna\nmore\n");
  Append(folder / "b.log", "up\nbert\n");
  Rig rig(SettingsFor(folder / "*.log"));
  rig.Settle(40);
  EXPECT_EQ(rig.server.files.size(), 1U);
  EXPECT_EQ(rig.log.Count("WARN  file.waits path=" + (folder / "b.log")), 1U) << rig.log.Text();
}

TEST(Unsent, PatternsWithoutAFileAreNamedAtTheStart) {
  TempFolder folder;
  Append(folder / "a.log", "one\n");
  std::filesystem::create_directory(folder / "dir");
  AgentSettings settings = SettingsFor(folder / "*.log");
  settings.flows[0].paths.push_back(folder / "*.txt");
  settings.flows[0].paths.push_back(folder / "dir");
  Rig rig(settings);
  rig.Settle(40);
  EXPECT_EQ(rig.log.Count("WARN  paths.match_nothing"), 2U) << rig.log.Text();
  EXPECT_EQ(rig.log.Count("pattern=" + (folder / "*.txt")), 1U) << rig.log.Text();
  EXPECT_EQ(rig.log.Count("pattern=" + (folder / "dir")), 1U) << rig.log.Text();
}

// Of the checkpoint that the fixture's agent left.
std::string StatusOf(Fixture& fixture) {
  const std::string text = fixture.files.ReadFile(fixture.folder / "state/checkpoint").value();
  return PrintStatus(fixture.files, DecodeCheckpoint(text).value(), true);
}

TEST(Unsent, StatusShowsWhatCannotBeRead) {
  TempFolder logs;
  Append(logs / "a.log", "one\n");
  Append(logs / "b.log", "two\n");
  std::filesystem::create_directory(logs / "in");
  Fixture fixture(logs / "*.log");
  fixture.settings.flows[0].paths.push_back(logs / "in/*");
  EXPECT_TRUE(fixture.Run(true).ok());
  fixture.files.unreadable = {logs / "a.log", logs / "c.log", logs / "in"};
  Append(logs / "a.log", "more\n");
  Append(logs / "c.log", "three\n");
  std::string metrics;
  fixture.look = [&](const Agent& agent) {
    metrics = PrintLags(agent);
    return agent.Unsent()[0] == 3;
  };
  EXPECT_TRUE(fixture.Run(false).ok());
  EXPECT_NE(metrics.find("tarn_agent_unsent_files{reason=\"unreadable\"} 3\n"), std::string::npos)
      << metrics;
  const auto status = codec::ParseJson(StatusOf(fixture)).value();
  const codec::Json::Array& files = *status.Find("files")->AsArray();
  ASSERT_EQ(files.size(), 4U);
  EXPECT_EQ(status.GetInt("behind_bytes").value(), 11);
  std::map<std::string, std::string> states;
  for (const codec::Json& file : files) {
    states[file.GetString("path").value()] = file.GetString("state").value();
  }
  EXPECT_EQ(states, (std::map<std::string, std::string>{{logs / "a.log", "unreadable"},
                                                        {logs / "b.log", "tailing"},
                                                        {logs / "c.log", "unreadable"},
                                                        {logs / "in", "unreadable"}}));
  const std::string text = fixture.files.ReadFile(fixture.folder / "state/checkpoint").value();
  const std::string table = PrintStatus(fixture.files, DecodeCheckpoint(text).value(), false);
  EXPECT_NE(table.find("  cannot open " + (logs / "c.log") + ": Permission denied\n"),
            std::string::npos)
      << table;
  EXPECT_NE(table.find("\n4 files, 11 B behind, 3 with a problem\n"), std::string::npos) << table;
}

TEST(Unsent, StatusOfARefilledLogIsThatOfTwoFiles) {
  TempFolder logs;
  Append(logs / "a.log", Lines(0, 60));
  Fixture fixture(logs / "a.log");
  EXPECT_TRUE(fixture.Run(true).ok());
  std::filesystem::resize_file(logs / "a.log", 0);
  Append(logs / "a.log", Lines(1000, 300));
  EXPECT_TRUE(fixture.Run(true).ok());
  const auto status = codec::ParseJson(StatusOf(fixture)).value();
  EXPECT_EQ(status.GetInt("behind_bytes").value(), 0);
  const codec::Json::Array& files = *status.Find("files")->AsArray();
  ASSERT_EQ(files.size(), 2U);
  EXPECT_EQ(files[0].GetString("state").value(), "gone");
  EXPECT_EQ(files[0].GetInt("size_bytes").value(), static_cast<int64_t>(Lines(0, 60).size()));
  EXPECT_EQ(files[1].GetString("state").value(), "tailing");
  EXPECT_TRUE(fixture.Run(true).ok());
  EXPECT_EQ(fixture.server.files.size(), 2U);
}

uint64_t Behind(Rig& rig) {
  uint64_t behind = 0;
  for (const auto& [slot, file] : rig.table().files()) {
    if (file.state.size > file.state.acked) behind += file.state.size - file.state.acked;
  }
  return behind;
}

// `: > access.log`, or `dd conv=notrunc`: all that was there had been sent.
TEST(Unsent, NothingOfARefilledLogIsBehindOrLost) {
  for (const bool truncated : {true, false}) {
    SCOPED_TRACE(truncated);
    TempFolder folder;
    Rig rig(SettingsFor(folder / "a.log"));
    Append(folder / "a.log", Lines(0, 60));
    rig.Settle(1);
    if (truncated) {
      std::filesystem::resize_file(folder / "a.log", 0);
      Append(folder / "a.log", Lines(1000, 300));
    } else {
      std::fstream(folder / "a.log", std::ios::in | std::ios::out) << Lines(1000, 300);
    }
    rig.table().RefreshSizes();  // as when the kernel says that it grew
    rig.Settle();
    EXPECT_EQ(rig.server.files.size(), 2U);
    EXPECT_EQ(Behind(rig), 0U);
    EXPECT_EQ(rig.log.Count("file.lost"), 0U) << rig.log.Text();
  }
}

TEST(Unsent, WhatATruncatedLogHadUnsentIsLost) {
  TempFolder folder;
  Rig rig(SettingsFor(folder / "a.log"));
  Append(folder / "a.log", Lines(0, 60));
  rig.Settle(1);
  rig.server.script.assign(1000, {503, 0, "busy"});
  Append(folder / "a.log", Lines(60, 20));
  rig.Step();
  std::filesystem::resize_file(folder / "a.log", 0);
  Append(folder / "a.log", Lines(1000, 300));
  rig.table().RefreshSizes();
  EXPECT_EQ(Behind(rig), Lines(60, 20).size());
  rig.server.script.clear();
  rig.Settle();
  EXPECT_EQ(rig.log.Count("ERROR file.lost"), 1U) << rig.log.Text();
}

TEST(Unsent, FileThatCannotBeOpenedForAWhileIsNotLost) {
  TempFolder folder;
  Append(folder / "a.log", Lines(0, 3));
  Rig rig(SettingsFor(folder / "*.log"));
  rig.Settle(1);
  Append(folder / "a.log", Lines(3, 3));
  rig.table().Discover();
  rig.Save();
  rig.files.unreadable = {folder / "a.log"};
  rig.Kill();
  rig.Settle(4);
  EXPECT_EQ(rig.log.Count("file.lost"), 0U) << rig.log.Text();
  EXPECT_EQ(rig.log.Count("file.unreadable"), 1U) << rig.log.Text();
  rig.files.unreadable.clear();
  rig.Settle();
  EXPECT_EQ(rig.server.AllBytes(), Lines(0, 6));
}

TEST(Unsent, ProblemsAreCountedByKind) {
  Fixture fixture("/none");
  FileProblems problems(fixture.events);
  const auto note = [&](ProblemKind kind, const std::string& path) {
    problems.Note({kind, "s", path, Unavailable("no")});
  };
  note(ProblemKind::kWaits, "/a");
  note(ProblemKind::kWaits, "/b");
  note(ProblemKind::kWaits, "/b");
  note(ProblemKind::kUnreadable, "/c");
  EXPECT_EQ(problems.counts(), (ProblemCounts{1, 2, 0, 0}));
  note(ProblemKind::kLost, "/a");
  problems.Drop({ProblemKind::kUnreadable, "s", "/c", Unavailable("no")});
  problems.Drop({ProblemKind::kUnreadable, "s", "/d", Unavailable("no")});
  EXPECT_EQ(problems.counts(), (ProblemCounts{0, 2, 0, 1}));
  problems.BeginPass();
  note(ProblemKind::kLost, "/a");
  problems.EndPass();
  EXPECT_EQ(problems.counts(), (ProblemCounts{0, 0, 0, 1}));
}

TEST(Unsent, MoreProblemsThanAreNamedAreSaid) {
  Fixture fixture("/none");
  FileProblems problems(fixture.events);
  for (size_t i = 0; i <= FileProblems::kMost + 1; ++i) {
    problems.Note({ProblemKind::kWaits, "s", "/" + std::to_string(i), Unavailable("no")});
  }
  EXPECT_EQ(problems.All().size(), FileProblems::kMost);
  EXPECT_EQ(fixture.log.Count("limit.reached"), 1U) << fixture.log.Text();
}

TEST(Unsent, ProblemGoesWithItsFile) {
  TempFolder folder;
  Append(folder / "a.log.1", Noise(20'000));
  Pack(folder / "a.log.1", Flip);
  std::filesystem::remove(folder / "a.log.1");
  Rig rig(SettingsFor(folder / "a.log.*"));
  rig.Settle();
  ASSERT_EQ(rig.table().Problems().size(), 1U);
  std::filesystem::rename(folder / "a.log.1.gz", folder / "a.log.2.gz");
  Append(folder / "a.log.1", Lines(0, 100));
  Gzip(folder / "a.log.1");
  std::filesystem::remove(folder / "a.log.1");
  rig.Settle();
  ASSERT_EQ(rig.table().Problems().size(), 1U);
  EXPECT_EQ(rig.table().Problems().front().path, folder / "a.log.2.gz");
  EXPECT_EQ(rig.log.Count("file.damaged"), 1U) << rig.log.Text();
}

TEST(Unsent, ProblemsOfTwoFilesOfOneNameAreBothTold) {
  TempFolder folder;
  Append(folder / "a.log", Lines(0, 100));
  Rig rig(SettingsFor(folder / "*.log"));
  rig.Settle();
  Append(folder / "a.log", Lines(100, 100));
  rig.table().Discover();
  rig.Save();
  Append(folder / "a.new", Lines(200, 100));
  std::filesystem::rename(folder / "a.new", folder / "a.log");
  rig.files.unreadable = {folder / "a.log"};
  rig.Kill();
  rig.Settle();
  EXPECT_EQ(rig.log.Count("file.unreadable"), 1U) << rig.log.Text();
  EXPECT_EQ(rig.log.Count("file.lost"), 1U) << rig.log.Text();
  EXPECT_EQ(rig.table().problem_counts(), (ProblemCounts{1, 0, 0, 1})) << rig.log.Text();
}

TEST(Unsent, ALongLineIsToldOnce) {
  TempFolder folder;
  Rig rig(SettingsFor(folder / "a.log"));
  const std::string line = std::string(agent_wire::kMaxLineBytes * 7 / 2, 'x') + "\n";
  Append(folder / "a.log", "one\n" + line + line);
  rig.Settle(2);
  EXPECT_EQ(rig.log.Count("line.cut"), 2U) << rig.log.Text();
  EXPECT_EQ(rig.registry.GetCounter("tarn_agent_cut_lines_total", "").value(), 2U);
}

}  // namespace
}  // namespace tarn::agent
