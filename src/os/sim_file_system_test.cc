#include "os/sim_file_system.h"

namespace tarn::os {
namespace {

using Call = SimFileSystem::Call;

std::unique_ptr<File> Create(SimFileSystem& fs, const std::string& path, std::string_view bytes) {
  auto file = fs.Open(path, OpenMode::kCreate).value();
  EXPECT_TRUE(file->WriteAt(0, bytes).ok());
  return file;
}

TEST(SimFileSystem, SyncedBytesUnderASyncedNameSurviveEveryCrash) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SimFileSystem fs(seed);
    ASSERT_TRUE(fs.CreateDirectories("/d").ok());
    auto file = Create(fs, "/d/a", "kept");
    ASSERT_TRUE(file->Sync().ok());
    ASSERT_TRUE(fs.SyncDirectory("/d").ok());
    fs.Crash();
    EXPECT_EQ(fs.ReadFile("/d/a").value(), "kept");
    EXPECT_EQ(file->WriteAt(0, "x").error().code(), Code::kIo) << "open files end with the crash";
  }
}

TEST(SimFileSystem, UnsyncedWriteIsKeptLostOrTorn) {
  bool kept = false;
  bool lost = false;
  bool torn = false;
  const std::string old_bytes(2'048, 'o');
  const std::string new_bytes(2'048, 'n');
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SimFileSystem fs(seed);
    auto file = Create(fs, "/a", old_bytes);
    ASSERT_TRUE(file->Sync().ok() && fs.SyncDirectory("/").ok());
    ASSERT_TRUE(file->WriteAt(0, new_bytes).ok());
    EXPECT_EQ(fs.ReadFile("/a").value(), new_bytes);
    fs.Crash();
    const std::string after = fs.ReadFile("/a").value();
    ASSERT_EQ(after.size(), old_bytes.size());
    for (size_t at = 0; at < after.size(); at += 512)
      EXPECT_EQ(after.substr(at, 512), std::string(512, after[at])) << "a sector is whole";
    kept |= after == new_bytes;
    lost |= after == old_bytes;
    torn |= after != old_bytes && after != new_bytes;
  }
  EXPECT_TRUE(kept && lost && torn);
}

TEST(SimFileSystem, UnsyncedNameMayBeLostThoughTheFileWasSynced) {
  int found = 0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SimFileSystem fs(seed);
    ASSERT_TRUE(Create(fs, "/a", "x")->Sync().ok());
    fs.Crash();
    found += fs.Exists("/a") ? 1 : 0;
  }
  EXPECT_GT(found, 0);
  EXPECT_LT(found, 100);
}

TEST(SimFileSystem, RenameIsWholeOrNotAtAll) {
  int renamed = 0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SimFileSystem fs(seed);
    ASSERT_TRUE(fs.CreateDirectories("/from").ok() && fs.CreateDirectories("/to").ok());
    ASSERT_TRUE(Create(fs, "/from/a", "new")->Sync().ok());
    ASSERT_TRUE(Create(fs, "/to/b", "old")->Sync().ok());
    ASSERT_TRUE(fs.SyncDirectory("/from").ok() && fs.SyncDirectory("/to").ok());
    ASSERT_TRUE(fs.Rename("/from/a", "/to/b").ok());
    fs.Crash();
    const bool is_new = fs.ReadFile("/to/b").value() == "new";
    EXPECT_NE(is_new, fs.Exists("/from/a"));
    renamed += is_new ? 1 : 0;
  }
  EXPECT_GT(renamed, 0);
  EXPECT_LT(renamed, 100);
}

TEST(SimFileSystem, RenameIsDurableAfterSyncOfTheTargetFolder) {
  for (uint64_t seed = 0; seed < 50; ++seed) {
    SimFileSystem fs(seed);
    ASSERT_TRUE(fs.CreateDirectories("/from").ok() && fs.CreateDirectories("/to").ok());
    ASSERT_TRUE(Create(fs, "/from/a", "x")->Sync().ok());
    ASSERT_TRUE(fs.Rename("/from/a", "/to/b").ok() && fs.SyncDirectory("/to").ok());
    fs.Crash();
    EXPECT_EQ(fs.ReadFile("/to/b").value(), "x");
    EXPECT_FALSE(fs.Exists("/from/a"));
  }
}

