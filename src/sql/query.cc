#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/text.h"
#include "sql/query_internal.h"

namespace tarn::sql {
namespace {

uint64_t ValueBytes(const Cell& cell) {
  if (cell.is_null()) return 1;
  switch (cell.kind()) {
    case ValueKind::kString:
    case ValueKind::kBlob:
    case ValueKind::kBit:
    case ValueKind::kEnum:
      return cell.Bytes().size() + 1;
    case ValueKind::kList:
    case ValueKind::kStruct:
    case ValueKind::kMap:
    case ValueKind::kUnion: {
      uint64_t total = 1;
      for (size_t i = 0; i < cell.size(); ++i) {
        total += ValueBytes(cell.At(i));
        if (cell.kind() == ValueKind::kMap) total += ValueBytes(cell.KeyAt(i));
      }
      return total;
    }
    default:
      return 8;
  }
}

// What is wrong with a file's bytes also comes as an error of the statement.
constexpr std::array<std::string_view, 4> kWordsOfDamage = {
    "Failed to read file", "No magic bytes found", "too small to be a Parquet file",
    "TProtocolException"};

}  // namespace

void LiveQueries::Add(Query* query) {
  os::MutexLock lock(mutex_);
  queries_.push_back(query);
}

void LiveQueries::Remove(Query* query) {
  os::MutexLock lock(mutex_);
  std::erase(queries_, query);
}

void LiveQueries::InterruptAll() {
  os::MutexLock lock(mutex_);
  for (Query* query : queries_) query->Interrupt();
}

void FetchedChunk::Set(ChunkHandle chunk, const std::vector<ValueType>& types) {
  chunk_ = std::move(chunk);
  views_.clear();
  rows_ = chunk_ ? duckdb_data_chunk_get_size(chunk_.get()) : 0;
  if (!chunk_) return;
  for (size_t i = 0; i < types.size(); ++i) {
    views_.push_back(ViewOf(duckdb_data_chunk_get_vector(chunk_.get(), i), types[i]));
  }
}

uint64_t FetchedChunk::Bytes() const {
  uint64_t total = 0;
  for (size_t column = 0; column < columns(); ++column) {
    for (size_t row = 0; row < rows_; ++row) total += ValueBytes(At(column, row));
  }
  return total;
}

Query::Query(EngineImpl& engine, const QueryLimits& limits, std::shared_ptr<LiveQueries> live)
    : engine_(engine), limits_(limits), live_(std::move(live)) {}

Result<std::unique_ptr<Query>> Query::Begin(EngineImpl& engine, const QueryLimits& limits,
                                            std::shared_ptr<LiveQueries> live) {
  std::unique_ptr<Query> query(new Query(engine, limits, std::move(live)));
  TARN_ASSIGN_OR_RETURN(query->slot_, engine.Acquire());
  if (limits.timeout_micros > 0) {
    query->deadline_micros_ = engine.watchdog().NowMicros() + limits.timeout_micros;
  }
  query->watch_ = engine.watchdog().Watch(query->connection(), limits.timeout_micros);
  query->live_->Add(query.get());
  TARN_TRY(Execute(query->connection(), "BEGIN TRANSACTION"));
  return query;
}

Query::~Query() {
  if (!slot_) return;
  live_->Remove(this);
  engine_.watchdog().Release(watch_);
  chunk_.Set({}, types_);
  result_.Reset();
  prepared_.Reset();
  // Where there is nothing to roll back the error is the proof of it.
  (void)Execute(connection(), "ROLLBACK");
  engine_.GiveBack(std::move(slot_));
}

Status Query::Restart() {
  TARN_TRY(Execute(connection(), "ROLLBACK"));
  return Execute(connection(), "BEGIN TRANSACTION");
}

Status Query::Stopped() const {
  if (interrupted_) return Cancelled("the query was interrupted");
  if (deadline_micros_ != 0 && engine_.watchdog().NowMicros() >= deadline_micros_) {
    return TookTooLong(limits_.timeout_micros);
  }
  return {};
}

// Whether DuckDB may have stumbled over a damaged file.
bool Query::MayBeDamage(const Error& error) const {
  const std::string_view said = error.message();
  const auto says = [said](std::string_view words) { return said.find(words) != said.npos; };
  if (error.code() == Code::kIo) {
    // Over what DuckDB writes: what it spills, or an export.
    const std::string& written = engine_.options().temp_directory;
    return written.empty() || !says(written);
  }
  return error.code() == Code::kInternal ||
         std::any_of(kWordsOfDamage.begin(), kWordsOfDamage.end(), says);
}

Error Query::Judge(Error error) const {
  if (auto status = Stopped(); !status.ok()) return std::move(status).error();
  // The block that was to go there, and nothing of the place, is what DuckDB speaks of.
  if (error.code() == Code::kResourceExhausted &&
      error.message().find("failed to offload data block") != std::string::npos) {
    return ResourceExhausted(fmt::format(
        "the query needs more memory than it may take, and {}, where the rest goes, "
        "has no room for it: its disk is full, or {} are used",
        engine_.options().temp_directory, FormatBytes(engine_.options().temp_limit_bytes)));
  }
  if (!look_for_damage_ || !MayBeDamage(error)) return error;
  Status damage = look_for_damage_([this] { return Stopped(); });
  if (auto status = Stopped(); !status.ok()) return std::move(status).error();
  return damage.ok() ? error : std::move(damage).error();
}

Status Query::Prepare(const std::string& sql) {
  TARN_TRY(Stopped());
  if (duckdb_prepare(connection(), sql.c_str(), prepared_.out()) == DuckDBError) {
    return Judge(FromDuckdb(duckdb_prepare_error(prepared_.get())));
  }
  const auto type = duckdb_prepared_statement_type(prepared_.get());
  if (type != DUCKDB_STATEMENT_TYPE_SELECT && type != DUCKDB_STATEMENT_TYPE_EXPLAIN) {
    return PermissionDenied("only queries are allowed: SELECT, DESCRIBE, SHOW TABLES, EXPLAIN");
  }
  if (duckdb_nparams(prepared_.get()) != 0) {
    return InvalidArgument("a query parameter has no value here");
  }
  return DescribeColumns();
}

Status Query::DescribeColumns() {
  const idx_t count = duckdb_prepared_statement_column_count(prepared_.get());
  for (idx_t i = 0; i < count; ++i) {
    const TypeHandle type(duckdb_prepared_statement_column_logical_type(prepared_.get(), i));
    char* text = const_cast<char*>(duckdb_prepared_statement_column_name(prepared_.get(), i));
    ColumnInfo column{.name = text == nullptr ? "" : text};
    duckdb_free(text);
    auto built = ValueTypeOf(type.get());
    if (!built.ok()) return std::move(built).error().In("column '" + column.name + "'");
    types_.push_back(std::move(built).value());
    column.type = types_.back().text;
    column.kind = types_.back().kind;
    column.precision = types_.back().precision;
    column.scale = types_.back().scale;
    columns_.push_back(std::move(column));
  }
  return {};
}

Result<uint64_t> Query::RunForCount(const std::string& sql) {
  TARN_TRY(Stopped());
  ResultHandle result;
  if (duckdb_query(connection(), sql.c_str(), result.out()) == DuckDBError) {
    return Judge(
        FromDuckdb(duckdb_result_error_type(result.get()), duckdb_result_error(result.get())));
  }
  const ChunkHandle chunk(duckdb_fetch_chunk(*result.get()));
  if (!chunk || duckdb_data_chunk_get_size(chunk.get()) != 1) return Internal("no count");
  const auto* counts = static_cast<const int64_t*>(
      duckdb_vector_get_data(duckdb_data_chunk_get_vector(chunk.get(), 0)));
  return static_cast<uint64_t>(counts[0]);
}

Status Query::StartExecution() {
  started_ = true;
  PendingHandle pending;
  if (duckdb_pending_prepared_streaming(prepared_.get(), pending.out()) == DuckDBError) {
    return FromDuckdb(duckdb_pending_error(pending.get()));
  }
  if (duckdb_execute_pending(pending.get(), result_.out()) == DuckDBError) {
    return FromDuckdb(duckdb_result_error_type(result_.get()), duckdb_result_error(result_.get()));
  }
  return {};
}

Result<const Chunk*> Query::Fetch() {
  TARN_TRY(Stopped());
  if (!started_) TARN_TRY(StartExecution());
  ChunkHandle chunk;
  do {
    *chunk.out() = duckdb_fetch_chunk(*result_.get());
    const char* reason = duckdb_result_error(result_.get());
    if (reason != nullptr && *reason != '\0') {
      return FromDuckdb(duckdb_result_error_type(result_.get()), reason);
    }
  } while (chunk && duckdb_data_chunk_get_size(chunk.get()) == 0);
  // An interrupted stream may simply end.
  TARN_TRY(Stopped());
  if (!chunk) {
    ended_ = true;
    return static_cast<const Chunk*>(nullptr);
  }
  chunk_.Set(std::move(chunk), types_);
  rows_ += chunk_.rows();
  if (limits_.max_result_bytes > 0) {
    bytes_ += chunk_.Bytes();
    if (bytes_ > limits_.max_result_bytes) {
      return ResourceExhausted(fmt::format("the result is over {}, the most allowed",
                                           FormatBytes(limits_.max_result_bytes)));
    }
  }
  return static_cast<const Chunk*>(&chunk_);
}

Result<const Chunk*> Query::Next() {
  if (error_) return *error_;
  if (ended_) return static_cast<const Chunk*>(nullptr);
  SetBusy(true);
  auto chunk = Fetch();
  if (!chunk.ok()) error_ = Judge(std::move(chunk).error());
  SetBusy(false);
  if (error_) return *error_;
  return chunk;
}

void Query::SetBusy(bool busy) { engine_.watchdog().SetBusy(watch_, busy); }

void Query::Interrupt() {
  interrupted_ = true;
  engine_.watchdog().InterruptNow(watch_);
}

double Query::progress() const {
  const double percent = duckdb_query_progress(connection()).percentage;
  return percent < 0 ? -1 : std::min(percent / 100, 1.0);
}

}  // namespace tarn::sql
