#include <fmt/format.h>

#include "catalog/sqlite_catalog_internal.h"
#include "catalog/sqlite_log_internal.h"

namespace tarn::catalog {
namespace {

constexpr int64_t kPageBytes = 4096;

bool HasLog(const os::FileSystem& fs, const std::string& path) {
  const auto stat = fs.Stat(LogPath(path));
  return stat.ok() && stat->size >= kLogHeaderBytes;
}

Error Damaged(const std::string& path, std::string_view what) {
  return DataLoss(fmt::format("{}: {}; {}", path, what, DamageAdvice(path)));
}

// What can be seen from outside, before SQLite touches anything.
Status CheckFiles(const os::FileSystem& fs, const SqliteOptions& options) {
  const std::string& path = options.path;
  const auto file = fs.Stat(path);
  if (!file.ok()) {
    if (file.error().code() != Code::kNotFound) return file.error();
    if (fs.Exists(MarkerPath(path)) || HasLog(fs, path)) {
      return Damaged(path, "the catalog's file is gone, but its log is there");
    }
    return NotFound(fmt::format("{}: there is no catalog here", path));
  }
  if (file->is_directory) return InvalidArgument(path + " is a folder, not a catalog");
  // Made under another name and renamed when complete, it is never empty.
  if (file->size == 0) return Damaged(path, "the catalog's file is empty");
  // With a log, a torn last page is only a checkpoint that a crash cut short.
  if (static_cast<int64_t>(file->size) % kPageBytes != 0 && !HasLog(fs, path)) {
    return Damaged(path, "the catalog's file ends in the middle of a page");
  }
  const bool log_lost = fs.Exists(MarkerPath(path)) && !HasLog(fs, path);
  if (log_lost && options.lost_log == LostLog::kRefuse) {
    return DataLoss(fmt::format(
        "{0}-wal is missing or empty although Tarn did not stop cleanly: commits since the last "
        "checkpoint are lost; older ones are whole. Nothing was changed. To go on: put {0}-wal "
        "back, or a backup of both files, or start with --accept-loss to go on without them",
        path));
  }
  return {};
}

// Is it ours, and of a version we know?
Status CheckIdentity(SqliteDb& db, bool may_migrate) {
  TARN_ASSIGN_OR_RETURN(const int64_t application, db.QueryInt("PRAGMA application_id"));
  if (application != kApplicationId) {
    return InvalidArgument(db.path() +
                           " is an SQLite file, but no Tarn catalog; give another path");
  }
  TARN_ASSIGN_OR_RETURN(const int64_t version, db.QueryInt("PRAGMA user_version"));
  if (version < 1) return Damaged(db.path(), "the catalog has no schema version");
  if (version > kSchemaVersion) {
    return Unsupported(fmt::format(
        "{} was written by a newer Tarn (schema {}, this one knows {}); use that version",
        db.path(), version, kSchemaVersion));
  }
  if (version < kSchemaVersion && !may_migrate) {
    return Unsupported(
        fmt::format("{} has schema {}, this Tarn reads {}; start the server once to "
                    "bring it up to date",
                    db.path(), version, kSchemaVersion));
  }
  return {};
}

Status CheckPages(SqliteDb& db) {
  std::string verdict;
  // Not quick_check, which believes indexes.
  TARN_TRY(
      db.Query("PRAGMA integrity_check(1)", {}, [&](const SqlRow& row) { verdict = row.Text(0); }));
  if (verdict != "ok") return Damaged(db.path(), "the catalog is damaged: " + verdict);
  return {};
}

Status Configure(SqliteDb& db, const SqliteOptions& options) {
  db.SetBusyTimeout(options.busy_timeout_ms);
  TARN_TRY(db.Script("PRAGMA foreign_keys = ON"));
  // In WAL mode FULL syncs the log at every commit: a commit survives a power cut.
  TARN_TRY(db.Script("PRAGMA synchronous = FULL"));
  TARN_TRY(db.Script("PRAGMA journal_size_limit = 67108864"));
  if (options.max_bytes > 0) {
    const std::string pragma = fmt::format("PRAGMA max_page_count = {}",
                                           std::max<int64_t>(1, options.max_bytes / kPageBytes));
    TARN_TRY(db.Script(pragma.c_str()));
  }
  return {};
}

Status FillNew(const std::string& path, const SqliteOptions& options, const SqliteDeps& deps) {
  TARN_ASSIGN_OR_RETURN(auto db, SqliteDb::Open(path, SqliteDb::Access::kMake));
  TARN_TRY(db->Script("PRAGMA page_size = 4096"));
  TARN_TRY(db->Script("PRAGMA journal_mode = WAL"));
  TARN_TRY(Configure(*db, options));
  const std::string identity = fmt::format("PRAGMA application_id = {}", kApplicationId);
  TARN_TRY(db->Script(identity.c_str()));
  TARN_TRY(MigrateSchema(*db));
  const Timestamp now = deps.clock.Now();
  const std::string project = FormatUuid(deps.random.NewUuidV7(now));
  constexpr std::string_view kPut = "INSERT INTO setting(key, value) VALUES(?, ?)";
  TARN_TRY(db->Run(kPut, {"project_id", project}));
  TARN_TRY(db->Run(kPut, {"created_by", options.tarn_version}));
  TARN_TRY(db->Run(kPut, {"created_at", FormatTimestamp(now)}));
  TARN_ASSIGN_OR_RETURN(const bool complete, db->Checkpoint(true));
  if (!complete) return Unavailable(path + " is held by another process");
  return {};
}

void RemoveLeftovers(os::FileSystem& fs, const std::string& path) {
  // Not there is as good as removed; anything else shows when the file is made.
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
    static_cast<void>(fs.Remove(path + suffix));
  }
}

// Made under another name, renamed when complete.
Status MakeCatalog(const SqliteOptions& options, const SqliteDeps& deps) {
  os::FileSystem& fs = deps.file_system;
  TARN_TRY(fs.CreateDirectories(os::ParentOf(options.path)));
  const std::string lock_path = options.path + "-making";
  auto lock = fs.Lock(lock_path);
  if (!lock.ok()) {
    if (lock.error().code() != Code::kConflict) return lock.error();
    return Unavailable(options.path + " is being made by another process; try again");
  }
  if (fs.Exists(options.path)) return {};
  const std::string unfinished = options.path + "-new";
  RemoveLeftovers(fs, unfinished);
  const Status filled = FillNew(unfinished, options, deps);
  if (!filled.ok()) {
    RemoveLeftovers(fs, unfinished);
    return filled;
  }
  TARN_TRY(fs.Rename(unfinished, options.path));
  RemoveLeftovers(fs, unfinished);
  TARN_TRY(fs.Remove(lock_path));
  return fs.SyncDirectory(os::ParentOf(options.path));
}

Result<std::unique_ptr<SqliteDb>> OpenForReading(const SqliteOptions& options,
                                                 SqliteDb::Access access) {
  TARN_ASSIGN_OR_RETURN(auto db, SqliteDb::Open(options.path, access));
  db->SetBusyTimeout(options.busy_timeout_ms);
  TARN_TRY(CheckIdentity(*db, false));
  // The identity is in the header; this reads the schema.
  TARN_TRY(db->QueryInt("SELECT count(*) FROM setting"));
  return db;
}

Result<std::unique_ptr<Catalog>> OpenReadOnly(const SqliteOptions& options,
                                              const SqliteDeps& deps) {
  auto db = OpenForReading(options, SqliteDb::Access::kReadOnly);
  if (!db.ok() && !deps.file_system.Exists(MarkerPath(options.path))) {
    const Code code = db.error().code();
    // Cleanly stopped, in a folder this user may not write: SQLite cannot make its shared memory,
    // and with the log wholly in the file needs none.
    if (code == Code::kIo || code == Code::kPermissionDenied) {
      db = OpenForReading(options, SqliteDb::Access::kImmutable);
    }
  }
  if (!db.ok()) return std::move(db).error();
  SqliteCatalog::Parts parts;
  parts.read = std::move(db).value();
  return std::unique_ptr<Catalog>(std::make_unique<SqliteCatalog>(
      std::move(parts), deps.clock, deps.random, options.watermark_keep_micros));
}

// Puts a frame into the log, so that a marker always has a log beside it.
Status MarkOpened(SqliteDb& db, const SqliteOptions& options, const SqliteDeps& deps,
                  bool lost_log) {
  TARN_ASSIGN_OR_RETURN(auto transaction, SqlTransaction::Begin(db, SqlTransaction::Kind::kWrite));
  const Timestamp now = deps.clock.Now();
  TARN_TRY(
      db.Run("INSERT INTO setting(key, value) VALUES('opened_at', ?1) "
             "ON CONFLICT(key) DO UPDATE SET value = ?1",
             {FormatTimestamp(now)}));
  if (lost_log) {
    TARN_TRY(db.Run("INSERT INTO audit(at, who, action, object, detail) VALUES(?, ?, ?, ?, ?)",
                    {now, "system", "catalog.log_lost", options.path,
                     "opened without its write-ahead log; commits since the last checkpoint are "
                     "lost"}));
  }
  return transaction.Commit();
}

Result<std::unique_ptr<OpenMarker>> TakeMarker(const SqliteOptions& options, os::FileSystem& fs) {
  auto marker = std::make_unique<OpenMarker>(OpenMarker{fs, MarkerPath(options.path), nullptr});
  auto lock = fs.Lock(marker->path);
  if (lock.ok()) {
    marker->lock = std::move(lock).value();
    TARN_TRY(fs.SyncDirectory(os::ParentOf(options.path)));
  } else if (lock.error().code() != Code::kConflict) {
    return std::move(lock).error();
  }
  return marker;
}

}  // namespace

