#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "agent/checkpoint.h"
#include "agent/file_problem.h"
#include "os/file_system.h"

namespace tarn::agent {

// A batch that is not acknowledged yet.
struct HandedOut {
  Piece piece;
  std::optional<uint64_t> line_begin;  // of the line its end is inside of
};

// A file that is tailed, or was.
struct TrackedFile {
  uint64_t slot = 0;
  FileState state;
  size_t flow = 0;
  std::unique_ptr<LogReader> reader;  // null: nothing to read, or an orphan
  std::string tail;                   // the last bytes handed out, at most kAnchorBytes
  std::deque<HandedOut> handed_out;
  bool present = false;                // some path of the flow led to its inode in the last pass
  bool orphan = false;                 // lost its inode; a renamed file or a copy is looked for
  uint64_t read_offset = 0;            // handed out below this
  std::optional<uint64_t> line_begin;  // of the line that read_offset is inside of
  uint32_t epoch = 0;                  // rises when handed-out batches become void
  uint64_t size = 0;                   // as of the last look
  uint64_t stuck_size = 0;             // at this size there was no complete line
  Timestamp modified;
  uint64_t disk_size = 0;    // as of `modified`; of a compressed file not what `size` is
  uint64_t batch_limit = 0;  // bytes; 0: the settings' one. Halved by 413
  uint64_t last_rewind = ~uint64_t{0};
  int64_t last_growth = 0;    // monotonic µs, like all below
  int64_t pending_since = 0;  // 0: nothing pending
  int64_t hold_until = 0;     // nothing is read before
  int64_t next_try = 0;       // nor while its size is stuck_size, before this
  int64_t gone_since = 0;     // 0: present
  int64_t left_at = 0;        // lost the name it was written under
  int64_t next_search = 0;
  std::optional<FileProblem> problem;  // of its bytes; damaged: no more of it can be read
  bool ahead_said = false;             // that the server has more of it than there is
  uint64_t mark_size = 0;  // lag in seconds: what was here at mark_time is not all acknowledged
  int64_t mark_time = 0;

  // What the file must still hold to be the one that was read.
  const Anchor& anchor() const {
    return handed_out.empty() ? state.anchor : handed_out.back().piece.anchor;
  }
};

// Nothing more can be read of it.
bool IsSpent(const TrackedFile& file);
// Of a compressed file that is cut off: all whole lines that it has were read.
bool IsReadToTheCut(const TrackedFile& file);

// Whether `info` is of the inode the known file was last seen at.
bool IsInode(const TrackedFile& known, const os::FileInfo& info);

// A look at the open file: its growth and what is pending.
void NoteSize(TrackedFile& file, uint64_t size, int64_t now);

// Whether the reader's file is the known one: at its beginning, at every rung, and right before the
// place where reading goes on. Nullopt: the disk's trouble.
std::optional<bool> IsSame(LogReader& reader, const TrackedFile& file);

// Where a file goes on after the machine started anew.
struct Place {
  Likeness likeness = Likeness::kUnsure;  // the disk's trouble, or it is still being compressed
  uint64_t offset = 0;
  bool whole = false;  // all that was read is there
};
// What was acknowledged last may be gone from the log, and other bytes may stand there.
Place PlaceOf(LogReader& reader, const TrackedFile& file);

// What a ladder says of the bytes before `end`.
Ladder Below(Ladder ladder, uint64_t end);
void GrowLadder(TrackedFile& file);

// Where the last line that ends in these bytes of a plain file does; nullopt if none does.
Result<std::optional<uint64_t>> EndOfLines(LogReader& reader, uint64_t begin, uint64_t end);
// Where the last bytes of a file begin that are looked at for the end of a line.
uint64_t TailOf(uint64_t size);

// Of a file that the checkpoint knows and that has `size` bytes: those that are not acknowledged.
// An unfinished last line waits for its rest and is not behind, as in Agent::Lags().
uint64_t BytesBehind(os::FileSystem& files, const FileState& state, uint64_t size);

}  // namespace tarn::agent
