#include "base/error.h"

#include "base/result.h"

namespace tarn {
namespace {

Result<int> Half(int value) {
  if (value % 2 != 0) return InvalidArgument("odd");
  return value / 2;
}

Result<int> Quarter(int value) {
  TARN_ASSIGN_OR_RETURN(const int half, Half(value));
  TARN_TRY(Half(half));
  return half / 2;
}

TEST(Error, ContextIsPutInFront) {
  EXPECT_EQ(DataLoss("bad checksum").In("offset 4096").In("segment 17").ToString(),
            "DataLoss: segment 17: offset 4096: bad checksum");
}

TEST(Error, EveryCodeHasItsOwnExitStatus) {
  std::map<int, int> seen;
  for (int code = 0; code <= static_cast<int>(Code::kInternal); ++code) {
    ++seen[TraitsOf(static_cast<Code>(code)).exit_status];
  }
  EXPECT_EQ(seen.size(), 15U);
  EXPECT_EQ(seen.count(0) + seen.count(1), 0U);
}

TEST(Result, MacrosPassValuesAndErrorsOn) {
  EXPECT_EQ(Quarter(12).value(), 3);
  EXPECT_EQ(Quarter(3).error().code(), Code::kInvalidArgument);
  EXPECT_FALSE(Quarter(6).ok());
}

}  // namespace
}  // namespace tarn
