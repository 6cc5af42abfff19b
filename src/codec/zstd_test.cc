#include "codec/zstd.h"

namespace tarn::codec {
namespace {

TEST(Zstd, RoundTripsEmptySmallAndManyFrames) {
  ZstdCompressor zstd;
  const std::string large(3'000'000, 'x');
  EXPECT_EQ(ZstdDecompress(zstd.Compress(""), 10).value(), "");
  EXPECT_EQ(ZstdDecompress(zstd.Compress("abc"), 3).value(), "abc");
  EXPECT_EQ(ZstdDecompress(zstd.Compress(large), large.size()).value(), large);
  EXPECT_EQ(ZstdDecompress(zstd.Compress("abc") + zstd.Compress("def"), 100).value(), "abcdef");
}

TEST(Zstd, BombIsStoppedAtTheLimit) {
  ZstdCompressor zstd;
  const std::string bomb = zstd.Compress(std::string(100'000'000, '\0'));
  EXPECT_EQ(ZstdDecompress(bomb, 1'000'000).error().code(), Code::kResourceExhausted);
  const std::string second_frame = zstd.Compress("a") + bomb;
  EXPECT_EQ(ZstdDecompress(second_frame, 1'000'000).error().code(), Code::kResourceExhausted);
}

TEST(Zstd, BrokenAndCutFramesAreDataLoss) {
  ZstdCompressor zstd;
  std::string frame = zstd.Compress("the quick brown fox jumps over the lazy dog");
  EXPECT_EQ(ZstdDecompress(frame.substr(0, frame.size() - 3), 1000).error().code(),
            Code::kDataLoss);
  frame[0] = 'x';
  EXPECT_EQ(ZstdDecompress(frame, 1000).error().code(), Code::kDataLoss);
  EXPECT_EQ(ZstdDecompress("", 1000).error().code(), Code::kDataLoss);
}

}  // namespace
}  // namespace tarn::codec
