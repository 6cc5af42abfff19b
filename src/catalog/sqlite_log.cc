#include <fmt/format.h>

#include "base/bytes.h"
#include "catalog/sqlite_catalog_internal.h"
#include "catalog/sqlite_log_internal.h"

// SQLite reads its log up to the first frame that does not fit, and takes what lies behind for a
// commit that never ended. That is right only for the last one. The catalog's commits are made with
// `synchronous = FULL`: the log's header is synced before its first frame, and all frames of a
// commit before the next commit is begun (or an answer given). The last commit of a process that
// was killed may not be synced when the next one takes it for made, so whoever opens the catalog to
// write syncs the log first. A crash can therefore tear the frames of one commit, the last, which
// nobody was told of; whatever else does not fit is damage.
//
// The proof that a commit was there is another commit on top of it: each frame's checksum goes on
// from that of the frame before, so a commit whose frames fit onto the frame that ended another one
// was written by a process that had that other one for made. If both lie at or behind the first
// frame that does not fit, made commits are lost. Two ends of commits alone prove nothing: behind
// the last commit there may be frames of several that failed (each sync found the disk full, say),
// every one cut short by the next.
//
// The log's index (`-shm`) would know more, but reading it here is not safe: closing the file would
// let go of the locks that SQLite holds on it for this process.

namespace tarn::catalog {
namespace {

constexpr uint64_t kFrameHeaderBytes = 24;
constexpr uint32_t kMagic = 0x377f0682;  // one more: its checksums are of big-endian words
constexpr uint32_t kFormat = 3'007'000;
constexpr uint32_t kLeastPageBytes = 512;
constexpr uint32_t kMostPageBytes = 65'536;
constexpr uint64_t kSectorBytes = 512;  // a disk writes so much wholly or not at all
constexpr size_t kReadBytes = 1 << 20;
constexpr int kLooks = 5;

uint32_t BigEndianAt(std::string_view bytes, size_t offset) {
  return __builtin_bswap32(GetFixed<uint32_t>(bytes.substr(offset, 4).data()));
}

struct Checksum {
  uint32_t first = 0;
  uint32_t second = 0;
  bool operator==(const Checksum&) const = default;

  static Checksum At(std::string_view bytes, size_t offset) {
    return {BigEndianAt(bytes, offset), BigEndianAt(bytes, offset + 4)};
  }
  // `bytes` is a multiple of eight long.
  Checksum Then(std::string_view bytes, bool big_endian) const {
    Checksum sum = *this;
    for (size_t at = 0; at < bytes.size(); at += 8) {
      auto one = GetFixed<uint32_t>(bytes.data() + at);
      auto two = GetFixed<uint32_t>(bytes.data() + at + 4);
      if (big_endian) {
        one = __builtin_bswap32(one);
        two = __builtin_bswap32(two);
      }
      sum.first += one + sum.second;
      sum.second += two + sum.first;
    }
    return sum;
  }
};

struct LogHeader {
  bool big_endian = false;
  uint64_t frame_bytes = 0;
  uint64_t salts = 0;
  Checksum checksum;
};

std::optional<LogHeader> ParseLogHeader(std::string_view bytes) {
  if (bytes.size() < kLogHeaderBytes) return std::nullopt;
  const uint32_t magic = BigEndianAt(bytes, 0);
  const uint32_t page_bytes = BigEndianAt(bytes, 8);
  const bool fits = (magic | 1) == (kMagic | 1) && BigEndianAt(bytes, 4) == kFormat &&
                    page_bytes >= kLeastPageBytes && page_bytes <= kMostPageBytes &&
                    (page_bytes & (page_bytes - 1)) == 0;
  if (!fits) return std::nullopt;
  const LogHeader header{(magic & 1) != 0, kFrameHeaderBytes + page_bytes,
                         GetFixed<uint64_t>(bytes.data() + 16), Checksum::At(bytes, 24)};
  if (Checksum().Then(bytes.substr(0, 24), header.big_endian) != header.checksum) {
    return std::nullopt;
  }
  return header;
}

class LogScan {
 public:
  explicit LogScan(const LogHeader& header) : header_(header), before_(header.checksum) {}

