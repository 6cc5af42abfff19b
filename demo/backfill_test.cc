#include "demo/backfill.h"

#include "demo/temp_folder.h"
#include "os/posix_file_system.h"

namespace tarn::demo {
namespace {

constexpr Timestamp kStart{20'781 * kMicrosPerDay};  // a midnight
constexpr Timestamp kEnd{kStart.micros + 2 * kMicrosPerDay + 5 * kMicrosPerHour};

class BackfillTest : public testing::Test {
 protected:
  BackfillTest() {
    for (int i = 1; i <= kServerCount; ++i) {
      dirs_.push_back(folder_ / ("w" + std::to_string(i)));
      EXPECT_TRUE(fs_.CreateDirectories(dirs_.back()).ok());
    }
    options_.start = kStart;
    options_.hits_per_second = 0.3;
    options_.seasonal = true;
  }
  std::unique_ptr<Truth> Open(const std::string& name) {
    return Truth::Open(fs_, folder_ / name).value();
  }
  os::PosixFileSystem fs_;
  TempFolder folder_;
  std::vector<std::string> dirs_;
  WorldOptions options_;
};

TEST_F(BackfillTest, MakesAFileADayAndAllOfItIsTrue) {
  auto truth = Open("truth.jsonl");
  const auto report = Backfill(fs_, options_, kEnd, dirs_, *truth);
  ASSERT_TRUE(report.ok()) << report.error().ToString();
  EXPECT_EQ(fs_.List(dirs_[0]).value(),
            (std::vector<std::string>{"access.log.2026-11-24", "access.log.2026-11-25",
                                      "access.log.2026-11-26"}));
  // The recount reads the files with a parser of its own; it finds nothing the truth lacks …
  EXPECT_EQ(RecoverTruth(fs_, dirs_, *truth).value(), 0U);
  // … and from nothing it comes to the same counts: the truth has nothing the files lack.
  auto recounted = Open("recounted.jsonl");
  EXPECT_EQ(RecoverTruth(fs_, dirs_, *recounted).value(), report->lines);
  const auto expected = truth->Counts();
  auto found = recounted->Counts();
  for (const auto& [key, hour] : expected) {
    EXPECT_EQ(found[key].by_status, hour.by_status);
    EXPECT_EQ(found[key].sessions, hour.sessions);
    EXPECT_EQ(found[key].visitors, hour.visitors);
  }
  for (int server = 0; server < kServerCount; ++server) {
    EXPECT_EQ(recounted->Total(server).rejected, truth->Total(server).rejected);
    EXPECT_EQ(recounted->Total(server).hits, truth->Total(server).hits);
  }
}

TEST_F(BackfillTest, RefusesToWriteOverAHistory) {
  auto truth = Open("truth.jsonl");
  ASSERT_TRUE(Backfill(fs_, options_, kEnd, dirs_, *truth).ok());
  EXPECT_EQ(Backfill(fs_, options_, kEnd, dirs_, *truth).error().code(), Code::kAlreadyExists);
}

TEST_F(BackfillTest, RecoveryAddsWhatAKilledDemoDidNotNote) {
  auto truth = Open("truth.jsonl");
  ASSERT_TRUE(Backfill(fs_, options_, kEnd, dirs_, *truth).ok());
  const uint64_t before = truth->Total(1).hits;
  auto file = fs_.Open(dirs_[1] + "/access.log", os::OpenMode::kCreate).value();
  ASSERT_TRUE(file->WriteAt(0,
                            "::1 - mary ann [26/Nov/2026:04:59:58 +0000] \"GET /\\\" HTTP/1.1\" "
                            "200 6 \"-\" \"-\" \"v9.9.9\" 7\n"
                            "stray text\n"
                            "a torn line")
                  .ok());
  EXPECT_EQ(RecoverTruth(fs_, dirs_, *truth).value(), 2U);
  EXPECT_EQ(truth->Total(1).hits, before + 1);
}

}  // namespace
}  // namespace tarn::demo
