#include "agent/file_table.h"

#include <fmt/format.h>

#include <algorithm>

namespace tarn::agent {
namespace {

constexpr int64_t kSearchMicros = 2'000'000;         // a fresh orphan is looked for this often
constexpr int64_t kLateSearchMicros = 60'000'000;    // an old one
constexpr int64_t kFreshOrphanMicros = 600'000'000;  // fresh until then
constexpr int64_t kLostAfterMicros = 30'000'000;     // then a person is told
constexpr int64_t kCutOffMicros = 60'000'000;        // a gzip file that is not written to

std::string_view NameOf(std::string_view path) { return path.substr(path.rfind('/') + 1); }

// "access" of access.log, access_log-20261124 and access.log.1.gz.
std::string_view StemOf(std::string_view name) {
  return name.substr(0, std::max<size_t>(name.find_first_of(".-_", 1), 1));
}

}  // namespace

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
    file.orphan = state.replaced;
    if (state.boot == boot_) file.state.ended = false;
    if (Rebooted(state)) {  // disks may be numbered otherwise now
      const auto info = files_.Stat(state.path);
      if (info.ok() && info->inode == state.inode) file.state.device = info->device;
    }
    if (!file.orphan) by_inode_[KeyOf(file)] = next_slot_;
    ++next_slot_;
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

void FileTable::Complain(size_t flow, const std::string& path, const Error& error) {
  const bool damaged = error.code() == Code::kDataLoss;
  problems_.Note({damaged ? ProblemKind::kDamaged : ProblemKind::kUnreadable, flows_[flow].source,
                  path, error});
}

void FileTable::SetProblem(TrackedFile& file, ProblemKind kind, Error error) {
  if (file.problem && file.problem->kind != kind) ClearProblem(file);
  file.problem = {kind, file.state.source, file.state.path, std::move(error), file.slot};
  problems_.Note(*file.problem);
}

void FileTable::ClearProblem(TrackedFile& file) {
  if (!file.problem) return;
  problems_.Drop(*file.problem);
  file.problem.reset();
}

void FileTable::Discover() {
  folders_.clear();
  problems_.BeginPass();
  RecheckRebooted();
  for (auto& [slot, file] : tracked_) file.present = false;
  for (size_t flow = 0; flow < flows_.size(); ++flow) Search(flow);
  first_pass_.clear();
  first_look_ = false;
  AfterPass();
  problems_.EndPass();
}

bool FileTable::Decide() {
  decides_ = true;
  found_ = false;
  std::erase_if(copies_, [](const auto& entry) { return entry.second.waits; });
  Discover();
  return found_;
}

void FileTable::Search(size_t flow) {
  const std::vector<std::string>& patterns = flows_[flow].paths;
  std::vector<GlobMatches> found;
  std::set<std::string> paths;
  for (const std::string& pattern : patterns) {
    found.push_back(ExpandGlob(files_, pattern, kMaxFiles + 1));
    paths.insert(found.back().paths.begin(), found.back().paths.end());
    for (const auto& [path, error] : found.back().failures) {
      if (decides_ || error.code() != Code::kNotFound) Complain(flow, path, error);
    }
    // A folder that has no file yet is watched as well, if its name is no pattern.
    const std::string folder = os::ParentOf(pattern);
    if (!HasWildcard(folder)) folders_.insert(folder);
  }
  std::set<std::string> folders;
  size_t visited = 0;
  for (const std::string& path : paths) {
    if (++visited > kMaxFiles) {
      NoteLimit(flow, path);
      break;
    }
    if (!Visit(flow, path)) folders.insert(path);
  }
  for (size_t i = 0; i < patterns.size(); ++i) {
    const bool none = std::ranges::all_of(
        found[i].paths, [&](const std::string& path) { return folders.contains(path); });
    const bool seen = std::ranges::all_of(found[i].failures, [](const auto& failure) {
      return failure.second.code() == Code::kNotFound;
    });
    if (first_look_ && none && seen) events_.NothingMatches(flows_[flow].source, patterns[i]);
    if (decides_ && folders.contains(patterns[i])) {
      Complain(flow, patterns[i], InvalidArgument(patterns[i] + " is a folder, no file"));
    }
  }
}

void FileTable::NoteLimit(size_t flow, const std::string& path) {
  if (!limit_reported_) events_.LimitReached("files known at a time", kMaxFiles);
  limit_reported_ = true;
  if (decides_) Complain(flow, path, ResourceExhausted("too many files are known already"));
}

// Before anything is taken for a copy of theirs, or they for lost.
void FileTable::RecheckRebooted() {
  for (auto& [slot, file] : tracked_) {
    if (file.orphan || !Rebooted(file.state)) continue;
    const auto info = files_.Stat(file.state.path);
    if (info.ok() && IsInode(file, *info)) Recheck(file, file.state.path, *info);
  }
}

bool FileTable::Visit(size_t flow, const std::string& path) {
  auto info = files_.Stat(path);
  if (!info.ok()) {
    if (info.error().code() != Code::kNotFound) Complain(flow, path, info.error());
    return true;
  }
  if (info->is_directory) return false;
  folders_.insert(os::ParentOf(path));
  const InodeKey key{flow, info->device, info->inode};
  if (const auto known = by_inode_.find(key); known != by_inode_.end()) {
    Recheck(tracked_.at(known->second), path, *info);
    if (by_inode_.contains(key)) return true;  // else its inode has other bytes now
  }
  if (info->size == 0) return true;
  const auto found = copies_.find(key);
  if (found != copies_.end() && found->second.size == info->size &&
      found->second.modified == info->modified) {
    const Glimpse& glimpse = found->second;
    if (!glimpse.waits) return true;
    const TrackedFile* like = Find(glimpse.like);
    const bool as_before = like != nullptr && like->read_offset == glimpse.like_end;
    const bool decidable = as_before && !glimpse.settled && IsGone(*like) && IsQuiet(key, *info);
    if (as_before && !decidable) {
      NoteWaiting(flow, path, *like);
      return true;
    }
  }
  Identify(flow, {path, *info, nullptr, {}, {}});
  return true;
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
    if (reader.error().code() != Code::kConflict) Complain(file.flow, path, reader.error());
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
  const bool written = info.modified != file.modified || info.size != file.disk_size;
  if (written && IsSpent(file)) {
    ClearProblem(file);
    file.reader.reset();
  }
  if (written && file.reader && file.reader->compressed()) {
    file.last_growth = std::max<int64_t>(clock_.MonotonicMicros(), 1);
    if (IsReadToTheCut(file)) file.next_try = 0;
  }
  const bool unchanged = info.size == file.size && info.modified == file.modified;
  if (!unchanged && !file.reader) {
    const auto same = Reopen(file, path, info);
    if (same && !*same) return Detach(file);
    if (!same) {  // looked at again in the next pass
      file.present = true;
      file.gone_since = 0;
      return;
    }
  }
  // Before the check: these bytes are the ones that are checked, or what they grew from.
  const auto size = file.reader ? file.reader->Size() : Result<uint64_t>(file.size);
  if (!unchanged && !CheckIntact(file)) return;
  file.present = true;
  file.gone_since = 0;
  NoteName(file, path);
  file.state.last_seen = clock_.Now();
  if (unchanged) return;
  file.modified = info.modified;
  file.disk_size = info.size;
  if (file.reader->compressed() && file.state.finished) {
    file.reader.reset();
    file.size = info.size;
    return;
  }
  if (!size.ok()) return Complain(file.flow, file.state.path, size.error());
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
      Complain(file.flow, file.state.path, size.error());
    } else if (!file.reader->compressed() && *size != file.size &&
               (*size < file.read_offset || !HoldsWhatWasRead(file))) {
      Detach(file);
    } else {
      NoteSize(file, *size, now);
    }
  }
}

