#include "iceberg/update.h"

#include <gtest/gtest.h>

#include "iceberg/schema_json.h"

namespace tarn::iceberg {
namespace {

using event::TypeKind;

event::Schema TwoColumns() {
  event::Schema schema;
  schema.fields.push_back({.id = 7, .name = "id", .type = {.kind = TypeKind::kInt}});
  schema.fields.push_back({.id = 9, .name = "ts", .type = {.kind = TypeKind::kTimestamptz}});
  return schema;
}

Result<TableMetadata> Make(const std::vector<std::pair<const char*, const char*>>& partition) {
  NewTableOptions options{.location = "file:///lake/t/", .schema = TwoColumns(), .uuid = "u"};
  for (const auto& [column, transform] : partition) {
    TARN_ASSIGN_OR_RETURN(auto field, PartitionBy(options.schema, column, transform));
    options.partition.push_back(std::move(field));
  }
  return NewTable(std::move(options));
}

TEST(NewTable, AssignsIdsAnewAndCarriesThePartitionAlong) {
  auto table = Make({{"ts", "hour"}, {"id", "bucket[4]"}});
  ASSERT_TRUE(table.ok()) << table.error().ToString();
  EXPECT_EQ(table->location, "file:///lake/t");
  EXPECT_EQ(table->schema().Find("ts")->id, 2);
  EXPECT_EQ(table->last_column_id, 2);
  EXPECT_EQ(table->spec().fields[0].source_id, 2);
  EXPECT_EQ(table->spec().fields[0].name, "ts_hour");
  EXPECT_EQ(table->spec().fields[0].field_id, 1000);
  EXPECT_EQ(table->spec().fields[1].field_id, 1001);
  EXPECT_EQ(table->last_partition_id, 1001);
}

TEST(NewTable, RefusesPartitionsThatCannotBe) {
  EXPECT_FALSE(Make({{"id", "hour"}}).ok());
  EXPECT_FALSE(Make({{"ts", "hour"}, {"ts", "hour"}}).ok());
  EXPECT_FALSE(Make({{"ts", "zorder"}}).ok());
  EXPECT_FALSE(Make({{"nothing", "identity"}}).ok());
}

TEST(EvolveSchema, NeverReusesAFieldId) {
  auto table = Make({{"ts", "day"}});
  ASSERT_TRUE(table.ok());
  const auto add = [&](const char* name) {
    return EvolveSchema(*table, [&](event::Schema& schema, int32_t& last) {
      return AddColumn(schema, {.parent = "", .field = {.name = name}}, last);
    });
  };
  const auto drop = [&](const char* name) {
    return EvolveSchema(*table,
                        [&](event::Schema& schema, int32_t&) { return DropColumn(schema, name); });
  };
  ASSERT_TRUE(add("a").ok());
  EXPECT_EQ(table->schema().Find("a")->id, 3);
  ASSERT_TRUE(drop("a").ok());
  EXPECT_EQ(table->current_schema_id, 0);  // the first schema again, under its old id
  ASSERT_TRUE(add("a").ok());
  EXPECT_EQ(table->schema().Find("a")->id, 4);
  EXPECT_EQ(table->last_column_id, 4);
  EXPECT_FALSE(drop("ts").ok());  // the partition needs it
  EXPECT_FALSE(drop("nothing").ok());
  EXPECT_EQ(table->schemas.size(), 3u);
}

TEST(AddSpec, ReusesIdenticalSpecsAndFieldIds) {
  auto table = Make({{"ts", "day"}});
  ASSERT_TRUE(table.ok());
  auto hour = AddSpec(*table, {*PartitionBy(table->schema(), "ts", "hour")});
  ASSERT_TRUE(hour.ok());
  EXPECT_EQ(*hour, 1);
  EXPECT_EQ(table->FindSpec(1)->fields[0].field_id, 1001);
  EXPECT_EQ(*AddSpec(*table, {*PartitionBy(table->schema(), "ts", "day")}), 0);
  auto both = AddSpec(*table, {*PartitionBy(table->schema(), "ts", "day"),
                               *PartitionBy(table->schema(), "id", "identity")});
  EXPECT_EQ(table->FindSpec(*both)->fields[0].field_id, 1000);
  EXPECT_EQ(table->FindSpec(*both)->fields[1].field_id, 1002);
  EXPECT_TRUE(SetDefaultSpec(*table, *both).ok());
  EXPECT_FALSE(SetDefaultSpec(*table, 17).ok());
}

TEST(Snapshots, NeedRisingSequenceNumbersAndRefsKnownIds) {
  auto table = Make({});
  ASSERT_TRUE(table.ok());
  const Snapshot snapshot{.id = 5, .sequence_number = 1, .timestamp_ms = 10};
  EXPECT_TRUE(AddSnapshot(*table, snapshot).ok());
  EXPECT_TRUE(AddSnapshot(*table, snapshot).ok());  // resent
  EXPECT_EQ(table->snapshots.size(), 1u);
  EXPECT_EQ(AddSnapshot(*table, {.id = 6, .sequence_number = 1}).error().code(), Code::kConflict);
  EXPECT_EQ(SetRef(*table, "main", {.snapshot_id = 6}).error().code(), Code::kNotFound);
  EXPECT_TRUE(SetRef(*table, "main", {.snapshot_id = 5}).ok());
  EXPECT_EQ(table->current_snapshot_id, 5);
  EXPECT_EQ(table->snapshot_log.size(), 1u);
  EXPECT_FALSE(RemoveSnapshots(*table, {5}).ok());
  RemoveRef(*table, "main");
  EXPECT_EQ(table->current_snapshot(), nullptr);
  EXPECT_TRUE(RemoveSnapshots(*table, {5}).ok());
}

}  // namespace
}  // namespace tarn::iceberg
