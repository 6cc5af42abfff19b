#include "os/file_system.h"

#include <unistd.h>

#include <filesystem>

#include "os/posix_file_system.h"

namespace tarn::os {
namespace {

class PosixFileSystemTest : public testing::Test {
 protected:
  void SetUp() override {
    root_ = testing::TempDir() + "tarn_os_" + std::to_string(getpid());
    ASSERT_TRUE(fs_.CreateDirectories(root_).ok());
  }
  void TearDown() override { ASSERT_TRUE(fs_.RemoveRecursively(root_).ok()); }

  PosixFileSystem fs_;
  std::string root_;
};

TEST_F(PosixFileSystemTest, WritesAndReadsAtOffsets) {
  auto file = fs_.Open(root_ + "/a", OpenMode::kCreateNew).value();
  ASSERT_TRUE(file->WriteAt(3, "def").ok());
  ASSERT_TRUE(file->WriteAt(0, "abc").ok());
  EXPECT_EQ(file->ReadAt(1, 100).value(), "bcdef");
  EXPECT_EQ(file->ReadAt(100, 1).value(), "");
  ASSERT_TRUE(file->Preallocate(10).ok());
  EXPECT_EQ(file->Size().value(), 10U);
}

TEST_F(PosixFileSystemTest, ErrorsCarryTheirKind) {
  EXPECT_EQ(fs_.Open(root_ + "/none", OpenMode::kRead).error().code(), Code::kNotFound);
  ASSERT_TRUE(fs_.WriteFileAtomically(root_ + "/a", "x").ok());
  EXPECT_EQ(fs_.Open(root_ + "/a", OpenMode::kCreateNew).error().code(), Code::kAlreadyExists);
  EXPECT_EQ(fs_.CreateDirectories(root_ + "/a").error().code(), Code::kAlreadyExists);
}

TEST_F(PosixFileSystemTest, AtomicWriteReplacesAndLeavesNoTemporary) {
  ASSERT_TRUE(fs_.WriteFileAtomically(root_ + "/a", "old, and longer").ok());
  ASSERT_TRUE(fs_.WriteFileAtomically(root_ + "/a", "new").ok());
  EXPECT_EQ(fs_.ReadFile(root_ + "/a").value(), "new");
  EXPECT_EQ(fs_.List(root_).value(), std::vector<std::string>{"a"});
}

TEST_F(PosixFileSystemTest, APrivateFileIsItsOwnersFromTheFirstMoment) {
  const std::string path = JoinPath(root_, "secret");
  {
    const auto file = fs_.Open(path, OpenMode::kCreateNewPrivate);
    ASSERT_TRUE(file.ok());
    EXPECT_EQ(fs_.Stat(path)->mode, 0600U);
    EXPECT_EQ(fs_.Stat(path)->owner, geteuid());
  }
  EXPECT_EQ(fs_.Open(path, OpenMode::kCreateNewPrivate).error().code(), Code::kAlreadyExists);
  ASSERT_TRUE(fs_.WritePrivateFileAtomically(path, "new").ok());
  EXPECT_EQ(*fs_.ReadFile(path), "new");
  EXPECT_EQ(fs_.Stat(path)->mode, 0600U);
  EXPECT_EQ(fs_.List(ParentOf(path))->size(), 1U);
}

TEST_F(PosixFileSystemTest, RenameNoReplaceRefusesATakenName) {
  ASSERT_TRUE(fs_.WriteFileAtomically(root_ + "/a", "a").ok());
  ASSERT_TRUE(fs_.WriteFileAtomically(root_ + "/b", "b").ok());
  EXPECT_EQ(fs_.RenameNoReplace(root_ + "/a", root_ + "/b").error().code(), Code::kAlreadyExists);
  EXPECT_EQ(fs_.ReadFile(root_ + "/b").value(), "b");
  EXPECT_TRUE(fs_.RenameNoReplace(root_ + "/a", root_ + "/c").ok());
  EXPECT_EQ(fs_.List(root_).value(), (std::vector<std::string>{"b", "c"}));
}

TEST_F(PosixFileSystemTest, FileIsStillThereUntilItIsMovedRemovedOrReplaced) {
  const std::string path = root_ + "/file";
  ASSERT_TRUE(fs_.WriteFileAtomically(path, "one").ok());
  const FileInfo first = *fs_.Stat(path);
  ASSERT_TRUE(fs_.Open(path, OpenMode::kReadWrite).value()->WriteAt(0, "other").ok());
  EXPECT_EQ(fs_.IsStillThere(path, first).value(), true) << "whatever it holds";
  ASSERT_TRUE(fs_.Rename(path, path + ".moved").ok());
  EXPECT_EQ(fs_.IsStillThere(path, first).value(), false);
  ASSERT_TRUE(fs_.WriteFileAtomically(path, "one").ok());
  EXPECT_EQ(fs_.IsStillThere(path, first).value(), false) << "another one";
  ASSERT_TRUE(fs_.Rename(path + ".moved", path).ok());
  EXPECT_EQ(fs_.IsStillThere(path, first).value(), true);
  EXPECT_FALSE(fs_.IsStillThere(path + "/below", first).value_or(false));
}

TEST_F(PosixFileSystemTest, SecondLockIsRefusedUntilTheFirstIsGone) {
  auto first = fs_.Lock(root_ + "/lock");
  ASSERT_TRUE(first.ok());
  EXPECT_EQ(fs_.Lock(root_ + "/lock").error().code(), Code::kConflict);
  first->reset();
  EXPECT_TRUE(fs_.Lock(root_ + "/lock").ok());
  auto folder = fs_.Lock(root_);
  ASSERT_TRUE(folder.ok());
  EXPECT_EQ(fs_.Lock(root_).error().code(), Code::kConflict);
}

TEST_F(PosixFileSystemTest, ALockIsSeenAndAskingForItMakesNothing) {
  const std::string path = root_ + "/lock";
  EXPECT_EQ(fs_.IsLocked(path).error().code(), Code::kNotFound);
  EXPECT_FALSE(fs_.Exists(path));
  auto lock = fs_.Lock(path);
  ASSERT_TRUE(lock.ok());
  EXPECT_EQ(fs_.IsLocked(path).value(), true);
  lock->reset();
  EXPECT_EQ(fs_.IsLocked(path).value(), false);
  EXPECT_TRUE(fs_.Lock(path).ok());
}

TEST(Paths, ParentAndJoin) {
  EXPECT_EQ(ParentOf("/a/b"), "/a");
  EXPECT_EQ(ParentOf("/a"), "/");
  EXPECT_EQ(ParentOf("a"), ".");
  EXPECT_EQ(JoinPath("/a/", "b"), "/a/b");
  EXPECT_EQ(JoinPath("a", "b"), "a/b");
}

}  // namespace
}  // namespace tarn::os
