#include "lake/log_buffer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "lake/log_schema.h"

namespace tarn::lake {
namespace {

constexpr std::string_view kTooManyHours =
    "too many different hours among the lines that land together; replay it";
// A column of one hour before it has many values: itself, and the least its arrays take.
constexpr size_t kColumnBytes = sizeof(event::Column) + 96;
// Of a row: where a text is; whether it is null.
constexpr size_t kCellBytes = sizeof(std::string_view) + 1;
constexpr size_t kReadableSlack = 64;  // more is of no use to the parser

// Why a piece of a cut line is no line; empty: it is none. `offset` is of the file.
std::string WhyCut(const agent_wire::BatchHeader& header, std::string_view piece, uint64_t offset) {
  const uint64_t end = offset + piece.size();
  const bool has_rest =
      header.cut && end == header.end_offset && piece.size() >= agent_wire::kMaxLineBytes;
  const bool is_rest = header.line_begin && offset == header.begin_offset;
  if (!is_rest) {
    if (!has_rest) return "";
    return fmt::format("{}these are its first {} bytes", kCutReason, piece.size());
  }
  const uint64_t before = offset - *header.line_begin;
  if (has_rest) {
    return fmt::format("{}these are its bytes {} to {}", kCutReason, before + 1,
                       before + piece.size());
  }
  return fmt::format("{}these are its last {} bytes, of {}", kCutReason, piece.size(),
                     before + piece.size());
}

// Records of a batch, one after the other, with their offsets in the payload.
class Records {
 public:
  Records(const agent_wire::BatchHeader& header, std::string_view payload)
      : header_(header), payload_(payload) {}

  bool Next(std::string_view& record, uint64_t& offset) {
    if (at_ >= payload_.size()) return false;
    size_t end = payload_.size();
    if (!header_.record_ends.empty()) {
      end = header_.record_ends[index_++];
    } else if (const size_t newline = payload_.find('\n', at_); newline != payload_.npos) {
      end = newline + 1;
    }
    record = payload_.substr(at_, end - at_);
    offset = header_.begin_offset + at_;
    at_ = end;
    // A piece of a cut line may end in '\r', which is then one of its bytes.
    if (!record.ends_with('\n')) return true;
    record.remove_suffix(1);
    if (record.ends_with('\r')) record.remove_suffix(1);
    return true;
  }

