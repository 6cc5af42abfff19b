#include "iceberg/manifest.h"

#include <gtest/gtest.h>

#include "iceberg/avro.h"
#include "iceberg/update.h"

namespace tarn::iceberg {
namespace {

using event::TypeKind;

event::Schema AllTypes() {
  event::Schema schema;
  const auto add = [&](const char* name, event::Type type) {
    schema.fields.push_back(
        {.id = static_cast<int32_t>(schema.fields.size() + 1), .name = name, .type = type});
  };
  add("ts", {.kind = TypeKind::kTimestamptz});
  add("id", {.kind = TypeKind::kUuid});
  add("price", {.kind = TypeKind::kDecimal, .precision = 9, .scale = 2});
  add("name", {.kind = TypeKind::kString});
  add("x", {.kind = TypeKind::kDouble});
  add("ok", {.kind = TypeKind::kBoolean});
  return schema;
}

TableMetadata Table() {
  const event::Schema schema = AllTypes();
  NewTableOptions options{.location = "file:///lake/t", .schema = schema, .uuid = "u"};
  options.partition.push_back(*PartitionBy(schema, "ts", "hour"));
  for (const char* column : {"id", "price", "name", "x", "ok"}) {
    options.partition.push_back(*PartitionBy(schema, column, "identity"));
  }
  auto table = NewTable(std::move(options));
  EXPECT_TRUE(table.ok());
  return std::move(table).value();
}

DataFile File(const std::string& name) {
  DataFile file;
  file.path = "file:///lake/t/data/" + name;
  file.partition = {int64_t{-3}, std::string(16, 'u'), Decimal{-1250}, std::string("né"), 0.5,
                    true};
  file.record_count = 10;
  file.file_size_in_bytes = 1234;
  file.column_sizes = {{1, 100}, {4, 7}};
  file.value_counts = {{1, 10}};
  file.null_value_counts = {{1, 0}};
  file.nan_value_counts = {{5, 0}};
  file.lower_bounds = {{4, "a"}};
  file.upper_bounds = {{4, "z"}};
  file.split_offsets = {4, 1000};
  file.sort_order_id = 0;
  return file;
}

TEST(Manifest, KeepsEveryFieldOfItsEntries) {
  const TableMetadata table = Table();
  ManifestEntry added{.status = EntryStatus::kAdded, .snapshot_id = 5, .file = File("a")};
  ManifestEntry existing{.status = EntryStatus::kExisting,
                         .snapshot_id = (int64_t{1} << 62) + 1,
                         .sequence_number = 3,
                         .file_sequence_number = 4,
                         .file = File("b")};
  existing.file.partition = {Value(), Value(), Value(), Value(), Value(), Value()};
  auto encoded = EncodeManifest(table, 0, {added, existing});
  ASSERT_TRUE(encoded.ok()) << encoded.error().ToString();
  EXPECT_EQ(encoded->file.added_files, 1);
  EXPECT_EQ(encoded->file.existing_rows, 10);
  EXPECT_EQ(encoded->file.min_sequence_number, 3);
  EXPECT_TRUE(encoded->inherits_sequence_number);

  ManifestFile file = encoded->file;
  file.sequence_number = 9;
  auto entries = DecodeManifest(table, file, encoded->bytes);
  ASSERT_TRUE(entries.ok()) << entries.error().ToString();
  ASSERT_EQ(entries->size(), 2u);
  const ManifestEntry& first = entries->at(0);
  EXPECT_EQ(first.sequence_number, 9);       // inherited
  EXPECT_EQ(first.file_sequence_number, 9);  // inherited
  EXPECT_TRUE(first.file.partition == added.file.partition);
  EXPECT_EQ(first.file.column_sizes, added.file.column_sizes);
  EXPECT_EQ(first.file.lower_bounds, added.file.lower_bounds);
  EXPECT_EQ(first.file.split_offsets, added.file.split_offsets);
  EXPECT_EQ(first.file.nan_value_counts, added.file.nan_value_counts);
  EXPECT_EQ(entries->at(1).snapshot_id, existing.snapshot_id);
  EXPECT_EQ(entries->at(1).sequence_number, 3);
  EXPECT_TRUE(IsNull(entries->at(1).file.partition[2]));
}

TEST(Manifest, SummarisesItsPartitions) {
  const TableMetadata table = Table();
  ManifestEntry low{.file = File("a")};
  ManifestEntry high{.file = File("b")};
  high.file.partition[0] = int64_t{7};
  high.file.partition[3] = Value();
  auto encoded = EncodeManifest(table, 0, {low, high});
  ASSERT_TRUE(encoded.ok());
  const auto& hours = encoded->file.partitions[0];
  EXPECT_FALSE(hours.contains_null);
  EXPECT_EQ(hours.lower_bound, std::string("\xfd\xff\xff\xff", 4));
  EXPECT_EQ(hours.upper_bound, std::string("\x07\0\0\0", 4));
  EXPECT_TRUE(encoded->file.partitions[3].contains_null);
}

TEST(Manifest, RefusesEntriesThatDoNotBelong) {
  const TableMetadata table = Table();
  ManifestEntry entry{.file = File("a")};
  entry.file.partition.pop_back();
  EXPECT_FALSE(EncodeManifest(table, 0, {entry}).ok());
  entry.file = File("a");
  entry.file.partition[0] = std::string("hour");
  EXPECT_FALSE(EncodeManifest(table, 0, {entry}).ok());
  entry.file = File("a");
  ManifestEntry deletes{.file = File("d")};
  deletes.file.content = FileContent::kPositionDeletes;
  EXPECT_FALSE(EncodeManifest(table, 0, {entry, deletes}).ok());
  EXPECT_FALSE(EncodeManifest(table, 8, {entry}).ok());
  EXPECT_FALSE(EncodeManifest(table, 0, {}).ok());
}

TEST(Manifest, RefusesAForeignManifestWithoutThePartitionField) {
  TableMetadata table = Table();
  auto encoded = EncodeManifest(table, 0, {{.file = File("a")}});
  ASSERT_TRUE(encoded.ok());
  table.specs[0].fields[0].field_id = 1'900;
  EXPECT_EQ(DecodeManifest(table, encoded->file, encoded->bytes).error().code(), Code::kDataLoss);
}

TEST(ManifestList, KeepsItsRows) {
  ManifestFile file{.path = "file:///lake/t/metadata/m.avro",
                    .length = 7000,
                    .spec_id = 2,
                    .content = ManifestContent::kDeletes,
                    .sequence_number = 12,
                    .min_sequence_number = 3,
                    .added_snapshot_id = INT64_MAX,
                    .added_files = 1,
                    .existing_files = 2,
                    .deleted_files = 3,
                    .added_rows = 4,
                    .existing_rows = 5,
                    .deleted_rows = 6};
  file.partitions.push_back({true, false, "low", std::nullopt});
  const Snapshot snapshot{.id = 5, .sequence_number = 12};
  auto files = DecodeManifestList(EncodeManifestList(snapshot, {file}));
  ASSERT_TRUE(files.ok()) << files.error().ToString();
  ASSERT_EQ(files->size(), 1u);
  const ManifestFile& back = files->at(0);
  EXPECT_EQ(back.path, file.path);
  EXPECT_EQ(back.content, ManifestContent::kDeletes);
  EXPECT_EQ(back.added_snapshot_id, INT64_MAX);
  EXPECT_EQ(back.deleted_rows, 6);
  EXPECT_EQ(back.partitions[0].lower_bound, "low");
  EXPECT_EQ(back.partitions[0].upper_bound, std::nullopt);
  EXPECT_EQ(back.partitions[0].contains_nan, false);
  auto empty = DecodeManifestList(EncodeManifestList(snapshot, {}));
  ASSERT_TRUE(empty.ok());
  EXPECT_TRUE(empty->empty());
}

TEST(DataFile, HasAKeyForEachPartition) {
  DataFile left = File("a");
  DataFile right = File("b");
  EXPECT_EQ(PartitionKey(left), PartitionKey(right));
  right.partition[1] = std::string(16, 'v');
  EXPECT_NE(PartitionKey(left), PartitionKey(right));
  right = left;
  right.spec_id = 1;
  EXPECT_NE(PartitionKey(left), PartitionKey(right));
}

}  // namespace
}  // namespace tarn::iceberg
