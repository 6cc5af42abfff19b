#include "agent/trail.h"

#include "agent/test_rig.h"

namespace tarn::agent {
namespace {

using namespace testing;

// A file that was read in batches of whole lines, and the trail of them.
struct ReadFile {
  explicit ReadFile(const std::vector<std::string>& batches) {
    for (const std::string& batch : batches) {
      Append(folder / "log", batch);
      const uint64_t begin = text.size();
      text += batch;
      trail.push_back({begin, AnchorAt(*Open(), text.size()).value(), LineHashes(batch)});
    }
  }
  std::unique_ptr<LogReader> Open() {
    return ReadLog(files.Open(folder / "log", os::OpenMode::kRead).value()).value();
  }
  // Cut to `size`, with something else behind it.
  std::optional<uint64_t> EndAfter(size_t size, std::string_view fresh) {
    std::filesystem::resize_file(folder / "log", size);
    Append(folder / "log", fresh);
    return IntactEnd(*Open(), trail);
  }

  TempFolder folder;
  os::PosixFileSystem files;
  std::string text;
  Trail trail;
};

const std::vector<std::string> kBatches = {"one\ntwo\n", "three\n", "four\nfive\nsix\n"};

TEST(Trail, FindsTheLastWholeLineThatIsLeft) {
  const std::string text = "one\ntwo\nthree\nfour\nfive\nsix\n";
  for (size_t size = 0; size <= text.size(); ++size) {
    for (const std::string fresh : {"", "new\n", "a longer line than all before\nand one more\n"}) {
      SCOPED_TRACE(std::to_string(size) + fresh);
      ReadFile file(kBatches);
      const size_t newline = text.substr(0, size).rfind('\n');
      const auto end = file.EndAfter(size, fresh);
      if (newline == std::string::npos) {
        EXPECT_EQ(end, std::nullopt);
      } else {
        EXPECT_EQ(end, newline + 1);
      }
    }
  }
}

TEST(Trail, WithoutLinesFindsTheEndOfABatch) {
  ReadFile file(kBatches);
  for (Piece& piece : file.trail) piece.lines.clear();
  EXPECT_EQ(file.EndAfter(file.text.size() - 1, "x\n"), std::string("one\ntwo\nthree\n").size());
}

// Files that grow, age and go, as a table would have them.
class Files {
 public:
  void Add(uint64_t file, size_t lines) {
    Trail& trail = trails_[file];
    const uint64_t begin = trail.empty() ? 0 : trail.back().anchor.end;
    trail.push_back({begin, {begin + 1, 1, begin}, std::vector<uint32_t>(lines, 1)});
    bounds_.Fit(file, trail);
    Check();
  }
  void Age(uint64_t file) {
    if (AgeTrail(trails_[file])) bounds_.Fit(file, trails_[file]);
    Check();
  }
  void Forget(uint64_t file) {
    bounds_.Forget(file);
    trails_.erase(file);
  }

  const Trail& Of(uint64_t file) { return trails_[file]; }
  size_t LinesOf(uint64_t file) {
    size_t lines = 0;
    for (const Piece& piece : trails_[file]) lines += piece.lines.size();
    return lines;
  }

 private:
  void Check() {
    size_t pieces = 0;
    size_t least = 0;
    size_t lines = 0;
    for (const auto& [file, trail] : trails_) {
      ASSERT_LE(trail.size(), kMostPieces);
      pieces += trail.size();
      least += std::min<size_t>(trail.size(), 2);
      lines += LinesOf(file);
    }
    ASSERT_LE(pieces, std::max(kTrailPieces, least));
    ASSERT_LE(lines, kTrailLines);
  }

  std::map<uint64_t, Trail> trails_;
  TrailBounds bounds_;
};

TEST(TrailBounds, HoldAfterEveryChange) {
  os::SeededRandom random(7);
  Files files;
  for (int step = 0; step < 4'000; ++step) {
    const uint64_t file = random.Below(random.Below(2) == 0 ? 3 : 1'500);
    const uint64_t dice = random.Below(20);
    if (dice == 0) {
      files.Age(file);
    } else if (dice == 1) {
      files.Forget(file);
    } else {
      files.Add(file, random.Below(random.Below(50) == 0 ? kTrailLines + 1 : 20));
    }
    if (HasFatalFailure()) FAIL() << "step " << step;
  }
}

TEST(TrailBounds, OneFileRemembersItsNewest) {
  Files files;
  for (int i = 0; i < 50; ++i) files.Add(1, 1'000);
  EXPECT_EQ(files.Of(1).size(), kMostPieces);
  EXPECT_EQ(files.Of(1).front().begin, 50 - kMostPieces);
  EXPECT_EQ(files.LinesOf(1), kTrailLines);
  EXPECT_EQ(files.Of(1).back().lines.size(), 1'000U);
}

TEST(TrailBounds, QuietFileKeepsAllItHasBesideBusyOnes) {
  Files files;
  for (int i = 0; i < 4; ++i) files.Add(1, 100);
  for (int i = 0; i < 100; ++i) {
    for (uint64_t file = 2; file < 10; ++file) files.Add(file, 3'000);
  }
  EXPECT_EQ(files.LinesOf(1), 400U);
  EXPECT_EQ(files.Of(1).size(), 4U);
  for (uint64_t file = 2; file < 10; ++file) {
    EXPECT_GE(files.LinesOf(file), kTrailLines / 9 / 2) << file;
  }
}

TEST(TrailBounds, EachFileHasTwoPiecesHoweverManyThereAre) {
  Files files;
  constexpr uint64_t kFiles = 1'100;
  for (int i = 0; i < 3; ++i) {
    for (uint64_t file = 0; file < kFiles; ++file) files.Add(file, 0);
  }
  for (uint64_t file = 0; file < kFiles; ++file) {
    EXPECT_EQ(files.Of(file).size(), 2U) << file;
    EXPECT_EQ(files.Of(file).back().begin, 2U) << "its newest";
  }
}

TEST(TrailBounds, WhatIsForgottenMakesRoom) {
  Files files;
  files.Add(1, kTrailLines);
  files.Forget(1);
  files.Add(2, kTrailLines);
  EXPECT_EQ(files.LinesOf(2), kTrailLines);
  files.Age(2);
  files.Add(3, kTrailLines);
  EXPECT_EQ(files.LinesOf(3), kTrailLines);
}

TEST(Trail, HashesAreOfWholeLinesAndBounded) {
  EXPECT_EQ(LineHashes("a\nb\nc").size(), 2U);
  EXPECT_EQ(LineHashes(std::string(2 * kTrailLines, '\n')).size(), kTrailLines);
}

}  // namespace
}  // namespace tarn::agent
