#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "journal/journal.h"
#include "lake/committer.h"
#include "lake/events.h"
#include "lake/flush_files.h"
#include "lake/landed_counts.h"
#include "lake/log_buffer.h"
#include "lake/log_source.h"
#include "lake/workspace.h"
#include "os/mutex.h"
#include "os/thread.h"

namespace tarn::lake {

struct LandingStatus {
  std::map<std::string, SourceStatus> sources;  // by name: all that tarn.yaml has
  std::vector<HostStatus> hosts;
  uint64_t position = 0;  // of the journal: everything before it is in the lake
  uint64_t buffered_bytes = 0;
  uint64_t commits = 0;
  std::optional<Timestamp> last_commit;
  bool late = false;       // see Landing
  std::string last_error;  // empty: the last flush went well
};

// Turns journal records into data files and commits them: one thread at a time, one pipeline
// ("landing"), one commit for all sources at a time. The journal position, the files' watermarks
// and the data go in the same commit, so every line is in the lake once, whatever is killed when. A
// flush that fails is tried again, from the journal's bytes, for ever; while it fails the journal
// fills and the doors push back. Memory: up to eight times buffer_bytes, while a flush encodes
// beside columns that grew by doubling. Thread-safe.
//
// Two threads take turns: one that gives way to the doors (Priority::kBackground), and one that
// does not, for as long as someone waits in FlushAll or the lake is late: records of more than
// kLateAges buffer ages have come up, and the journal's end has not been reached since.
class Landing {
 public:
  // Takes the pipeline's fence, removes what an interrupted flush left behind, starts the threads.
  // DataLoss if the journal no longer has what the catalog expects next. `journal` must outlive it.
  static Result<std::unique_ptr<Landing>> Start(const Workspace& work, journal::Journal& journal,
                                                LandingOptions options);
  ~Landing();  // Stop(true)

  // Flushes what is buffered (unless told not to, and not for longer than options.stop_micros) and
  // ends the threads. What was not flushed stays in the journal.
  void Stop(bool flush);
  // Everything the journal holds now is in the lake when this returns. DeadlineExceeded, Cancelled;
  // DataLoss where it can never be, for something of the lake is damaged.
  Status FlushAll(int64_t timeout_micros);

  LandingStatus status() const;
  // Of the status, without its hosts.
  uint64_t position() const;
  std::string last_error() const;

  static constexpr std::string_view kPipeline = "landing";
  static constexpr int64_t kLateAges = 2;
  // Different formats a source may bring between two commits before further ones go to quarantine;
  // each has its own buffers. The source's own always fits.
  static constexpr size_t kMaxFormats = 64;
  // Columns a table may get by formats that tarn.yaml does not name.
  static constexpr size_t kMaxColumns = 500;

 private:
  Landing(const Workspace& work, journal::Journal& journal, LandingOptions options);

  // A source and what is buffered for it.
  struct Source {
    SourceTables tables;
    std::map<std::string, std::unique_ptr<LogBuffer>> buffers;  // by format
  };
  struct Buffered {
    uint64_t bytes = 0;
    size_t hours = 0;
  };

  Status Recover();
  Status RemoveLeftovers(uint64_t position);
  enum class Pace : uint8_t { kGivesWay, kUrgent };
  enum class Next : uint8_t { kFlush, kOtherPace, kEnd };
  // Work at one pace, whenever it is asked for.
  void Run(Pace own);
  // Until the other pace is asked for, or the end: false.
  bool Work(Pace own);
  Next FillBuffers(Pace own);
  void AddRecord(journal::Record record);
  void HoldBack(journal::Record record, const Error& error);
  Status AddBatch(Source& source, agent_wire::Batch batch, Timestamp ingested_at);
  Result<LogBuffer*> BufferOf(Source& source, const std::string& format);
  Result<std::unique_ptr<LogBuffer>> MakeBuffer(Source& source, const std::string& format);
  // Acknowledged records were gone in this start.
  bool LossIsKnown() const;
  // The file's, as it will be once what is buffered is committed.
  Result<catalog::Watermark> MarkOf(const catalog::WatermarkKey& key);
  bool FlushDue() const;
  Status Flush();
  Status WriteFiles(FlushFiles& files);
  void DropJson(FlushFiles& files);
  // Cancelled once a flush has gone on for too long after Stop.
  Status GoOn() const;
  void NoteFlush(const Status& flushed);
  void NoteError(const Error& error) TARN_REQUIRES(mutex_);
  void ClearBuffers();
  void NoteCommit(const catalog::CommitReceipt& receipt);
  // A record that cannot be read now: said once, tried again after a wait.
  void NoteUnreadable(const Error& error);
  // After a failed flush: back to the last commit, buffers empty, the journal read again from
  // there.
  void Rewind();
  // Learns from the catalog whether the last commit, which got no answer, was made. Unavailable if
  // it was: what is buffered is in the lake. Conflict if another server has taken over.
  Status Settle();
  Status OpenTables(const SourceTables& source);
  static Buffered SizeOf(const LogBuffer& buffer) {
    return {buffer.memory_bytes(), buffer.hours().size()};
  }
  uint64_t committed_position() const;
  bool has_uncommitted() const;

  const Workspace work_;
  journal::Journal& journal_;
  const LandingOptions options_;
  Committer committer_;
  catalog::FencingToken token_;

  // Of the thread whose turn it is.
  std::map<std::string, Source> sources_;
  std::unique_ptr<journal::Cursor> cursor_;
  std::optional<journal::Record> held_;  // read, and to be taken before the cursor's next
  std::string committed_position_;       // as in the catalog
  bool retrying_ = false;  // the last flush failed: the next does not wait for a full buffer
  uint64_t failures_ = 0;  // flushes, one after the other, up to now
  Code failure_said_ = Code::kInternal;  // of the last of them that was logged
  int64_t failure_said_micros_ = 0;
  bool unsettled_ = false;      // nobody knows whether the last commit was made
  uint64_t next_position_ = 0;  // of the record to read next
  std::map<catalog::WatermarkKey, catalog::Watermark> marks_;    // as committed; some of them
  Timestamp marks_pruned_;                                       // when old ones were last dropped
  std::map<catalog::WatermarkKey, catalog::Watermark> pending_;  // moved since
  std::vector<LinesMissing> missing_;                            // seen since
  Buffered buffered_;                                            // of all buffers together
  HostCounts buffered_hosts_;                                    // of what is buffered
  int64_t oldest_micros_ = 0;  // monotonic; when the oldest buffered record was read
  bool late_ = false;
  bool records_missing_ = false;  // the journal began behind what the catalog expects

  mutable os::Mutex mutex_;
  os::ConditionVariable changed_;
  Pace pace_ TARN_GUARDED_BY(mutex_) = Pace::kGivesWay;  // whose turn it is
  bool ended_ TARN_GUARDED_BY(mutex_) = false;
  bool stopping_ TARN_GUARDED_BY(mutex_) = false;
  int64_t stop_by_ TARN_GUARDED_BY(mutex_) = 0;  // monotonic; once it is stopping
  bool flush_on_stop_ TARN_GUARDED_BY(mutex_) = true;
  std::optional<Error> damage_ TARN_GUARDED_BY(mutex_);       // that made a flush fail
  std::optional<uint64_t> flush_to_ TARN_GUARDED_BY(mutex_);  // someone waits for this position
  LandingStatus status_ TARN_GUARDED_BY(mutex_);
  LandedCounts landed_ TARN_GUARDED_BY(mutex_);

  os::Thread thread_;
  os::Thread urgent_thread_;
};

}  // namespace tarn::lake
