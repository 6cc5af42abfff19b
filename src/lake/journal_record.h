#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace tarn::lake {

enum class RecordKind : uint8_t {
  kAgentBatch = 1,  // an agent's batch as it came, docs/formats/agent-batch.md
};

// What the doors put into the journal: kind, time of arrival, and the bytes as they came.
// Format: docs/formats/journal-record.md.
struct JournalRecord {
  RecordKind kind = RecordKind::kAgentBatch;
  Timestamp ingested_at;
  std::string_view bytes;  // into the encoded record
};

std::string EncodeJournalRecord(RecordKind kind, Timestamp ingested_at, std::string_view bytes);
// DataLoss for a record no door of ours wrote.
Result<JournalRecord> DecodeJournalRecord(std::string_view record);

}  // namespace tarn::lake
