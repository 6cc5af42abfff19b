#include "base/bytes.h"

#include <limits>

namespace tarn {
namespace {

TEST(ByteReader, ReadsBackWhatWasPut) {
  std::string bytes;
  PutFixed<uint32_t>(bytes, 0xdeadbeef);
  for (const uint64_t value :
       {uint64_t{0}, uint64_t{127}, uint64_t{128}, std::numeric_limits<uint64_t>::max()}) {
    PutVarint(bytes, value);
  }
  PutSized(bytes, "abc");
  ByteReader reader(bytes);
  EXPECT_EQ(reader.TakeFixed<uint32_t>(), 0xdeadbeef);
  EXPECT_EQ(reader.TakeVarint(), 0U);
  EXPECT_EQ(reader.TakeVarint(), 127U);
  EXPECT_EQ(reader.TakeVarint(), 128U);
  EXPECT_EQ(reader.TakeVarint(), std::numeric_limits<uint64_t>::max());
  EXPECT_EQ(reader.TakeSized(), "abc");
  EXPECT_TRUE(reader.empty());
}

TEST(ByteReader, RefusesWhatIsCutOrTooLong) {
  EXPECT_FALSE(ByteReader("\x80").TakeVarint());
  EXPECT_FALSE(ByteReader("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f").TakeVarint());
  EXPECT_FALSE(ByteReader("\x05"
                          "abc")
                   .TakeSized());
  EXPECT_FALSE(ByteReader("abc").TakeFixed<uint32_t>());
}

TEST(Hex, RoundTripsAndRefuses) {
  EXPECT_EQ(ToHex(std::string_view("\x00\xff\x1a", 3)), "00ff1a");
  EXPECT_EQ(FromHex("00FF1a"), std::string("\x00\xff\x1a", 3));
  EXPECT_FALSE(FromHex("0"));
  EXPECT_FALSE(FromHex("0g"));
}

}  // namespace
}  // namespace tarn
