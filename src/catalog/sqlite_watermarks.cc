#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "base/text.h"
#include "catalog/sqlite_catalog_internal.h"

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

Watermark WatermarkOf(const SqlRow& row, const std::optional<LifeClock>& clock) {
  const int64_t behind = clock ? clock->behind_micros() : 0;
  return {{row.Text(0), row.Text(1), row.Text(2)}, row.Int(3), row.Int(4), {row.Int(5) + behind}};
}

}  // namespace

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
  for (const Watermark& mark : commit.watermarks) {
    TARN_TRY(
        db.Run("INSERT INTO watermark(source, host, file_id, end_offset, last_batch, updated) "
               "VALUES(?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT(source, host, file_id) "
               "DO UPDATE SET end_offset = ?4, last_batch = ?5, updated = ?6",
               {mark.key.source, mark.key.host, mark.key.file_id, mark.end_offset, mark.last_batch,
                now.life_micros}));
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
    TARN_TRY(
        db.Query("SELECT source, host, file_id, end_offset, last_batch, updated "
                 "FROM watermark WHERE source = ? AND host = ? AND file_id = ?",
                 {key.source, key.host, key.file_id},
                 [&](const SqlRow& row) { mark = WatermarkOf(row, clock); }));
    return mark;
  });
}

Result<std::vector<Watermark>> SqliteCatalog::ListWatermarks(const std::string& source) {
  return Read([&](SqliteDb& db) -> Result<std::vector<Watermark>> {
    TARN_ASSIGN_OR_RETURN(const auto clock, LoadLifeClock(db));
    std::vector<Watermark> marks;
    TARN_TRY(
        db.Query("SELECT source, host, file_id, end_offset, last_batch, updated "
                 "FROM watermark WHERE source = ? ORDER BY host, file_id",
                 {source}, [&](const SqlRow& row) { marks.push_back(WatermarkOf(row, clock)); }));
    return marks;
  });
}

}  // namespace tarn::catalog
