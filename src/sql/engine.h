#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "os/file_system.h"
#include "sql/result.h"
#include "sql/table_resolver.h"

namespace tarn::sql {

struct EngineOptions {
  int threads = 0;  // 0: one a core
  uint64_t memory_limit_bytes = 1u << 30;
  // Where queries spill and exports are staged, in a folder of this engine's own; made if absent.
  // What engines of dead processes left there is removed. Empty: nothing spills and there is no
  // CopyToParquet.
  std::string temp_directory;
  uint64_t temp_limit_bytes = 16ull << 30;
  // The only folders files are read from (absolute): the lake.
  std::vector<std::string> data_directories;
  // Queries at a time, an open result counting as one; a further one is ResourceExhausted.
  int max_queries = 16;
  // A function of DuckDB does not look up from its work: a query may overstay its time although it
  // was interrupted. Once it has by stuck_micros this is called, from a thread of the engine and
  // once a query, with what Next would have answered. To end the process is all it can do.
  std::function<void(const Error&)> on_stuck;
  int64_t stuck_micros = 5'000'000;
};

struct QueryLimits {
  int64_t timeout_micros = 0;     // from Run to the last row; 0: none
  uint64_t max_result_bytes = 0;  // of values handed out; 0: none
};

// The SQL engine: one in-memory DuckDB. memory_limit_bytes bounds what queries keep (hash tables,
// sorts, buffers); the values that one function makes are not in it: a process that runs SQL of
// others bounds itself too (app/memory_guard.h). User SQL reads the tables of a resolver and
// nothing else: no files, network, settings, extensions, other databases. Two walls: the parsed
// statement is checked against a list of what is allowed (sql/statement.h), and DuckDB itself has
// external access off (but for data_directories), extensions off and its configuration locked.
// Thread-safe.
class Engine {
 public:
  // `files` must outlive the engine; it moves exports into place.
  static Result<std::unique_ptr<Engine>> Open(const EngineOptions& options, os::FileSystem& files);
  virtual ~Engine() = default;

  // "v1.5.5"
  virtual std::string version() const = 0;
  // For a process that ends without waiting for its queries: what they spilled goes at once.
  virtual void RemoveTempFiles() = 0;
};

// The functions a query may call, in lower case, sorted, operators included.
const std::vector<std::string_view>& FunctionNames();

// A user's series of queries over one resolver. Thread-confined, except Interrupt. The engine and
// the resolver must outlive it.
//
// A statement is one of: SELECT (with CTEs, VALUES, FROM-first, set operations), DESCRIBE of a
// table or SELECT, SHOW TABLES, EXPLAIN and EXPLAIN ANALYZE of a SELECT. Tables are named
// "schema.table", or "table" alone where that is unique among the resolver's schemas.
class Session {
 public:
  static std::unique_ptr<Session> Open(Engine& engine, TableResolver& resolver,
                                       const QueryLimits& limits = {});
  virtual ~Session() = default;

  // Checks and plans one statement. InvalidArgument for SQL that is wrong (with line, column and
  // the text around it), PermissionDenied for SQL that is not allowed, NotFound for a table or
  // function that is not there, and the resolver's own errors. Results are independent of each
  // other; several may be open.
  virtual Result<std::unique_ptr<QueryResult>> Run(std::string_view sql) = 0;

  // Runs a SELECT into a new Parquet file (zstd) at `path`, replacing what is there once it is
  // whole; its owner alone may read it. Answers the rows.
  virtual Result<uint64_t> CopyToParquet(std::string_view sql, const std::string& path) = 0;

  // From any thread: whatever runs in the session, open results included, is cancelled.
  virtual void Interrupt() = 0;
};

}  // namespace tarn::sql
