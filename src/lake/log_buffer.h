#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "agent_wire/batch.h"
#include "event/column_batch.h"
#include "lake/layout.h"
#include "lake/log_source.h"
#include "source/access_log/parser.h"

namespace tarn::lake {

// Rows of one hour, waiting for a flush.
struct HourRows {
  explicit HourRows(const event::Schema& schema) : rows(schema) {}
  event::ColumnBatch rows;  // of BufferSchema
  std::string json;         // the same rows as JSON lines, if they land so
};

struct LineCounts {
  uint64_t lines = 0;
  uint64_t rejected = 0;
  uint64_t bytes = 0;
};

// Where a line comes from. Views must live as long as the call.
struct LineOrigin {
  std::string_view host;
  std::string_view file_id;
  std::string_view path;
  uint64_t batch_number = 0;
  Timestamp ingested_at;
};

// Parses lines of one format and sorts them by the hour of their event time. Lines that do not
// parse are kept apart with the reason. Thread-confined.
class LogBuffer {
 public:
  // `refusal`, if not empty, rejects every line for that reason: the format does not fit the table.
  LogBuffer(access_log::Format format, RawForms land, std::string refusal);

  // The records of a batch from offset `from` on (what is before it landed already).
  LineCounts Add(const agent_wire::Batch& batch, uint64_t from, Timestamp ingested_at);

  // One line at its offset.
  void AddLine(std::string_view line, uint64_t offset, const LineOrigin& origin,
               LineCounts& counts);

  const access_log::Format& format() const { return parser_.format(); }
  const std::map<Hour, HourRows>& hours() const { return hours_; }
  std::map<Hour, HourRows>& hours() { return hours_; }
  // Rejected lines; the format's columns are null.
  HourRows& rejected() { return rejected_; }
  size_t memory_bytes() const { return memory_bytes_; }
  void Clear();

 private:
  void SetOrigin(const LineOrigin& origin);
  HourRows& RowsOf(Hour hour);
  Hour HourOfLast(const event::ColumnBatch& rows) const;
  void AppendOrigin(event::ColumnBatch& rows, std::string_view line, uint64_t offset,
                    const LineOrigin& origin) const;
  void AppendJson(HourRows& target, std::string_view line, uint64_t offset);
  void AppendRejectedJson(std::string_view line, uint64_t offset, std::string_view reason);

  access_log::Parser parser_;
  const RawForms land_;
  const std::string refusal_;
  const event::Schema schema_;
  const size_t columns_;     // of the format
  const size_t time_index_;  // of "time"
  const bool own_time_;      // the format has no "time"; ours is the time of arrival
  std::map<Hour, HourRows> hours_;
  std::vector<std::map<Hour, HourRows>::node_type> spares_;  // empty ones, for their memory
  HourRows rejected_;
  std::string json_origin_;  // JSON members that the lines of one batch share
  Hour current_hour_;
  HourRows* current_ = nullptr;  // where the last line went: most go to the same hour
  size_t memory_bytes_ = 0;
};

}  // namespace tarn::lake
