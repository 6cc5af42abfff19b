#pragma once

#include <string>

#include "event/column_batch.h"
#include "event/schema.h"

namespace tarn::lake {

// Rows as JSON lines, in the columns' order, nulls left out: numbers, true and false, strings,
// times as ISO 8601 in UTC, binary as hex.
std::string JsonLines(const event::Schema& schema, const event::ColumnBatch& rows);

}  // namespace tarn::lake
