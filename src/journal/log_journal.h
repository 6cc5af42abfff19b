#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "journal/events.h"
#include "journal/journal.h"
#include "journal/segment.h"
#include "os/mutex.h"
#include "os/thread.h"

namespace tarn::journal {

// A segment that holds, or will hold, records.
struct SegmentEntry {
  uint64_t number = 0;
  uint64_t first = 0;
  uint64_t bytes = 0;
};

// A file that is being made into a segment.
constexpr std::string_view kNewName = "new.journal";
std::string SpareName(uint64_t number);    // "spare-000000000017.journal"
std::string SegmentName(uint64_t number);  // "segment-000000000017.journal"
// What an operator is told about bytes that cannot be read.
Error DamagedError(const std::string& path, uint64_t offset, uint64_t number);

// What recovery and Inspect ask of the files before they trust them (recovery.cc).
// The numbers of a folder's segments, in order; none if it is not there.
Result<std::vector<uint64_t>> ListSegments(os::FileSystem& files, const std::string& folder);
// DataLoss if there is none although records were read from one.
Status RequireSegments(const std::string& folder, const std::vector<uint64_t>& numbers,
                       uint64_t resume_at);
// DataLoss if its header is damaged or does not follow `before` (null: it is the first).
Result<SegmentEntry> ReadEntry(os::FileSystem& files, const std::string& folder, uint64_t number,
                               const SegmentEntry* before);
// DataLoss if its file was cut off, or one between `before` and it is missing.
Status RequireWhole(os::FileSystem& files, const std::string& folder, const SegmentEntry& segment,
                    const SegmentEntry* before);

// Journal over a folder of segment files.
class LogJournal final : public Journal {
 public:
  // Where to read a record.
  struct Extent {
    SegmentEntry segment;
    uint64_t end = 0;     // number behind the segment's last durable record
    uint64_t limit = 0;   // offset behind them, or the segment's size if only the number is known
    bool sealed = false;  // nothing will be added
  };

  LogJournal(const Environment& environment, std::string folder, const Options& options);
  ~LogJournal() override;
  Status Start();

  void AppendAsync(std::string record, Done done) override;
  Result<Position> Append(std::string_view record) override;
  Result<std::unique_ptr<Cursor>> ReadFrom(Position position) override;
  Position begin() const override;
  Position end() const override;
  Status TrimBefore(Position position) override;
  Status Recover() override;
  uint64_t size_bytes() const override;
  Stats stats() const override;

  // For cursors. nullopt if the record is not there yet; NotFound if it was trimmed.
  Result<std::optional<Extent>> Locate(uint64_t number) const;
  // Until there is a record `number`, the journal closes or `closed` is set (see WakeCursors).
  bool WaitFor(uint64_t number, const bool& closed, int64_t timeout_micros);
  void CloseCursor(bool& closed);
  std::string PathOf(uint64_t segment) const;
  bool accept_loss() const { return options_.accept_loss; }
  // Says so, unless it was said already: several cursors come by.
  void AcceptLoss(const LossAccepted& loss);
  const Environment& environment() const { return environment_; }

 private:
  struct Pending {
    std::string record;
    uint32_t payload_crc = 0;
    Done done;
  };
  enum class Health : uint8_t { kGood, kPoisoned, kFull };

  // Recovery, before the thread runs (recovery.cc).
  Status LoadSegments();
  Status LoadSpare(const std::string& name, uint64_t number);
  Status LoadSegment(uint64_t number);
  Status SetAside(uint64_t number);
  void TellSetAside(std::optional<uint64_t> next);
  Status OpenLast();
  Status ResumeAt(uint64_t position);
  static Status RewriteLastBatch(os::File& file, const Tail& tail);

  Status Admit(uint64_t size) const TARN_REQUIRES(mutex_);
  void Enqueue(Pending pending) TARN_REQUIRES(mutex_);

  // The journal's thread.
  void Run();
  bool WaitForWork(std::vector<Pending>& batch);
  void TryToContinue();
  void Commit(std::vector<Pending>& batch);
  bool SyncAndAcknowledge(std::vector<Pending>& batch, size_t& first, size_t end, int64_t started);
  void Fail(std::vector<Pending>& batch, size_t first, Health health, const Error& error);
  // DataLoss unless the newest segment is the file at its path still.
  Status RequireInPlace() const;
  Status OpenNextSegment();
  // A file to become the next segment: a spare, or the path for a new one.
  Result<std::optional<SegmentEntry>> FindSpare(uint64_t freed_bytes);
  Result<std::unique_ptr<os::File>> PrepareFile(const std::string& path,
                                                const SegmentHeader& header);
  Status GiveBack(const SegmentEntry& segment);

  const Environment environment_;
  const std::string folder_;
  const Options options_;
  const uint64_t epoch_;
  CommitMetrics metrics_;
  std::unique_ptr<os::FileLock> lock_;

  // Used by the thread only, once it runs.
  std::unique_ptr<SegmentWriter> writer_;
  // The newest segment's file: the writer's, but for one that was made and not yet synced by name.
  std::string newest_path_;
  os::FileInfo newest_;
  uint64_t next_number_ = 0;  // of a segment
  std::optional<TornTail> torn_;
  std::vector<std::string> set_aside_;  // segments behind each other that recovery has not told of
  uint64_t set_aside_from_ = 0;         // the record expected next where they lay
  os::Thread thread_;

  // Held while files are renamed for trimming; trimmers wait for each other, nobody else does.
  os::Mutex trim_mutex_;

  mutable os::Mutex mutex_;
  os::ConditionVariable work_;       // the thread
  os::ConditionVariable room_;       // blocking appends
  os::ConditionVariable committed_;  // cursors
  os::ConditionVariable recovered_;  // Recover
  std::vector<Pending> pending_ TARN_GUARDED_BY(mutex_);
  uint64_t in_flight_bytes_ TARN_GUARDED_BY(mutex_) = 0;
  uint64_t waiting_for_room_ TARN_GUARDED_BY(mutex_) = 0;
  bool closing_ TARN_GUARDED_BY(mutex_) = false;
  Health health_ TARN_GUARDED_BY(mutex_) = Health::kGood;
  std::string health_reason_ TARN_GUARDED_BY(mutex_);
  uint64_t recover_asked_ TARN_GUARDED_BY(mutex_) = 0;
  uint64_t recover_answered_ TARN_GUARDED_BY(mutex_) = 0;
  std::deque<SegmentEntry> segments_ TARN_GUARDED_BY(mutex_);  // by number; never empty
  std::vector<SegmentEntry> spares_ TARN_GUARDED_BY(mutex_);
  bool folder_synced_ TARN_GUARDED_BY(mutex_) = true;            // spares may be written to
  std::map<uint64_t, uint64_t> losses_ TARN_GUARDED_BY(mutex_);  // accepted: [first, second)
  uint64_t durable_end_ TARN_GUARDED_BY(mutex_) = 0;
  uint64_t durable_offset_ TARN_GUARDED_BY(mutex_) = 0;  // in the last segment
  Stats stats_ TARN_GUARDED_BY(mutex_);
};

}  // namespace tarn::journal
