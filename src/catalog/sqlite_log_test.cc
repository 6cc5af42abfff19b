#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/bytes.h"
#include "catalog/catalog_test_internal.h"
#include "catalog/sqlite_log_internal.h"
#include "os/sim_file_system.h"

namespace tarn::catalog {
namespace {

constexpr size_t kHeader = 32;
constexpr size_t kFrame = 24 + 4096;

uint32_t BigEndian(std::string_view bytes) {
  uint32_t value = 0;
  for (const char byte : bytes.substr(0, 4)) value = value << 8 | static_cast<unsigned char>(byte);
  return value;
}

bool IsDamaged(std::string_view log) {
  os::SimFileSystem files(1);
  const auto file = files.Open("/log", os::OpenMode::kCreate).value();
  TARN_CHECK(file->WriteAt(0, log).ok());
  const auto damage = FindLogDamage(*file);
  TARN_CHECK(damage.ok());
  return damage->has_value();
}

std::string Flipped(std::string bytes, size_t offset) {
  bytes[offset] = static_cast<char>(bytes[offset] ^ 0x10);
  return bytes;
}

// A catalog of a few commits as kill -9 leaves it, and its log.
class SqliteLogTest : public testing::Test {
 protected:
  static constexpr int64_t kCommits = 4;

  SqliteLogTest() {
    const pid_t child = ::fork();
    if (child == 0) {
      const auto catalog = place_.Open();
      const FencingToken token = StartChain(*catalog);
      for (int64_t n = 1; n <= kCommits; ++n) {
        if (!catalog->Apply(ChainCommit(n, token)).ok()) ::_exit(1);
      }
      ::_exit(0);
    }
    int status = 0;
    TARN_CHECK(::waitpid(child, &status, 0) == child && status == 0);
    file_ = place_.file_system.ReadFile(Path("")).value();
    log_ = place_.file_system.ReadFile(Path("-wal")).value();
    TARN_CHECK((log_.size() - kHeader) % kFrame == 0);
    frames_ = (log_.size() - kHeader) / kFrame;
    for (size_t frame = 0; frame < frames_; ++frame) {
      if (BigEndian(log_.substr(kHeader + frame * kFrame + 4, 4)) != 0) ends_.push_back(frame);
    }
    TARN_CHECK(ends_.size() > kCommits && ends_.back() == frames_ - 1);
  }

  std::string Path(const char* suffix) const { return place_.options.path + suffix; }
  // The catalog as it was left, but for its log.
  void Restore(std::string_view log) {
    place_.options.lost_log = LostLog::kRefuse;
    static_cast<void>(place_.file_system.Remove(Path("-shm")));
    for (const auto& [suffix, bytes] :
         {std::pair{"", std::string_view(file_)}, {"-wal", log}, {"-open", ""}}) {
      TARN_CHECK(place_.file_system.WriteFileAtomically(Path(suffix), bytes).ok());
    }
  }
  void ExpectRefused(std::string_view log, const std::string& expected) {
    Restore(log);
    for (const SqliteMode mode :
         {SqliteMode::kCreate, SqliteMode::kExisting, SqliteMode::kReadOnly}) {
      for (const LostLog lost : {LostLog::kRefuse, LostLog::kAccept}) {
        place_.options.lost_log = lost;
        const auto catalog = place_.TryOpen(mode);
        ASSERT_FALSE(catalog.ok()) << expected;
        EXPECT_EQ(catalog.error().code(), Code::kDataLoss) << catalog.error().ToString();
        for (const std::string& word : {Path("-wal"), expected, std::string("To go on")}) {
          EXPECT_NE(catalog.error().message().find(word), std::string::npos)
              << catalog.error().ToString();
        }
      }
    }
    EXPECT_EQ(place_.file_system.ReadFile(Path("")).value(), file_);
    EXPECT_EQ(place_.file_system.ReadFile(Path("-wal")).value(), log);
  }