  // The next frame of the file.
  void Take(std::string_view frame) {
    const uint64_t offset = std::exchange(offset_, offset_ + frame.size());
    const Checksum before = std::exchange(before_, Checksum::At(frame, 16));
    // Frames with other salts are of a log that was in the file before this one.
    const bool own =
        GetFixed<uint64_t>(frame.data() + 8) == header_.salts && BigEndianAt(frame, 0) != 0;
    const bool fits =
        own && before.Then(frame.substr(0, 8), header_.big_endian)
                       .Then(frame.substr(kFrameHeaderBytes), header_.big_endian) == before_;
    if (unread_from_ == 0 && fits) return;
    if (unread_from_ == 0) unread_from_ = offset;
    if (!fits) on_a_commit_ = false;
    // The mark of a commit is believed of a frame that is otherwise damaged, too, but not where a
    // sector ended between it and the checksum that the next frame goes on from: they may be of two
    // commits then, one of which failed.
    const bool one_sector = (offset + 8) % kSectorBytes != 0 && (offset + 16) % kSectorBytes != 0;
    const bool ends_commit = own && BigEndianAt(frame, 4) != 0 && (fits || one_sector);
    if (!ends_commit) return;
    damaged_ |= fits && on_a_commit_;
    on_a_commit_ = true;
  }

  std::optional<LogDamage> damage() const {
    if (!damaged_) return std::nullopt;
    return LogDamage{unread_from_, header_.salts};
  }

 private:
  const LogHeader header_;
  uint64_t offset_ = kLogHeaderBytes;
  Checksum before_;           // as it stands in the frame before, or in the header
  uint64_t unread_from_ = 0;  // SQLite reads nothing from there on; 0: it reads all
  bool on_a_commit_ = false;  // behind that: all frames fit since one that ended a commit
  bool damaged_ = false;
};

// Whatever keeps it from being read keeps SQLite from it, too, which then says so.
Result<std::optional<LogDamage>> LookAtLog(os::FileSystem& fs, const std::string& path) {
  const auto log = fs.Open(path, os::OpenMode::kRead);
  if (!log.ok()) return std::optional<LogDamage>();
  return FindLogDamage(**log);
}

Error LostCommits(const std::string& path, const LogDamage& damage) {
  const std::string what =
      damage.offset == 0
          ? "its header is damaged, and without it none of its commits can be read"
          : fmt::format("it is damaged at byte {}, and commits that were made lie behind",
                        damage.offset);
  return DataLoss(fmt::format(
      "{0}-wal: {1}; going on would make the lake older than it was. The lake's data "
      "files are not touched, and nothing was changed here. To go on: stop Tarn, keep a "
      "copy of {0} and {0}-wal, then put a backup of both in their place. Or, to go on without "
      "those commits, move {0}-wal and {0}-shm away and start once with --accept-loss: the catalog "
      "is then as at its last checkpoint (after a clean stop it has everything), and what the "
      "journal still has lands again (docs/operation.md, section Damage)",
      path, what));
}

}  // namespace

Result<std::optional<LogDamage>> FindLogDamage(const os::File& log) {
  TARN_ASSIGN_OR_RETURN(const std::string head, log.ReadAt(0, kLogHeaderBytes + 1));
  if (head.size() <= kLogHeaderBytes) return std::optional<LogDamage>();  // no frame
  const auto header = ParseLogHeader(head);
  // One sector is not torn, and it was synced before the first frame.
  if (!header) return std::optional(LogDamage{});
  LogScan scan(*header);
  const size_t read_bytes = kReadBytes / header->frame_bytes * header->frame_bytes;
  for (uint64_t offset = kLogHeaderBytes;; offset += read_bytes) {
    TARN_ASSIGN_OR_RETURN(const std::string bytes, log.ReadAt(offset, read_bytes));
    std::string_view rest = bytes;
    for (; rest.size() >= header->frame_bytes; rest.remove_prefix(header->frame_bytes)) {
      scan.Take(rest.substr(0, header->frame_bytes));
    }
    if (bytes.size() < read_bytes) return scan.damage();
  }
}

// Who reads beside a writer may see the first half of a frame, and then whole commits behind it;
// that frame is whole when the file is read again. A log that was begun anew has other salts.
Status CheckLog(os::FileSystem& fs, const std::string& path) {
  TARN_ASSIGN_OR_RETURN(auto damage, LookAtLog(fs, LogPath(path)));
  bool sure = false;
  for (int look = 1; look < kLooks && damage && !sure; ++look) {
    TARN_ASSIGN_OR_RETURN(const auto again, LookAtLog(fs, LogPath(path)));
    sure = again == damage;
    damage = again;
  }
  if (!damage || !sure) return {};
  const auto in_use = fs.IsLocked(MarkerPath(path));
  if (in_use.ok() && *in_use) return {};
  return LostCommits(path, *damage);
}

Status SyncLog(os::FileSystem& fs, const std::string& path) {
  const auto log = fs.Open(LogPath(path), os::OpenMode::kRead);
  if (log.ok()) return (*log)->Sync();
  return log.error().code() == Code::kNotFound ? Status() : Status(log.error());
}

}  // namespace tarn::catalog
