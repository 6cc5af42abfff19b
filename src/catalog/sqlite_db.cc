#include <fmt/format.h>
#include <sqlite3.h>

#include <cerrno>

#include "base/text.h"
#include "catalog/sqlite_db_internal.h"

namespace tarn::catalog {
namespace {

// Statements are literals of this module; the cap only guards against a mistake.
constexpr size_t kMaxStatements = 512;

// A file: URI with everything but plain path characters escaped (sqlite.org/uri.html).
std::string ImmutableUri(const std::string& path) {
  std::string uri = "file:";
  for (const char c : path) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '/' || c == '.' || c == '_' || c == '-';
    if (plain) {
      uri += c;
    } else {
      uri += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return uri + "?immutable=1";
}

// After a failed sync nobody knows what is on disk: that is Io, whatever the reason.
bool IsFull(int code, int system_error) {
  return code == SQLITE_FULL ||
         ((code & 0xff) == SQLITE_IOERR && code != SQLITE_IOERR_FSYNC &&
          (system_error == ENOSPC || system_error == EDQUOT || system_error == EFBIG));
}

}  // namespace

std::string DamageAdvice(std::string_view path) {
  return fmt::format(
      "it holds where each table and each source stands, lineage, users and audit, and some of "
      "that "
      "is lost; the lake's data files are not touched, and nothing was changed here. To go on: "
      "stop "
      "Tarn, keep a copy of {0} and {0}-wal, then put a backup of both in their place, or salvage "
      "with: sqlite3 {0} .recover | sqlite3 salvaged.db",
      path);
}

bool SqlRow::IsNull(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}
int64_t SqlRow::Int(int column) const { return sqlite3_column_int64(statement_, column); }
std::string SqlRow::Text(int column) const {
  const auto* bytes = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  const auto size = static_cast<size_t>(sqlite3_column_bytes(statement_, column));
  return bytes == nullptr ? std::string() : std::string(bytes, size);
}
std::optional<Timestamp> SqlRow::OptionalTime(int column) const {
  if (IsNull(column)) return std::nullopt;
  return Time(column);
}

Result<std::unique_ptr<SqliteDb>> SqliteDb::Open(const std::string& path, Access access) {
  int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  std::string name = path;
  switch (access) {
    case Access::kReadWrite:
      flags |= SQLITE_OPEN_READWRITE;
      break;
    case Access::kReadOnly:
      flags |= SQLITE_OPEN_READONLY;
      break;
    case Access::kImmutable:
      flags |= SQLITE_OPEN_READONLY | SQLITE_OPEN_URI;
      name = ImmutableUri(path);
      break;
    case Access::kMake:
      flags |= SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
      break;
  }
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(name.c_str(), &raw, flags, nullptr);
  if (raw == nullptr) return ResourceExhausted("no memory for an SQLite connection");
  std::unique_ptr<SqliteDb> db(new SqliteDb(path, raw));
  if (code != SQLITE_OK) return db->Failure(code, "open");
  // A damaged or hostile file must not reach into SQL functions (sqlite.org/security.html).
  sqlite3_db_config(raw, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(raw, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  sqlite3_db_config(raw, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  return db;
}

SqliteDb::~SqliteDb() {
  for (auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close_v2(db_);
}

Error SqliteDb::Failure(int code, std::string_view doing) const {
  const int system_error = sqlite3_system_errno(db_);
  const int primary = code & 0xff;
  std::string message = fmt::format("{}: cannot {}: {}", path_, doing, sqlite3_errmsg(db_));
  if (IsFull(code, system_error)) {
    return ResourceExhausted(message + "; free space, nothing was changed");
  }
  switch (primary) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return Unavailable(fmt::format(
          "{}: another process holds the catalog's lock, and did not let go of it within {} ms "
          "(cannot {}: {}); nothing was changed. End that process, or let it finish",
          path_, busy_timeout_ms_, doing, sqlite3_errmsg(db_)));
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return DataLoss(message + "; " + DamageAdvice(path_));
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return PermissionDenied(std::move(message));
    case SQLITE_CANTOPEN:
      // SQLite tries further ways to open it, and the first one's reason is gone.
      return IoError(message +
                     fmt::format("; it, or a file beside it, could not be made or opened: "
                                 "is there space, and the right to write? (errno {})",
                                 system_error));
    case SQLITE_IOERR:
      return IoError(message + fmt::format(" (SQLite {}, errno {})", code, system_error));
    case SQLITE_NOMEM:
      return ResourceExhausted(std::move(message));
    default:
      return Internal(message + fmt::format(" (SQLite {})", code));
  }
}

Status SqliteDb::Script(const char* sql) {
  const int code = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return Failure(code, std::string_view(sql).substr(0, 40));
  return {};
}

Result<sqlite3_stmt*> SqliteDb::Prepare(std::string_view sql) {
  std::string key(sql);
  if (const auto found = statements_.find(key); found != statements_.end()) return found->second;
  TARN_CHECK(statements_.size() < kMaxStatements);
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(db_, sql.data(), static_cast<int>(sql.size()),
                                      SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return Failure(code, "prepare a statement");
  statements_.emplace(std::move(key), statement);
  return statement;
}

Status SqliteDb::Bind(sqlite3_stmt* statement, SqlArgs args) {
  TARN_CHECK(static_cast<size_t>(sqlite3_bind_parameter_count(statement)) == args.size());
  int index = 0;
  for (const SqlValue& value : args) {
    ++index;
    int code = SQLITE_OK;
    if (const auto* number = std::get_if<int64_t>(&value.get())) {
      code = sqlite3_bind_int64(statement, index, *number);
    } else if (const auto* text = std::get_if<std::string_view>(&value.get())) {
      code = sqlite3_bind_text64(statement, index, text->data() == nullptr ? "" : text->data(),
                                 text->size(), SQLITE_STATIC, SQLITE_UTF8);
    } else {
      code = sqlite3_bind_null(statement, index);
    }
    if (code != SQLITE_OK) return Failure(code, "bind a value");
  }
  return {};
}

Status SqliteDb::Query(std::string_view sql, SqlArgs args, const RowVisitor& visit) {
  TARN_ASSIGN_OR_RETURN(sqlite3_stmt * statement, Prepare(sql));
  Status status = Bind(statement, args);
  int code = SQLITE_ROW;
  while (status.ok() && code == SQLITE_ROW) {
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW && visit) visit(SqlRow(statement));
  }
  if (status.ok() && code != SQLITE_DONE) status = Failure(code, sql.substr(0, 40));
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  return status;
}

Status SqliteDb::Run(std::string_view sql, SqlArgs args) { return Query(sql, args, nullptr); }

Result<int64_t> SqliteDb::QueryInt(std::string_view sql, SqlArgs args) {
  int64_t value = 0;
  TARN_TRY(Query(sql, args, [&](const SqlRow& row) { value = row.Int(0); }));
  return value;
}

int64_t SqliteDb::changes() const { return sqlite3_changes64(db_); }
int64_t SqliteDb::last_insert_id() const { return sqlite3_last_insert_rowid(db_); }

void SqliteDb::SetBusyTimeout(int64_t timeout_ms) {
  busy_timeout_ms_ = std::clamp<int64_t>(timeout_ms, 0, 3'600'000);
  sqlite3_busy_timeout(db_, static_cast<int>(busy_timeout_ms_));
}

Result<bool> SqliteDb::Checkpoint(bool truncate) {
  int log_frames = 0;
  int copied_frames = 0;
  const int code = sqlite3_wal_checkpoint_v2(
      db_, nullptr, truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, &log_frames,
      &copied_frames);
  if ((code & 0xff) == SQLITE_BUSY) return false;
  if (code != SQLITE_OK) return Failure(code, "checkpoint");
  return log_frames == copied_frames;
}

Result<SqlTransaction> SqlTransaction::Begin(SqliteDb& db, Kind kind) {
  TARN_TRY(db.Run(kind == Kind::kRead ? "BEGIN" : "BEGIN IMMEDIATE"));
  return SqlTransaction(&db);
}

SqlTransaction::~SqlTransaction() {
  // SQLite has rolled back by itself after some errors; the answer to this is then of no interest.
  if (db_ != nullptr) static_cast<void>(db_->Script("ROLLBACK"));
}

Status SqlTransaction::Commit() {
  TARN_TRY(db_->Run("COMMIT"));
  db_ = nullptr;
  return {};
}

}  // namespace tarn::catalog
