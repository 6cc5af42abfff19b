#include "iceberg/table_metadata.h"

#include <gtest/gtest.h>

#include "iceberg/update.h"

namespace tarn::iceberg {
namespace {

constexpr std::string_view kTable = R"({
  "format-version": 2, "table-uuid": "9c12d441-03fe-4693-9a96-a0705ddf69c1",
  "location": "file:///lake/t/", "last-sequence-number": 34, "last-updated-ms": 1602638573590,
  "last-column-id": 3, "current-schema-id": 1,
  "schemas": [
    {"type": "struct", "schema-id": 0, "fields": [
      {"id": 1, "name": "x", "required": true, "type": "long"}]},
    {"type": "struct", "schema-id": 1, "identifier-field-ids": [1], "fields": [
      {"id": 1, "name": "x", "required": true, "type": "long"},
      {"id": 3, "name": "z", "required": false, "type": "string"}]}],
  "default-spec-id": 0,
  "partition-specs": [{"spec-id": 0, "fields": [
    {"name": "x", "transform": "identity", "source-id": 1, "field-id": 1000}]}],
  "last-partition-id": 1000, "default-sort-order-id": 3,
  "sort-orders": [{"order-id": 3, "fields": [
    {"transform": "identity", "source-id": 1, "direction": "asc", "null-order": "nulls-first"}]}],
  "properties": {"a": "b"}, "current-snapshot-id": 3055729675574597004,
  "snapshots": [
    {"snapshot-id": 3051729675574597004, "timestamp-ms": 1515100955770, "sequence-number": 0,
     "summary": {"operation": "append"}, "manifest-list": "file:///lake/t/metadata/1.avro"},
    {"snapshot-id": 3055729675574597004, "parent-snapshot-id": 3051729675574597004,
     "timestamp-ms": 1555100955770, "sequence-number": 1, "first-row-id": 7,
     "summary": {"operation": "append", "k": "v"},
     "manifest-list": "file:///lake/t/metadata/2.avro", "schema-id": 1}],
  "refs": {"audit": {"snapshot-id": 3051729675574597004, "type": "tag", "max-ref-age-ms": 9}},
  "snapshot-log": [{"snapshot-id": 3051729675574597004, "timestamp-ms": 1515100955770},
    {"snapshot-id": 3055729675574597004, "timestamp-ms": 1555100955770}],
  "metadata-log": [{"metadata-file": "file:///lake/t/metadata/0.json", "timestamp-ms": 1515100}],
  "statistics": [{"snapshot-id": 3051729675574597004, "statistics-path": "p", "odd": [1]}],
  "future": {"key": 9223372036854775807}
})";

std::string Edited(std::string_view from, std::string_view to) {
  std::string text(kTable);
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(TableMetadata, KeepsEverything) {
  auto table = ParseMetadata(kTable);
  ASSERT_TRUE(table.ok()) << table.error().ToString();
  EXPECT_EQ(table->location, "file:///lake/t");
  EXPECT_EQ(table->current_snapshot()->id, 3055729675574597004);
  EXPECT_EQ(table->current_snapshot()->summary.at("k"), "v");
  EXPECT_EQ(table->schema().fields.size(), 2u);
  EXPECT_EQ(table->identifier_field_ids.at(1), std::vector<int32_t>{1});
  EXPECT_EQ(table->refs.at("audit").max_ref_age_ms, 9);
  EXPECT_EQ(table->refs.at("main").snapshot_id, 3055729675574597004);  // was implied
  const std::string text = PrintMetadata(*table);
  for (const char* part :
       {R"("snapshot-id":3055729675574597004)", R"("future":{"key":9223372036854775807})",
        R"("first-row-id":7)", R"("odd":[1])", R"("identifier-field-ids":[1])",
        R"("null-order":"nulls-first")", R"("metadata-file":"file:///lake/t/metadata/0.json")"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part;
  }
  auto again = ParseMetadata(text);
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(PrintMetadata(*again), text);
}

TEST(TableMetadata, RefusesOtherVersionsAndDanglingIds) {
  EXPECT_EQ(ParseMetadata(Edited("\"format-version\": 2", "\"format-version\": 3")).error().code(),
            Code::kUnsupported);
  EXPECT_FALSE(ParseMetadata(Edited("\"current-schema-id\": 1", "\"current-schema-id\": 5")).ok());
  EXPECT_FALSE(ParseMetadata(Edited("\"default-spec-id\": 0", "\"default-spec-id\": 5")).ok());
  EXPECT_FALSE(ParseMetadata(Edited("\"current-snapshot-id\": 3055729675574597004",
                                    "\"current-snapshot-id\": 30557296755745970"))
                   .ok());
  EXPECT_FALSE(
      ParseMetadata(Edited("\"schema-id\": 0, \"fields\"", "\"schema-id\": 1, \"fields\"")).ok());
  EXPECT_FALSE(ParseMetadata(Edited("\"type\": \"tag\"", "\"type\": \"leaf\"")).ok());
  EXPECT_FALSE(ParseMetadata("[]").ok());
}

TEST(TableMetadata, TakesMinusOneForNoSnapshot) {
  std::string text =
      Edited("\"current-snapshot-id\": 3055729675574597004", "\"current-snapshot-id\": -1");
  auto table = ParseMetadata(text);
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(table->current_snapshot(), nullptr);
  EXPECT_EQ(PrintMetadata(*table).find("current-snapshot-id"), std::string::npos);
}

TEST(TableMetadata, KnowsTheTypeOfColumnsThatAreGone) {
  auto table = ParseMetadata(Edited("\"current-schema-id\": 1", "\"current-schema-id\": 0"));
  ASSERT_TRUE(table.ok());
  EXPECT_EQ(table->FindColumnEver(3)->name, "z");
  EXPECT_EQ(table->FindColumnEver(4), nullptr);
}

}  // namespace
}  // namespace tarn::iceberg
