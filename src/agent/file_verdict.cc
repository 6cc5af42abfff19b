// FileTable: which known file one on disk is, or begins as.
#include <fmt/format.h>

#include <algorithm>

#include "agent/file_table.h"

namespace tarn::agent {
namespace {

// What was not written to for so long is not written to any more.
constexpr int64_t kUnwrittenMicros = 60'000'000;

}  // namespace

bool FileTable::Matches(const TrackedFile& known, const Candidate& candidate) {
  const size_t length = known.state.head_length;
  const std::string& head = candidate.head;
  if (length > head.size() || HeadHash(head, length) != known.state.head_hash) return false;
  // Many files begin with what is no whole line: such a one is followed by its inode only.
  const size_t read = std::max(length, std::min<uint64_t>(known.read_offset, head.size()));
  return read >= kBaseHeadBytes || head.find('\n') < read || IsInode(known, candidate.info);
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

std::optional<FileTable::Comparison> FileTable::CompareHeads(const TrackedFile& known,
                                                             const Candidate& candidate) const {
  if (IsInode(known, candidate.info)) return std::nullopt;
  std::unique_ptr<LogReader> opened;
  LogReader* reader = known.reader.get();
  if (reader == nullptr || reader->compressed()) {  // which reads forward
    os::FileInfo info;
    info.device = known.state.device;
    info.inode = known.state.inode;
    if (known.orphan) return std::nullopt;
    auto log = OpenLog(files_, known.state.path, info);
    if (!log.ok()) return std::nullopt;
    opened = *std::move(log);
    reader = opened.get();
  }
  std::string head(kHeadBytes, '\0');
  const auto count = reader->Read(0, head);
  if (!count.ok()) return std::nullopt;
  head.resize(*count);
  const FileState& state = known.state;
  const bool begins_so = head.size() >= state.head_length &&
                         HeadHash(head, state.head_length) == state.head_hash &&
                         Compare(state.ladder, LadderOf(head)) == Likeness::kSame;
  if (!begins_so) return std::nullopt;
  if (!reader->compressed() && !IsSame(*reader, known).value_or(false)) return std::nullopt;
  const auto differ = std::ranges::mismatch(candidate.head, head);
  return Comparison{static_cast<size_t>(differ.in1 - candidate.head.begin()), head.size()};
}

bool FileTable::IsGone(const TrackedFile& known) {
  return known.reader == nullptr && known.gone_since != 0;
}

bool FileTable::IsQuiet(const InodeKey& key, const os::FileInfo& info) const {
  if (decides_) return true;
  const auto found = copies_.find(key);
  if (found == copies_.end()) return false;
  const Glimpse& glimpse = found->second;
  return glimpse.size == info.size && glimpse.modified == info.modified &&
         clock_.MonotonicMicros() - glimpse.since >= kUnwrittenMicros;
}

uint32_t FileTable::LengthWithoutKnown(const TrackedFile& known, const Candidate& candidate) const {
  const bool whole = !candidate.reader->compressed() || candidate.reader->complete();
  const InodeKey key{known.flow, candidate.info.device, candidate.info.inode};
  if (!whole || !IsQuiet(key, candidate.info)) return 0;
  if (decides_ && IsInode(known, candidate.info)) return 0;  // it is being written anew
  // A line after the first that both have is no heading: one of them is what the other was.
  const size_t size = candidate.head.size();
  const uint32_t common = candidate.ladder.empty() ? 0 : candidate.ladder.back().length;
  if (size >= kBaseHeadBytes || common > BaseHeadLength(candidate.head)) return 0;
  if (Rebooted(known.state) && PlaceOf(*candidate.reader, known).likeness != Likeness::kDifferent) {
    return 0;
  }
  return HoldsAnchor(*candidate.reader, known.anchor()).value_or(false)
             ? 0
             : static_cast<uint32_t>(size);
}

uint32_t FileTable::DecidingLength(const TrackedFile& known, const Candidate& candidate) const {
  if (IsGone(known)) return LengthWithoutKnown(known, candidate);
  if (!decides_) return 0;
  const auto heads = CompareHeads(known, candidate);
  if (!heads || heads->alike == candidate.head.size()) return 0;
  const size_t end = candidate.head.find('\n', heads->alike);
  return static_cast<uint32_t>(std::min(end, candidate.head.size() - 1) + 1);
}

bool FileTable::IsCopy(const TrackedFile& known, const Candidate& candidate) const {
  const size_t size = candidate.head.size();
  if (const auto heads = CompareHeads(known, candidate)) {
    if (heads->alike < size) return false;
    return size >= kFirstRung || heads->known_size == size;
  }
  const Anchor& anchor = known.anchor();
  if (size == kHeadBytes || size <= known.state.head_length) return true;
  if (known.state.finished && anchor.end == 0) return true;
  return anchor.end == size && HoldsAnchor(*candidate.reader, anchor).value_or(false);
}

void FileTable::SetAside(size_t flow, const Candidate& candidate, const TrackedFile& like) {
  const bool waits = !IsCopy(like, candidate);
  const os::FileInfo& info = candidate.info;
  Glimpse& glimpse = copies_[{flow, info.device, info.inode}];
  const bool changed = glimpse.size != info.size || glimpse.modified != info.modified;
  const int64_t now = clock_.MonotonicMicros();
  const int64_t since = changed ? now : glimpse.since;
  const bool settled = IsGone(like) && now - since >= kUnwrittenMicros;
  glimpse = {info.size, info.modified, like.slot, like.read_offset, waits, since, settled};
  if (waits) NoteWaiting(flow, candidate.path, like);
}

void FileTable::NoteWaiting(size_t flow, const std::string& path, const TrackedFile& like) {
  if (like.read_offset == 0 && !decides_) return;  // it is told once that is read
  problems_.Note({ProblemKind::kWaits, flows_[flow].source, path,
                  Unavailable(fmt::format("{} begins as {} does and is too short to be told from a "
                                          "copy of it; it is sent once it has grown",
                                          path, like.state.path))});
}

void FileTable::TellApart(const TrackedFile& known, const Candidate& candidate,
                          Verdict& verdict) const {
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
  if (telling == 0) telling = DecidingLength(known, candidate);
  if (telling == 0) verdict.like = &known;
  verdict.head_length = std::max(verdict.head_length, telling);
}

FileTable::Verdict FileTable::Judge(size_t flow, const Candidate& candidate) const {
  Verdict verdict;
  const size_t base = BaseHeadLength(candidate.head);
  verdict.head_length = static_cast<uint32_t>(base > 0 ? base : candidate.head.size());
  // Of files that both begin it, the one of which more was read is it. Contradicts has compared
  // what is before the anchor's end.
  const auto reach = [&](const TrackedFile& file) {
    const uint64_t end = file.anchor().end;
    const bool held = !candidate.reader->compressed() && end <= candidate.info.size;
    return std::pair(held ? end : 0, file.state.head_length);
  };
  for (auto& [slot, file] : tracked_) {
    if (file.flow != flow || !Matches(file, candidate)) continue;
    const Likeness likeness = LikenessOf(file, candidate);
    const bool told = likeness == Likeness::kDifferent;
    if (const uint32_t length = told ? 0 : DecidingLength(file, candidate)) {
      verdict.head_length = std::max(verdict.head_length, length);
      continue;
    }
    switch (likeness) {
      case Likeness::kSame:
        if (verdict.known == nullptr || reach(*verdict.known) <= reach(file)) {
          verdict.known = const_cast<TrackedFile*>(&file);
        }
        break;
      case Likeness::kUnsure:
        verdict.like = &file;
        break;
      case Likeness::kDifferent:
        TellApart(file, candidate, verdict);
        break;
    }
  }
  return verdict;
}

}  // namespace tarn::agent
