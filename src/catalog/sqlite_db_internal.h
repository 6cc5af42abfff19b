#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>

#include "base/result.h"
#include "base/time.h"

struct sqlite3;
struct sqlite3_stmt;

namespace tarn::catalog {

// What to tell a person whose catalog at `path` is damaged: what is lost and how to go on.
std::string DamageAdvice(std::string_view path);

// A parameter of a statement. Text is borrowed for the length of the call.
class SqlValue {
 public:
  SqlValue() = default;                                // NULL
  SqlValue(int64_t value) : value_(value) {}           // NOLINT(google-explicit-constructor)
  SqlValue(int value) : value_(int64_t{value}) {}      // NOLINT(google-explicit-constructor)
  SqlValue(bool value) : value_(int64_t{value}) {}     // NOLINT(google-explicit-constructor)
  SqlValue(Timestamp value) : value_(value.micros) {}  // NOLINT(google-explicit-constructor)
  SqlValue(std::string_view value) : value_(value) {}  // NOLINT(google-explicit-constructor)
  SqlValue(const char* value)
      : value_(std::string_view(value)) {}  // NOLINT(google-explicit-constructor)
  SqlValue(const std::string& value)        // NOLINT(google-explicit-constructor)
      : value_(std::string_view(value)) {}
  SqlValue(const std::optional<Timestamp>& value) {  // NOLINT(google-explicit-constructor)
    if (value) value_ = value->micros;
  }

  const std::variant<std::monostate, int64_t, std::string_view>& get() const { return value_; }

 private:
  std::variant<std::monostate, int64_t, std::string_view> value_;
};

// The row a query stands on. Columns count from 0; NULL reads as 0 or "".
class SqlRow {
 public:
  explicit SqlRow(sqlite3_stmt* statement) : statement_(statement) {}
  bool IsNull(int column) const;
  int64_t Int(int column) const;
  bool Bool(int column) const { return Int(column) != 0; }
  std::string Text(int column) const;
  Timestamp Time(int column) const { return {Int(column)}; }
  std::optional<Timestamp> OptionalTime(int column) const;

 private:
  sqlite3_stmt* statement_;
};

using SqlArgs = std::initializer_list<SqlValue>;
using RowVisitor = std::function<void(const SqlRow&)>;

// One SQLite connection with its prepared statements. Translates errors: BUSY is Unavailable, a
// full disk or file ResourceExhausted, CORRUPT and NOTADB DataLoss, READONLY PermissionDenied,
// CANTOPEN and I/O errors Io, the rest Internal. Closing neither checkpoints nor removes the log.
// Thread-confined.
class SqliteDb {
 public:
  enum class Access : uint8_t { kReadWrite, kReadOnly, kImmutable, kMake };

  static Result<std::unique_ptr<SqliteDb>> Open(const std::string& path, Access access);
  ~SqliteDb();
  SqliteDb(const SqliteDb&) = delete;
  SqliteDb& operator=(const SqliteDb&) = delete;

  // One or more statements without parameters or results.
  Status Script(const char* sql);
  // `sql` is a literal: the statement is kept under it.
  Status Run(std::string_view sql, SqlArgs args = {});
  Status Query(std::string_view sql, SqlArgs args, const RowVisitor& visit);
  Result<int64_t> QueryInt(std::string_view sql, SqlArgs args = {});

  int64_t changes() const;
  int64_t last_insert_id() const;
  const std::string& path() const { return path_; }
  void SetBusyTimeout(int64_t timeout_ms);
  // Copies the log into the file. True if nothing is left in it.
  Result<bool> Checkpoint(bool truncate);

 private:
  SqliteDb(std::string path, sqlite3* db) : path_(std::move(path)), db_(db) {}
  Error Failure(int code, std::string_view doing) const;
  Result<sqlite3_stmt*> Prepare(std::string_view sql);
  Status Bind(sqlite3_stmt* statement, SqlArgs args);

  const std::string path_;
  sqlite3* db_;
  int64_t busy_timeout_ms_ = 0;
  std::unordered_map<std::string, sqlite3_stmt*> statements_;
};

// Rolls back unless Commit succeeded.
class SqlTransaction {
 public:
  enum class Kind : uint8_t { kRead, kWrite };
  static Result<SqlTransaction> Begin(SqliteDb& db, Kind kind);
  SqlTransaction(SqlTransaction&& other) noexcept : db_(std::exchange(other.db_, nullptr)) {}
  SqlTransaction& operator=(SqlTransaction&&) = delete;
  ~SqlTransaction();
  Status Commit();

 private:
  explicit SqlTransaction(SqliteDb* db) : db_(db) {}
  SqliteDb* db_;
};

}  // namespace tarn::catalog