  TestPlace place_;
  std::string file_;
  std::string log_;
  size_t frames_ = 0;
  std::vector<size_t> ends_;  // frames that end a commit
};

using SqliteLog = SqliteLogTest;

TEST_F(SqliteLog, AsItWasLeftItIsWhole) {
  EXPECT_FALSE(IsDamaged(log_));
  Restore(log_);
  EXPECT_EQ(ChainLength(*place_.Open()), kCommits);
}

TEST_F(SqliteLog, AFlippedByteOfItsHeaderIsDamage) {
  for (size_t offset = 0; offset < kHeader; ++offset) {
    EXPECT_TRUE(IsDamaged(Flipped(log_, offset))) << offset;
    EXPECT_FALSE(IsDamaged(Flipped(log_.substr(0, kHeader), offset))) << "and no frame to lose";
  }
  ExpectRefused(Flipped(log_, 9), "its header is damaged");
}

// Of the last commit nobody can tell whether it was torn. Of the one before, its end alone is not
// enough to see what lies on it.
TEST_F(SqliteLog, AFlippedByteOfACommitThatIsNotTheLastIsDamage) {
  const size_t last_but_one = ends_.at(ends_.size() - 2);
  for (size_t frame = 0; frame < frames_; ++frame) {
    const size_t begin = kHeader + frame * kFrame;
    for (size_t at = 0; at < kFrame; at += at < 24 ? 1 : 509) {
      const bool damaged = IsDamaged(Flipped(log_, begin + at));
      if (frame < last_but_one) {
        EXPECT_TRUE(damaged) << frame << " " << at;
      } else if (frame > last_but_one) {
        // A mark that another commit ends there is no work of a torn write.
        EXPECT_TRUE(!damaged || (at >= 4 && at < 8)) << frame << " " << at;
      } else if (at < 8 || at >= 24) {
        EXPECT_TRUE(damaged) << frame << " " << at;
      }
    }
  }
  ExpectRefused(Flipped(log_, kHeader + 100), "damaged at byte 32,");
  const size_t third = kHeader + (ends_.at(2) - 1) * kFrame;
  ExpectRefused(Flipped(log_, third + 2'000), "damaged at byte " + std::to_string(third));
}

TEST_F(SqliteLog, ALostSectorInTheMiddleIsDamage) {
  const size_t last_but_one = kHeader + ends_.at(ends_.size() - 2) * kFrame;
  for (const char filler : {'\0', 'x'}) {
    for (size_t offset = 512; offset + 512 <= last_but_one; offset += 512) {
      std::string log = log_;
      log.replace(offset, 512, 512, filler);
      EXPECT_TRUE(log == log_ || IsDamaged(log)) << offset;
    }
  }
}

TEST_F(SqliteLog, ACutOneIsACommitThatNeverEnded) {
  for (size_t size = kHeader; size < log_.size(); size += 515) {
    EXPECT_FALSE(IsDamaged(log_.substr(0, size))) << size;
  }
  int64_t before = -1;
  for (size_t frame = 0; frame <= frames_; frame += 3) {
    for (const size_t more : {size_t{0}, size_t{10}, size_t{2'000}}) {
      const size_t size = kHeader + frame * kFrame + more;
      if (size > log_.size()) continue;
      EXPECT_FALSE(IsDamaged(log_.substr(0, size))) << size;
      Restore(log_.substr(0, size));
      const auto catalog = place_.Open();
      const bool made = catalog->GetDataset(kTestTable).ok();
      const int64_t length = made ? ChainLength(*catalog) : -1;
      EXPECT_GE(length, before) << size;
      before = length;
    }
  }
  EXPECT_GE(before, kCommits - 1);
}

// As a power cut leaves the last commit: any of its sectors may be missing.
TEST_F(SqliteLog, ATornLastCommitIsNoDamage) {
  os::SeededRandom random(20'261'130);
  const size_t begin = kHeader + (ends_.at(ends_.size() - 2) + 1) * kFrame;
  for (int round = 0; round < 300; ++round) {
    std::string log = log_;
    for (size_t sector = begin / 512 * 512; sector < log.size(); sector += 512) {
      if (random.Below(3) != 0) continue;
      const size_t from = std::max(sector, begin);
      const size_t size = std::min(log.size(), sector + 512) - from;
      // What was there before: nothing, or an earlier log with other salts.
      std::string old = random.Below(2) == 0 ? std::string(size, '\0') : log.substr(from, size);
      if (old.size() >= 32) old.replace(old.size() / 2, 16, 16, 'o');
      log.replace(from, size, old);
    }
    EXPECT_FALSE(IsDamaged(log)) << round;
  }
}

TEST_F(SqliteLog, DamageIsNotSaidWhileAProcessHasTheCatalogOpen) {
  Restore(log_);
  {
    const auto server = place_.Open();
    const auto log = place_.file_system.Open(Path("-wal"), os::OpenMode::kReadWrite).value();
    ASSERT_TRUE(log->WriteAt(16, "salt").ok());
    EXPECT_TRUE(place_.TryOpen(SqliteMode::kReadOnly).ok());
    EXPECT_TRUE(place_.TryOpen(SqliteMode::kExisting).ok());
    EXPECT_EQ(ChainLength(*server), kCommits);
  }
  // It has ended, and copied all it had into the file.
  const auto refused = place_.TryOpen();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), Code::kDataLoss);
  EXPECT_NE(refused.error().message().find("after a clean stop it has everything"),
            std::string::npos)
      << refused.error().ToString();
  for (const char* suffix : {"-wal", "-shm"}) {
    ASSERT_TRUE(place_.file_system.Remove(Path(suffix)).ok());
  }
  EXPECT_EQ(ChainLength(*place_.Open()), kCommits);
}

TEST_F(SqliteLog, OneCanGoOnWithoutADamagedOne) {
  ExpectRefused(Flipped(log_, kHeader + 50), "--accept-loss");
  Restore(log_);
  for (const char* suffix : {"-wal", "-shm"}) {
    static_cast<void>(place_.file_system.Remove(Path(suffix)));
  }
  place_.options.lost_log = LostLog::kAccept;
  const auto catalog = place_.Open();
  EXPECT_EQ(catalog->ListAudit({})->at(0).action, "catalog.log_lost");
}

// The writer begins its log anew every now and then; the file that would say it runs is gone. It
// commits until it was looked at often enough.
TEST(SqliteLogBesideAWriter, IsNeverSaidToBeDamaged) {
  constexpr int kLooks = 50;
  TestPlace place;
  int ready[2];
  int enough[2];
  ASSERT_TRUE(::pipe(ready) == 0 && ::pipe(enough) == 0);
  ASSERT_EQ(::fcntl(enough[0], F_SETFL, O_NONBLOCK), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(enough[1]);
    const auto catalog = place.Open();
    const FencingToken token = StartChain(*catalog);
    if (::write(ready[1], "r", 1) != 1) ::_exit(1);
    char byte = 0;
    for (int64_t n = 1; ::read(enough[0], &byte, 1) != 0; ++n) {
      if (!catalog->Apply(ChainCommit(n, token)).ok()) ::_exit(1);
    }
    ::_exit(0);
  }
  ::close(ready[1]);
  ::close(enough[0]);
  char byte = 0;
  ASSERT_EQ(::read(ready[0], &byte, 1), 1);
  ASSERT_TRUE(place.file_system.Remove(place.options.path + "-open").ok());
  for (int look = 0; look < kLooks; ++look) {
    const Status looked = CheckLog(place.file_system, place.options.path);
    EXPECT_TRUE(looked.ok()) << looked.error().ToString();
  }
  ::close(ready[0]);
  ::close(enough[1]);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

// A log written here, of pages of 512 bytes.
class MadeLog {
 public:
  explicit MadeLog(char salt) : salts_(8, salt) {
    for (const uint32_t word : {0x377f0682U, 3'007'000U, 512U, 0U}) Put(bytes_, word);
    bytes_ += salts_;
    chain_ = Sum(chain_, bytes_);
    Put(bytes_, chain_[0]);
    Put(bytes_, chain_[1]);
  }
  enum class Outcome : uint8_t { kMade, kFailed };
  // A failed one leaves its frames, and the next one is written over them.
  void Commit(size_t pages, Outcome outcome) {
    Pair chain = chain_;
    size_t end = end_;
    for (size_t page = 1; page <= pages; ++page) {
      std::string frame;
      Put(frame, static_cast<uint32_t>(page));
      Put(frame, page == pages ? 9U : 0U);
      const std::string content(512, static_cast<char>('a' + ++writes_ % 26));
      chain = Sum(Sum(chain, frame), content);
      frame += salts_;
      Put(frame, chain[0]);
      Put(frame, chain[1]);
      frame += content;
      if (bytes_.size() < end + frame.size()) bytes_.resize(end + frame.size());
      bytes_.replace(end, frame.size(), frame);
      end += frame.size();
    }
    if (outcome == Outcome::kFailed) return;
    chain_ = chain;
    end_ = end;
  }
  // As when it is begun anew in a file that has an older one.
  std::string Over(std::string_view older) const {
    const std::string made = bytes_.substr(0, end_);
    return made + std::string(older.substr(std::min(older.size(), made.size())));
  }
  const std::string& bytes() const { return bytes_; }

 private:
  using Pair = std::array<uint32_t, 2>;
  static void Put(std::string& out, uint32_t word) {
    for (const int shift : {24, 16, 8, 0}) out += static_cast<char>(word >> shift & 0xff);
  }
  static Pair Sum(Pair sum, std::string_view bytes) {
    for (; !bytes.empty(); bytes.remove_prefix(8)) {
      sum[0] += GetFixed<uint32_t>(bytes.data()) + sum[1];
      sum[1] += GetFixed<uint32_t>(bytes.data() + 4) + sum[0];
    }
    return sum;
  }

  std::string salts_;
  std::string bytes_;
  Pair chain_{};
  size_t end_ = kHeader;
  size_t writes_ = 0;
};

TEST(MadeSqliteLog, WhatFailedCommitsLeftIsNoDamage) {
  MadeLog log('s');
  log.Commit(3, MadeLog::Outcome::kMade);
  for (const size_t pages : {12U, 9U, 6U, 4U}) {
    log.Commit(pages, MadeLog::Outcome::kFailed);
    EXPECT_FALSE(IsDamaged(log.bytes())) << pages;
  }
  log.Commit(2, MadeLog::Outcome::kMade);
  EXPECT_FALSE(IsDamaged(log.bytes()));
  log.Commit(1, MadeLog::Outcome::kMade);
  EXPECT_FALSE(IsDamaged(log.bytes()));
  EXPECT_TRUE(IsDamaged(Flipped(log.bytes(), kHeader + 100)));
}

TEST(MadeSqliteLog, WhatAnEarlierLogLeftInTheFileIsNoDamage) {
  MadeLog older('o');
  for (int commit = 0; commit < 5; ++commit) older.Commit(3, MadeLog::Outcome::kMade);
  MadeLog log('s');
  EXPECT_FALSE(IsDamaged(log.Over(older.bytes()))) << "begun anew, and nothing written";
  log.Commit(2, MadeLog::Outcome::kMade);
  EXPECT_FALSE(IsDamaged(log.Over(older.bytes())));
  log.Commit(2, MadeLog::Outcome::kMade);
  EXPECT_FALSE(IsDamaged(log.Over(older.bytes())));
  EXPECT_TRUE(IsDamaged(Flipped(log.Over(older.bytes()), kHeader + 100)));
}

// Where a sector ends in the head of a frame, its mark of a commit and its checksum may be of two
// commits. Beneath the torn one lies what was there before: here a longer one that failed.
TEST(MadeSqliteLog, ATornHeadOfAFrameMakesNoCommit) {
  constexpr size_t kPages = 70;  // the heads of 64 frames have their sectors' ends at any place
  const auto log_with = [](size_t pages, MadeLog::Outcome outcome) {
    MadeLog log('s');
    log.Commit(1, MadeLog::Outcome::kMade);
    log.Commit(kPages, MadeLog::Outcome::kFailed);
    if (pages > 0) log.Commit(pages, outcome);
    return log.bytes();
  };
  const std::string failed = log_with(0, MadeLog::Outcome::kFailed);
  for (size_t pages = 1; pages < kPages; ++pages) {
    const std::string made = log_with(pages, MadeLog::Outcome::kMade);
    const size_t last = kHeader + pages * (24 + 512);  // the frame that ends it
    for (size_t split = (last / 512 + 1) * 512; split < last + 24 + 512; split += 512) {
      EXPECT_FALSE(IsDamaged(made.substr(0, split) + failed.substr(split)))
          << pages << " " << split;
      EXPECT_FALSE(IsDamaged(failed.substr(0, split) + made.substr(split)))
          << pages << " " << split;
    }
  }
}

}  // namespace
}  // namespace tarn::catalog
