#include "base/id.h"

namespace tarn {
namespace {

TEST(Uuid, VersionSevenSortsByTime) {
  const std::array<uint8_t, 10> random{1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  const Uuid early = MakeUuidV7({1'000'000}, random);
  const Uuid late = MakeUuidV7({2'000'000}, {});
  EXPECT_LT(FormatUuid(early), FormatUuid(late));
  EXPECT_EQ(FormatUuid(early)[14], '7');
}

TEST(Uuid, TextRoundTrips) {
  const std::string text = "0193f2a0-1c2d-7e3f-8a4b-5c6d7e8f9a0b";
  EXPECT_EQ(FormatUuid(*ParseUuid(text)), text);
  EXPECT_FALSE(ParseUuid("0193f2a0-1c2d-7e3f-8a4b-5c6d7e8f9a0"));
  EXPECT_FALSE(ParseUuid("0193f2a0x1c2d-7e3f-8a4b-5c6d7e8f9a0b"));
}

}  // namespace
}  // namespace tarn
