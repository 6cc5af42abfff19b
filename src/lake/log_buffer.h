#pragma once

#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "agent_wire/batch.h"
#include "event/column_batch.h"
#include "lake/layout.h"
#include "source/access_log/parser.h"

namespace tarn::lake {

struct LineCounts {
  uint64_t lines = 0;
  uint64_t rejected = 0;
  uint64_t bytes = 0;
  uint64_t hours_refused = 0;  // of the rejected: for kMaxHours
  std::string first_reason;    // of the rejected
};

// Where a line comes from, in UTF-8.
struct LineOrigin {
  std::string_view host;
  std::string_view file_id;
  std::string_view path;
  uint64_t batch_number = 0;
  Timestamp ingested_at;
};

// Parses lines of one format and sorts them by the hour of their event time. Lines that do not
// parse are kept apart with the reason. Rows are views of the lines, which the buffer keeps until
// Clear. Thread-confined.
class LogBuffer {
 public:
  explicit LogBuffer(access_log::Format format);
  // For a format that cannot be used: every line is rejected, for that reason.
  static std::unique_ptr<LogBuffer> Refusing(const std::string& format, const std::string& reason);

  // The records of a batch from offset `from` on (what is before it landed already). Takes its
  // payload.
  LineCounts Add(const agent_wire::BatchHeader& header, std::string payload, uint64_t from,
                 Timestamp ingested_at);
  // One line at its offset; it is copied.
  void AddLine(std::string_view line, uint64_t offset, const LineOrigin& origin,
               LineCounts& counts);

  const access_log::Format& format() const { return parser_.format(); }
  // As the source or agent gave it, but UTF-8.
  const std::string& format_text() const { return format_text_; }
  bool refuses() const { return !refusal_.empty(); }       // all lines
  const event::Schema& schema() const { return schema_; }  // BufferSchema of the format
  // Rows of schema(), by hour; some hours may be empty.
  std::map<Hour, event::ColumnBatch>& hours() { return hours_; }
  const std::map<Hour, event::ColumnBatch>& hours() const { return hours_; }
  // Rejected lines; the format's columns are null.
  event::ColumnBatch& rejected() { return rejected_; }
  // What the lines, the rows, and the columns of each hour take.
  size_t memory_bytes() const { return memory_bytes_; }
  void Clear();

  // Different hours until the next Clear; lines of further ones are rejected. Each is a file or
  // three, and its columns take some kB before the first value: two years of a quiet log fit.
  static constexpr size_t kMaxHours = 20'000;

 private:
  LineOrigin Keep(const LineOrigin& origin);
  void NoteLine(std::string_view line, LineCounts& counts);
  // Line and origin must stay until Clear.
  void AddKept(std::string_view line, uint64_t offset, const LineOrigin& origin,
               LineCounts& counts);
  void Reject(std::string_view line, uint64_t offset, const LineOrigin& origin,
              std::string_view reason, LineCounts& counts);
  event::ColumnBatch& RowsOf(Hour hour);
  Hour HourOfLast(const event::ColumnBatch& rows) const;
  // Moves what was parsed last, and nothing else yet, from current_ to the rows of another hour,
  // which are current_ then. False: there is no room for that hour, and it is dropped.
  bool MoveLast(Hour hour, size_t line_bytes, const LineOrigin& origin);
  // Appends what all rows of a batch have alike to the `count` last ones.
  void AppendOrigin(event::ColumnBatch& rows, const LineOrigin& origin, size_t count) const;
  // The same to the rows of current_ that lack it.
  void FinishRows(const LineOrigin& origin);
  // Appends what each row has of its own.
  void AppendLine(event::ColumnBatch& rows, std::string_view line, uint64_t offset, bool ascii);

  access_log::Parser parser_;
  std::string format_text_;
  std::string refusal_;  // empty: none
  const event::Schema schema_;
  const size_t columns_;     // of the format
  const size_t time_index_;  // of "time"
  const bool own_time_;      // the format has no "time"; ours is the time of arrival
  const size_t parsed_;      // columns of the format and the time
  std::list<std::string> payloads_;
  event::Arena texts_;  // what rows borrow and no payload has
  std::map<Hour, event::ColumnBatch> hours_;
  event::ColumnBatch rejected_;
  Hour current_hour_;
  event::ColumnBatch* current_ = nullptr;  // where the last line went: most go to the same hour
  size_t unfinished_ = 0;  // rows of current_ that lack what all of a batch have alike
  size_t memory_bytes_ = 0;
  uint64_t copied_bytes_ = 0;  // by the parser, as far as they are counted
  bool all_ascii_ = false;     // the batch being added
};

}  // namespace tarn::lake
