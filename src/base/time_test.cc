#include "base/time.h"

namespace tarn {
namespace {

TEST(Timestamp, CivilFieldsRoundTripOverFourHundredYears) {
  for (int64_t day = -80'000; day < 80'000; day += 37) {
    const Timestamp time{day * kMicrosPerDay + 12'345'678'901};
    EXPECT_EQ(TimestampFromCivil(CivilFromTimestamp(time)), time);
  }
}

TEST(Timestamp, TimesBefore1970FloorTowardsThePast) {
  EXPECT_EQ(FormatTimestamp({-1}), "1969-12-31T23:59:59.999999Z");
  EXPECT_EQ(FloorDiv(-1, kMicrosPerHour), -1);
  EXPECT_EQ(FloorDiv(-kMicrosPerHour, kMicrosPerHour), -1);
}

TEST(Timestamp, ParsesOffsetsFractionsAndDates) {
  EXPECT_EQ(FormatTimestamp(*ParseTimestamp("2026-11-24T15:09:46.1737391+02:00")),
            "2026-11-24T13:09:46.173739Z");
  EXPECT_EQ(ParseTimestamp("2026-11-24 13:09-0130")->micros,
            ParseTimestamp("2026-11-24T14:39:00Z")->micros);
  EXPECT_EQ(ParseTimestamp("1970-01-02")->micros, kMicrosPerDay);
}

TEST(Timestamp, RefusesWhatIsNoTime) {
  for (const std::string_view text :
       {"", "2026", "2026-02-29", "2026-13-01", "2026-01-01T24:00:00Z", "2026-01-01T00:00:00Zx",
        "2026-01-01T00:00:00+25:00", "20260101"}) {
    EXPECT_FALSE(ParseTimestamp(text).ok()) << text;
  }
}

}  // namespace
}  // namespace tarn
