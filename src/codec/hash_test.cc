#include "codec/hash.h"

#include "base/bytes.h"

namespace tarn::codec {
namespace {

TEST(Hash, Crc32cMatchesThePublishedVectors) {
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283U);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aaU);  // RFC 3720 B.4
  EXPECT_EQ(Crc32c("6789", Crc32c("12345")), 0xe3069283U);
}

TEST(Hash, Sha256AndHmacMatchThePublishedVectors) {
  EXPECT_EQ(ToHex(Sha256("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(ToHex(HmacSha256("Jefe", "what do ya want for nothing?")),  // RFC 4231 case 2
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(Hash, ConstantTimeEqualComparesLengthToo) {
  EXPECT_TRUE(ConstantTimeEqual("key", "key"));
  EXPECT_FALSE(ConstantTimeEqual("key", "kez"));
  EXPECT_FALSE(ConstantTimeEqual("key", "keyy"));
}

TEST(Crc32c, OfManyBytesIsTheOneOfEachAfterTheOther) {
  std::string bytes;
  for (int i = 0; i < 3'000; ++i) bytes.push_back(static_cast<char>(i * 31 + i / 256));
  uint32_t crc = 0;
  for (size_t size = 0; size < bytes.size(); ++size) {
    ASSERT_EQ(Crc32c(std::string_view(bytes).substr(0, size)), crc) << size;
    crc = Crc32c(std::string_view(bytes).substr(size, 1), crc);
  }
}

TEST(Xxh3, OfPiecesIsThatOfTheWhole) {
  const std::string bytes(1'000, 'x');
  Xxh3Stream stream;
  for (const size_t size : {size_t{0}, size_t{1}, size_t{299}, size_t{700}}) {
    stream.Add(bytes.substr(0, size));
  }
  EXPECT_EQ(stream.Digest(), Xxh3(bytes));
}

TEST(Crc32c, OfBytesBehindOthersFollowsFromBoth) {
  std::string bytes;
  for (int i = 0; i < 3'000; ++i) bytes.push_back(static_cast<char>(i * 37 + i / 7));
  const std::string_view all = bytes;
  for (const size_t cut : {0U, 1U, 7U, 8U, 100U, 2'999U, 3'000U}) {
    EXPECT_EQ(Crc32cBehind(Crc32c(all), Crc32c(all.substr(0, cut)), all.size() - cut),
              Crc32c(all.substr(cut)))
        << cut;
  }
}

}  // namespace
}  // namespace tarn::codec
