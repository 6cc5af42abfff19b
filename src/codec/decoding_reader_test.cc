#include "codec/decoding_reader.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>

#include "codec/zstd.h"

namespace tarn::codec {
namespace {

std::string Gzip(std::string_view text) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

// All of it, read in pieces of `size` up to an error, from a source that gives as much as it is
// asked for, or at most `most`.
Status ReadInto(std::string& all, std::string_view bytes, size_t size, size_t most = SIZE_MAX) {
  DecodingReader reader([&bytes, most](std::span<char> buffer) -> Result<size_t> {
    const size_t count = std::min({buffer.size(), bytes.size(), most});
    std::memcpy(buffer.data(), bytes.data(), count);
    bytes.remove_prefix(count);
    return count;
  });
  for (std::vector<char> buffer(size);;) {
    TARN_ASSIGN_OR_RETURN(const size_t count, reader.Read(buffer));
    if (count == 0) return {};
    all.append(buffer.data(), count);
  }
}

Result<std::string> ReadAll(std::string_view bytes, size_t size, size_t most = SIZE_MAX) {
  std::string all;
  TARN_TRY(ReadInto(all, bytes, size, most));
  return all;
}

std::string Lines() {
  std::string text;
  for (int n = 0; n < 100'000; ++n) text += "line " + std::to_string(n) + "\n";
  return text;
}

TEST(DecodingReader, DecodesGzipAndZstdOfManyMembers) {
  const std::string text = Lines();
  ZstdCompressor zstd;
  for (const size_t size : {size_t{7}, size_t{1} << 20}) {
    EXPECT_TRUE(ReadAll(Gzip(text) + Gzip("") + Gzip("end\n"), size).value() == text + "end\n");
    EXPECT_TRUE(ReadAll(zstd.Compress(text) + zstd.Compress("end\n"), size).value() ==
                text + "end\n");
  }
}

TEST(DecodingReader, AnythingElseComesAsItIs) {
  const std::string text = Lines();
  for (const std::string& plain : {text, std::string(), std::string("\x1f"), std::string("(\xb5")})
    EXPECT_TRUE(ReadAll(plain, 1000).value() == plain);
}

TEST(DecodingReader, KnowsTheKindHoweverTheBytesCome) {
  const std::string text = Lines();
  for (const std::string& packed : {Gzip(text), ZstdCompressor().Compress(text)})
    EXPECT_TRUE(ReadAll(packed, 1 << 20, 1).value() == text);
  EXPECT_EQ(ReadAll("\x1f\x8b", 1000, 1).value(), "\x1f\x8b");
}

TEST(DecodingReader, ZerosAfterAMemberArePadding) {
  const std::string text = Lines();
  const std::string padded = Gzip(text) + std::string(300'000, '\0');
  EXPECT_TRUE(ReadAll(padded, 4096).value() == text);
  EXPECT_TRUE(ReadAll(padded + Gzip("end\n"), 4096).value() == text + "end\n");
  EXPECT_EQ(ReadAll(padded + "x", 4096).error().code(), Code::kDataLoss);
}

TEST(DecodingReader, GivesWhatComesBeforeTheDamage) {
  const std::string text = Lines();
  const std::string gzip = Gzip(text);
  std::string wrong_sum = gzip;
  wrong_sum[gzip.size() - 8] ^= 0x55;
  std::string all;
  EXPECT_EQ(ReadInto(all, wrong_sum, 1 << 20).error().code(), Code::kDataLoss);
  EXPECT_TRUE(all == text);
  for (std::string packed : {gzip, ZstdCompressor().Compress(text)}) {
    all.clear();
    EXPECT_EQ(ReadInto(all, packed.substr(0, packed.size() - 12), 1 << 20).error().code(),
              Code::kDataLoss);
    EXPECT_GT(all.size(), text.size() - (256 << 10));  // zstd unpacks 128 KiB or nothing
    EXPECT_TRUE(text.starts_with(all));
    packed.resize(packed.size() / 2);
    all.clear();
    EXPECT_FALSE(ReadInto(all, packed + std::string(1000, '\x55'), 1 << 20).ok());
    EXPECT_GE(all.size(), size_t{128} << 10);
  }
}

TEST(DecodingReader, CutAndBrokenStreamsAreDataLoss) {
  const std::string text = Lines();
  ZstdCompressor zstd;
  for (std::string packed : {Gzip(text), zstd.Compress(text)}) {
    for (const size_t cut : {size_t{1}, packed.size() / 2, packed.size() - 5})
      EXPECT_EQ(ReadAll(packed.substr(0, packed.size() - cut), 4096).error().code(),
                Code::kDataLoss);
    EXPECT_EQ(ReadAll(packed + "garbage", 4096).error().code(), Code::kDataLoss);
    packed[packed.size() / 2] ^= 0x55;
    EXPECT_FALSE(ReadAll(packed, 4096).ok());
  }
}

}  // namespace
}  // namespace tarn::codec
