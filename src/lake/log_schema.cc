#include "lake/log_schema.h"

#include <fmt/format.h>

#include <utility>

#include "base/text.h"

namespace tarn::lake {
namespace {

using event::Field;
using event::Schema;
using event::TypeKind;

void Add(Schema& schema, std::string_view name, TypeKind kind, std::string_view doc) {
  if (schema.Find(name) != nullptr) return;  // a column of the log goes before ours
  schema.fields.push_back({.id = static_cast<int32_t>(schema.fields.size() + 1),
                           .name = std::string(name),
                           .type = {.kind = kind},
                           .doc = std::string(doc)});
}

void AddAll(Schema& schema, const Schema& columns) {
  for (const Field& field : columns.fields) Add(schema, field.name, field.type.kind, field.doc);
  Add(schema, kTimeColumn, TypeKind::kTimestamptz, "when it happened");
}

void AddOrigin(Schema& schema) {
  Add(schema, kSourceColumn, TypeKind::kString, "host the line came from");
  Add(schema, kFileColumn, TypeKind::kString, "identity of the log file");
  Add(schema, kPathColumn, TypeKind::kString, "path of the log file on its host");
  Add(schema, kPositionColumn, TypeKind::kLong, "byte offset of the line in its file");
  Add(schema, kBatchColumn, TypeKind::kLong, "number of the agent's batch");
  Add(schema, kIngestedAtColumn, TypeKind::kTimestamptz, "when the line was acknowledged");
}

void AddRaw(Schema& schema) {
  Add(schema, kRawColumn, TypeKind::kString, "the line as it was written");
  Add(schema, kRawBytesColumn, TypeKind::kBinary, "its exact bytes, if they are no UTF-8");
}

}  // namespace

Status CheckColumns(const Schema& columns) {
  for (const Field& field : columns.fields) {
    if (const std::string& first = columns.FindNoCase(field.name)->name; first != field.name) {
      return InvalidArgument(
          fmt::format("columns '{}' and '{}' differ in capitals only, and SQL does not tell those "
                      "from small letters; call one otherwise",
                      first, field.name));
    }
    if (EqualsNoCase(field.name, kServerColumn) || field.name.starts_with('_')) {
      return InvalidArgument(fmt::format(
          "column '{}': the name is kept for where a line comes from; call it otherwise",
          field.name));
    }
    if (EqualsNoCase(field.name, kHourField)) {
      return InvalidArgument(fmt::format(
          "column '{}': the name is kept for the hour that tables are partitioned by; call it "
          "otherwise",
          field.name));
    }
    if (field.name != kTimeColumn && EqualsNoCase(field.name, kTimeColumn)) {
      return InvalidArgument(fmt::format(
          "column '{0}': the time of a line is called 'time', and SQL does not tell "
          "capital letters from small ones; call it so, or otherwise (in a json format, "
          "'other={0}')",
          field.name));
    }
  }
  return {};
}

Schema BufferSchema(const Schema& columns) {
  Schema schema;
  AddAll(schema, columns);
  AddOrigin(schema);
  AddRaw(schema);
  Add(schema, kErrorColumn, TypeKind::kString, "why the line was rejected");
  return schema;
}

Schema RawSchema(const Schema& columns) { return BufferSchema(columns); }

Schema CleanSchema(const Schema& columns) {
  Schema schema;
  Add(schema, kServerColumn, TypeKind::kString, "host the line came from");
  AddAll(schema, columns);
  Add(schema, kFileColumn, TypeKind::kString, "identity of the log file");
  Add(schema, kPositionColumn, TypeKind::kLong, "byte offset of the line in its file");
  Add(schema, kIngestedAtColumn, TypeKind::kTimestamptz, "when the line was acknowledged");
  return schema;
}

event::ColumnBatch ToCleanRows(const Schema& columns, event::ColumnBatch rows) {
  const Schema from = BufferSchema(columns);
  std::vector<event::Column> selected;
  for (const Field& field : CleanSchema(columns).fields) {
    const auto same_name = from.IndexOf(field.name);
    const size_t at = same_name ? *same_name : *from.IndexOf(kSourceColumn);  // "server"
    selected.push_back(std::move(rows.column(at)));
  }
  return event::ColumnBatch(std::move(selected));
}

Schema QuarantineSchema() {
  Schema schema;
  AddOrigin(schema);
  AddRaw(schema);
  Add(schema, kFormatColumn, TypeKind::kString, "the format the line was read with");
  Add(schema, kRuleColumn, TypeKind::kString, "the rule it broke");
  Add(schema, kReasonColumn, TypeKind::kString, "how it broke the rule");
  return schema;
}

std::string_view RuleOf(std::string_view reason) {
  return reason.starts_with(kCutReason) ? kCutRule : kFormatRule;
}

event::ColumnBatch ToQuarantineRows(const Schema& columns, const event::ColumnBatch& rejected,
                                    std::string_view format) {
  const Schema from = BufferSchema(columns);
  const Schema to = QuarantineSchema();
  const event::Column& reasons = rejected.column(*from.IndexOf(kErrorColumn));
  event::ColumnBatch rows(to);
  for (size_t i = 0; i < to.fields.size(); ++i) {
    const std::string& name = to.fields[i].name;
    for (size_t row = 0; row < rejected.rows(); ++row) {
      if (name == kFormatColumn) {
        rows.column(i).AppendBytes(format);
      } else if (name == kRuleColumn) {
        rows.column(i).AppendBytes(RuleOf(reasons.BytesAt(row)));
      } else {
        const std::string_view source =
            name == kReasonColumn ? kErrorColumn : std::string_view(name);
        rows.column(i).AppendFrom(rejected.column(*from.IndexOf(source)), row);
      }
    }
  }
  return rows;
}

}  // namespace tarn::lake