// What a file has grown by may be another one's: it was truncated, and filled again past its size.
bool FileTable::HoldsWhatWasRead(const TrackedFile& file) {
  const Anchor& anchor = file.anchor();
  const auto same =
      anchor.length > 0 ? HoldsAnchor(*file.reader, anchor) : IsSame(*file.reader, file);
  return same.value_or(true);
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
  file.state.replaced = true;
  file.present = false;
  file.pending_since = 0;
  file.next_search = 0;
  ClearProblem(file);
  // What looked like a copy may now be the only place of the rest.
  for (auto& [key, glimpse] : copies_) {
    if (std::get<0>(key) != file.flow) continue;
    glimpse.waits = true;
    glimpse.like = 0;
  }
}

void FileTable::Finish(TrackedFile& file) {
  file.reader.reset();
  ClearProblem(file);
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
  if (BaseHeadLength(candidate.head) > 0) return true;
  if (const Error* damage = candidate.reader->damage()) return *damage;
  return decides_ && candidate.reader->complete() && !candidate.head.empty();
}

void FileTable::Identify(size_t flow, Candidate candidate) {
  const auto identifiable = Load(candidate);
  if (!identifiable.ok()) {
    const Code code = identifiable.error().code();
    if (code != Code::kNotFound && (code != Code::kConflict || decides_)) {
      Complain(flow, candidate.path, identifiable.error());
    }
    return;
  }
  if (!*identifiable) {
    const bool packed = candidate.reader->compressed() && !candidate.reader->complete();
    const int64_t still = clock_.Now().micros - candidate.info.modified.micros;
    if (packed && (decides_ || still >= kCutOffMicros)) {
      problems_.Note({ProblemKind::kWaits, flows_[flow].source, candidate.path, EndsTooSoon(0)});
    }
    return;
  }
  Verdict verdict = Judge(flow, candidate);
  if (verdict.known != nullptr) {
    if (Continue(*verdict.known, candidate)) return;
    // It is longer than the living file that begins the same: another one.
    const uint32_t telling = TellingLength(verdict.known->state.ladder, candidate.ladder);
    verdict.like = telling == 0 ? verdict.known : nullptr;
    verdict.head_length = std::max(verdict.head_length, telling);
  }
  if (verdict.like != nullptr) return SetAside(flow, candidate, *verdict.like);
  Add(flow, std::move(candidate), verdict);
}

