#pragma once

#include <memory>
#include <optional>

#include "journal/log_journal.h"

namespace tarn::journal {

class LogCursor final : public Cursor {
 public:
  LogCursor(LogJournal& journal, uint64_t next) : journal_(journal), next_(next) {}
  ~LogCursor() override { Close(); }

  Result<std::optional<Record>> Next() override;
  bool Wait(int64_t timeout_micros) override {
    return journal_.WaitFor(next_, closed_, timeout_micros);
  }
  void Close() override { journal_.CloseCursor(closed_); }
  Position position() const override { return {next_}; }

 private:
  Status Enter(const SegmentEntry& segment);
  // Reads on in the segment entered; nullopt if the rest of it is lost and loss is accepted.
  Result<std::optional<Record>> ReadIn(const LogJournal::Extent& extent);
  Result<std::optional<Record>> ReadDamaged(const LogJournal::Extent& extent);
  void AcceptLoss(uint64_t segment, uint64_t to);

  LogJournal& journal_;
  uint64_t next_;
  bool closed_ = false;  // guarded by the journal
  std::optional<uint64_t> entered_;
  std::unique_ptr<os::File> file_;
  std::unique_ptr<SegmentScanner> scanner_;
};

}  // namespace tarn::journal