 private:
  const agent_wire::BatchHeader& header_;
  const std::string_view payload_;
  size_t at_ = 0;
  size_t index_ = 0;
};

}  // namespace

LogBuffer::LogBuffer(access_log::Format format)
    : parser_(std::move(format)),
      format_text_(EscapeInvalidUtf8(parser_.format().text())),
      schema_(BufferSchema(parser_.format().schema())),
      columns_(parser_.format().schema().fields.size()),
      time_index_(*schema_.IndexOf(kTimeColumn)),
      own_time_(parser_.format().schema().Find(kTimeColumn) == nullptr),
      parsed_(own_time_ ? columns_ + 1 : columns_),
      rejected_(schema_) {}

std::unique_ptr<LogBuffer> LogBuffer::Refusing(const std::string& format,
                                               const std::string& reason) {
  // Its rows have no column of a format but "time", which every table has.
  auto buffer = std::make_unique<LogBuffer>(access_log::Format::Compile("json:time").value());
  buffer->format_text_ = EscapeInvalidUtf8(format);
  buffer->refusal_ = EscapeInvalidUtf8(reason);
  return buffer;
}

LineCounts LogBuffer::Add(const agent_wire::BatchHeader& header, std::string payload, uint64_t from,
                          Timestamp ingested_at) {
  const std::string_view lines = payloads_.emplace_back(std::move(payload));
  memory_bytes_ += lines.size();
  // A path is what bytes its file system has. Escaped, two of them stay two.
  const std::string host = EscapeInvalidUtf8(header.host);
  const std::string file_id = EscapeInvalidUtf8(header.file_id);
  const std::string path = EscapeInvalidUtf8(header.path);
  const LineOrigin origin = Keep({host, file_id, path, header.batch_number, ingested_at});
  LineCounts counts;
  Records records(header, lines);
  std::string_view line;
  uint64_t offset = 0;
  const char* const end = lines.data() + lines.size();
  all_ascii_ = IsAscii(lines);
  while (records.Next(line, offset)) {
    if (offset < from || line.empty()) continue;
    // The vector code may read on behind the line, as far as the payload goes.
    parser_.set_readable_slack(
        std::min(kReadableSlack, static_cast<size_t>(end - (line.data() + line.size()))));
    const std::string why_cut = WhyCut(header, line, offset);
    if (why_cut.empty()) {
      AddKept(line, offset, origin, counts);
    } else {
      NoteLine(line, counts);
      Reject(line, offset, origin, why_cut, counts);
    }
  }
  FinishRows(origin);
  parser_.set_readable_slack(0);
  all_ascii_ = false;
  return counts;
}

LineOrigin LogBuffer::Keep(const LineOrigin& origin) {
  LineOrigin kept = origin;
  for (std::string_view* text : {&kept.host, &kept.file_id, &kept.path}) {
    memory_bytes_ += text->size();
    *text = texts_.Copy(*text);
  }
  return kept;
}

void LogBuffer::AddLine(std::string_view line, uint64_t offset, const LineOrigin& origin,
                        LineCounts& counts) {
  memory_bytes_ += line.size();
  const LineOrigin kept = Keep(origin);
  AddKept(texts_.Copy(line), offset, kept, counts);
  FinishRows(kept);
}

void LogBuffer::AddKept(std::string_view line, uint64_t offset, const LineOrigin& origin,
                        LineCounts& counts) {
  NoteLine(line, counts);
  if (current_ == nullptr) current_ = &RowsOf(current_hour_);
  event::ColumnBatch& rows = *current_;
  std::string_view reason = refusal_;
  const bool ascii = all_ascii_ || IsAscii(line);
  parser_.set_lines_are_ascii(ascii);
  if (!refusal_.empty() || !parser_.Parse(line, rows, reason)) {
    return Reject(line, offset, origin, reason, counts);
  }
  memory_bytes_ += parser_.copied_bytes() - std::exchange(copied_bytes_, parser_.copied_bytes());
  if (own_time_) rows.column(time_index_).AppendInt(origin.ingested_at.micros);
  const Hour hour = HourOfLast(rows);
  if (hour != current_hour_ && !MoveLast(hour, line.size(), origin)) {
    ++counts.hours_refused;
    return Reject(line, offset, origin, kTooManyHours, counts);
  }
  AppendLine(*current_, line, offset, ascii);
  ++unfinished_;
}

bool LogBuffer::MoveLast(Hour hour, size_t line_bytes, const LineOrigin& origin) {
  FinishRows(origin);
  event::ColumnBatch& from = *current_;
  const bool has_room = hours_.size() < kMaxHours || hours_.contains(hour);
  if (has_room) {
    current_ = &RowsOf(hour);
    current_hour_ = hour;
    memory_bytes_ += line_bytes;  // its texts are copies now, which are about as long
  }
  for (size_t i = 0; i < parsed_; ++i) {
    event::Column& column = from.column(i);
    if (has_room) current_->column(i).AppendFrom(column, column.size() - 1);
    column.RemoveLast();
  }
  return has_room;
}

void LogBuffer::NoteLine(std::string_view line, LineCounts& counts) {
  ++counts.lines;
  counts.bytes += line.size();
  memory_bytes_ += schema_.fields.size() * kCellBytes;
}

void LogBuffer::Reject(std::string_view line, uint64_t offset, const LineOrigin& origin,
                       std::string_view reason, LineCounts& counts) {
  if (counts.rejected++ == 0) counts.first_reason = reason;
  for (size_t i = 0; i < parsed_; ++i) rejected_.column(i).AppendNull();
  AppendOrigin(rejected_, origin, 1);
  AppendLine(rejected_, line, offset, false);
  // It may quote the format.
  rejected_.column(rejected_.column_count() - 1).AppendBytes(EscapeInvalidUtf8(reason));
  memory_bytes_ += reason.size();
}

event::ColumnBatch& LogBuffer::RowsOf(Hour hour) {
  const auto [slot, is_new] = hours_.try_emplace(hour, schema_);
  if (is_new) memory_bytes_ += schema_.fields.size() * kColumnBytes;
  return slot->second;
}

Hour LogBuffer::HourOfLast(const event::ColumnBatch& rows) const {
  const event::Column& time = rows.column(time_index_);
  const size_t row = time.size() - 1;
  if (time.IsNull(row)) return std::nullopt;
  return FloorDiv(time.IntAt(row), kMicrosPerHour);
}

void LogBuffer::AppendOrigin(event::ColumnBatch& rows, const LineOrigin& origin,
                             size_t count) const {
  size_t at = parsed_;
  rows.column(at++).AppendBorrowed(origin.host, count);
  rows.column(at++).AppendBorrowed(origin.file_id, count);
  rows.column(at++).AppendBorrowed(origin.path, count);
  ++at;  // the offset
  rows.column(at++).AppendInts(static_cast<int64_t>(origin.batch_number), count);
  rows.column(at).AppendInts(origin.ingested_at.micros, count);
}

void LogBuffer::FinishRows(const LineOrigin& origin) {
  const size_t count = std::exchange(unfinished_, 0);
  if (count == 0) return;
  AppendOrigin(*current_, origin, count);
  current_->column(current_->column_count() - 1).AppendNulls(count);  // no reason
}

void LogBuffer::AppendLine(event::ColumnBatch& rows, std::string_view line, uint64_t offset,
                           bool ascii) {
  rows.column(parsed_ + 3).AppendInt(static_cast<int64_t>(offset));
  event::Column& text = rows.column(rows.column_count() - 3);
  event::Column& bytes = rows.column(rows.column_count() - 2);
  if (ascii || IsValidUtf8(line)) {
    text.AppendBorrowed(line);
    bytes.AppendNull();
  } else {
    const std::string replaced = ReplaceInvalidUtf8(line);
    memory_bytes_ += replaced.size();
    text.AppendBytes(replaced);
    bytes.AppendBorrowed(line);
  }
}

void LogBuffer::Clear() {
  hours_.clear();
  rejected_.Clear();
  current_ = nullptr;
  payloads_.clear();
  texts_.Clear();
  memory_bytes_ = 0;
}

}  // namespace tarn::lake