TEST(SimFileSystem, UnsyncedRemovalMayComeBack) {
  int back = 0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SimFileSystem fs(seed);
    ASSERT_TRUE(Create(fs, "/a", "x")->Sync().ok() && fs.SyncDirectory("/").ok());
    ASSERT_TRUE(fs.Remove("/a").ok());
    EXPECT_FALSE(fs.Exists("/a"));
    fs.Crash();
    back += fs.Exists("/a") ? 1 : 0;
  }
  EXPECT_GT(back, 0);
  EXPECT_LT(back, 100);
}

TEST(SimFileSystem, FailedSyncIsNotMadeGoodByALaterOne) {
  int kept = 0;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    SimFileSystem fs(seed);
    auto file = Create(fs, "/a", "");
    ASSERT_TRUE(fs.SyncDirectory("/").ok());
    ASSERT_TRUE(file->WriteAt(0, "x").ok());
    fs.FailCall(Call::kSync, 1, Code::kIo);
    EXPECT_EQ(file->Sync().error().code(), Code::kIo);
    EXPECT_TRUE(file->Sync().ok());
    EXPECT_EQ(fs.ReadFile("/a").value(), "x") << "still readable from the page cache";
    fs.Crash();
    kept += fs.ReadFile("/a").value() == "x" ? 1 : 0;
  }
  EXPECT_LT(kept, 100);
}

TEST(SimFileSystem, FaultsHitTheCallTheyName) {
  SimFileSystem fs(1);
  auto file = Create(fs, "/a", "abc");
  fs.FailCall(Call::kWrite, 2, Code::kResourceExhausted, 2);
  EXPECT_TRUE(file->WriteAt(0, "1").ok());
  EXPECT_EQ(file->WriteAt(0, "2").error().code(), Code::kResourceExhausted);
  EXPECT_EQ(file->WriteAt(0, "3").error().code(), Code::kResourceExhausted);
  EXPECT_TRUE(file->WriteAt(0, "4").ok());
  EXPECT_EQ(fs.CountOf(Call::kWrite), 5U);
  fs.FailAlways(Call::kRead, Code::kIo);
  EXPECT_EQ(file->ReadAt(0, 1).error().code(), Code::kIo);
  fs.ClearFaults();
  EXPECT_EQ(file->ReadAt(0, 9).value(), "4bc");
}

TEST(SimFileSystem, FullDiskTakesWhatFits) {
  SimFileSystem fs(1);
  fs.SetCapacity(10);
  auto file = Create(fs, "/a", "12345678");
  EXPECT_EQ(file->WriteAt(8, "9abc").error().code(), Code::kResourceExhausted);
  EXPECT_EQ(fs.ReadFile("/a").value(), "123456789a");
  EXPECT_TRUE(file->WriteAt(0, "X").ok()) << "overwriting needs no room";
  EXPECT_EQ(file->Preallocate(11).error().code(), Code::kResourceExhausted);
  EXPECT_EQ(fs.FreeBytes("/").value(), 0U);
  ASSERT_TRUE(fs.Remove("/a").ok());
  EXPECT_EQ(fs.FreeBytes("/").value(), 10U);
}

TEST(SimFileSystem, PowerGoesOffAtTheCallAskedForUntilCrash) {
  SimFileSystem fs(1);
  auto file = Create(fs, "/a", "abc");
  fs.PowerOffAfter(1);
  EXPECT_TRUE(file->Sync().ok());
  EXPECT_EQ(file->Sync().error().code(), Code::kIo);
  EXPECT_EQ(fs.Stat("/a").error().code(), Code::kIo);
  fs.Crash();
  EXPECT_TRUE(fs.List("/").ok());
}

TEST(SimFileSystem, LockIsExclusiveAndEndsWithACrash) {
  SimFileSystem fs(1);
  auto first = fs.Lock("/lock");
  EXPECT_EQ(fs.Lock("/lock").error().code(), Code::kConflict);
  fs.Crash();
  auto second = fs.Lock("/lock");
  EXPECT_TRUE(second.ok());
  first->reset();
  EXPECT_EQ(fs.Lock("/lock").error().code(), Code::kConflict) << "a dead lock must not free it";
}

TEST(SimFileSystem, RenameNoReplaceRefusesATakenName) {
  SimFileSystem fs(1);
  Create(fs, "/a", "a");
  Create(fs, "/b", "b");
  EXPECT_EQ(fs.RenameNoReplace("/a", "/b").error().code(), Code::kAlreadyExists);
  EXPECT_TRUE(fs.RenameNoReplace("/a", "/c").ok());
  EXPECT_EQ(fs.List("/").value(), (std::vector<std::string>{"b", "c"}));
}

}  // namespace
}  // namespace tarn::os
