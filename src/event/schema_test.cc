#include "event/schema.h"

namespace tarn::event {
namespace {

TEST(Schema, PrimitiveTypeNamesRoundTrip) {
  for (const std::string_view name :
       {"boolean", "int", "long", "float", "double", "decimal(10, 2)", "date", "time", "timestamp",
        "timestamptz", "string", "uuid", "fixed[16]", "binary"}) {
    const auto type = ParsePrimitiveType(name);
    ASSERT_TRUE(type) << name;
    EXPECT_EQ(TypeName(*type), name);
  }
  EXPECT_EQ(TypeName(*ParsePrimitiveType("decimal(10,2)")), "decimal(10, 2)");
}

TEST(Schema, RefusesWhatIsNoPrimitiveType) {
  for (const std::string_view name :
       {"", "struct", "decimal", "decimal(39, 2)", "decimal(2, 3)", "fixed[0]", "Long"}) {
    EXPECT_FALSE(ParsePrimitiveType(name)) << name;
  }
}

TEST(Schema, FindsColumnsByNameAndId) {
  const Schema schema{.fields = {{.id = 1, .name = "a"}, {.id = 7, .name = "b"}}};
  EXPECT_EQ(schema.Find("b")->id, 7);
  EXPECT_EQ(schema.FindById(1)->name, "a");
  EXPECT_EQ(schema.IndexOf("b"), 1U);
  EXPECT_EQ(schema.Find("c"), nullptr);
}

}  // namespace
}  // namespace tarn::event
