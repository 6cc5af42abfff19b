#include "agent/file_table.h"

#include <algorithm>

#include "agent_wire/batch.h"

namespace tarn::agent {
namespace {

constexpr int64_t kSearchMicros = 2'000'000;         // a fresh orphan is looked for this often
constexpr int64_t kLateSearchMicros = 60'000'000;    // an old one
constexpr int64_t kFreshOrphanMicros = 600'000'000;  // fresh until then
constexpr int64_t kLostAfterMicros = 30'000'000;     // then a person is told
constexpr size_t kMaxComplaints = 1'000;
constexpr uint64_t kTailBytes = 1 << 20;  // looked at for the last newline

std::string_view NameOf(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// "access" of access.log, access_log-20261124 and access.log.1.gz.
std::string_view StemOf(std::string_view name) {
  return name.substr(0, std::max<size_t>(name.find_first_of(".-_", 1), 1));
}

// What a ladder says of the bytes before `end`.
Ladder Below(Ladder ladder, uint64_t end) {
  std::erase_if(ladder, [&](const Rung& rung) { return rung.length > end; });
  return ladder;
}

// A look at the open file: its growth and what is pending.
void NoteSize(TrackedFile& file, uint64_t size, int64_t now) {
  if (file.reader->compressed() && !file.reader->complete()) {
    size = std::max(size, file.read_offset + 1);
  }
  if (size > file.size || file.last_growth == 0) file.last_growth = std::max<int64_t>(now, 1);
  file.size = size;
  if (!file.reader->compressed()) file.state.size = size;
  if (size <= file.read_offset) {
    file.pending_since = 0;
  } else if (file.pending_since == 0) {
    file.pending_since = std::max<int64_t>(now, 1);
  }
}

// Whether the reader's file is the known one: at its beginning, at every rung, and right before the
// place where reading goes on. Nullopt: the disk's trouble.
std::optional<bool> IsSame(LogReader& reader, const TrackedFile& file) {
  const FileState& state = file.state;
  const uint32_t top = state.ladder.empty() ? 0 : state.ladder.back().length;
  std::string head(std::max(state.head_length, top), '\0');
  const auto count = reader.Read(0, head);
  if (!count.ok()) return std::nullopt;
  head.resize(*count);
  if (head.size() < state.head_length || HeadHash(head, state.head_length) != state.head_hash) {
    return false;
  }
  for (const Rung& rung : state.ladder) {
    if (head.size() < rung.length || HeadHash(head, rung.length) != rung.hash) return false;
  }
  const auto size = reader.Size();
  if (!size.ok()) return std::nullopt;
  if (!reader.compressed() && *size < std::max(file.read_offset, file.anchor().end)) return false;
  return HoldsAnchor(reader, file.anchor());
}

// Where a file goes on after the machine started anew.
struct Place {
  Likeness likeness = Likeness::kUnsure;  // the disk's trouble, or it is still being compressed
  uint64_t offset = 0;
  bool whole = false;  // all that was read is there
};

// What was acknowledged last may be gone from the log, and other bytes may stand there.
Place PlaceOf(LogReader& reader, const TrackedFile& file) {
  const FileState& state = file.state;
  const std::optional<bool> same = IsSame(reader, file);
  if (same.value_or(false)) return {Likeness::kSame, file.read_offset, true};
  if (!same && !(reader.compressed() && reader.complete())) return {};
  const std::optional<uint64_t> intact = IntactEnd(reader, state.trail);
  const uint64_t end = std::min(intact.value_or(0), file.read_offset);
  std::string head(kHeadBytes, '\0');
  const auto count = reader.Read(0, head);
  if (!count.ok()) return {};
  head.resize(*count);
  const bool begins_so = end > state.head_length &&
                         HeadHash(head, state.head_length) == state.head_hash &&
                         Compare(Below(state.ladder, end), LadderOf(head)) == Likeness::kSame;
  return {begins_so ? Likeness::kSame : Likeness::kDifferent, end, false};
}

void GrowLadder(TrackedFile& file) {
  if (!file.state.ladder.empty() && file.state.ladder.back().length == kHeadBytes) return;
  std::string head(kHeadBytes, '\0');
  const auto count = file.reader->Read(0, head);
  if (!count.ok()) return;
  Ladder ladder = LadderOf(std::string_view(head).substr(0, *count));
  if (Compare(file.state.ladder, ladder) == Likeness::kSame) file.state.ladder = std::move(ladder);
}

// Whether `info` is of the inode the known file was last seen at.
bool IsInode(const TrackedFile& known, const os::FileInfo& info) {
  return info.device == known.state.device && info.inode == known.state.inode;
}

// Where the last line that ends in these bytes of a plain file does; nullopt if none does.
Result<std::optional<uint64_t>> EndOfLines(LogReader& reader, uint64_t begin, uint64_t end) {
  std::string bytes(static_cast<size_t>(end - begin), '\0');
  TARN_ASSIGN_OR_RETURN(const size_t count, reader.Read(begin, bytes));
  const size_t newline = std::string_view(bytes).substr(0, count).rfind('\n');
  if (newline == std::string_view::npos) return std::optional<uint64_t>();
  return std::optional(begin + newline + 1);
}

// Where the last bytes of a file begin that are looked at for the end of a line.
uint64_t TailOf(uint64_t size) { return size > kTailBytes ? size - kTailBytes : 0; }

}  // namespace

uint64_t BytesBehind(os::FileSystem& files, const FileState& state, uint64_t size) {
  if (state.finished || size <= state.acked) return 0;
  const uint64_t all = size - state.acked;
  os::FileInfo info;
  info.device = state.device;
  info.inode = state.inode;
  const auto reader = OpenLog(files, state.path, info);
  if (!reader.ok() || (*reader)->compressed()) return all;
  const auto end = EndOfLines(**reader, std::max(TailOf(size), state.acked), size);
  if (!end.ok()) return all;
  if (*end) return **end - state.acked;
  return all < agent_wire::kMaxLineBytes ? 0 : all;  // a longer line goes in pieces
}

void FileTable::Load(const std::vector<FileState>& states, bool first_start) {
  for (size_t flow = 0; flow < flows_.size(); ++flow) {
    if (first_start) first_pass_.insert(flow);
  }
  for (const FileState& state : states) {
    const auto flow = std::find_if(flows_.begin(), flows_.end(),
                                   [&](const FlowSettings& f) { return f.source == state.source; });
    if (flow == flows_.end()) {
      FileState& parked = parked_[next_slot_] = state;
      bounds_.Fit(next_slot_++, parked.trail);
      continue;
    }
    TrackedFile& file = tracked_[next_slot_];
    file.slot = next_slot_;
    file.state = state;
    bounds_.Fit(file.slot, file.state.trail);
    file.flow = static_cast<size_t>(flow - flows_.begin());
    file.read_offset = state.acked;
    file.line_begin = state.line_begin;
    if (state.boot == boot_) file.state.ended = false;
    if (Rebooted(state)) {  // disks may be numbered otherwise now
      const auto info = files_.Stat(state.path);
      if (info.ok() && info->inode == state.inode) file.state.device = info->device;
    }
    by_inode_[KeyOf(file)] = next_slot_++;
  }
}

std::vector<FileState> FileTable::States() const {
  std::vector<FileState> states;
  states.reserve(parked_.size() + tracked_.size());
  for (const auto& [slot, state] : parked_) states.push_back(state);
  for (const auto& [slot, file] : tracked_) states.push_back(file.state);
  return states;
}

void FileTable::NoteEnd() {
  for (auto& [slot, file] : tracked_) {
    if (file.state.boot != boot_) continue;
    file.state.ended = true;
    file.state.anchor = Anchor(file.anchor());  // of batches that have no answer too
  }
}

TrackedFile* FileTable::Find(uint64_t slot) {
  const auto found = tracked_.find(slot);
  return found == tracked_.end() ? nullptr : &found->second;
}

void FileTable::Remember(TrackedFile& file, Piece piece) {
  file.state.trail.push_back(std::move(piece));
  bounds_.Fit(file.slot, file.state.trail);
}

// Another file may have got the inode meanwhile.
void FileTable::ForgetInode(const TrackedFile& file) {
  const auto key = by_inode_.find(KeyOf(file));
  if (key != by_inode_.end() && &tracked_.at(key->second) == &file) by_inode_.erase(key);
}

void FileTable::Complain(const std::string& path, const Error& error) {
  if (complained_.size() >= kMaxComplaints) complained_.clear();
  if (complained_.insert(path + error.message()).second) events_.FileUnreadable(path, error);
}

void FileTable::Discover() {
  folders_.clear();
  RecheckRebooted();
  for (auto& [slot, file] : tracked_) file.present = false;
  for (size_t flow = 0; flow < flows_.size(); ++flow) {
    std::vector<std::string> unreadable;
    const auto paths = ExpandGlobs(files_, flows_[flow].paths, kMaxFiles, &unreadable);
    for (const std::string& text : unreadable) Complain(text, PermissionDenied(text));
    for (const std::string& path : paths) Visit(flow, path);
    // A folder that has no file yet is watched as well, if its name is no pattern.
    for (const std::string& pattern : flows_[flow].paths) {
      const std::string folder = os::ParentOf(pattern);
      if (folder.find_first_of("*?[") == std::string::npos) folders_.insert(folder);
    }
  }
  first_pass_.clear();
  AfterPass();
}

// Before anything is taken for a copy of theirs, or they for lost.
void FileTable::RecheckRebooted() {
  for (auto& [slot, file] : tracked_) {
    if (file.orphan || !Rebooted(file.state)) continue;
    const auto info = files_.Stat(file.state.path);
    if (info.ok() && IsInode(file, *info)) Recheck(file, file.state.path, *info);
  }
}

void FileTable::Visit(size_t flow, const std::string& path) {
  auto info = files_.Stat(path);
  if (!info.ok()) {
    if (info.error().code() != Code::kNotFound) Complain(path, info.error());
    return;
  }
  if (info->is_directory) return;
  folders_.insert(os::ParentOf(path));
  const InodeKey key{flow, info->device, info->inode};
  if (const auto known = by_inode_.find(key); known != by_inode_.end()) {
    Recheck(tracked_.at(known->second), path, *info);
    if (by_inode_.contains(key)) return;  // still that file; else its inode has other bytes now
  }
  if (info->size == 0) return;
  const auto glimpse = copies_.find(key);
  if (glimpse != copies_.end() && glimpse->second == Glimpse{info->size, info->modified}) return;
  Identify(flow, {path, *info, nullptr, {}, {}});
}

void FileTable::NoteRenamed(TrackedFile& file) {
  file.state.renamed = true;
  file.left_at = clock_.MonotonicMicros();
  file.next_try = 0;
}

// More than one path may lead to it; renamed it is once the old one leads elsewhere.
void FileTable::NoteName(TrackedFile& file, const std::string& path) {
  if (file.state.path == path) return;
  const auto old = files_.Stat(file.state.path);
  if (!old.ok() || !IsInode(file, *old)) NoteRenamed(file);
  file.state.path = path;
}

std::optional<bool> FileTable::Reopen(TrackedFile& file, const std::string& path,
                                      const os::FileInfo& info) {
  auto reader = OpenLog(files_, path, info);
  if (!reader.ok()) {
    if (reader.error().code() != Code::kConflict) Complain(path, reader.error());
    return std::nullopt;
  }
  // The inode may have gone to another file, plain or compressed, while this one was closed.
  std::optional<bool> same;
  if ((*reader)->compressed()) {
    same = IsSame(**reader, file).value_or(true);
  } else {
    same = Rebooted(file.state) ? GoOn(file, **reader) : IsSame(**reader, file);
  }
  if (!same) return std::nullopt;
  if (!*same) return false;
  NoteBoot(file);
  file.reader = *std::move(reader);
  return true;
}

std::optional<bool> FileTable::GoOn(TrackedFile& file, LogReader& reader) {
  const Place place = PlaceOf(reader, file);
  if (place.likeness == Likeness::kUnsure) return std::nullopt;
  if (place.likeness == Likeness::kDifferent) return false;
  FileState& state = file.state;
  if (state.ended && place.whole) return true;  // as after any restart
  const auto anchor = AnchorAt(reader, place.offset);
  if (!anchor.ok()) return std::nullopt;
  if (place.offset < state.acked) {
    events_.FileShortened(state.path, state.file_id, state.acked, place.offset);
  }
  state.ladder = Below(std::move(state.ladder), place.offset);
  state.anchor = *anchor;
  CutTrail(reader, state.trail, *anchor);
  bounds_.Fit(file.slot, state.trail);
  if (state.acked != place.offset) state.line_begin.reset();
  state.acked = place.offset;
  state.file_id = NextFileId(state.file_id, boot_);
  state.finished = false;
  file.read_offset = place.offset;
  file.line_begin = state.line_begin;
  return true;
}

void FileTable::Recheck(TrackedFile& file, const std::string& path, const os::FileInfo& info) {
  const bool unchanged = info.size == file.size && info.modified == file.modified;
  if (!unchanged && !file.reader) {
    const auto same = Reopen(file, path, info);
    if (!same) return;  // looked at again in the next pass
    if (!*same) return Detach(file);
  }
  if (!unchanged && !CheckIntact(file)) return;
  file.present = true;
  file.gone_since = 0;
  NoteName(file, path);
  file.state.last_seen = clock_.Now();
  if (unchanged) return;
  file.modified = info.modified;
  if (file.reader->compressed() && file.state.finished) {
    file.reader.reset();
    file.size = info.size;
    return;
  }
  const auto size = file.reader->Size();
  if (!size.ok()) return Complain(file.state.path, size.error());
  NoteSize(file, *size, clock_.MonotonicMicros());
  if (file.size > file.state.acked) file.state.finished = false;
  if (!file.reader->compressed()) GrowLadder(file);
}

void FileTable::RefreshSizes() {
  const int64_t now = clock_.MonotonicMicros();
  for (auto& [slot, file] : tracked_) {
    if (!file.reader) continue;
    const auto size = file.reader->Size();
    if (!size.ok()) {
      Complain(file.state.path, size.error());
    } else if (*size < file.read_offset && !file.reader->compressed()) {
      Detach(file);
    } else {
      NoteSize(file, *size, now);
    }
  }
}

bool FileTable::CheckIntact(TrackedFile& file) {
  if (!file.reader) return false;
  if (file.reader->compressed()) return true;
  const bool intact = IsSame(*file.reader, file).value_or(true);
  if (!intact) Detach(file);
  return intact;
}

void FileTable::Detach(TrackedFile& file) {
  events_.FileTruncated(file.state.path, file.state.file_id, file.read_offset);
  ForgetInode(file);
  file.reader.reset();
  file.orphan = true;
  file.present = false;
  file.pending_since = 0;
  file.next_search = 0;
  // What looked like a copy may now be the only place of the rest.
  std::erase_if(copies_, [&](const auto& entry) { return std::get<0>(entry.first) == file.flow; });
}

void FileTable::Finish(TrackedFile& file) {
  file.reader.reset();
  file.state.finished = true;
  file.orphan = false;
  file.pending_since = 0;
  events_.FileFinished(file.state.path, file.state.file_id, file.state.acked);
}

Result<bool> FileTable::Load(Candidate& candidate) {
  TARN_ASSIGN_OR_RETURN(candidate.reader, OpenLog(files_, candidate.path, candidate.info));
  candidate.head.resize(kHeadBytes);
  TARN_ASSIGN_OR_RETURN(const size_t count, candidate.reader->Read(0, candidate.head));
  candidate.head.resize(count);
  candidate.ladder = LadderOf(candidate.head);
  return BaseHeadLength(candidate.head) > 0;
}

bool FileTable::Matches(const FileState& state, const Candidate& candidate) const {
  return state.head_length <= candidate.head.size() &&
         HeadHash(candidate.head, state.head_length) == state.head_hash;
}

bool FileTable::Contradicts(const TrackedFile& known, const Candidate& candidate) {
  if (candidate.reader->compressed()) return false;
  const uint64_t read_to = std::max(known.read_offset, known.anchor().end);
  if (candidate.info.size < read_to) return IsInode(known, candidate.info);
  return !HoldsAnchor(*candidate.reader, known.anchor()).value_or(true);
}

Likeness FileTable::LikenessOf(const TrackedFile& known, const Candidate& candidate) const {
  if (Rebooted(known.state)) return PlaceOf(*candidate.reader, known).likeness;
  const Likeness likeness = Compare(known.state.ladder, candidate.ladder);
  const bool same = likeness == Likeness::kSame;
  return same && Contradicts(known, candidate) ? Likeness::kDifferent : likeness;
}

// The candidate begins as `known` does and is another file: finds what tells their ids apart.
void FileTable::TellApart(const TrackedFile& known, const Candidate& candidate, Verdict& verdict) {
  uint32_t telling = TellingLength(known.state.ladder, candidate.ladder);
  const Anchor& anchor = known.anchor();
  if (telling == 0 && anchor.end <= candidate.head.size() &&
      !HoldsAnchor(*candidate.reader, anchor).value_or(true)) {
    telling = static_cast<uint32_t>(anchor.end);  // the heads differ before it
  }
  if (telling == 0 && candidate.head.size() == kHeadBytes) {
    telling = kHeadBytes;
    verdict.told_at = std::min(std::max(known.read_offset, anchor.end), candidate.info.size);
  }
  verdict.unsure |= telling == 0;
  verdict.head_length = std::max(verdict.head_length, telling);
}

FileTable::Verdict FileTable::Judge(size_t flow, const Candidate& candidate) const {
  Verdict verdict;
  verdict.head_length = static_cast<uint32_t>(BaseHeadLength(candidate.head));
  for (auto& [slot, file] : tracked_) {
    if (file.flow != flow || !Matches(file.state, candidate)) continue;
    switch (LikenessOf(file, candidate)) {
      case Likeness::kSame:
        if (verdict.known == nullptr ||
            verdict.known->state.head_length <= file.state.head_length) {
          verdict.known = const_cast<TrackedFile*>(&file);
        }
        break;
      case Likeness::kUnsure:
        verdict.unsure = true;
        break;
      case Likeness::kDifferent:
        TellApart(file, candidate, verdict);
        break;
    }
  }
  return verdict;
}

void FileTable::Identify(size_t flow, Candidate candidate) {
  const auto identifiable = Load(candidate);
  if (!identifiable.ok()) {
    const Code code = identifiable.error().code();
    if (code != Code::kConflict && code != Code::kNotFound) {
      Complain(candidate.path, identifiable.error());
    }
    return;
  }
  if (!*identifiable) return;
  Verdict verdict = Judge(flow, candidate);
  if (verdict.known != nullptr) {
    if (Continue(*verdict.known, candidate)) return;
    // It is longer than the living file that begins the same: another one.
    const uint32_t telling = TellingLength(verdict.known->state.ladder, candidate.ladder);
    verdict.unsure = telling == 0;
    verdict.head_length = std::max(verdict.head_length, telling);
  }
  if (verdict.unsure) {
    copies_[{flow, candidate.info.device, candidate.info.inode}] = {candidate.info.size,
                                                                    candidate.info.modified};
    return;
  }
  Add(flow, std::move(candidate), verdict);
}

bool FileTable::Continue(TrackedFile& known, Candidate& candidate) {
  const auto note_copy = [&] {
    copies_[{known.flow, candidate.info.device, candidate.info.inode}] = {candidate.info.size,
                                                                          candidate.info.modified};
    return true;
  };
  // The file itself, whose inode another state claimed meanwhile, is no copy.
  if (!IsInode(known, candidate.info)) {
    if (IsAlive(known)) {
      if (candidate.reader->compressed() || known.reader->compressed()) return note_copy();
      const auto size = known.reader->Size();
      return size.ok() && candidate.info.size <= *size ? note_copy() : false;
    }
    if (!Rebooted(known.state)) {
      const Likeness likeness = RestOf(known, candidate);
      if (likeness == Likeness::kUnsure) return note_copy();
      if (likeness == Likeness::kDifferent) return false;
    }
  }
  return Adopt(known, candidate) || note_copy();
}

bool FileTable::IsAlive(TrackedFile& known) {
  if (known.reader == nullptr) {
    const auto info = files_.Stat(known.state.path);
    if (known.orphan || !info.ok() || !IsInode(known, *info)) return false;
    if (!Reopen(known, known.state.path, *info).value_or(false)) return false;
  }
  return CheckIntact(known);
}

Likeness FileTable::RestOf(const TrackedFile& known, const Candidate& candidate) {
  if (candidate.reader->compressed()) {
    if (known.state.finished) return Likeness::kUnsure;
    const auto holds = HoldsAnchor(*candidate.reader, known.anchor());
    if (!holds) return Likeness::kUnsure;  // it is being written
    return *holds ? Likeness::kSame : Likeness::kDifferent;
  }
  const bool nothing_more = known.state.finished && candidate.info.size <= known.state.acked;
  return candidate.info.size < known.read_offset || nothing_more ? Likeness::kUnsure
                                                                 : Likeness::kSame;
}

bool FileTable::Adopt(TrackedFile& file, Candidate& candidate) {
  if (Rebooted(file.state) && !GoOn(file, *candidate.reader).value_or(false)) return false;
  ForgetInode(file);
  // A copy under another name is what a rotation leaves: nobody writes its last line on.
  if (candidate.path != file.state.path && !IsInode(file, candidate.info)) NoteRenamed(file);
  NoteName(file, candidate.path);
  file.state.device = candidate.info.device;
  file.state.inode = candidate.info.inode;
  file.state.finished = false;
  NoteBoot(file);
  file.state.last_seen = clock_.Now();
  file.reader = std::move(candidate.reader);
  file.orphan = false;
  file.present = true;
  file.gone_since = 0;
  file.stuck_size = 0;
  file.modified = candidate.info.modified;
  by_inode_[KeyOf(file)] = file.slot;
  const auto size = file.reader->Size();
  file.last_growth = 0;
  if (size.ok()) NoteSize(file, *size, clock_.MonotonicMicros());
  events_.FileContinues(file.state.path, file.state.file_id, file.read_offset);
  return true;
}

void FileTable::Add(size_t flow, Candidate candidate, const Verdict& verdict) {
  const uint32_t head_length = verdict.head_length;
  std::string named = candidate.head.substr(0, head_length);
  if (verdict.told_at > 0) {
    std::string bytes(kAnchorBytes, '\0');
    const auto count = candidate.reader->Read(verdict.told_at - bytes.size(), bytes);
    if (!count.ok()) return Complain(candidate.path, count.error());
    named.append(bytes, 0, *count);
  }
  const std::string id = FileIdOf(flows_[flow].source, named);
  for (const auto& [slot, file] : tracked_) {
    if (file.flow == flow && file.state.file_id == id) return;
  }
  if (tracked_.size() >= kMaxFiles) {
    if (!limit_reported_) events_.LimitReached("files known at a time", kMaxFiles);
    limit_reported_ = true;
    return;
  }
  TrackedFile& file = tracked_[next_slot_];
  file.slot = next_slot_;
  file.flow = flow;
  file.state.source = flows_[flow].source;
  file.state.file_id = id;
  file.state.head_length = head_length;
  file.state.head_hash = HeadHash(candidate.head, head_length);
  file.state.ladder = candidate.ladder;
  by_inode_[{flow, candidate.info.device, candidate.info.inode}] = next_slot_++;
  file.state.path = candidate.path;
  file.state.device = candidate.info.device;
  file.state.inode = candidate.info.inode;
  file.state.boot = boot_;
  file.state.last_seen = clock_.Now();
  file.present = true;
  file.modified = candidate.info.modified;
  file.reader = std::move(candidate.reader);
  const bool from_end = first_pass_.contains(flow) && !flows_[flow].from_start;
  const auto size = file.reader->Size();
  if (from_end && file.reader->compressed()) return Finish(file);
  file.reader->Rest();  // others come first
  if (from_end && size.ok()) {
    const uint64_t tail = TailOf(*size);
    const auto end = EndOfLines(*file.reader, tail, *size);
    file.read_offset = end.ok() ? end->value_or(tail) : tail;
  }
  file.state.acked = file.read_offset;
  if (file.read_offset > 0) {
    const auto anchor = AnchorAt(*file.reader, file.read_offset);
    if (anchor.ok()) Remember(file, {anchor->end - anchor->length, *anchor, {}});
  }
  if (size.ok()) NoteSize(file, *size, clock_.MonotonicMicros());
  events_.FileFound(file.state.path, id, file.read_offset);
}

void FileTable::SearchOrphan(TrackedFile& file) {
  const std::string folder = os::ParentOf(file.state.path);
  const auto names = files_.List(folder);
  if (!names.ok()) return;
  const std::string stem(StemOf(NameOf(file.state.path)));
  std::vector<std::pair<std::string, os::FileInfo>> plain;
  std::vector<std::pair<std::string, os::FileInfo>> packed;
  size_t looked_at = 0;
  for (const std::string& name : *names) {
    if (!name.starts_with(stem) || ++looked_at > kMaxSiblings) continue;
    const std::string path = os::JoinPath(folder, name);
    const auto info = files_.Stat(path);
    if (!info.ok() || info->is_directory || info->size == 0) continue;
    if (IsInode(file, *info) && TrySibling(file, path, *info)) return;
    (name.ends_with(".gz") ? packed : plain).emplace_back(path, *info);
  }
  for (const auto& siblings : {plain, packed}) {
    for (const auto& [path, info] : siblings) {
      if (TrySibling(file, path, info)) return;
    }
  }
}

bool FileTable::TrySibling(TrackedFile& file, const std::string& path, const os::FileInfo& info) {
  const InodeKey key{file.flow, info.device, info.inode};
  const auto owner = by_inode_.find(key);
  if (owner != by_inode_.end() && &tracked_.at(owner->second) != &file) return false;
  Candidate candidate{path, info, nullptr, {}, {}};
  const auto identifiable = Load(candidate);
  if (!identifiable.ok() || !*identifiable || !Matches(file.state, candidate)) return false;
  if (Rebooted(file.state)) return Adopt(file, candidate);
  if (Compare(file.state.ladder, candidate.ladder) != Likeness::kSame) return false;
  if (!candidate.reader->compressed() && info.size < file.read_offset) return false;
  if (!HoldsAnchor(*candidate.reader, file.anchor()).value_or(false)) return false;
  return Adopt(file, candidate);
}

void FileTable::CloseIdle(TrackedFile& file, int64_t now) {
  const auto all_acked = [&] {
    return file.state.acked == file.read_offset && file.read_offset >= file.size;
  };
  if (!file.reader || !all_acked()) return;
  if (file.reader->compressed()) {
    if (file.reader->complete()) Finish(file);
  } else if (now - file.last_growth >= kLingerMicros) {
    // A file without a name may have grown since it was looked at.
    const auto size = file.reader->Size();
    if (size.ok()) NoteSize(file, *size, now);
    if (!all_acked()) return;
    if (file.present) {
      file.reader.reset();
    } else {
      Finish(file);
    }
  }
}

void FileTable::AfterPass() {
  const int64_t now = clock_.MonotonicMicros();
  for (auto& [slot, file] : tracked_) {
    const bool old = file.state.boot == boot_ && now - file.last_growth >= kTrailMicros;
    if (old && AgeTrail(file.state.trail)) bounds_.Fit(slot, file.state.trail);
    if (file.present) {
      CloseIdle(file, now);
      continue;
    }
    if (file.gone_since == 0) {
      file.gone_since = std::max<int64_t>(now, 1);
      file.left_at = now;
      file.next_try = 0;
    }
    CloseIdle(file, now);
    if (file.reader || file.state.finished) continue;
    if (!file.orphan) {
      file.orphan = true;
      ForgetInode(file);
    }
    if (now >= file.next_search) {
      const bool fresh = now - file.gone_since < kFreshOrphanMicros;
      file.next_search = now + (fresh ? kSearchMicros : kLateSearchMicros);
      SearchOrphan(file);
    }
    if (file.orphan && !file.reported_lost && file.state.size > file.state.acked &&
        now - file.gone_since >= kLostAfterMicros) {
      file.reported_lost = true;
      events_.FileLost(file.state.path, file.state.file_id, file.state.acked, file.state.size);
    }
  }
  Forget();
}

void FileTable::Forget() {
  const int64_t oldest = clock_.Now().micros - kForgetMicros;
  std::erase_if(parked_, [&](const auto& entry) {
    const bool forgotten = entry.second.last_seen.micros < oldest;
    if (forgotten) bounds_.Forget(entry.first);
    return forgotten;
  });
  for (auto it = tracked_.begin(); it != tracked_.end();) {
    const TrackedFile& file = it->second;
    if (!file.present && !file.reader && file.state.last_seen.micros < oldest) {
      ForgetInode(file);
      bounds_.Forget(it->first);
      it = tracked_.erase(it);
    } else {
      ++it;
    }
  }
  if (copies_.size() > 2 * kMaxFiles) copies_.clear();
}

}  // namespace tarn::agent
