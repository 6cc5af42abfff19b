#include "iceberg/value.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/bytes.h"

namespace tarn::iceberg {
namespace {

using event::Type;
using event::TypeKind;

const Type kString{.kind = TypeKind::kString};
const Type kDouble{.kind = TypeKind::kDouble};
const Type kLong{.kind = TypeKind::kLong};

Type DecimalType(int precision, int scale) {
  return {.kind = TypeKind::kDecimal, .precision = precision, .scale = scale};
}

std::string Hex(const Type& type, const Value& value) {
  auto bytes = EncodeValue(type, value);
  return bytes.ok() ? ToHex(*bytes) : bytes.error().ToString();
}

TEST(Value, EncodesAsTheSpecificationSays) {
  EXPECT_EQ(Hex({.kind = TypeKind::kBoolean}, true), "01");
  EXPECT_EQ(Hex({.kind = TypeKind::kInt}, int64_t{-2}), "feffffff");
  EXPECT_EQ(Hex({.kind = TypeKind::kDate}, int64_t{1}), "01000000");
  EXPECT_EQ(Hex(kLong, int64_t{-2}), "feffffffffffffff");
  EXPECT_EQ(Hex({.kind = TypeKind::kFloat}, 1.0), "0000803f");
  EXPECT_EQ(Hex(kDouble, 1.0), "000000000000f03f");
  EXPECT_EQ(Hex(kString, std::string("é")), "c3a9");
  EXPECT_EQ(Hex(DecimalType(9, 2), Decimal{1420}), "058c");
  EXPECT_EQ(Hex(DecimalType(9, 2), Decimal{-1}), "ff");
  EXPECT_EQ(Hex(DecimalType(9, 2), Decimal{128}), "0080");
  EXPECT_EQ(Hex(DecimalType(9, 2), Decimal{-128}), "80");
  EXPECT_EQ(Hex(DecimalType(9, 2), Decimal{0}), "00");
}

TEST(Value, ReadsBackWhatItWrites) {
  const Int128 huge = Int128{std::numeric_limits<int64_t>::max()} * 1'000'000'000;
  const std::vector<std::pair<Type, Value>> cases = {
      {kLong, std::numeric_limits<int64_t>::min()},
      {kDouble, -0.5},
      {DecimalType(38, 2), Decimal{huge}},
      {DecimalType(38, 2), Decimal{-huge}},
      {kString, std::string("añ😀")},
      {{.kind = TypeKind::kBoolean}, false},
  };
  for (const auto& [type, value] : cases) {
    auto bytes = EncodeValue(type, value);
    ASSERT_TRUE(bytes.ok());
    auto back = DecodeValue(type, *bytes);
    ASSERT_TRUE(back.ok());
    EXPECT_TRUE(*back == value) << event::TypeName(type);
  }
}

TEST(Value, RefusesWhatDoesNotFit) {
  EXPECT_FALSE(EncodeValue({.kind = TypeKind::kInt}, int64_t{1} << 31).ok());
  EXPECT_FALSE(EncodeValue(DecimalType(3, 0), Decimal{1000}).ok());
  EXPECT_FALSE(EncodeValue({.kind = TypeKind::kUuid}, std::string("short")).ok());
  EXPECT_FALSE(EncodeValue(kString, std::string("\xff")).ok());
  EXPECT_FALSE(EncodeValue(kLong, Value()).ok());
  EXPECT_FALSE(DecodeValue(kLong, "123").ok());
  EXPECT_FALSE(DecodeValue(DecimalType(9, 2), std::string(17, '\0')).ok());
}

TEST(Value, ReadsBoundsFromBeforeAColumnWasWidened) {
  auto integer = DecodeValue(kLong, std::string("\xfe\xff\xff\xff", 4));
  ASSERT_TRUE(integer.ok());
  EXPECT_EQ(std::get<int64_t>(*integer), -2);
}

TEST(Value, CutsStringBoundsAtSixteenCodePointsAndRaisesTheUpper) {
  const std::string long_text = "ééééééééééééééééz";  // 16 + 1
  EXPECT_EQ(LowerBound(kString, long_text), "éééééééééééééééé");
  EXPECT_EQ(UpperBound(kString, long_text), "éééééééééééééééê");
  EXPECT_EQ(UpperBound(kString, std::string("short")), "short");
  std::string last;
  for (int i = 0; i < 17; ++i) last += "\xf4\x8f\xbf\xbf";  // U+10FFFF
  EXPECT_EQ(UpperBound(kString, last), std::nullopt);
  EXPECT_EQ(UpperBound(kString, "a" + last), "b");
  const std::string letters(15, 'a');
  std::string text = letters;
  text.append("\xed\x9f\xbf").append("x");
  EXPECT_EQ(UpperBound(kString, text)->substr(15), "\xee\x80\x80");
  const Type binary{.kind = TypeKind::kBinary};
  text = letters;
  text.append("\xff\xff");
  EXPECT_EQ(UpperBound(binary, text)->substr(13), "ab");
}

TEST(Value, WritesZeroBoundsSoThatBothZeroesLieWithin) {
  EXPECT_EQ(ToHex(*LowerBound(kDouble, 0.0)), "0000000000000080");
  EXPECT_EQ(ToHex(*UpperBound(kDouble, -0.0)), "0000000000000000");
  EXPECT_EQ(LowerBound(kDouble, std::nan("")), std::nullopt);
}

TEST(Value, ComparesBytesUnsignedAndZeroesAlike) {
  EXPECT_TRUE(std::is_lt(CompareValues(std::string("a"), std::string("\xc3"))));
  EXPECT_TRUE(std::is_eq(CompareValues(-0.0, 0.0)));
  EXPECT_EQ(CompareValues(std::nan(""), 1.0), std::partial_ordering::unordered);
  EXPECT_TRUE(std::is_lt(CompareValues(Decimal{-5}, Decimal{3})));
}

TEST(Value, PrintsForPeople) {
  EXPECT_EQ(ValueText(DecimalType(9, 2), Decimal{-5}), "-0.05");
  EXPECT_EQ(ValueText({.kind = TypeKind::kDate}, int64_t{-1}), "1969-12-31");
  EXPECT_EQ(ValueText(kLong, Value()), "null");
}

}  // namespace
}  // namespace tarn::iceberg
