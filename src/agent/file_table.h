#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "agent/events.h"
#include "agent/file_problem.h"
#include "agent/settings.h"
#include "agent/tracked_file.h"
#include "os/clock.h"
#include "os/file_system.h"

namespace tarn::agent {

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
      : files_(files),
        clock_(clock),
        flows_(flows),
        events_(events),
        boot_(boot),
        problems_(events) {}

  // What the checkpoint knew. `first_start`: there was none, so initial positions apply.
  void Load(const std::vector<FileState>& states, bool first_start);
  std::vector<FileState> States() const;
  // The agent ends in order: what the server may have of the files is known.
  void NoteEnd();

  // One pass over globs and folders: new, renamed, replaced, vanished files.
  void Discover();
  // The same once all is read and nothing is waited for: a file that could not be told from another
  // yet is told by the line that differs, one without a whole line is known by what it has, and
  // what is gone is lost. From here on that counts for all passes. True if there is more to read:
  // a file was found, or goes on elsewhere. Then others may be told by it, in another such pass.
  bool Decide();
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
  // Notes what keeps the rest of the file from being sent, until it is read on.
  void SetProblem(TrackedFile& file, ProblemKind kind, Error error);
  void ClearProblem(TrackedFile& file);
  std::vector<FileProblem> Problems() const { return problems_.All(); }
  const ProblemCounts& problem_counts() const { return problems_.counts(); }
  bool TakeProblemsChanged() { return problems_.TakeChanged(); }
  // Folders worth watching for changes.
  const std::set<std::string>& folders() const { return folders_; }

 private:
  using InodeKey = std::tuple<size_t, uint64_t, uint64_t>;  // flow, device, inode
  struct Glimpse {                                          // what a path looked like
    uint64_t size = 0;
    Timestamp modified;
    uint64_t like = 0;      // slot of the file it is a copy of, or begins as
    uint64_t like_end = 0;  // what was read of that
    bool waits = false;     // for more bytes, to be told from it
    int64_t since = 0;      // monotonic µs; it has looked so from then on
    bool settled = false;   // looked at since it is quiet and the other gone
  };
  // A file on disk that is being identified.
  struct Candidate {
    std::string path;
    os::FileInfo info;
    std::unique_ptr<LogReader> reader;
    std::string head;
    Ladder ladder;
  };

  void Search(size_t flow);
  // False if it is a folder.
  bool Visit(size_t flow, const std::string& path);
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
    TrackedFile* known = nullptr;       // the one it is, as far as it can be told
    const TrackedFile* like = nullptr;  // it may turn out to be this one
    uint32_t head_length = 0;           // tells it from those that begin the same
    uint64_t told_at = 0;               // not 0: heads do not tell, what is before this offset does
  };
  Verdict Judge(size_t flow, const Candidate& candidate) const;
  // True if the candidate cannot be `known`: it lacks what was read of it last.
  static bool Contradicts(const TrackedFile& known, const Candidate& candidate);
  Likeness LikenessOf(const TrackedFile& known, const Candidate& candidate) const;
  // The candidate begins as `known` does and is another file: finds what tells their ids apart.
  void TellApart(const TrackedFile& known, const Candidate& candidate, Verdict& verdict) const;
  // Both beginnings as they are on disk, if that of the known one can be had.
  struct Comparison {
    size_t alike = 0;       // bytes
    size_t known_size = 0;  // at most kHeadBytes, as that of the candidate's head
  };
  std::optional<Comparison> CompareHeads(const TrackedFile& known,
                                         const Candidate& candidate) const;
  // Of a candidate that is another file: up to the end of the first line that differs; 0: none
  // does, or it is too early to tell.
  uint32_t DecidingLength(const TrackedFile& known, const Candidate& candidate) const;
  // The same of one whose known file is gone, and cannot be compared: all of a short one that does
  // not have what was read last.
  uint32_t LengthWithoutKnown(const TrackedFile& known, const Candidate& candidate) const;
  // No path led to it in the last pass, and it is not open.
  static bool IsGone(const TrackedFile& known);
  // Whether what was set aside has not changed for a while.
  bool IsQuiet(const InodeKey& key, const os::FileInfo& info) const;
  // The candidate is not read for now: it is a copy of `like`, or cannot be told from it yet.
  void SetAside(size_t flow, const Candidate& candidate, const TrackedFile& like);
  bool IsCopy(const TrackedFile& known, const Candidate& candidate) const;
  void NoteWaiting(size_t flow, const std::string& path, const TrackedFile& like);
  // Whether it begins as the known file does.
  static bool Matches(const TrackedFile& known, const Candidate& candidate);
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
  // A file without a name that is read no more.
  void FollowGone(TrackedFile& file, int64_t now);
  void CloseIdle(TrackedFile& file, int64_t now);
  void Forget();
  void NoteName(TrackedFile& file, const std::string& path);
  void NoteRenamed(TrackedFile& file);
  void ForgetInode(const TrackedFile& file);
  void Complain(size_t flow, const std::string& path, const Error& error);
  void NoteLost(TrackedFile& file);
  void NoteLimit(size_t flow, const std::string& path);
  static bool HoldsWhatWasRead(const TrackedFile& file);
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
  uint64_t next_slot_ = 1;
  TrailBounds bounds_;
  bool limit_reported_ = false;
  FileProblems problems_;
  bool first_look_ = true;
  bool decides_ = false;
  bool found_ = false;  // a file, in this pass
};

}  // namespace tarn::agent
