#include "demo/backfill.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string_view>
#include <tuple>
#include <utility>

#include "base/text.h"
#include "demo/log_line.h"

namespace tarn::demo {
namespace {

constexpr size_t kBufferBytes = 1 << 20;

// The log of one server: puts lines into the order in which requests end, and into a file a day.
class DayLog {
 public:
  DayLog(os::FileSystem& fs, std::string dir) : fs_(fs), dir_(std::move(dir)) {}

  void Add(const Hit& hit) {
    std::string line;
    line.reserve(320);
    AppendLogLine(line, hit);
    pending_.push_back({hit.time.micros + hit.micros, std::move(line)});
    std::push_heap(pending_.begin(), pending_.end(), After);
  }

  // Writes what ended before `now`.
  Status Advance(int64_t now) {
    while (!pending_.empty() && pending_.front().end < now) {
      std::pop_heap(pending_.begin(), pending_.end(), After);
      TARN_TRY(Write(pending_.back()));
      pending_.pop_back();
    }
    return {};
  }

  Status Close() {
    if (file_ == nullptr) return {};
    TARN_TRY(Drain());
    TARN_TRY(file_->Sync());
    file_.reset();
    return fs_.SyncDirectory(dir_);
  }

 private:
  struct Pending {
    int64_t end;
    std::string line;
  };
  static bool After(const Pending& a, const Pending& b) {
    return std::tie(a.end, a.line) > std::tie(b.end, b.line);
  }

  Status Write(const Pending& pending) {
    const int64_t day = FloorDiv(pending.end, kMicrosPerDay);
    if (file_ == nullptr || day != day_) {
      TARN_TRY(Close());
      day_ = day;
      offset_ = 0;
      const std::string name =
          fmt::format("access.log.{}", FormatTimestamp({day * kMicrosPerDay}).substr(0, 10));
      TARN_ASSIGN_OR_RETURN(file_, fs_.Open(os::JoinPath(dir_, name), os::OpenMode::kCreateNew));
    }
    buffer_ += pending.line;
    return buffer_.size() < kBufferBytes ? Status() : Drain();
  }

  Status Drain() {
    TARN_TRY(file_->WriteAt(offset_, buffer_));
    offset_ += buffer_.size();
    buffer_.clear();
    return {};
  }

