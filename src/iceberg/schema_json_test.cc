#include "iceberg/schema_json.h"

#include <gtest/gtest.h>

namespace tarn::iceberg {
namespace {

using event::Field;
using event::Schema;
using event::Type;
using event::TypeKind;

constexpr std::string_view kNested =
    R"({"type":"struct","schema-id":7,"fields":[)"
    R"({"id":1,"name":"id","required":true,"type":"long"},)"
    R"j({"id":2,"name":"price","required":false,"type":"decimal(10, 2)","doc":"gross"},)j"
    R"({"id":3,"name":"address","required":false,"type":{"type":"struct","fields":[)"
    R"({"id":5,"name":"street","required":false,"type":"string"},)"
    R"({"id":6,"name":"no","required":false,"type":"int"}]}},)"
    R"({"id":4,"name":"tags","required":false,"type":{"type":"list","element-id":7,)"
    R"("element":"string","element-required":false}},)"
    R"({"id":8,"name":"attrs","required":false,"type":{"type":"map","key-id":9,"key":"string",)"
    R"("value-id":10,"value":{"type":"struct","fields":[)"
    R"({"id":11,"name":"n","required":false,"type":"float"}]},"value-required":false}}]})";

Schema Nested() {
  auto schema = SchemaFromJson(*codec::ParseJson(kNested));
  EXPECT_TRUE(schema.ok());
  return schema.ok() ? *schema : Schema();
}

TEST(SchemaJson, KeepsNestedTypes) { EXPECT_EQ(codec::DumpJson(SchemaToJson(Nested())), kNested); }

TEST(SchemaJson, RefusesWhatIsNoSchema) {
  const auto refused = [](std::string_view text) {
    return !SchemaFromJson(*codec::ParseJson(text)).ok();
  };
  EXPECT_TRUE(refused(R"({"type":"struct"})"));
  EXPECT_TRUE(refused(R"({"fields":[{"id":1,"name":"a","required":true,"type":"variant"}]})"));
  EXPECT_TRUE(refused(R"({"fields":[{"id":1,"name":"a","required":true,"type":"int"},)"
                      R"({"id":1,"name":"b","required":true,"type":"int"}]})"));
  EXPECT_TRUE(
      refused(R"({"fields":[{"id":99999999999,"name":"a","required":true,"type":"int"}]})"));
}

TEST(SchemaJson, FindsNestedFieldsByPathAndId) {
  const Schema schema = Nested();
  EXPECT_EQ(FindFieldByPath(schema, "address.street")->id, 5);
  EXPECT_EQ(FindFieldByPath(schema, "tags.element")->id, 7);
  EXPECT_EQ(FindFieldByPath(schema, "attrs.value.n")->id, 11);
  EXPECT_EQ(FindFieldByPath(schema, "address.zip"), nullptr);
  EXPECT_EQ(FindField(schema, 11)->name, "n");
  EXPECT_EQ(HighestFieldId(schema), 11);
}

TEST(SchemaJson, AssignsIdsLevelByLevel) {
  Schema schema = Nested();
  EXPECT_EQ(AssignFieldIds(schema, 1), 11);
  EXPECT_EQ(FindFieldByPath(schema, "attrs")->id, 5);
  EXPECT_EQ(FindFieldByPath(schema, "address.street")->id, 6);
  EXPECT_EQ(FindFieldByPath(schema, "attrs.value.n")->id, 11);
}

TEST(SchemaJson, AddsColumnsWithIdsNeverUsedBefore) {
  Schema schema = Nested();
  int32_t last = 20;
  Field field{.name = "items"};
  field.type.kind = TypeKind::kList;
  field.type.children.push_back({.id = 1, .name = "element"});
  ASSERT_TRUE(AddColumn(schema, {.parent = "", .field = field}, last).ok());
  EXPECT_EQ(FindFieldByPath(schema, "items")->id, 21);
  EXPECT_EQ(FindFieldByPath(schema, "items.element")->id, 22);
  ASSERT_TRUE(AddColumn(schema, {.parent = "address", .field = {.name = "zip"}}, last).ok());
  EXPECT_EQ(FindFieldByPath(schema, "address.zip")->id, 23);
  ASSERT_TRUE(AddColumn(schema, {.parent = "attrs.value", .field = {.name = "m"}}, last).ok());
  EXPECT_EQ(last, 24);
  EXPECT_FALSE(AddColumn(schema, {.parent = "", .field = {.name = "id"}}, last).ok());
  EXPECT_FALSE(AddColumn(schema, {.parent = "tags", .field = {.name = "x"}}, last).ok());
  EXPECT_FALSE(
      AddColumn(schema, {.parent = "", .field = {.name = "r", .required = true}}, last).ok());
  EXPECT_EQ(last, 24);
}

TEST(SchemaJson, WidensOnlyWhatLosesNothing) {
  Schema schema = Nested();
  EXPECT_TRUE(WidenColumn(schema, "address.no", {.kind = TypeKind::kLong}).ok());
  EXPECT_TRUE(WidenColumn(schema, "attrs.value.n", {.kind = TypeKind::kDouble}).ok());
  EXPECT_TRUE(
      WidenColumn(schema, "price", {.kind = TypeKind::kDecimal, .precision = 20, .scale = 2}).ok());
  EXPECT_FALSE(
      WidenColumn(schema, "price", {.kind = TypeKind::kDecimal, .precision = 30, .scale = 3}).ok());
  EXPECT_FALSE(WidenColumn(schema, "id", {.kind = TypeKind::kInt}).ok());
  EXPECT_FALSE(WidenColumn(schema, "tags.element", {.kind = TypeKind::kBinary}).ok());
}

TEST(SchemaJson, RenamesAndDropsStructFieldsOnly) {
  Schema schema = Nested();
  EXPECT_TRUE(RenameColumn(schema, "address.street", "road").ok());
  EXPECT_EQ(FindFieldByPath(schema, "address.road")->id, 5);
  EXPECT_FALSE(RenameColumn(schema, "address.road", "no").ok());
  EXPECT_FALSE(RenameColumn(schema, "tags.element", "x").ok());
  EXPECT_TRUE(DropColumn(schema, "address.no").ok());
  EXPECT_FALSE(DropColumn(schema, "address.road").ok());
  EXPECT_FALSE(DropColumn(schema, "attrs.key").ok());
  EXPECT_TRUE(DropColumn(schema, "tags").ok());
  EXPECT_TRUE(MakeOptional(schema, "id").ok());
  EXPECT_FALSE(FindFieldByPath(schema, "id")->required);
}

}  // namespace
}  // namespace tarn::iceberg
