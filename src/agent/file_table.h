#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "agent/checkpoint.h"
#include "agent/events.h"
#include "agent/identity.h"
#include "agent/settings.h"
#include "os/clock.h"
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
  uint64_t batch_limit = 0;  // bytes; 0: the settings' one. Halved by 413
  uint64_t last_rewind = ~uint64_t{0};
  int64_t last_growth = 0;    // monotonic µs, like all below
  int64_t pending_since = 0;  // 0: nothing pending
  int64_t hold_until = 0;     // nothing is read before
  int64_t next_try = 0;       // nor while its size is stuck_size, before this
  int64_t gone_since = 0;     // 0: present
  int64_t left_at = 0;        // lost the name it was written under
  int64_t next_search = 0;
  bool reported_lost = false;
  uint64_t mark_size = 0;  // lag in seconds: what was here at mark_time is not all acknowledged
  int64_t mark_time = 0;

  // What the file must still hold to be the one that was read.
  const Anchor& anchor() const {
    return handed_out.empty() ? state.anchor : handed_out.back().piece.anchor;
  }
};

// Of a file that the checkpoint knows and that has `size` bytes: those that are not acknowledged.
// An unfinished last line waits for its rest and is not behind, as in Agent::Lags().
uint64_t BytesBehind(os::FileSystem& files, const FileState& state, uint64_t size);

// Finds the files of the flows and knows which is which through renames, copies, truncation and
// compression. Thread-confined. Looks at disk only; ships nothing.
//
// A slot number names a file for the life of the process.
class FileTable {
 public:
  static constexpr size_t kMaxFiles = 10'000;           // known at a time, finished ones included
  static constexpr size_t kMaxSiblings = 4'096;         // looked at in one folder for a lost file
  static constexpr int64_t kLingerMicros = 60'000'000;  // a quiet file is closed after this
  static constexpr int64_t kForgetMicros = 7 * kMicrosPerDay;  // a file gone is forgotten
  // What was acknowledged longer ago is on the disk of the log, by the kernel's own habit.
  static constexpr int64_t kTrailMicros = 120'000'000;

  // `boot` tells one run of the machine from the next; 0: unknown.
  FileTable(os::FileSystem& files, const os::Clock& clock, const std::vector<FlowSettings>& flows,
            Events& events, uint64_t boot)
      : files_(files), clock_(clock), flows_(flows), events_(events), boot_(boot) {}

  // What the checkpoint knew. `first_start`: there was none, so initial positions apply.
  void Load(const std::vector<FileState>& states, bool first_start);
  std::vector<FileState> States() const;
  // The agent ends in order: what the server may have of the files is known.
  void NoteEnd();

  // One pass over globs and folders: new, renamed, replaced, vanished files.
  void Discover();
  // Only the sizes of files that are open.
  void RefreshSizes();

  // False if the file under the reader was truncated or replaced; it is then detached.
  bool CheckIntact(TrackedFile& file);
  // Marks it as done and closes it.
  void Finish(TrackedFile& file);

  std::map<uint64_t, TrackedFile>& files() { return tracked_; }
  TrackedFile* Find(uint64_t slot);
  // The piece was acknowledged. For it some file may forget its oldest.
  void Remember(TrackedFile& file, Piece piece);
  // Folders worth watching for changes.
  const std::set<std::string>& folders() const { return folders_; }

 private:
  using InodeKey = std::tuple<size_t, uint64_t, uint64_t>;  // flow, device, inode
  struct Glimpse {                                          // what a path looked like
    uint64_t size = 0;
    Timestamp modified;
    bool operator==(const Glimpse&) const = default;
  };
  // A file on disk that is being identified.
  struct Candidate {
    std::string path;
    os::FileInfo info;
    std::unique_ptr<LogReader> reader;
    std::string head;
    Ladder ladder;
  };

  void Visit(size_t flow, const std::string& path);
  // Opens a known file that was closed. Nullopt: it cannot be told now; false: it is another one.
  std::optional<bool> Reopen(TrackedFile& file, const std::string& path, const os::FileInfo& info);
  // Since the agent last looked at the file, which is not open.
  bool Rebooted(const FileState& state) const {
    return boot_ != 0 && state.boot != 0 && state.boot != boot_;
  }
  void NoteBoot(TrackedFile& file) const {
    file.state.boot = boot_;
    file.state.ended = false;
  }
  void RecheckRebooted();
  // After a reboot: the file goes on in `reader` under its next id, from where that still is the
  // one that was read; under its own one if the agent had ended in order and nothing is lost.
  // Nullopt: it cannot be told now; false: it is another one.
  std::optional<bool> GoOn(TrackedFile& file, LogReader& reader);
  void Recheck(TrackedFile& file, const std::string& path, const os::FileInfo& info);
  void Identify(size_t flow, Candidate candidate);
  Result<bool> Load(Candidate& candidate);
  // What is found out about a candidate by comparing it with the known files.
  struct Verdict {
    TrackedFile* known = nullptr;  // the one it is, as far as it can be told
    bool unsure = false;           // it may turn out to be one
    uint32_t head_length = 0;      // tells it from those that begin the same
    uint64_t told_at = 0;          // not 0: heads do not tell, what is before this offset does
  };
  Verdict Judge(size_t flow, const Candidate& candidate) const;
  // True if the candidate cannot be `known`: it lacks what was read of it last.
  static bool Contradicts(const TrackedFile& known, const Candidate& candidate);
  Likeness LikenessOf(const TrackedFile& known, const Candidate& candidate) const;
  static void TellApart(const TrackedFile& known, const Candidate& candidate, Verdict& verdict);
  bool Matches(const FileState& state, const Candidate& candidate) const;
  // True if `candidate` is a copy or a later name of `known`, which then continues there or not.
  bool Continue(TrackedFile& known, Candidate& candidate);
  // True if the known file can be read on under its own name.
  bool IsAlive(TrackedFile& known);
  // Whether the candidate has what was not read of `known`. Unsure: not, or not yet.
  static Likeness RestOf(const TrackedFile& known, const Candidate& candidate);
  void Add(size_t flow, Candidate candidate, const Verdict& verdict);
  // False if it cannot be told where reading goes on.
  bool Adopt(TrackedFile& file, Candidate& candidate);
  void Detach(TrackedFile& file);
  void SearchOrphan(TrackedFile& file);
  bool TrySibling(TrackedFile& file, const std::string& path, const os::FileInfo& info);
  void AfterPass();
  void CloseIdle(TrackedFile& file, int64_t now);
  void Forget();
  void NoteName(TrackedFile& file, const std::string& path);
  void NoteRenamed(TrackedFile& file);
  void ForgetInode(const TrackedFile& file);
  void Complain(const std::string& path, const Error& error);
  InodeKey KeyOf(const TrackedFile& file) const {
    return {file.flow, file.state.device, file.state.inode};
  }

  os::FileSystem& files_;
  const os::Clock& clock_;
  const std::vector<FlowSettings>& flows_;
  Events& events_;
  const uint64_t boot_;

  std::map<uint64_t, TrackedFile> tracked_;
  std::map<InodeKey, uint64_t> by_inode_;
  std::map<InodeKey, Glimpse> copies_;    // files known to be copies, or not identifiable yet
  std::map<uint64_t, FileState> parked_;  // of sources that are not configured any more
  std::set<size_t> first_pass_;           // flows whose initial position still applies
  std::set<std::string> folders_;
  std::set<std::string> complained_;
  uint64_t next_slot_ = 1;
  TrailBounds bounds_;
  bool limit_reported_ = false;
};

}  // namespace tarn::agent
