#include "agent/tracked_file.h"

#include <algorithm>

#include "agent_wire/batch.h"

namespace tarn::agent {
namespace {

constexpr uint64_t kTailBytes = 1 << 20;  // looked at for the last newline

}  // namespace

Ladder Below(Ladder ladder, uint64_t end) {
  std::erase_if(ladder, [&](const Rung& rung) { return rung.length > end; });
  return ladder;
}

bool IsSpent(const TrackedFile& file) {
  return file.problem && file.problem->kind == ProblemKind::kDamaged;
}

bool IsReadToTheCut(const TrackedFile& file) {
  return file.problem && file.problem->kind == ProblemKind::kWaits && file.size == file.stuck_size;
}

void NoteSize(TrackedFile& file, uint64_t size, int64_t now) {
  if (IsSpent(file)) {
    size = file.read_offset;
  } else if (file.reader->compressed() && !file.reader->complete()) {
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

bool IsInode(const TrackedFile& known, const os::FileInfo& info) {
  return info.device == known.state.device && info.inode == known.state.inode;
}

Result<std::optional<uint64_t>> EndOfLines(LogReader& reader, uint64_t begin, uint64_t end) {
  std::string bytes(static_cast<size_t>(end - begin), '\0');
  TARN_ASSIGN_OR_RETURN(const size_t count, reader.Read(begin, bytes));
  const size_t newline = std::string_view(bytes).substr(0, count).rfind('\n');
  if (newline == std::string_view::npos) return std::optional<uint64_t>();
  return std::optional(begin + newline + 1);
}

uint64_t TailOf(uint64_t size) { return size > kTailBytes ? size - kTailBytes : 0; }

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

}  // namespace tarn::agent
