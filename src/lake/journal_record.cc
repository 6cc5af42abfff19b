#include "lake/journal_record.h"

#include "base/bytes.h"

namespace tarn::lake {

std::string EncodeJournalRecord(RecordKind kind, Timestamp ingested_at, std::string_view bytes) {
  std::string record;
  record.reserve(9 + bytes.size());
  PutFixed<uint8_t>(record, static_cast<uint8_t>(kind));
  PutFixed<int64_t>(record, ingested_at.micros);
  return record.append(bytes);
}

Result<JournalRecord> DecodeJournalRecord(std::string_view record) {
  ByteReader reader(record);
  const auto kind = reader.TakeFixed<uint8_t>();
  const auto micros = reader.TakeFixed<int64_t>();
  if (!kind || !micros || *kind != static_cast<uint8_t>(RecordKind::kAgentBatch)) {
    return DataLoss("not a record of this server's doors");
  }
  return JournalRecord{static_cast<RecordKind>(*kind), {*micros}, reader.rest()};
}

}  // namespace tarn::lake
