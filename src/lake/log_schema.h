#pragma once

#include <string_view>

#include "base/result.h"
#include "event/column_batch.h"
#include "event/schema.h"

namespace tarn::lake {

// Columns the landing adds to those of the format. Raw rows carry all of them.
inline constexpr std::string_view kSourceColumn = "_source";           // the host it came from
inline constexpr std::string_view kFileColumn = "_file_id";            // file identity
inline constexpr std::string_view kPathColumn = "_path";               // the path on the host
inline constexpr std::string_view kPositionColumn = "_position";       // byte offset of the line
inline constexpr std::string_view kBatchColumn = "_batch";             // agent's batch number
inline constexpr std::string_view kIngestedAtColumn = "_ingested_at";  // when it was acknowledged
inline constexpr std::string_view kRawColumn = "_raw";                 // the line
inline constexpr std::string_view kRawBytesColumn = "_raw_bytes";      // if it is no UTF-8: exactly
inline constexpr std::string_view kErrorColumn = "_error";             // why it was rejected
inline constexpr std::string_view kServerColumn = "server";            // clean: the host
inline constexpr std::string_view kTimeColumn = "time";                // event time; partitions
inline constexpr std::string_view kHourField = "time_hour";            // the partition's, no column

// InvalidArgument if a column of a format has a name that the landing keeps for its own: "server",
// whatever begins with '_', and the name of the partition's field. Capitals make no difference: two
// columns that differ in them only are refused, and what is called "time" with some is not taken
// for the time.
Status CheckColumns(const event::Schema& columns);

// The columns of a source's three tables, for lines of a format with `columns`. Ids count from 1;
// the table's own ids are found by name. A format without a column "time" gets one, filled with the
// time of arrival.
event::Schema RawSchema(const event::Schema& columns);
event::Schema CleanSchema(const event::Schema& columns);
event::Schema QuarantineSchema();
inline constexpr std::string_view kFormatColumn = "_format";
inline constexpr std::string_view kRuleColumn = "_rule";
inline constexpr std::string_view kReasonColumn = "_reason";
// The rules of quarantine: the line does not fit its format; it is a piece of a cut line, which
// might fit one that takes anything.
inline constexpr std::string_view kFormatRule = "format";
inline constexpr std::string_view kCutRule = "cut";
// How the reason of a piece of a cut line begins, and of nothing else. Files of a version without
// kCutRule are known by it, so it stays.
inline constexpr std::string_view kCutReason = "the line was cut: ";
std::string_view RuleOf(std::string_view reason);

// Rows on their way: the format's columns (with "time" at their end if it has none), then raw's own
// in the order above.
event::Schema BufferSchema(const event::Schema& columns);
// Rows of BufferSchema(columns) become rows of CleanSchema(columns); the values are moved.
event::ColumnBatch ToCleanRows(const event::Schema& columns, event::ColumnBatch rows);

// Rejected rows of BufferSchema(columns) as rows of QuarantineSchema.
event::ColumnBatch ToQuarantineRows(const event::Schema& columns,
                                    const event::ColumnBatch& rejected, std::string_view format);

}  // namespace tarn::lake
