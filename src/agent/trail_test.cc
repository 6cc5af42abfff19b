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
      AddPiece(trail, {begin, AnchorAt(*Open(), text.size()).value(), LineHashes(batch)},
               ShareOf(1));
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

TEST(Trail, StaysWithinItsShare) {
  Trail trail;
  const TrailLimits limits = ShareOf(100);
  EXPECT_EQ(limits.pieces, 20U);
  for (uint64_t i = 0; i < 50; ++i) {
    AddPiece(trail, {i, {i + 1, 1, i}, std::vector<uint32_t>(10, 1)}, limits);
  }
  EXPECT_EQ(trail.size(), limits.pieces);
  EXPECT_EQ(trail.front().begin, 30U);
  size_t lines = 0;
  for (const Piece& piece : trail) lines += piece.lines.size();
  EXPECT_EQ(lines, limits.lines);
  EXPECT_EQ(trail.back().lines.size(), 10U) << "the newest are remembered";
  EXPECT_EQ(ShareOf(10'000).pieces, 2U);
}

TEST(Trail, HashesAreOfWholeLinesAndBounded) {
  EXPECT_EQ(LineHashes("a\nb\nc").size(), 2U);
  EXPECT_EQ(LineHashes(std::string(2 * kTrailLines, '\n')).size(), kTrailLines);
}

}  // namespace
}  // namespace tarn::agent
