#include "lake/json_rows.h"

#include <charconv>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/time.h"
#include "codec/json.h"

namespace tarn::lake {
namespace {

void AppendNumber(std::string& out, int64_t value) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
  out.append(digits, static_cast<size_t>(end - digits));
}

// Consecutive rows mostly share the second.
class TimeText {
 public:
  std::string_view Of(int64_t micros) {
    if (micros != micros_ || text_.empty()) {
      micros_ = micros;
      text_ = '"';
      AppendTimestamp(text_, {micros});
      text_ += '"';
    }
    return text_;
  }

 private:
  int64_t micros_ = 0;
  std::string text_;
};

void AppendValue(std::string& out, const event::Column& column, size_t row, TimeText& times) {
  switch (column.kind()) {
    case event::TypeKind::kBoolean:
      out.append(column.IntAt(row) != 0 ? "true" : "false");
      return;
    case event::TypeKind::kTimestamp:
    case event::TypeKind::kTimestamptz:
      out.append(times.Of(column.IntAt(row)));
      return;
    case event::TypeKind::kBinary:
    case event::TypeKind::kFixed:
    case event::TypeKind::kUuid:
      out.append("\"").append(ToHex(column.BytesAt(row))).append("\"");
      return;
    case event::TypeKind::kString:
      codec::AppendJsonString(out, column.BytesAt(row));
      return;
    default:
      if (column.is_double()) {
        out.append(codec::DumpJson(codec::Json(column.DoubleAt(row))));
      } else {
        AppendNumber(out, column.IntAt(row));
      }
  }
}

}  // namespace

std::string JsonLines(const event::Schema& schema, const event::ColumnBatch& rows) {
  std::vector<std::string> keys;
  for (const event::Field& field : schema.fields) {
    std::string& key = keys.emplace_back();
    codec::AppendJsonString(key, field.name);
    key.push_back(':');
  }
  std::vector<TimeText> times(keys.size());
  std::string out;
  for (size_t row = 0; row < rows.rows(); ++row) {
    char before = '{';
    for (size_t i = 0; i < keys.size(); ++i) {
      const event::Column& column = rows.column(i);
      if (column.IsNull(row)) continue;
      out.push_back(before);
      before = ',';
      out.append(keys[i]);
      AppendValue(out, column, row, times[i]);
    }
    out.append(before == '{' ? "{}\n" : "}\n");
  }
  return out;
}

}  // namespace tarn::lake