Result<std::unique_ptr<Catalog>> OpenSqliteCatalog(const SqliteOptions& options,
                                                   const SqliteDeps& deps) {
  os::FileSystem& fs = deps.file_system;
  Status files = CheckFiles(fs, options);
  if (!files.ok() && files.error().code() == Code::kNotFound &&
      options.mode == SqliteMode::kCreate) {
    TARN_TRY(MakeCatalog(options, deps));
    files = CheckFiles(fs, options);
  }
  TARN_TRY(files);
  TARN_TRY(CheckLog(fs, options.path));
  if (options.mode == SqliteMode::kReadOnly) return OpenReadOnly(options, deps);

  TARN_TRY(SyncLog(fs, options.path));
  const bool lost_log = options.lost_log == LostLog::kAccept &&
                        fs.Exists(MarkerPath(options.path)) && !HasLog(fs, options.path);
  SqliteCatalog::Parts parts;
  TARN_ASSIGN_OR_RETURN(parts.write, SqliteDb::Open(options.path, SqliteDb::Access::kReadWrite));
  SqliteDb& db = *parts.write;
  db.SetBusyTimeout(options.busy_timeout_ms);
  TARN_TRY(CheckIdentity(db, true));
  if (options.check_pages) TARN_TRY(CheckPages(db));
  TARN_TRY(db.Script("PRAGMA journal_mode = WAL"));
  TARN_TRY(Configure(db, options));
  TARN_TRY(MigrateSchema(db));
  if (options.check_pages) TARN_TRY(CheckProgress(db));
  TARN_TRY(MarkOpened(db, options, deps, lost_log));
  TARN_ASSIGN_OR_RETURN(parts.marker, TakeMarker(options, fs));
  TARN_ASSIGN_OR_RETURN(parts.read, OpenForReading(options, SqliteDb::Access::kReadOnly));
  for (const std::string& path : {options.path, LogPath(options.path)}) {
    TARN_ASSIGN_OR_RETURN(const os::FileInfo info, fs.Stat(path));
    parts.files.push_back({path, info});
  }
  auto catalog = std::make_unique<SqliteCatalog>(std::move(parts), deps.clock, deps.random,
                                                 options.watermark_keep_micros);
  TARN_TRY(catalog->StartLifeClock());
  return std::unique_ptr<Catalog>(std::move(catalog));
}

}  // namespace tarn::catalog
