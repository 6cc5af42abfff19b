#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "journal/log_journal.h"

namespace tarn::journal {
namespace {

constexpr std::string_view kSegmentPrefix = "segment-";
constexpr std::string_view kSparePrefix = "spare-";
constexpr std::string_view kSuffix = ".journal";

std::optional<uint64_t> NumberIn(std::string_view name, std::string_view prefix) {
  if (!name.starts_with(prefix) || !name.ends_with(kSuffix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  name.remove_suffix(kSuffix.size());
  return ParseUint64(name);
}

Status CheckOptions(const Options& options) {
  if (options.segment_bytes % 4'096 != 0 || options.segment_bytes < 8'192 ||
      options.segment_bytes > (1ULL << 31))
    return InvalidArgument("journal: segment_bytes must be a multiple of 4096 from 8192 to 2 GiB");
  if (options.max_bytes / 2 < options.segment_bytes)
    return InvalidArgument("journal: max_bytes must be at least two segments");
  if (options.max_record_bytes > options.segment_bytes - kSegmentHeaderBytes - kRecordHeaderBytes)
    return InvalidArgument("journal: max_record_bytes does not fit a segment");
  if (options.max_in_flight_bytes < StoredBytes(options.max_record_bytes))
    return InvalidArgument("journal: max_in_flight_bytes must hold a record of max_record_bytes");
  return {};
}

std::vector<uint64_t> SegmentsAmong(const std::vector<std::string>& names) {
  std::vector<uint64_t> numbers;
  for (const std::string& name : names) {
    if (const auto number = NumberIn(name, kSegmentPrefix)) numbers.push_back(*number);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

}  // namespace

std::string SegmentName(uint64_t number) {
  return fmt::format("{}{:012}{}", kSegmentPrefix, number, kSuffix);
}

std::string SpareName(uint64_t number) {
  return fmt::format("{}{:012}{}", kSparePrefix, number, kSuffix);
}

Error DamagedError(const std::string& path, uint64_t offset, uint64_t number) {
  return DataLoss(
      fmt::format("{}, offset {}: record {} was stored and cannot be read any more; restore the "
                  "file from a copy, or start with --accept-loss to go on without what is damaged",
                  path, offset, number));
}

Result<std::vector<uint64_t>> ListSegments(os::FileSystem& files, const std::string& folder) {
  const auto names = files.List(folder);
  if (names.ok()) return SegmentsAmong(*names);
  if (names.error().code() == Code::kNotFound) return std::vector<uint64_t>();
  return names.error();
}

Status RequireSegments(const std::string& folder, const std::vector<uint64_t>& numbers,
                       uint64_t resume_at) {
  if (resume_at == 0 || !numbers.empty()) return {};
  return DataLoss(fmt::format(
      "{0}: the journal is gone or has no segment, and the lake expects record {1} next: records "
      "from {1} on are missing, if there were any; the lake has everything before. Restore the "
      "folder from a copy; to go on without, start with --accept-loss",
      folder, resume_at));
}

Result<SegmentEntry> ReadEntry(os::FileSystem& files, const std::string& folder, uint64_t number,
                               const SegmentEntry* before) {
  const std::string path = os::JoinPath(folder, SegmentName(number));
  if (const auto info = files.Stat(path); info.ok() && info->is_directory) {
    return DataLoss(fmt::format(
        "{} is a folder, not a segment; move it away and restore the file from a copy, or start "
        "with --accept-loss to set it aside",
        path));
  }
  TARN_ASSIGN_OR_RETURN(const auto file, files.Open(path, os::OpenMode::kRead));
  TARN_ASSIGN_OR_RETURN(const std::string bytes, file->ReadAt(0, kSegmentHeaderBytes));
  auto header = ParseSegmentHeader(bytes);
  if (!header.ok() && header.error().code() == Code::kUnsupported)
    return std::move(header).error().In(path);
  const bool good = header.ok() && header->number == number && header->bytes <= (1ULL << 31) &&
                    (before == nullptr || header->first >= before->first);
  if (!good) {
    return DataLoss(fmt::format(
        "{}, offset 0: the segment's header is damaged, so none of its records can be read; "
        "restore the file from a copy, or start with --accept-loss to set it aside",
        path));
  }
  return SegmentEntry{.number = number, .first = header->first, .bytes = header->bytes};
}

Status RequireWhole(os::FileSystem& files, const std::string& folder, const SegmentEntry& segment,
                    const SegmentEntry* before) {
  const std::string path = os::JoinPath(folder, SegmentName(segment.number));
  TARN_ASSIGN_OR_RETURN(const os::FileInfo info, files.Stat(path));
  if (info.size < segment.bytes) {
    return DataLoss(fmt::format(
        "{}, offset {}: the file was cut off, it should have {} bytes; restore it from a copy, or "
        "start with --accept-loss to go on with what is left",
        path, info.size, segment.bytes));
  }
  if (before != nullptr && before->number + 1 != segment.number) {
    return DataLoss(
        fmt::format("{} is missing; restore it, or start with --accept-loss to go on without it",
                    os::JoinPath(folder, SegmentName(before->number + 1))));
  }
  return {};
}

Result<std::unique_ptr<Journal>> Journal::Open(const Environment& environment,
                                               const std::string& folder, const Options& options) {
  TARN_TRY(CheckOptions(options));
  auto journal = std::make_unique<LogJournal>(environment, folder, options);
  TARN_TRY(journal->Start());
  return std::unique_ptr<Journal>(std::move(journal));
}

Status LogJournal::Start() {
  const int64_t started = environment_.clock.MonotonicMicros();
  // Before anything is made: a start that is refused leaves no journal behind.
  if (!options_.accept_loss && options_.resume_at > 0) {
    TARN_ASSIGN_OR_RETURN(const auto numbers, ListSegments(environment_.files, folder_));
    TARN_TRY(RequireSegments(folder_, numbers, options_.resume_at));
  }
  TARN_TRY(environment_.files.CreateDirectories(folder_));
  auto lock = environment_.files.Lock(os::JoinPath(folder_, "LOCK"));
  if (!lock.ok()) return std::move(lock).error().In("journal");
  lock_ = std::move(lock).value();
  TARN_TRY(LoadSegments());
  const bool fresh = segments_.empty();
  // A rename an earlier process did not live to sync must not be undone once we build on it.
  TARN_TRY(environment_.files.SyncDirectory(folder_));
  if (fresh) {
    // Not 0 only if every segment was damaged and set aside: no position is given twice.
    durable_end_ = next_number_ * (options_.segment_bytes / kRecordHeaderBytes);
    TARN_TRY(OpenNextSegment());
  } else {
    TARN_TRY(OpenLast());
  }
  TellSetAside(std::nullopt);
  if (options_.accept_loss) TARN_TRY(ResumeAt(options_.resume_at));
  metrics_.SetSize(size_bytes());
  Recovered{.segments = segments_.size(),
            .begin = begin().value,
            .end = end().value,
            .torn = torn_,
            .micros = environment_.clock.MonotonicMicros() - started}
      .Emit(environment_.log, environment_.metrics);
  thread_ = os::Thread("journal-sync", [this] { Run(); });
  return {};
}

Status LogJournal::LoadSegments() {
  TARN_ASSIGN_OR_RETURN(const auto names, environment_.files.List(folder_));
  for (const std::string& name : names) {
    if (const auto number = NumberIn(name, kSparePrefix)) TARN_TRY(LoadSpare(name, *number));
    if (name == kNewName) TARN_TRY(environment_.files.Remove(os::JoinPath(folder_, name)));
  }
  for (const uint64_t number : SegmentsAmong(names)) {
    next_number_ = number + 1;
    TARN_TRY(LoadSegment(number));
  }
  return {};
}

// One of another size, or one too many, goes.
Status LogJournal::LoadSpare(const std::string& name, uint64_t number) {
  const std::string path = os::JoinPath(folder_, name);
  TARN_ASSIGN_OR_RETURN(const auto info, environment_.files.Stat(path));
  if (info.size != options_.segment_bytes || spares_.size() >= options_.max_spare_segments) {
    return environment_.files.Remove(path);
  }
  spares_.push_back({.number = number, .first = 0, .bytes = info.size});
  return {};
}

Status LogJournal::LoadSegment(uint64_t number) {
  const SegmentEntry* before = segments_.empty() ? nullptr : &segments_.back();
  const auto entry = ReadEntry(environment_.files, folder_, number, before);
  if (!entry.ok()) {
    if (entry.error().code() != Code::kDataLoss || !options_.accept_loss) return entry.error();
    return SetAside(number);
  }
  if (!options_.accept_loss) {
    TARN_TRY(RequireWhole(environment_.files, folder_, *entry, before));
  }
  TellSetAside(entry->first);
  segments_.push_back(*entry);
  return {};
}

Status LogJournal::SetAside(uint64_t number) {
  if (set_aside_.empty()) {
    set_aside_from_ = options_.resume_at;
    if (!segments_.empty()) {
      const std::string before = PathOf(segments_.back().number);
      TARN_ASSIGN_OR_RETURN(const auto file, environment_.files.Open(before, os::OpenMode::kRead));
      TARN_ASSIGN_OR_RETURN(const SegmentHeader header, ReadSegmentHeader(*file));
      TARN_ASSIGN_OR_RETURN(const SegmentEnd end, FindEnd(*file, header));
      set_aside_from_ = std::max(set_aside_from_, end.next_after);
    }
  }
  const std::string aside = os::JoinPath(folder_, "damaged-" + SegmentName(number));
  TARN_TRY(environment_.files.Rename(PathOf(number), aside));
  set_aside_.push_back(aside);
  return {};
}

// `next`: the first record behind them, if there is one.
void LogJournal::TellSetAside(std::optional<uint64_t> next) {
  if (set_aside_.empty()) return;
  AcceptLoss({.place = Join(set_aside_, ", "),
              .reason = "segments whose header is damaged were set aside, with all their records",
              .from = std::min(set_aside_from_, next.value_or(set_aside_from_)),
              .to = next});
  set_aside_.clear();
}

Status LogJournal::OpenLast() {
  const std::string path = PathOf(segments_.back().number);
  TARN_ASSIGN_OR_RETURN(auto file, environment_.files.Open(path, os::OpenMode::kReadWrite));
  TARN_ASSIGN_OR_RETURN(const SegmentHeader header, ReadSegmentHeader(*file));
  TARN_ASSIGN_OR_RETURN(const SegmentEnd end, FindEnd(*file, header));
  if (end.damaged && !options_.accept_loss)
    return DamagedError(path, end.tail.offset, end.tail.next);
  TARN_ASSIGN_OR_RETURN(const os::FileInfo info, environment_.files.Stat(path));
  const bool cut_off = info.size < header.bytes;
  // What readers have had, and what somebody took away, is no unfinished write.
  if (end.torn_bytes > 0 && !end.damaged && !cut_off && end.next_after >= options_.resume_at) {
    torn_ = TornTail{path, end.tail.offset, end.torn_bytes};
  }
  durable_end_ = end.next_after;
  durable_offset_ = end.tail.offset;
  const bool lost_last = next_number_ != segments_.back().number + 1;
  if (lost_last) {
    // More records than the segments set aside can have held, so that no position is given twice.
    durable_end_ = std::max(durable_end_, next_number_ * (header.bytes / kRecordHeaderBytes));
  }
  if (cut_off) {
    AcceptLoss({.place = path,
                .reason = "the file was cut off; what it held behind that is lost",
                .from = std::max(durable_end_, options_.resume_at),
                .to = std::nullopt});
  }
  if (end.damaged || lost_last || cut_off) return OpenNextSegment();
  TARN_TRY(RewriteLastBatch(*file, end.tail));
  TARN_ASSIGN_OR_RETURN(newest_, environment_.files.Stat(path));
  newest_path_ = path;
  writer_ = std::make_unique<SegmentWriter>(std::move(file), header, end.tail, epoch_);
  return {};
}

Status LogJournal::ResumeAt(uint64_t position) {
  if (durable_end_ >= position) return {};
  // What is before it was read, and is in the lake.
  AcceptLoss(
      {.place = folder_,
       .reason = "the journal ends before what the lake has; what may have come behind is lost",
       .from = position,
       .to = std::nullopt});
  durable_end_ = position;
  return OpenNextSegment();
}

// A process that died may have left its last batch in the page cache only, and after a failed sync
// even as if it were on disk. Writing it again and syncing makes it certain.
Status LogJournal::RewriteLastBatch(os::File& file, const Tail& tail) {
  constexpr uint64_t kChunk = 1U << 20;
  for (uint64_t offset = tail.batch_offset; offset < tail.offset; offset += kChunk) {
    TARN_ASSIGN_OR_RETURN(const std::string bytes,
                          file.ReadAt(offset, std::min(kChunk, tail.offset - offset)));
    TARN_TRY(file.WriteAt(offset, bytes));
  }
  return file.Sync();
}

}  // namespace tarn::journal
