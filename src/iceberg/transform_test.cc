#include "iceberg/transform.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/id.h"
#include "base/time.h"

namespace tarn::iceberg {
namespace {

using event::Type;
using event::TypeKind;

const Type kTimestamptz{.kind = TypeKind::kTimestamptz};
const Type kDate{.kind = TypeKind::kDate};
const Type kLong{.kind = TypeKind::kLong};
const Type kString{.kind = TypeKind::kString};

int64_t Apply(std::string_view transform, const Type& type, const Value& value) {
  auto result = ApplyTransform(ParseTransform(transform), type, value);
  EXPECT_TRUE(result.ok());
  return result.ok() ? std::get<int64_t>(*result) : -999;
}

int64_t Hash(std::string_view bytes) { return static_cast<int32_t>(Murmur3(bytes)); }

// The values of the Iceberg specification, appendix B.
TEST(Transform, HashesAsTheSpecificationSays) {
  std::string long_34("\x22\0\0\0\0\0\0\0", 8);
  EXPECT_EQ(Hash(long_34), 2017239379);
  EXPECT_EQ(Hash("iceberg"), 1210000089);
  EXPECT_EQ(Hash(std::string("\0\1\2\3", 4)), -188683207);
  EXPECT_EQ(Hash(DecimalBytes(1420)), -500754589);
  const Uuid uuid = *ParseUuid("f79c3e09-677c-4bbd-a479-3f349cb785e7");
  EXPECT_EQ(Hash({reinterpret_cast<const char*>(uuid.bytes.data()), 16}), 1488055340);
  EXPECT_EQ(Apply("bucket[16]", kLong, int64_t{34}), 2017239379 % 16);
  // 2017-11-16, hashed as a long.
  EXPECT_EQ(Apply("bucket[100]", kDate, int64_t{17486}), (-653330422 & 0x7fffffff) % 100);
}

TEST(Transform, RoundsTimesBefore1970Down) {
  EXPECT_EQ(Apply("hour", kTimestamptz, int64_t{-1}), -1);
  EXPECT_EQ(Apply("day", kTimestamptz, int64_t{-1}), -1);
  EXPECT_EQ(Apply("month", kTimestamptz, int64_t{-1}), -1);
  EXPECT_EQ(Apply("year", kTimestamptz, int64_t{-1}), -1);
  EXPECT_EQ(Apply("hour", kTimestamptz, -kMicrosPerHour), -1);
  EXPECT_EQ(Apply("hour", kTimestamptz, -kMicrosPerHour - 1), -2);
  EXPECT_EQ(Apply("month", kDate, int64_t{-32}), -2);
  EXPECT_EQ(Apply("year", kDate, int64_t{365}), 1);
  EXPECT_EQ(Apply("day", kDate, int64_t{-7}), -7);
}

TEST(Transform, TruncatesDownAndByCodePoint) {
  EXPECT_EQ(Apply("truncate[10]", kLong, int64_t{-1}), -10);
  EXPECT_EQ(Apply("truncate[10]", kLong, int64_t{19}), 10);
  auto text = ApplyTransform(ParseTransform("truncate[2]"), kString, std::string("éàx"));
  EXPECT_EQ(std::get<std::string>(*text), "éà");
  const Type decimal{.kind = TypeKind::kDecimal, .precision = 9, .scale = 2};
  auto cut = ApplyTransform(ParseTransform("truncate[50]"), decimal, Decimal{1065});
  EXPECT_TRUE(std::get<Decimal>(*cut) == Decimal{1050});
  EXPECT_FALSE(
      ApplyTransform(ParseTransform("truncate[10]"), kLong, std::numeric_limits<int64_t>::min())
          .ok());
}

TEST(Transform, KeepsNullAndRefusesTypesItCannotTake) {
  EXPECT_TRUE(IsNull(*ApplyTransform(ParseTransform("hour"), kTimestamptz, Value())));
  EXPECT_TRUE(IsNull(*ApplyTransform(ParseTransform("void"), kLong, int64_t{4})));
  EXPECT_FALSE(TransformResultType(ParseTransform("hour"), kDate));
  EXPECT_FALSE(TransformResultType(ParseTransform("bucket[4]"), {.kind = TypeKind::kDouble}));
  EXPECT_FALSE(TransformResultType(ParseTransform("zorder"), kLong));
}

TEST(Transform, ReadsAndPrintsItsName) {
  for (const char* text : {"identity", "bucket[16]", "truncate[4]", "year", "month", "day", "hour",
                           "void", "zorder", "bucket[0]"}) {
    EXPECT_EQ(TransformText(ParseTransform(text)), text);
  }
  EXPECT_EQ(ParseTransform("bucket[0]").kind, TransformKind::kUnknown);
}

TEST(Transform, WritesPartitionValuesForPeople) {
  const auto text = [](const char* transform, int64_t value) {
    return PartitionValueText(ParseTransform(transform), {.kind = TypeKind::kInt}, value);
  };
  EXPECT_EQ(text("hour", -1), "1969-12-31-23");
  EXPECT_EQ(text("day", 0), "1970-01-01");
  EXPECT_EQ(text("month", -1), "1969-12");
  EXPECT_EQ(text("year", 56), "2026");
}

TEST(PartitionSpec, KeepsItsJson) {
  const char* text = R"({"spec-id":3,"fields":[{"name":"ts_hour","transform":"hour",)"
                     R"("source-id":1,"field-id":1000}]})";
  auto spec = SpecFromJson(*codec::ParseJson(text));
  ASSERT_TRUE(spec.ok());
  EXPECT_EQ(codec::DumpJson(SpecToJson(*spec)), text);
}

}  // namespace
}  // namespace tarn::iceberg
