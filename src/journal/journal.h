#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "obs/log.h"
#include "obs/metrics.h"
#include "os/clock.h"
#include "os/file_system.h"
#include "os/random.h"

namespace tarn::journal {

// The number of a record: dense, from 0, never given twice, the same after every reopen.
struct Position {
  uint64_t value = 0;
  auto operator<=>(const Position&) const = default;
};

struct Record {
  Position position;
  std::string bytes;
};

struct Options {
  uint64_t segment_bytes = 64ULL << 20;     // per file, preallocated; a multiple of 4096
  uint64_t max_bytes = 4ULL << 30;          // all files together, spares too; at least two segments
  uint64_t max_record_bytes = 32ULL << 20;  // must fit a segment with its headers
  uint64_t max_in_flight_bytes = 64ULL << 20;  // appended, not yet durable; at least one record
  uint64_t max_spare_segments = 8;             // trimmed files kept for reuse; the rest is removed
  // How often an unhealthy or full journal tries by itself to go on; 0: only Recover() does.
  int64_t retry_micros = 1'000'000;
  // What a damaged record in the middle means. Refused by default: Open, or the cursor that meets
  // it, answers DataLoss. With true the damaged records are skipped, each gap logged at ERROR.
  bool accept_loss = false;
  // What its readers expect next. A journal without a segment is DataLoss if this is not 0. With
  // accept_loss a journal that ends before it goes on there, because records up to it were read
  // before they were lost; no position is given twice.
  uint64_t resume_at = 0;
};

// What a journal works with; all outlive it.
struct Environment {
  os::FileSystem& files;
  os::Random& random;
  const os::Clock& clock;
  obs::Logger& log;
  obs::Registry& metrics;
};

struct Stats {
  uint64_t appended_records = 0;  // durable, since Open
  uint64_t appended_bytes = 0;
  uint64_t syncs = 0;
  uint64_t segments = 0;  // holding records
  uint64_t spares = 0;    // waiting for reuse
  uint64_t in_flight_bytes = 0;
  bool healthy = true;  // false: a write or sync failed; every append is Unavailable
  bool full = false;    // max_bytes reached or the disk is full; every append is ResourceExhausted
  std::string reason;   // why not healthy, or full
  bool loss_accepted = false;  // acknowledged records were gone, as far as was read since Open
};

// Reads durable records in order. Thread-confined, except Close. Must not outlive its journal.
class Cursor {
 public:
  virtual ~Cursor() = default;

  // The next durable record, nullopt if there is none yet. NotFound if it was trimmed away;
  // DataLoss (segment, offset, what to do) if it is damaged; Io if it cannot be read (call again to
  // retry).
  virtual Result<std::optional<Record>> Next() = 0;
  // Waits until Next has something to say, at most `timeout_micros`. False on time-out, after Close
  // and once the journal is closing.
  virtual bool Wait(int64_t timeout_micros) = 0;
  // Ends a Wait and every later one; from any thread.
  virtual void Close() = 0;
  // What Next will answer.
  virtual Position position() const = 0;
};

// A durable log of records in a folder of preallocated, recycled segment files; the format is
// docs/formats/journal.md. One thread writes and syncs: it takes all that was appended while the
// last sync ran, so the more callers, the more records share a sync.
//
// A record is acknowledged after its sync and never before. When a write or sync fails the journal
// is unhealthy: every append that was not yet durable, and every later one, answers Unavailable
// (whether such a record is in the journal after a crash is unknown; it is the caller's to send
// again), until a new segment could be opened (tried every retry_micros and by Recover). So it is
// while the file being written is not at its path any more: what it held may be gone. When
// max_bytes is reached or the disk is full, appends answer ResourceExhausted until TrimBefore, or
// free space, makes room; nothing that was acknowledged is given up for it. Thread-safe.
class Journal {
 public:
  using Done = std::function<void(Result<Position>)>;

  // Makes the folder if need be, locks it (Conflict if another journal has it), and recovers: an
  // unfinished write at the end is cut off, damage before that is DataLoss and nothing is changed.
  static Result<std::unique_ptr<Journal>> Open(const Environment& environment,
                                               const std::string& folder, const Options& options);
  // Appends in flight are finished, then the thread ends. Cursors must be gone.
  virtual ~Journal() = default;

  // `done` is called once: from the journal's thread after durability, in order of position; or at
  // once, from this call, with InvalidArgument (too large), ResourceExhausted (too much in flight,
  // or full) or Unavailable. It must be quick and must not call Append.
  virtual void AppendAsync(std::string record, Done done) = 0;
  // The same, waiting; also waits while too much is in flight. Not from inside `done`.
  virtual Result<Position> Append(std::string_view record) = 0;

  // Positions [begin, end) can be read. NotFound below begin, InvalidArgument above end.
  virtual Result<std::unique_ptr<Cursor>> ReadFrom(Position position) = 0;
  virtual Position begin() const = 0;
  virtual Position end() const = 0;

  // Records before `position` are no longer needed; whole segments of them are recycled. To be
  // called after the commit that made them redundant. What an unclean end brings back is records,
  // never the loss of any.
  virtual Status TrimBefore(Position position) = 0;

  // If unhealthy or full: tries now to go on with a new segment. Answers why not.
  virtual Status Recover() = 0;

  virtual uint64_t size_bytes() const = 0;  // on disk, spares included
  virtual Stats stats() const = 0;
};

}  // namespace tarn::journal
