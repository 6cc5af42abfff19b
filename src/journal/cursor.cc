#include "journal/cursor.h"

namespace tarn::journal {

Result<std::optional<Record>> LogCursor::Next() {
  while (true) {
    TARN_ASSIGN_OR_RETURN(const auto extent, journal_.Locate(next_));
    if (!extent) return std::optional<Record>();
    auto read = ReadIn(*extent);
    if (!read.ok()) {
      // The file may have been recycled under us: then the record is gone, not damaged.
      TARN_TRY(journal_.Locate(next_));
      return read;
    }
    if (*read) return read;
  }
}

Status LogCursor::Enter(const SegmentEntry& segment) {
  if (entered_ == segment.number) return {};
  entered_.reset();
  scanner_.reset();
  const std::string path = journal_.PathOf(segment.number);
  TARN_ASSIGN_OR_RETURN(file_, journal_.environment().files.Open(path, os::OpenMode::kRead));
  TARN_ASSIGN_OR_RETURN(const std::string bytes, file_->ReadAt(0, kSegmentHeaderBytes));
  auto header = ParseSegmentHeader(bytes);
  if (!header.ok()) return std::move(header).error().In(path);
  if (header->number != segment.number || header->first != segment.first)
    return DamagedError(path, 0, segment.first);
  scanner_ = std::make_unique<SegmentScanner>(*file_, *header);
  entered_ = segment.number;
  return {};
}

Result<std::optional<Record>> LogCursor::ReadIn(const LogJournal::Extent& extent) {
  TARN_TRY(Enter(extent.segment));
  while (true) {
    TARN_ASSIGN_OR_RETURN(const auto record, scanner_->Next(extent.limit));
    if (!record) return ReadDamaged(extent);
    if (record->number < next_) continue;
    next_ = record->number + 1;
    return std::optional(Record{{record->number}, std::string(record->bytes)});
  }
}

Result<std::optional<Record>> LogCursor::ReadDamaged(const LogJournal::Extent& extent) {
  if (!journal_.accept_loss()) {
    return DamagedError(journal_.PathOf(extent.segment.number), scanner_->tail().offset,
                        scanner_->tail().next);
  }
  while (true) {
    TARN_ASSIGN_OR_RETURN(const auto record, scanner_->Skip(extent.limit));
    if (!record || record->number >= extent.end) {
      AcceptLoss(extent.segment.number, extent.end);
      return std::optional<Record>();
    }
    if (record->number < next_) continue;
    AcceptLoss(extent.segment.number, record->number);
    next_ = record->number + 1;
    return std::optional(Record{{record->number}, std::string(record->bytes)});
  }
}

void LogCursor::AcceptLoss(uint64_t segment, uint64_t to) {
  if (to <= next_) return;
  journal_.AcceptLoss({.place = journal_.PathOf(segment),
                       .reason = "records that cannot be read were skipped",
                       .from = next_,
                       .to = to});
  next_ = to;
}

}  // namespace tarn::journal