  os::FileSystem& fs_;
  const std::string dir_;
  std::vector<Pending> pending_;  // a heap, earliest end first
  std::unique_ptr<os::File> file_;
  std::string buffer_;
  uint64_t offset_ = 0;
  int64_t day_ = 0;
};

// The parts of a well-formed line that the truth counts.
struct Parsed {
  int64_t hour = 0;
  int status = 0;
  std::string_view cookie;
};

// Takes a quoted field and the space before it off the front.
bool TakeQuoted(std::string_view& text, std::string_view& field) {
  if (!text.starts_with(" \"")) return false;
  for (size_t i = 2; i < text.size(); ++i) {
    if (text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      field = text.substr(2, i - 2);
      text.remove_prefix(i + 1);
      return true;
    }
  }
  return false;
}

bool TakeNumber(std::string_view& text, std::string_view& digits) {
  if (!text.starts_with(' ')) return false;
  size_t end = 1;
  while (end < text.size() && text[end] != ' ') ++end;
  digits = text.substr(1, end - 1);
  text.remove_prefix(end);
  return digits == "-" || ParseUint64(digits).has_value();
}

bool ParseTime(std::string_view text, int64_t& hour) {  // 24/Nov/2026:14:20:57 +0000
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  if (text.size() != 26 || text.substr(20) != " +0000") return false;
  const auto day = ParseUint64(text.substr(0, 2));
  const size_t month = kMonths.find(text.substr(3, 3));
  const auto year = ParseUint64(text.substr(7, 4));
  const auto at = ParseUint64(text.substr(12, 2));
  if (!day || !year || !at || month == std::string_view::npos) return false;
  hour = DaysFromCivil(static_cast<int64_t>(*year), static_cast<int>(month / 3) + 1,
                       static_cast<int>(*day)) *
             24 +
         static_cast<int64_t>(*at);
  return true;
}

bool ParseLine(std::string_view line, Parsed& parsed) {
  const size_t open = line.find(" [");
  if (open == std::string_view::npos || line.size() < open + 29 || line[open + 28] != ']') {
    return false;
  }
  if (!ParseTime(line.substr(open + 2, 26), parsed.hour)) return false;
  std::string_view rest = line.substr(open + 29);
  std::string_view skipped;
  std::string_view status;
  if (!TakeQuoted(rest, skipped) || !TakeNumber(rest, status) || !TakeNumber(rest, skipped) ||
      !TakeQuoted(rest, skipped) || !TakeQuoted(rest, skipped) ||
      !TakeQuoted(rest, parsed.cookie) || !TakeNumber(rest, skipped) || !rest.empty()) {
    return false;
  }
  parsed.status = static_cast<int>(ParseUint64(status).value_or(0));
  if (parsed.cookie == "-") parsed.cookie = {};
  return true;
}

struct Recount {
  std::map<std::pair<int64_t, int>, uint64_t> by_hour_and_status;
  uint64_t rejected = 0;
  int64_t last_hour = 0;
};

// Only whole lines count: the demo is stopped, nobody finishes a torn one.
Status CountFile(os::FileSystem& fs, const std::string& path, int server, Truth& truth,
                 Recount& recount) {
  TARN_ASSIGN_OR_RETURN(auto file, fs.Open(path, os::OpenMode::kRead));
  std::string buffer;
  uint64_t offset = 0;
  for (;;) {
    TARN_ASSIGN_OR_RETURN(const std::string chunk, file->ReadAt(offset, kBufferBytes));
    if (chunk.empty()) return {};
    offset += chunk.size();
    buffer += chunk;
    size_t start = 0;
    for (size_t end = 0; (end = buffer.find('\n', start)) != std::string::npos; start = end + 1) {
      Parsed parsed;
      if (!ParseLine(std::string_view(buffer).substr(start, end - start), parsed)) {
        ++recount.rejected;
        continue;
      }
      ++recount.by_hour_and_status[{parsed.hour, parsed.status}];
      recount.last_hour = std::max(recount.last_hour, parsed.hour);
      truth.AddCookie({server, parsed.hour}, parsed.cookie);
    }
    buffer.erase(0, start);
  }
}

}  // namespace

Result<BackfillReport> Backfill(os::FileSystem& fs, const WorldOptions& options, Timestamp end,
                                const std::vector<std::string>& log_dirs, Truth& truth) {
  std::vector<DayLog> logs;
  logs.reserve(log_dirs.size());
  for (const std::string& dir : log_dirs) logs.emplace_back(fs, dir);
  World world(options);
  BackfillReport report;
  for (;;) {
    const Hit& hit = world.Next();
    if (hit.time >= end) break;
    for (DayLog& log : logs) TARN_TRY(log.Advance(hit.time.micros));
    if (hit.kind == HitKind::kStrayText) {
      truth.AddRejected(hit.server, hit.time);
    } else {
      truth.AddHit(hit.server, hit.time, hit.status, hit.cookie);
    }
    logs[hit.server].Add(hit);
    ++report.lines;
  }
  for (DayLog& log : logs) {
    // What ends after `end` is written all the same: it began before, and it is history.
    TARN_TRY(log.Advance(INT64_MAX));
    TARN_TRY(log.Close());
  }
  for (const std::string& dir : log_dirs) {
    TARN_ASSIGN_OR_RETURN(const auto names, fs.List(dir));
    for (const std::string& name : names) {
      TARN_ASSIGN_OR_RETURN(const os::FileInfo info, fs.Stat(os::JoinPath(dir, name)));
      report.bytes += info.size;
    }
  }
  TARN_TRY(truth.Flush());
  return report;
}

Result<uint64_t> RecoverTruth(os::FileSystem& fs, const std::vector<std::string>& log_dirs,
                              Truth& truth) {
  uint64_t added = 0;
  const auto counts = truth.Counts();
  for (size_t i = 0; i < log_dirs.size(); ++i) {
    const int server = static_cast<int>(i);
    Recount recount;
    TARN_ASSIGN_OR_RETURN(const auto names, fs.List(log_dirs[i]));
    for (const std::string& name : names) {
      if (!name.starts_with("access.log") || name.ends_with(".gz")) continue;
      TARN_TRY(CountFile(fs, os::JoinPath(log_dirs[i], name), server, truth, recount));
    }
    for (const auto& [at, count] : recount.by_hour_and_status) {
      const Truth::Key key{server, at.first};
      uint64_t known = 0;
      if (const auto hour = counts.find(key); hour != counts.end()) {
        const auto status = hour->second.by_status.find(at.second);
        if (status != hour->second.by_status.end()) known = status->second;
      }
      if (count <= known) continue;
      truth.AddMissing(key, at.second, count - known);
      added += count - known;
    }
    const uint64_t known = truth.Total(server).rejected;
    if (recount.rejected > known) {
      truth.AddMissingRejected({server, recount.last_hour}, recount.rejected - known);
      added += recount.rejected - known;
    }
  }
  TARN_TRY(truth.Flush());
  return added;
}

}  // namespace tarn::demo
