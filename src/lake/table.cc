#include "lake/table.h"

#include <fmt/format.h>

#include <utility>

#include "base/text.h"
#include "iceberg/schema_json.h"
#include "iceberg/update.h"
#include "lake/damage.h"
#include "lake/layout.h"
#include "lake/log_schema.h"

namespace tarn::lake {
namespace {

using event::Field;
using event::TypeKind;

constexpr std::string_view kOldFileColumn = "_file";

bool Widens(TypeKind from, TypeKind to) {
  return (from == TypeKind::kInt && to == TypeKind::kLong) ||
         (from == TypeKind::kFloat && to == TypeKind::kDouble);
}

// A column of the table can hold values of `wanted` as they are.
bool Holds(const event::Type& table, const event::Type& wanted) {
  return table == wanted || Widens(wanted.kind, table.kind);
}

// A table with two columns that differ in capitals only cannot be read by SQL engines, nor, by
// Spark, one with a column that is called as a field of the partition.
Status CheckNewNames(const iceberg::TableMetadata& table, const event::Schema& wanted) {
  for (const Field& field : wanted.fields) {
    if (table.schema().Find(field.name) != nullptr) continue;
    if (const Field* alike = table.schema().FindNoCase(field.name)) {
      return InvalidArgument(fmt::format(
          "column '{}' is called '{}' in the table, and SQL does not tell capital letters from "
          "small ones; call it so, or otherwise",
          field.name, alike->name));
    }
    for (const iceberg::PartitionField& partition : table.spec().fields) {
      if (!EqualsNoCase(partition.name, field.name)) continue;
      return InvalidArgument(
          fmt::format("column '{}': the table's partition has a field of that name; call it "
                      "otherwise",
                      field.name));
    }
  }
  return {};
}

}  // namespace

Result<iceberg::TableMetadata> LoadTable(const Workspace& work, const catalog::DatasetName& name) {
  TARN_ASSIGN_OR_RETURN(const catalog::Dataset dataset, work.catalog.GetDataset(name));
  if (dataset.metadata_location.empty()) {
    return NotFound(fmt::format("{} is not a table", name.ToString()));
  }
  auto table = iceberg::LoadMetadata(work.store, dataset.metadata_location);
  if (!table.ok()) return MetadataDamage(name.ToString(), std::move(table).error());
  return table;
}

Result<iceberg::TableMetadata> OpenOrCreateTable(const Workspace& work, const TableSpec& spec) {
  auto found = LoadTable(work, spec.name);
  if (found.ok() || found.error().code() != Code::kNotFound) return found;
  iceberg::NewTableOptions options;
  options.location = work.store.UrlOf(TablePrefix(spec.name));
  options.schema = spec.schema;
  TARN_ASSIGN_OR_RETURN(const auto hour,
                        iceberg::PartitionBy(spec.schema, spec.partition_column, "hour"));
  options.partition = {hour};
  options.uuid = FormatUuid(work.random.NewUuidV7(work.clock.Now()));
  options.now_ms = FloorDiv(work.clock.Now().micros, 1'000);
  options.properties = {{"write.format.default", "parquet"}, {"created-by", "tarn"}};
  TARN_ASSIGN_OR_RETURN(iceberg::TableMetadata table, iceberg::NewTable(std::move(options)));
  TARN_ASSIGN_OR_RETURN(iceberg::Prepared prepared,
                        iceberg::PrepareMetadata(work.ForIceberg(), nullptr, std::move(table)));
  catalog::DatasetSpec dataset;
  dataset.name = spec.name;
  dataset.location = TablePrefix(spec.name);
  dataset.table_uuid = prepared.metadata.table_uuid;
  dataset.metadata_location = prepared.metadata.metadata_location;
  dataset.description = spec.description;
  dataset.source = spec.source;
  auto created = work.catalog.CreateDataset(dataset, {"landing"});
  if (created.ok()) return std::move(prepared.metadata);
  TARN_TRY(iceberg::DeleteFiles(work.store, prepared.files_written));
  if (created.error().code() != Code::kAlreadyExists) return std::move(created).error();
  return LoadTable(work, spec.name);  // somebody else made it meanwhile
}

Result<bool> ReconcileSchema(iceberg::TableMetadata& table, const event::Schema& wanted) {
  // Tables of the first days call the column as Iceberg's Java calls one of its own.
  const bool rename = wanted.Find(kFileColumn) != nullptr &&
                      table.schema().Find(kFileColumn) == nullptr &&
                      table.schema().Find(kOldFileColumn) != nullptr;
  if (rename) {
    TARN_TRY(iceberg::EvolveSchema(table, [](event::Schema& schema, int32_t&) {
      return iceberg::RenameColumn(schema, kOldFileColumn, kFileColumn);
    }));
  }
  TARN_TRY(CheckNewNames(table, wanted));
  bool changed = false;
  for (const Field& field : wanted.fields) {
    const Field* existing = table.schema().Find(field.name);
    changed |= existing == nullptr || !Holds(existing->type, field.type);
    if (existing != nullptr && !Holds(existing->type, field.type) &&
        !Widens(existing->type.kind, field.type.kind)) {
      return InvalidArgument(fmt::format("column '{}' is {} in this format and {} in the table",
                                         field.name, event::TypeName(field.type),
                                         event::TypeName(existing->type)));
    }
  }
  if (!changed) return rename;
  TARN_TRY(iceberg::EvolveSchema(table, [&](event::Schema& schema, int32_t& last_id) -> Status {
    for (const Field& field : wanted.fields) {
      const Field* existing = schema.Find(field.name);
      if (existing == nullptr) {
        TARN_TRY(iceberg::AddColumn(schema, {"", field}, last_id));
      } else if (!Holds(existing->type, field.type)) {
        TARN_TRY(iceberg::WidenColumn(schema, field.name, field.type));
      }
    }
    return {};
  }));
  return true;
}

event::Schema WithIdsOf(const iceberg::TableMetadata& table, const event::Schema& columns) {
  event::Schema schema = columns;
  for (Field& field : schema.fields) {
    const Field* of_table = table.schema().Find(field.name);
    TARN_CHECK(of_table != nullptr);
    field.id = of_table->id;
    // A file may keep the narrower type it was made with; readers widen it.
    TARN_CHECK(Holds(of_table->type, field.type));
  }
  return schema;
}

iceberg::DataFile DescribeFile(const event::Schema& columns, const parquet::FileStats& stats,
                               std::string url) {
  iceberg::DataFile file;
  file.path = std::move(url);
  file.record_count = stats.rows;
  file.file_size_in_bytes = static_cast<int64_t>(stats.size_bytes);
  file.split_offsets = stats.split_offsets;
  for (const parquet::ColumnStats& column : stats.columns) {
    const event::Type& type = columns.FindById(column.field_id)->type;
    file.column_sizes[column.field_id] = static_cast<int64_t>(column.size_bytes);
    file.value_counts[column.field_id] = column.value_count;
    file.null_value_counts[column.field_id] = column.null_count;
    // The writer made nulls of them.
    if (column.nan_nulled) file.nan_value_counts[column.field_id] = 0;
    if (column.lower) {
      if (auto lower = iceberg::TruncateLower(type, *column.lower)) {
        file.lower_bounds[column.field_id] = std::move(*lower);
      }
    }
    if (column.upper) {
      if (auto upper = iceberg::TruncateUpper(type, *column.upper)) {
        file.upper_bounds[column.field_id] = std::move(*upper);
      }
    }
  }
  return file;
}

}  // namespace tarn::lake
