#pragma once

#include <duckdb.h>

#include <string>
#include <utility>

#include "base/error.h"
#include "base/result.h"

namespace tarn::sql {

// Owns one of DuckDB's handles.
template <typename T, void (*Destroy)(T*)>
class Handle {
 public:
  Handle() = default;
  explicit Handle(T value) : value_(value) {}
  ~Handle() { Reset(); }
  Handle(Handle&& other) noexcept : value_(std::exchange(other.value_, T{})) {}
  Handle& operator=(Handle&& other) noexcept {
    if (this != &other) {
      Reset();
      value_ = std::exchange(other.value_, T{});
    }
    return *this;
  }

  T get() const { return value_; }
  explicit operator bool() const { return value_ != nullptr; }
  // For functions that create one; what was held is destroyed.
  T* out() {
    Reset();
    return &value_;
  }
  void Reset() {
    if (value_ != nullptr) Destroy(&value_);
    value_ = nullptr;
  }

 private:
  T value_ = nullptr;
};

using DatabaseHandle = Handle<duckdb_database, duckdb_close>;
using ConfigHandle = Handle<duckdb_config, duckdb_destroy_config>;
using ConnectionHandle = Handle<duckdb_connection, duckdb_disconnect>;
using PreparedHandle = Handle<duckdb_prepared_statement, duckdb_destroy_prepare>;
using PendingHandle = Handle<duckdb_pending_result, duckdb_destroy_pending>;
using ExtractedHandle = Handle<duckdb_extracted_statements, duckdb_destroy_extracted>;
using TypeHandle = Handle<duckdb_logical_type, duckdb_destroy_logical_type>;
using ChunkHandle = Handle<duckdb_data_chunk, duckdb_destroy_data_chunk>;

// A result is a struct, not a pointer.
class ResultHandle {
 public:
  ResultHandle() = default;
  ~ResultHandle() { Reset(); }
  ResultHandle(const ResultHandle&) = delete;
  ResultHandle& operator=(const ResultHandle&) = delete;
  duckdb_result* get() { return &value_; }
  duckdb_result* out() {
    Reset();
    held_ = true;
    return &value_;
  }
  void Reset() {
    if (held_) duckdb_destroy_result(&value_);
    held_ = false;
    value_ = {};
  }

 private:
  duckdb_result value_{};
  bool held_ = false;
};

// DuckDB's error as ours. The message keeps DuckDB's text with the line and the caret below it.
Error FromDuckdb(duckdb_error_type type, const char* message);
// The same where only the text is known; its first words tell the type.
Error FromDuckdb(const char* message);

// Runs one of our own statements and drops the rows.
Status Execute(duckdb_connection connection, const std::string& sql);
// Runs one of our own statements that answers one text value; `parameter` is bound to $1 unless
// null. nullopt for NULL.
Result<std::optional<std::string>> QueryText(duckdb_connection connection, const std::string& sql,
                                             const std::string* parameter);

// 'text' and "name", escaped.
std::string Quoted(std::string_view text);
std::string QuotedName(std::string_view name);

}  // namespace tarn::sql
