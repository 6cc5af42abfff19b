#include "catalog/sqlite_catalog.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "catalog/catalog_test_internal.h"
#include "os/thread.h"

namespace tarn::catalog {
namespace {

class SqliteCatalogTest : public testing::Test {
 protected:
  std::string Path(const char* suffix = "") const { return place_.options.path + suffix; }
  std::string ReadFile(const std::string& path) {
    auto bytes = place_.file_system.ReadFile(path);
    TARN_CHECK(bytes.ok());
    return std::move(bytes).value();
  }
  void WriteFile(const std::string& path, std::string_view bytes) {
    TARN_CHECK(place_.file_system.WriteFileAtomically(path, bytes).ok());
  }
  // A catalog with `commits` commits, cleanly closed.
  void Make(int64_t commits) {
    const auto catalog = place_.Open();
    const FencingToken token = StartChain(*catalog);
    for (int64_t n = 1; n <= commits; ++n) {
      TARN_CHECK(catalog->Apply(ChainCommit(n, token)).ok());
    }
  }
  // The same, left as kill -9 leaves it.
  void MakeCrashed(int64_t commits) {
    const pid_t child = ::fork();
    if (child == 0) {
      const auto catalog = place_.Open();
      const FencingToken token = StartChain(*catalog);
      for (int64_t n = 1; n <= commits; ++n) {
        if (!catalog->Apply(ChainCommit(n, token)).ok()) ::_exit(1);
      }
      ::_exit(0);
    }
    int status = 0;
    TARN_CHECK(::waitpid(child, &status, 0) == child && status == 0);
  }
  // Every way of opening says DataLoss with the path and advice, and leaves the file alone.
  void ExpectDamage(const std::string& what) {
    const std::string before = ReadFile(Path());
    for (const SqliteMode mode :
         {SqliteMode::kCreate, SqliteMode::kExisting, SqliteMode::kReadOnly}) {
      const auto catalog = place_.TryOpen(mode);
      ASSERT_FALSE(catalog.ok()) << what;
      EXPECT_EQ(catalog.error().code(), Code::kDataLoss) << catalog.error().ToString();
      EXPECT_NE(catalog.error().message().find(Path()), std::string::npos);
      EXPECT_NE(catalog.error().message().find("To go on"), std::string::npos);
    }
    EXPECT_EQ(ReadFile(Path()), before) << what;
  }
  // Whether a user who may not write here reads a chain of that length.
  bool StrangerReads(int64_t commits) {
    TARN_CHECK(::chmod(place_.folder.c_str(), 0755) == 0);
    for (const char* suffix : {"", "-wal", "-shm"}) ::chmod(Path(suffix).c_str(), 0644);
    const pid_t child = ::fork();
    if (child == 0) {
      if (::setuid(65'534) != 0) ::_exit(2);
      const auto catalog = place_.TryOpen(SqliteMode::kReadOnly);
      if (!catalog.ok()) std::fprintf(stderr, "%s\n", catalog.error().ToString().c_str());
      ::_exit(catalog.ok() && ChainLength(**catalog) == commits ? 0 : 1);
    }
    int status = 0;
    TARN_CHECK(::waitpid(child, &status, 0) == child);
    return status == 0;
  }
  void ExecuteRaw(const char* sql) {
    sqlite3* db = nullptr;
    TARN_CHECK(sqlite3_open(Path().c_str(), &db) == SQLITE_OK);
    TARN_CHECK(sqlite3_exec(db, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(db);
  }

  TestPlace place_;
};

using SqliteCatalog = SqliteCatalogTest;

TEST_F(SqliteCatalog, IsNotThereBeforeItIsMade) {
  EXPECT_EQ(place_.TryOpen(SqliteMode::kReadOnly).error().code(), Code::kNotFound);
  EXPECT_EQ(place_.TryOpen(SqliteMode::kExisting).error().code(), Code::kNotFound);
  EXPECT_TRUE(place_.file_system.List(place_.folder)->empty());
}

TEST_F(SqliteCatalog, LeavesNoMarkerAfterACleanClose) {
  Make(3);
  EXPECT_FALSE(place_.file_system.Exists(Path("-open")));
  EXPECT_FALSE(place_.file_system.Exists(Path("-new")));
  EXPECT_FALSE(place_.file_system.Exists(Path("-making")));
  // The file alone is a whole backup then.
  ASSERT_TRUE(place_.file_system.Remove(Path("-wal")).ok());
  EXPECT_EQ(ChainLength(*place_.Open()), 3);
}

TEST_F(SqliteCatalog, FinishesNothingAHalfMadeCatalogLeft) {
  WriteFile(Path("-new"), "half a catalog");
  WriteFile(Path("-making"), "");
  EXPECT_TRUE(place_.Open()->Summary().ok());
  EXPECT_FALSE(place_.file_system.Exists(Path("-new")));
}

TEST_F(SqliteCatalog, RecoversItsLogAfterAKill) {
  MakeCrashed(5);
  EXPECT_TRUE(place_.file_system.Exists(Path("-open")));
  EXPECT_EQ(ChainLength(*place_.Open(SqliteMode::kReadOnly)), 5);
  EXPECT_EQ(ChainLength(*place_.Open()), 5);
  EXPECT_FALSE(place_.file_system.Exists(Path("-open")));
}

TEST_F(SqliteCatalog, SaysThatTheFileIsDamaged) {
  Make(200);
  const std::string good = ReadFile(Path());
  ASSERT_GT(good.size(), 40'000U);
  ASSERT_TRUE(place_.file_system.Remove(Path("-wal")).ok());
  WriteFile(Path(), "");
  ExpectDamage("empty");
  WriteFile(Path(), good.substr(0, good.size() / 2));
  ExpectDamage("cut in half");
  WriteFile(Path(), good.substr(0, good.size() - 1));
  ExpectDamage("one byte short");
  WriteFile(Path(), std::string(100, 'x') + good.substr(100));
  ExpectDamage("garbage header");
  WriteFile(Path(), std::string(good.size(), '\0'));
  ExpectDamage("zeros");
  WriteFile(Path(), good);
  EXPECT_EQ(ChainLength(*place_.Open()), 200);
}

TEST_F(SqliteCatalog, FindsADamagedPageWhenOpened) {
  Make(200);
  std::string bytes = ReadFile(Path());
  for (size_t page = 3; page < 10; ++page) bytes.replace(page * 4096, 64, std::string(64, '\xee'));
  WriteFile(Path(), bytes);
  const auto catalog = place_.TryOpen();
  ASSERT_FALSE(catalog.ok());
  EXPECT_EQ(catalog.error().code(), Code::kDataLoss) << catalog.error().ToString();
  EXPECT_EQ(ReadFile(Path()), bytes);
}

TEST_F(SqliteCatalog, NoticesThatItsFileIsGone) {
  MakeCrashed(2);
  ASSERT_TRUE(place_.file_system.Remove(Path()).ok());
  const auto catalog = place_.TryOpen();
  ASSERT_FALSE(catalog.ok());
  EXPECT_EQ(catalog.error().code(), Code::kDataLoss);
  EXPECT_FALSE(place_.file_system.Exists(Path()));
}

TEST_F(SqliteCatalog, NoticesThatItsLogIsGone) {
  MakeCrashed(5);
  ASSERT_TRUE(place_.file_system.Remove(Path("-wal")).ok());
  ExpectDamage("no log");
  EXPECT_NE(place_.TryOpen().error().message().find("start with --accept-loss"), std::string::npos);
  place_.options.lost_log = LostLog::kAccept;
  const auto catalog = place_.Open();
  EXPECT_TRUE(catalog->ListDatasets(std::nullopt)->empty());
  EXPECT_EQ(catalog->ListAudit({})->at(0).action, "catalog.log_lost");
}

TEST_F(SqliteCatalog, CommitsNothingToAFileThatIsGone) {
  for (const char* suffix : {"", "-wal"}) {
    const auto catalog = place_.Open();
    const FencingToken token = StartChain(*catalog);
    const int64_t before = ChainLength(*catalog);
    ASSERT_TRUE(catalog->Apply(ChainCommit(before + 1, token)).ok());
    os::FileSystem& files = place_.file_system;
    const std::string aside = Path("-aside");
    ASSERT_TRUE(files.Rename(Path(suffix), aside).ok());
    for (const bool replaced : {false, true}) {
      if (replaced) WriteFile(Path(suffix), ReadFile(aside));
      const auto refused = catalog->Apply(ChainCommit(before + 2, token));
      ASSERT_FALSE(refused.ok());
      EXPECT_EQ(refused.error().code(), Code::kDataLoss);
      EXPECT_NE(refused.error().message().find(Path(suffix) + " was removed"), std::string::npos);
      EXPECT_EQ(catalog->RegisterConsumer("x").error().code(), Code::kDataLoss);
    }
    ASSERT_TRUE(files.Rename(aside, Path(suffix)).ok());
    EXPECT_TRUE(catalog->Apply(ChainCommit(before + 2, token)).ok());
  }
}

TEST_F(SqliteCatalog, ALockThatAnotherProcessHoldsIsSaidAndNothingIsChanged) {
  place_.options.busy_timeout_ms = 1;
  const auto catalog = place_.Open();
  const FencingToken token = StartChain(*catalog);
  ASSERT_TRUE(catalog->Apply(ChainCommit(1, token)).ok());
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(Path().c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  const auto refused = catalog->Apply(ChainCommit(2, token));
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), Code::kUnavailable);
  EXPECT_NE(refused.error().message().find("another process holds the catalog's lock"),
            std::string::npos)
      << refused.error().ToString();
  EXPECT_EQ(catalog->RenewFence("land:web", token, 0).error().code(), Code::kUnavailable);
  EXPECT_EQ(ChainLength(*catalog), 1) << "reading goes on";
  EXPECT_EQ(place_.TryOpen().error().code(), Code::kUnavailable);
  ASSERT_EQ(sqlite3_close(other), SQLITE_OK);
  const auto receipt = catalog->Apply(ChainCommit(2, token));
  ASSERT_TRUE(receipt.ok());
  EXPECT_FALSE(receipt->repeated);
  EXPECT_EQ(ChainLength(*catalog), 2);
}

TEST_F(SqliteCatalog, LeavesOtherFilesAlone) {
  ExecuteRaw("CREATE TABLE theirs(x)");
  EXPECT_EQ(place_.TryOpen().error().code(), Code::kInvalidArgument);
  EXPECT_EQ(place_.TryOpen(SqliteMode::kReadOnly).error().code(), Code::kInvalidArgument);
}

TEST_F(SqliteCatalog, RefusesWhatANewerTarnWrote) {
  Make(1);
  ExecuteRaw("PRAGMA user_version = 99");
  for (const SqliteMode mode : {SqliteMode::kCreate, SqliteMode::kReadOnly}) {
    const auto catalog = place_.TryOpen(mode);
    ASSERT_FALSE(catalog.ok());
    EXPECT_EQ(catalog.error().code(), Code::kUnsupported);
  }
}

TEST_F(SqliteCatalog, AnotherValueInAWatermarkIsDamage) {
  const char* const changes[] = {"end_offset = end_offset + 1048576", "file_id = 'f0'",
                                 "host = 'web-0'", "updated = updated + 4096"};
  Make(1);
  const std::string good = ReadFile(Path());
  for (const char* change : changes) {
    SCOPED_TRACE(change);
    WriteFile(Path(), good);
    ExecuteRaw((std::string("UPDATE watermark SET ") + change).c_str());
    const auto catalog = place_.TryOpen();
    ASSERT_FALSE(catalog.ok());
    EXPECT_EQ(catalog.error().code(), Code::kDataLoss);
    EXPECT_NE(catalog.error().message().find("DELETE FROM watermark WHERE rowid = "),
              std::string::npos)
        << catalog.error().ToString();
    const auto listed = place_.Open(SqliteMode::kReadOnly)->ListWatermarks("web");
    ASSERT_FALSE(listed.ok());
    EXPECT_EQ(listed.error().code(), Code::kDataLoss);
    ExecuteRaw("DELETE FROM watermark");
    EXPECT_TRUE(place_.Open()->ListWatermarks("web")->empty());
    for (const char* suffix : {"-wal", "-shm"}) {
      ASSERT_TRUE(place_.file_system.Remove(Path(suffix)).ok());
    }
  }
}

TEST_F(SqliteCatalog, AnotherPositionThanThatOfTheLastCommitIsDamage) {
  Make(2);
  ExecuteRaw("UPDATE pipeline SET position = position || '0'");
  const auto catalog = place_.TryOpen();
  ASSERT_FALSE(catalog.ok());
  EXPECT_EQ(catalog.error().code(), Code::kDataLoss);
  EXPECT_NE(catalog.error().message().find("land:web"), std::string::npos);
}

TEST_F(SqliteCatalog, WatermarksOfSchema1HaveNoChecksumUntilTheyAreWritten) {
  Make(2);
  ExecuteRaw("ALTER TABLE watermark DROP COLUMN checksum; PRAGMA user_version = 1");
  EXPECT_EQ(place_.TryOpen(SqliteMode::kReadOnly).error().code(), Code::kUnsupported);
  {
    const auto catalog = place_.Open();
    EXPECT_EQ(catalog->Summary()->schema_version, 2);
    EXPECT_EQ(catalog->ListWatermarks("web")->size(), 1U);
    const auto fence = catalog->AcquireFence("land:web", "new", 1, Acquire::kTake);
    ASSERT_TRUE(catalog->Apply(ChainCommit(3, fence->token)).ok());
  }
  ExecuteRaw("UPDATE watermark SET end_offset = 7");
  EXPECT_EQ(place_.TryOpen().error().code(), Code::kDataLoss);
}

TEST_F(SqliteCatalog, ReadsBesideAWriterAndFollowsIt) {
  const auto writer = place_.Open();
  const FencingToken token = StartChain(*writer);
  const auto reader = place_.Open(SqliteMode::kReadOnly);
  for (int64_t n = 1; n <= 20; ++n) {
    ASSERT_TRUE(writer->Apply(ChainCommit(n, token)).ok());
    ASSERT_EQ(ChainLength(*reader), n);
  }
  EXPECT_EQ(reader->Apply(ChainCommit(21, token)).error().code(), Code::kPermissionDenied);
  EXPECT_EQ(reader->RegisterConsumer("x").error().code(), Code::kPermissionDenied);
}

TEST_F(SqliteCatalog, ReadersSeeOnlyWholeCommitsWhileAWriterCommits) {
  const auto writer = place_.Open();
  const FencingToken token = StartChain(*writer);
  std::atomic<bool> done{false};
  os::Thread committing("committing", [&] {
    for (int64_t n = 1; n <= 300; ++n) EXPECT_TRUE(writer->Apply(ChainCommit(n, token)).ok());
    done = true;
  });
  const auto reader = place_.Open(SqliteMode::kReadOnly);
  int64_t last = 0;
  while (!done) {
    const auto dataset = reader->GetDataset(kTestTable);
    ASSERT_TRUE(dataset.ok());
    ASSERT_EQ(dataset->rows, 10 * dataset->commits);
    ASSERT_EQ(dataset->snapshot_id, dataset->commits);
    ASSERT_GE(dataset->commits, last);
    last = dataset->commits;
  }
  committing.Join();
  EXPECT_EQ(ChainLength(*reader), 300);
}

TEST_F(SqliteCatalog, CanBeReadInAFolderOneMayNotWrite) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to become somebody else";
  Make(3);
  // With the log, as a stop leaves it, and without, as a copied backup is.
  for (const char* gone : {"", "-shm", "-wal"}) {
    SCOPED_TRACE(gone);
    ASSERT_TRUE(*gone == 0 || place_.file_system.Remove(Path(gone)).ok());
    EXPECT_TRUE(StrangerReads(3));
  }
}

TEST_F(SqliteCatalog, AFullDiskRefusesTheCommitAndNothingElse) {
  place_.options.max_bytes = 300'000;
  const auto catalog = place_.Open();
  const FencingToken token = StartChain(*catalog);
  int64_t n = 0;
  Code refusal = Code::kInternal;
  while (n < 5'000) {
    const auto receipt = catalog->Apply(ChainCommit(n + 1, token));
    if (!receipt.ok()) {
      refusal = receipt.error().code();
      break;
    }
    ++n;
  }
  EXPECT_EQ(refusal, Code::kResourceExhausted);
  EXPECT_GT(n, 10);
  EXPECT_EQ(ChainLength(*catalog), n);
  // Space comes back: it goes on without hands.
  AuditFilter filter;
  filter.limit = 1'000'000;
  ASSERT_TRUE(catalog->Trim({.audit_before = Timestamp{place_.clock.Now().micros + 1}}).ok());
  EXPECT_TRUE(catalog->Apply(ChainCommit(n + 1, token)).ok());
}

TEST_F(SqliteCatalog, ALogThatCannotGrowRefusesTheCommitAndNothingElse) {
  Make(20);
  const auto child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const auto catalog = place_.Open();
    const auto token = catalog->AcquireFence("land:web", "t", 1, Acquire::kTake)->token;
    const rlimit limit{2'000'000, 2'000'000};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(2);
    for (int64_t n = 21; n < 5'000; ++n) {
      const auto receipt = catalog->Apply(ChainCommit(n, token));
      if (receipt.ok()) continue;
      // SQLite has no word for EFBIG: Io. The commit must be gone all the same.
      const bool clean = ChainLength(*catalog) == n - 1 && n > 22;
      ::_exit(clean && receipt.error().code() == Code::kIo ? 0 : 3);
    }
    ::_exit(4);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  EXPECT_GT(ChainLength(*place_.Open()), 21);
}

// Several racers, one pipeline and one table: each step is won by exactly one.
TEST_F(SqliteCatalog, OfRacingThreadsExactlyOneWinsEachStep) {
  const auto first = place_.Open();
  const auto second = place_.Open();
  const FencingToken token = StartChain(*first);
  std::atomic<int64_t> wins{0};
  const auto race = [&](Catalog& catalog, const char* name) {
    for (int64_t n = 1; n <= 100; ++n) {
      Commit commit = ChainCommit(n, token);
      commit.commit_id += name;
      const auto receipt = catalog.Apply(commit);
      if (receipt.ok()) {
        ++wins;
      } else {
        EXPECT_EQ(receipt.error().code(), Code::kConflict) << receipt.error().ToString();
      }
    }
  };
  {
    os::Thread a("a", [&] { race(*first, "a"); });
    os::Thread b("b", [&] { race(*second, "b"); });
    os::Thread c("c", [&] { race(*first, "c"); });
  }
  EXPECT_EQ(wins, 100);
  EXPECT_EQ(ChainLength(*first), 100);
}

TEST_F(SqliteCatalog, OfRacingProcessesExactlyOneWinsEachStep) {
  FencingToken token;
  {
    const auto catalog = place_.Open();
    token = StartChain(*catalog);
  }
  std::vector<pid_t> children;
  for (int i = 0; i < 3; ++i) {
    const pid_t child = ::fork();
    if (child == 0) {
      const auto catalog = place_.Open();
      for (int64_t n = 1; n <= 60; ++n) {
        Commit commit = ChainCommit(n, token);
        commit.commit_id += "-" + std::to_string(i);
        const auto receipt = catalog->Apply(commit);
        if (!receipt.ok() && receipt.error().code() != Code::kConflict) ::_exit(1);
      }
      ::_exit(0);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(ChainLength(*place_.Open()), 60);
}

}  // namespace
}  // namespace tarn::catalog