bool FileTable::Continue(TrackedFile& known, Candidate& candidate) {
  const auto note_copy = [&] {
    SetAside(known.flow, candidate, known);
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
    const bool read = candidate.head.size() <= known.state.acked || known.state.acked == 0;
    if (known.state.finished && read) return Likeness::kUnsure;
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
  file.state.replaced = false;
  file.state.lost = false;
  ClearProblem(file);
  file.present = true;
  file.gone_since = 0;
  file.stuck_size = 0;
  file.modified = candidate.info.modified;
  file.disk_size = candidate.info.size;
  by_inode_[KeyOf(file)] = file.slot;
  const auto size = file.reader->Size();
  file.last_growth = 0;
  if (size.ok()) NoteSize(file, *size, clock_.MonotonicMicros());
  found_ = true;
  events_.FileContinues(file.state.path, file.state.file_id, file.read_offset);
  return true;
}

void FileTable::Add(size_t flow, Candidate candidate, const Verdict& verdict) {
  const uint32_t head_length = verdict.head_length;
  std::string named = candidate.head.substr(0, head_length);
  if (verdict.told_at > 0) {
    std::string bytes(kAnchorBytes, '\0');
    const auto count = candidate.reader->Read(verdict.told_at - bytes.size(), bytes);
    if (!count.ok()) return Complain(flow, candidate.path, count.error());
    named.append(bytes, 0, *count);
  }
  const std::string id = FileIdOf(flows_[flow].source, named);
  for (const auto& [slot, other] : tracked_) {
    if (other.flow == flow && other.state.file_id == id) return SetAside(flow, candidate, other);
  }
  if (tracked_.size() >= kMaxFiles) return NoteLimit(flow, candidate.path);
  for (auto& [slot, other] : tracked_) {
    if (other.flow == flow && IsInode(other, candidate.info)) other.state.replaced = true;
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
  file.disk_size = candidate.info.size;
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
  found_ = true;
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
  if (!identifiable.ok() || !*identifiable || !Matches(file, candidate)) return false;
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
  if (!file.reader) return;
  if (file.reader->compressed() && !file.reader->complete()) {
    // One that is not read yet, for whatever reason, is neither cut off nor damaged.
    const bool left = !file.present && now - file.left_at >= kLingerMicros;
    const bool read = IsSpent(file) || IsReadToTheCut(file);
    if (left && read && file.state.acked == file.read_offset) Finish(file);
    return;
  }
  if (!all_acked()) return;
  if (file.reader->compressed()) {
    Finish(file);
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
    if (file.problem) {
      file.problem->path = file.state.path;
      problems_.Note(*file.problem);
    }
    if (!file.present && file.gone_since == 0) {
      file.gone_since = std::max<int64_t>(now, 1);
      file.left_at = now;
      file.next_try = 0;
    }
    CloseIdle(file, now);
    if (!file.present && !file.reader && !file.state.finished) FollowGone(file, now);
  }
  Forget();
}

void FileTable::FollowGone(TrackedFile& file, int64_t now) {
  if (!file.orphan) {
    file.orphan = true;
    ForgetInode(file);
  }
  if (decides_ || now >= file.next_search) {
    const bool fresh = now - file.gone_since < kFreshOrphanMicros;
    file.next_search = now + (fresh ? kSearchMicros : kLateSearchMicros);
    SearchOrphan(file);
  }
  // What is handed out is not lost yet.
  if (file.orphan && !file.state.lost && file.state.size > file.read_offset &&
      (decides_ || now - file.gone_since >= kLostAfterMicros)) {
    NoteLost(file);
  }
}

void FileTable::NoteLost(TrackedFile& file) {
  FileState& state = file.state;
  state.lost = true;
  events_.FileLost(state.path, state.file_id, state.acked, state.size);
  SetProblem(file, ProblemKind::kLost,
             DataLoss(fmt::format("{} was gone before its end was sent: {} of its {} bytes were",
                                  state.path, state.acked, state.size)));
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
