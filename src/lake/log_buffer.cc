#include "lake/log_buffer.h"

#include <utility>

#include "base/text.h"
#include "codec/json.h"
#include "lake/log_schema.h"

namespace tarn::lake {
namespace {

// Records of a batch, one after the other, with their offsets in the payload.
class Records {
 public:
  explicit Records(const agent_wire::Batch& batch) : batch_(batch) {}

  bool Next(std::string_view& record, uint64_t& offset) {
    const std::string_view payload = batch_.payload;
    if (at_ >= payload.size()) return false;
    size_t end = payload.size();
    if (!batch_.header.record_ends.empty()) {
      end = batch_.header.record_ends[index_++];
    } else if (const size_t newline = payload.find('\n', at_); newline != payload.npos) {
      end = newline + 1;
    }
    record = payload.substr(at_, end - at_);
    offset = batch_.header.begin_offset + at_;
    at_ = end;
    if (record.ends_with('\n')) record.remove_suffix(1);
    if (record.ends_with('\r')) record.remove_suffix(1);
    return true;
  }

 private:
  const agent_wire::Batch& batch_;
  size_t at_ = 0;
  size_t index_ = 0;
};

void AppendMember(std::string& out, std::string_view key, std::string_view value) {
  out.append(",\"").append(key).append("\":");
  codec::AppendJsonString(out, value);
}

}  // namespace

struct LogBuffer::Origin {
  const agent_wire::BatchHeader& header;
  Timestamp ingested_at;
  std::string json_prefix;  // the members every line of the batch shares
};

LogBuffer::LogBuffer(access_log::Format format, RawForms land, std::string refusal)
    : parser_(std::move(format), access_log::JsonShape::kFull),
      land_(land),
      refusal_(std::move(refusal)),
      schema_(BufferSchema(parser_.format().schema())),
      columns_(parser_.format().schema().fields.size()),
      time_index_(*schema_.IndexOf(kTimeColumn)),
      own_time_(parser_.format().schema().Find(kTimeColumn) == nullptr),
      rejected_(schema_) {}

LineCounts LogBuffer::Add(const agent_wire::Batch& batch, uint64_t from, Timestamp ingested_at) {
  Origin origin{batch.header, ingested_at, {}};
  AppendMember(origin.json_prefix, kSourceColumn, batch.header.host);
  AppendMember(origin.json_prefix, kFileColumn, batch.header.file_id);
  AppendMember(origin.json_prefix, kPathColumn, batch.header.path);
  origin.json_prefix += ",\"_batch\":" + std::to_string(batch.header.batch_number);
  AppendMember(origin.json_prefix, kIngestedAtColumn, FormatTimestamp(ingested_at));
  LineCounts counts;
  Records records(batch);
  std::string_view line;
  uint64_t offset = 0;
  while (records.Next(line, offset)) {
    if (offset < from || line.empty()) continue;
    AddLine(line, offset, origin, counts);
  }
  return counts;
}

void LogBuffer::AddLine(std::string_view line, uint64_t offset, const Origin& origin,
                        LineCounts& counts) {
  ++counts.lines;
  counts.bytes += line.size();
  if (current_ == nullptr) current_ = &RowsOf(current_hour_);
  event::ColumnBatch& rows = current_->rows;
  std::string_view reason = refusal_;
  // A row in memory is about its values, its raw line, and some 120 bytes of origin.
  memory_bytes_ += 2 * line.size() + 120;
  if (!refusal_.empty() || !parser_.Parse(line, rows, reason)) {
    ++counts.rejected;
    event::ColumnBatch& apart = rejected_.rows;
    for (size_t i = 0; i < columns_; ++i) apart.column(i).AppendNull();
    if (own_time_) apart.column(time_index_).AppendNull();
    AppendOrigin(apart, line, offset, origin);
    apart.column(apart.column_count() - 1).AppendBytes(reason);
    if (land_.json) AppendRejectedJson(line, offset, origin, reason);
    return;
  }
  if (own_time_) rows.column(time_index_).AppendInt(origin.ingested_at.micros);
  AppendOrigin(rows, line, offset, origin);
  rows.column(rows.column_count() - 1).AppendNull();
  const Hour hour = HourOfLast(rows);
  if (hour != current_hour_) {
    HourRows& target = RowsOf(hour);
    target.rows.AppendRowFrom(rows, rows.rows() - 1);
    rows.RemoveLastRow();
    current_ = &target;
    current_hour_ = hour;
  }
  if (land_.json) AppendJson(*current_, line, offset, origin);
}

HourRows& LogBuffer::RowsOf(Hour hour) { return hours_.try_emplace(hour, schema_).first->second; }

Hour LogBuffer::HourOfLast(const event::ColumnBatch& rows) const {
  const event::Column& time = rows.column(time_index_);
  if (time.IsNull(time.size() - 1)) return std::nullopt;
  return FloorDiv(time.IntAt(time.size() - 1), kMicrosPerHour);
}

void LogBuffer::AppendOrigin(event::ColumnBatch& rows, std::string_view line, uint64_t offset,
                             const Origin& origin) const {
  size_t at = own_time_ ? columns_ + 1 : columns_;
  rows.column(at++).AppendBytes(origin.header.host);
  rows.column(at++).AppendBytes(origin.header.file_id);
  rows.column(at++).AppendBytes(origin.header.path);
  rows.column(at++).AppendInt(static_cast<int64_t>(offset));
  rows.column(at++).AppendInt(static_cast<int64_t>(origin.header.batch_number));
  rows.column(at++).AppendInt(origin.ingested_at.micros);
  if (IsValidUtf8(line)) {
    rows.column(at++).AppendBytes(line);
    rows.column(at).AppendNull();
  } else {
    rows.column(at++).AppendBytes(ReplaceInvalidUtf8(line));
    rows.column(at).AppendBytes(line);
  }
}

void LogBuffer::AppendJson(HourRows& target, std::string_view line, uint64_t offset,
                           const Origin& origin) {
  std::string& json = target.json;
  const size_t before = json.size();
  std::string_view reason;
  if (!parser_.AppendJson(line, json, reason)) return;
  json.resize(json.size() - 2);  // "}\n"; our members follow
  if (json.back() == '{') {
    json.append(origin.json_prefix, 1);  // no member of the format's: no comma either
  } else {
    json.append(origin.json_prefix);
  }
  json.append(",\"_position\":").append(std::to_string(offset));
  AppendMember(json, kRawColumn, line);
  json.append("}\n");
  memory_bytes_ += json.size() - before;
}

void LogBuffer::AppendRejectedJson(std::string_view line, uint64_t offset, const Origin& origin,
                                   std::string_view reason) {
  std::string& json = rejected_.json;
  const size_t before = json.size();
  json.append("{\"_error\":");
  codec::AppendJsonString(json, reason);
  json.append(origin.json_prefix).append(",\"_position\":").append(std::to_string(offset));
  AppendMember(json, kRawColumn, line);
  json.append("}\n");
  memory_bytes_ += json.size() - before;
}

void LogBuffer::Clear() {
  hours_.clear();
  rejected_.rows.Clear();
  rejected_.json.clear();
  current_ = nullptr;
  memory_bytes_ = 0;
}

}  // namespace tarn::lake
