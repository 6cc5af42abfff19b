#include "lake/log_buffer.h"

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "lake/log_schema.h"

namespace tarn::lake {
namespace {

constexpr size_t kReadableSlack = 64;  // more is of no use to the parser

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

}  // namespace

LogBuffer::LogBuffer(access_log::Format format)
    : parser_(std::move(format)),
      format_text_(parser_.format().text()),
      schema_(BufferSchema(parser_.format().schema())),
      columns_(parser_.format().schema().fields.size()),
      time_index_(*schema_.IndexOf(kTimeColumn)),
      own_time_(parser_.format().schema().Find(kTimeColumn) == nullptr),
      rejected_(schema_) {}

std::unique_ptr<LogBuffer> LogBuffer::Refusing(const std::string& format, std::string reason) {
  // Its rows have no column of a format but "time", which every table has.
  auto buffer = std::make_unique<LogBuffer>(access_log::Format::Compile("json:time").value());
  buffer->format_text_ = format;
  buffer->refusal_ = std::move(reason);
  return buffer;
}

LineCounts LogBuffer::Add(const agent_wire::Batch& batch, uint64_t from, Timestamp ingested_at) {
  const agent_wire::BatchHeader& header = batch.header;
  const LineOrigin origin{header.host, header.file_id, header.path, header.batch_number,
                          ingested_at};
  LineCounts counts;
  Records records(batch);
  std::string_view line;
  uint64_t offset = 0;
  const char* const payload_end = batch.payload.data() + batch.payload.size();
  all_ascii_ = IsAscii(batch.payload);
  while (records.Next(line, offset)) {
    if (offset < from || line.empty()) continue;
    // The vector code may read on behind the line, as far as the payload goes.
    parser_.set_readable_slack(
        std::min(kReadableSlack, static_cast<size_t>(payload_end - (line.data() + line.size()))));
    AddLine(line, offset, origin, counts);
  }
  parser_.set_readable_slack(0);
  all_ascii_ = false;
  return counts;
}

void LogBuffer::AddLine(std::string_view line, uint64_t offset, const LineOrigin& origin,
                        LineCounts& counts) {
  ++counts.lines;
  counts.bytes += line.size();
  if (current_ == nullptr) current_ = &RowsOf(current_hour_);
  event::ColumnBatch& rows = *current_;
  std::string_view reason = refusal_;
  const bool ascii = all_ascii_ || IsAscii(line);
  parser_.set_lines_are_ascii(ascii);
  // A row in memory is about its values, its raw line, and some 120 bytes of origin.
  memory_bytes_ += 2 * line.size() + 120;
  if (!refusal_.empty() || !parser_.Parse(line, rows, reason)) {
    ++counts.rejected;
    event::ColumnBatch& apart = rejected_;
    for (size_t i = 0; i < columns_; ++i) apart.column(i).AppendNull();
    if (own_time_) apart.column(time_index_).AppendNull();
    AppendOrigin(apart, offset, origin);
    AppendLine(apart, line, ascii);
    apart.column(apart.column_count() - 1).AppendBytes(reason);
    return;
  }
  if (own_time_) rows.column(time_index_).AppendInt(origin.ingested_at.micros);
  AppendOrigin(rows, offset, origin);
  AppendLine(rows, line, ascii);
  rows.column(rows.column_count() - 1).AppendNull();
  const Hour hour = HourOfLast(rows);
  if (hour != current_hour_) {
    event::ColumnBatch& target = RowsOf(hour);
    target.AppendRowFrom(rows, rows.rows() - 1);
    rows.RemoveLastRow();
    current_ = &target;
    current_hour_ = hour;
  }
}

event::ColumnBatch& LogBuffer::RowsOf(Hour hour) {
  return hours_.try_emplace(hour, schema_).first->second;
}

Hour LogBuffer::HourOfLast(const event::ColumnBatch& rows) const {
  const event::Column& time = rows.column(time_index_);
  if (time.IsNull(time.size() - 1)) return std::nullopt;
  return FloorDiv(time.IntAt(time.size() - 1), kMicrosPerHour);
}

void LogBuffer::AppendOrigin(event::ColumnBatch& rows, uint64_t offset,
                             const LineOrigin& origin) const {
  size_t at = own_time_ ? columns_ + 1 : columns_;
  rows.column(at++).AppendBytes(origin.host);
  rows.column(at++).AppendBytes(origin.file_id);
  rows.column(at++).AppendBytes(origin.path);
  rows.column(at++).AppendInt(static_cast<int64_t>(offset));
  rows.column(at++).AppendInt(static_cast<int64_t>(origin.batch_number));
  rows.column(at).AppendInt(origin.ingested_at.micros);
}

void LogBuffer::AppendLine(event::ColumnBatch& rows, std::string_view line, bool ascii) const {
  event::Column& text = rows.column(rows.column_count() - 3);
  event::Column& bytes = rows.column(rows.column_count() - 2);
  if (ascii || IsValidUtf8(line)) {
    text.AppendBytes(line);
    bytes.AppendNull();
  } else {
    text.AppendBytes(ReplaceInvalidUtf8(line));
    bytes.AppendBytes(line);
  }
}

void LogBuffer::Clear() {
  hours_.clear();
  rejected_.Clear();
  current_ = nullptr;
  memory_bytes_ = 0;
}

}  // namespace tarn::lake
