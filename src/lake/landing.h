#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "journal/journal.h"
#include "lake/committer.h"
#include "lake/log_buffer.h"
#include "lake/log_source.h"
#include "lake/workspace.h"
#include "os/mutex.h"
#include "os/thread.h"

namespace tarn::lake {

// What `tarn status` says of one host of a source.
struct HostStatus {
  std::string source;
  std::string host;
  uint64_t lines = 0;  // landed since the server started
  uint64_t rejected = 0;
  uint64_t bytes = 0;
  Timestamp last_read;          // the newest read_time of its batches
  Timestamp last_ingested;      // when its newest batch was acknowledged
  double lines_per_second = 0;  // landed, over the last kRateMicros
  double lag_seconds = 0;       // from the agent's read to the lake, of the last batch that landed
  // Why the last batch that landed did so in quarantine as a whole; empty if it did not, or only a
  // few lines did so since one that did not, in a format that can be used.
  std::string last_error;
  Timestamp last_error_at;
  uint64_t refused_in_a_row = 0;  // lines of such batches since one that was none

  static constexpr int64_t kErrorKeepMicros = kMicrosPerDay;
  // As it counts at a time: a host that is gone does not keep its error for good.
  std::string_view ErrorAt(Timestamp now) const {
    return now.micros - last_error_at.micros < kErrorKeepMicros ? last_error : std::string_view();
  }
};

// Of all hosts of a source together, those left out of the status among them.
struct SourceStatus {
  uint64_t lines = 0;  // landed since the server started
  uint64_t rejected = 0;
  uint64_t bytes = 0;
  Timestamp last_read;     // the newest read_time of its batches
  double lag_seconds = 0;  // the longest of the hosts in the last commit that brought some of it
};

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
// fills and the doors push back. Memory: buffer_bytes, twice while a flush encodes. Thread-safe.
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

  // Flushes what is buffered (unless told not to) and ends the threads.
  void Stop(bool flush);
  // Everything the journal holds now is in the lake when this returns. DeadlineExceeded, Cancelled.
  Status FlushAll(int64_t timeout_micros);

  LandingStatus status() const;
  // Of the status, without its hosts.
  uint64_t position() const;
  std::string last_error() const;

  static constexpr std::string_view kPipeline = "landing";
  static constexpr int64_t kRateMicros = 10 * kMicrosPerSecond;
  static constexpr int64_t kLateAges = 2;
  // Different formats a source may bring between two commits before further ones go to quarantine;
  // each has its own buffers. The source's own always fits.
  static constexpr size_t kMaxFormats = 64;
  // Columns a table may get by formats that tarn.yaml does not name.
  static constexpr size_t kMaxColumns = 500;
  static constexpr size_t kMaxHosts = 20'000;  // in status; past it the longest silent are left out

 private:
  Landing(const Workspace& work, journal::Journal& journal, LandingOptions options);

  // Tables of one source and what is buffered for them, by format.
  struct Source {
    LogSource config;
    catalog::DatasetName raw;
    catalog::DatasetName clean;
    catalog::DatasetName quarantine;
    std::map<std::string, std::unique_ptr<LogBuffer>> buffers;
  };
  struct Buffered {
    uint64_t bytes = 0;
    size_t hours = 0;
  };
  struct FlushRound;  // one flush: files written so far
  struct HourJob;
  struct Layouts;

  Status Recover();
  Status RemoveLeftovers(uint64_t position);
  enum class Pace : uint8_t { kGivesWay, kUrgent };
  enum class Next : uint8_t { kFlush, kOtherPace, kEnd };
  // Work at one pace, whenever it is asked for.
  void Run(Pace own);
  // Until the other pace is asked for, or the end: false.
  bool Work(Pace own);
  using HostKey = std::pair<std::string, std::string>;  // source, host

  Next FillBuffers(Pace own);
  void AddRecord(journal::Record record);
  void HoldBack(journal::Record record, const Error& error);
  Status AddBatch(Source& source, const agent_wire::Batch& batch, Timestamp ingested_at);
  Result<LogBuffer*> BufferOf(Source& source, const std::string& format);
  Result<std::unique_ptr<LogBuffer>> MakeBuffer(Source& source, const std::string& format);
  // The file's, as it will be once what is buffered is committed.
  Result<catalog::Watermark> MarkOf(const catalog::WatermarkKey& key);
  bool FlushDue() const;
  Status Flush();
  Status WriteFiles(FlushRound& round);
  void DropJson(const FlushRound& round);
  Status WriteBuffer(Source& source, LogBuffer& buffer, FlushRound& round);
  Status WriteQuarantine(Source& source, LogBuffer& buffer, FlushRound& round);
  Status WriteHour(const Source& source, LogBuffer& buffer, const Layouts& layouts, HourJob& job,
                   FlushRound& round);
  std::string NewJsonKey(const Source& source, Hour hour, FlushRound& round);
  void ClearBuffers();
  void ForgetOldHosts() TARN_REQUIRES(mutex_);
  void NoteCommit(const catalog::CommitReceipt& receipt);
  void CountInSources(Timestamp committed) TARN_REQUIRES(mutex_);
  // A record that cannot be read now: said once, tried again after a wait.
  void NoteUnreadable(const Error& error);
  // After a failed flush: back to the last commit, buffers empty, the journal read again from
  // there.
  void Rewind();
  // Learns from the catalog whether the last commit, which got no answer, was made. Unavailable if
  // it was: what is buffered is in the lake. Conflict if another server has taken over.
  Status Settle();
  Status OpenTables(Source& source);
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
  bool retrying_ = false;       // the last flush failed: the next does not wait for a full buffer
  bool unsettled_ = false;      // nobody knows whether the last commit was made
  uint64_t next_position_ = 0;  // of the record to read next
  std::map<catalog::WatermarkKey, catalog::Watermark> marks_;    // as committed; some of them
  Timestamp marks_pruned_;                                       // when old ones were last dropped
  std::map<catalog::WatermarkKey, catalog::Watermark> pending_;  // moved since
  Buffered buffered_;                                            // of all buffers together
  std::map<HostKey, HostStatus> buffered_hosts_;                 // counts of what is buffered
  int64_t oldest_micros_ = 0;  // monotonic; when the oldest buffered record was read
  bool late_ = false;

  mutable os::Mutex mutex_;
  os::ConditionVariable changed_;
  Pace pace_ TARN_GUARDED_BY(mutex_) = Pace::kGivesWay;  // whose turn it is
  bool ended_ TARN_GUARDED_BY(mutex_) = false;
  bool stopping_ TARN_GUARDED_BY(mutex_) = false;
  bool flush_on_stop_ TARN_GUARDED_BY(mutex_) = true;
  std::optional<uint64_t> flush_to_ TARN_GUARDED_BY(mutex_);  // someone waits for this position
  LandingStatus status_ TARN_GUARDED_BY(mutex_);
  struct Landed {  // lines of one commit
    int64_t at_micros;
    uint64_t lines;
  };
  std::map<HostKey, std::deque<Landed>> rates_ TARN_GUARDED_BY(mutex_);  // of kRateMicros
  std::map<HostKey, HostStatus> hosts_ TARN_GUARDED_BY(mutex_);

  os::Thread thread_;
  os::Thread urgent_thread_;
};

}  // namespace tarn::lake
