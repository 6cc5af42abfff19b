#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "base/text.h"
#include "catalog/sqlite_catalog_internal.h"
#include "codec/hash.h"

namespace tarn::catalog {
namespace {

// Expired watermarks removed with each commit: more than one commit adds on average, few enough to
// cost nothing.
constexpr int64_t kExpiredPerCommit = 256;
// Between two processes only the wall clock can tell how much time went by. A night counts; more is
// time the server was off, or a clock that was set.
constexpr int64_t kMostBetween = kMicrosPerDay;
// A commit notes it at most so often.
constexpr int64_t kKeepEvery = 60 * kMicrosPerSecond;
constexpr int64_t kMostDrift = kMicrosPerSecond;

constexpr std::string_view kSetting = "life_clock";

Result<std::optional<LifeClock>> LoadLifeClock(SqliteDb& db) {
  std::string text;
  TARN_TRY(db.Query("SELECT value FROM setting WHERE key = ?", {kSetting},
                    [&](const SqlRow& row) { text = row.Text(0); }));
  const size_t space = std::min(text.find(' '), text.size());
  const auto wall = ParseInt64(std::string_view(text).substr(0, space));
  const auto life = ParseInt64(std::string_view(text).substr(std::min(space + 1, text.size())));
  if (wall && life) return std::optional(LifeClock{*wall, *life});
  // A catalog that has never noted its life: its watermarks have times of the wall clock.
  std::optional<LifeClock> clock;
  TARN_TRY(db.Query("SELECT committed FROM receipt ORDER BY sequence DESC LIMIT 1", {},
                    [&](const SqlRow& row) { clock = LifeClock{row.Int(0), row.Int(0)}; }));
  return clock;
}

// Of a row. Never 0, which is that of rows that have none.
int64_t ChecksumOf(const Watermark& mark) {
  const std::string bytes =
      fmt::format("{}\n{}\n{}\n{} {} {}", mark.key.source, mark.key.host, mark.key.file_id,
                  mark.end_offset, mark.last_batch, mark.updated.micros);
  return static_cast<int64_t>(codec::Xxh3(bytes) >> 1 | 1);
}

Watermark AtWallTime(Watermark mark, const std::optional<LifeClock>& clock) {
  if (clock) mark.updated.micros += clock->behind_micros();
  return mark;
}

constexpr std::string_view kColumns =
    "source, host, file_id, end_offset, last_batch, updated, checksum, rowid";

Error Damaged(const SqliteDb& db, const Watermark& mark, int64_t row) {
  return DataLoss(fmt::format(
      "{0}: how far file {1} of host {2} (source {3}) was read does not have its checksum; lines "
      "would be lost or doubled. Nothing was changed. To go on: stop Tarn, put a backup of the "
      "catalog in place; or, with a copy of {0} kept, remove that row: sqlite3 {0} \"DELETE FROM "
      "watermark WHERE rowid = {4}\". The file is then a new one: its agent goes on where it "
      "stands, and what it sends once more doubles",
      db.path(), EscapeInvalidUtf8(mark.key.file_id), EscapeInvalidUtf8(mark.key.host),
      EscapeInvalidUtf8(mark.key.source), row));
}

// Rows of a SELECT of kColumns, with times of the life clock.
template <typename Visit>
Status ReadWatermarks(SqliteDb& db, const std::string& rest, SqlArgs args, Visit&& visit) {
  Status status;
  TARN_TRY(db.Query(
      fmt::format("SELECT {} FROM watermark {}", kColumns, rest), args, [&](const SqlRow& row) {
        Watermark mark{
            {row.Text(0), row.Text(1), row.Text(2)}, row.Int(3), row.Int(4), {row.Int(5)}};
        const int64_t checksum = row.Int(6);
        const bool sound = checksum == 0 || checksum == ChecksumOf(mark);
        if (!sound && status.ok()) status = Damaged(db, mark, row.Int(7));
        visit(std::move(mark));
      }));
  return status;
}

}  // namespace

Status CheckProgress(SqliteDb& db) {
  TARN_TRY(ReadWatermarks(db, "", {}, [](const Watermark&) {}));
  std::string pipeline;
  TARN_TRY(
      db.Query("SELECT p.pipeline FROM pipeline p JOIN receipt r ON r.commit_id = p.last_commit_id "
               "WHERE p.position <> r.position OR p.pipeline <> r.pipeline",
               {}, [&](const SqlRow& row) { pipeline = row.Text(0); }));
  if (pipeline.empty()) return {};
  return DataLoss(fmt::format("{}: the position of pipeline {} is not that of its last commit; {}",
                              db.path(), EscapeInvalidUtf8(pipeline), DamageAdvice(db.path())));
}

Status SqliteCatalog::StartLifeClock() {
  return Write([&](SqliteDb& db) -> Status {
    TARN_TRY(Age(db));
    return {};
  });
}

Result<LifeClock> SqliteCatalog::Age(SqliteDb& db) {
  TARN_ASSIGN_OR_RETURN(const auto kept, LoadLifeClock(db));
  const int64_t monotonic = clock_.MonotonicMicros();
  LifeClock now{clock_.Now().micros, clock_.Now().micros};
  if (kept) now.life_micros = kept->life_micros;
  if (!life_start_) {
    const int64_t between = kept ? now.wall_micros - kept->wall_micros : 0;
    const bool counts = between >= 0 && between <= kMostBetween;
    life_start_ = {monotonic, now.life_micros + (counts ? between : 0)};
  }
  // Another process may have counted the same time, or that before this one.
  now.life_micros = std::max(now.life_micros,
                             life_start_->life_micros + monotonic - life_start_->monotonic_micros);
  const bool news = !kept || now.life_micros - kept->life_micros >= kKeepEvery ||
                    std::abs(now.behind_micros() - kept->behind_micros()) > kMostDrift;
  if (news) {
    TARN_TRY(
        db.Run("INSERT INTO setting(key, value) VALUES(?1, ?2) "
               "ON CONFLICT(key) DO UPDATE SET value = ?2",
               {kSetting, fmt::format("{} {}", now.wall_micros, now.life_micros)}));
  }
  return now;
}

Status SqliteCatalog::ApplyWatermarks(SqliteDb& db, const Commit& commit) {
  TARN_ASSIGN_OR_RETURN(const LifeClock now, Age(db));
  for (Watermark mark : commit.watermarks) {
    mark.updated.micros = now.life_micros;
    TARN_TRY(db.Run(
        "INSERT INTO watermark(source, host, file_id, end_offset, last_batch, updated, checksum) "
        "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT(source, host, file_id) "
        "DO UPDATE SET end_offset = ?4, last_batch = ?5, updated = ?6, checksum = ?7",
        {mark.key.source, mark.key.host, mark.key.file_id, mark.end_offset, mark.last_batch,
         mark.updated, ChecksumOf(mark)}));
  }
  return db.Run(
      "DELETE FROM watermark WHERE rowid IN "
      "(SELECT rowid FROM watermark WHERE updated < ? LIMIT ?)",
      {now.life_micros - watermark_keep_micros_, kExpiredPerCommit});
}

Result<std::optional<Watermark>> SqliteCatalog::GetWatermark(const WatermarkKey& key) {
  return Read([&](SqliteDb& db) -> Result<std::optional<Watermark>> {
    TARN_ASSIGN_OR_RETURN(const auto clock, LoadLifeClock(db));
    std::optional<Watermark> mark;
    TARN_TRY(ReadWatermarks(db, "WHERE source = ? AND host = ? AND file_id = ?",
                            {key.source, key.host, key.file_id},
                            [&](Watermark found) { mark = AtWallTime(std::move(found), clock); }));
    return mark;
  });
}

Result<std::vector<Watermark>> SqliteCatalog::ListWatermarks(const std::string& source) {
  return Read([&](SqliteDb& db) -> Result<std::vector<Watermark>> {
    TARN_ASSIGN_OR_RETURN(const auto clock, LoadLifeClock(db));
    std::vector<Watermark> marks;
    TARN_TRY(ReadWatermarks(
        db, "WHERE source = ? ORDER BY host, file_id", {source},
        [&](Watermark found) { marks.push_back(AtWallTime(std::move(found), clock)); }));
    return marks;
  });
}

}  // namespace tarn::catalog
