#include "journal/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "journal/log_journal.h"

namespace tarn::journal {
namespace {

// What a cursor meets in a segment that has another behind it.
Status ReadSealed(os::FileSystem& files, const std::string& path, uint64_t end) {
  TARN_ASSIGN_OR_RETURN(const auto file, files.Open(path, os::OpenMode::kRead));
  TARN_ASSIGN_OR_RETURN(const SegmentHeader header, ReadSegmentHeader(*file));
  SegmentScanner scanner(*file, header);
  while (scanner.tail().next < end) {
    TARN_ASSIGN_OR_RETURN(const auto record, scanner.Next(header.bytes));
    if (!record) return DamagedError(path, scanner.tail().offset, scanner.tail().next);
  }
  return {};
}

Result<uint64_t> EndOfLast(os::FileSystem& files, const std::string& path) {
  TARN_ASSIGN_OR_RETURN(const auto file, files.Open(path, os::OpenMode::kRead));
  TARN_ASSIGN_OR_RETURN(const SegmentHeader header, ReadSegmentHeader(*file));
  TARN_ASSIGN_OR_RETURN(const SegmentEnd end, FindEnd(*file, header));
  if (end.damaged) return DamagedError(path, end.tail.offset, end.tail.next);
  return end.next_after;
}

}  // namespace

Status RequireNext(uint64_t next, const Held& held) {
  if (next >= held.begin && next <= held.end) return {};
  return DataLoss(fmt::format(
      "the lake expects record {0} of the journal next, which holds {1} to {2}: records from {0} "
      "on are missing, if there were any; the lake has everything before. Restore the journal's "
      "folder; to go on without them, start with --accept-loss",
      next, held.begin, held.end));
}

Result<Held> Inspect(os::FileSystem& files, const std::string& folder,
                     std::optional<uint64_t> next) {
  TARN_ASSIGN_OR_RETURN(const auto numbers, ListSegments(files, folder));
  TARN_TRY(RequireSegments(folder, numbers, next.value_or(0)));
  std::vector<SegmentEntry> segments;
  for (const uint64_t number : numbers) {
    const SegmentEntry* before = segments.empty() ? nullptr : &segments.back();
    TARN_ASSIGN_OR_RETURN(const SegmentEntry entry, ReadEntry(files, folder, number, before));
    TARN_TRY(RequireWhole(files, folder, entry, before));
    segments.push_back(entry);
  }
  if (segments.empty()) return Held{};
  const auto path = [&](const SegmentEntry& segment) {
    return os::JoinPath(folder, SegmentName(segment.number));
  };
  Held held{.begin = segments.front().first, .end = 0};
  TARN_ASSIGN_OR_RETURN(held.end, EndOfLast(files, path(segments.back())));
  for (size_t i = 0; i + 1 < segments.size(); ++i) {
    const uint64_t end = segments[i + 1].first;
    if (end > next.value_or(0)) TARN_TRY(ReadSealed(files, path(segments[i]), end));
  }
  if (next) TARN_TRY(RequireNext(*next, held));
  return held;
}

}  // namespace tarn::journal
