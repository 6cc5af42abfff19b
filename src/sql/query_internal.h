#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "os/mutex.h"
#include "sql/engine_internal.h"
#include "sql/result.h"
#include "sql/table_resolver.h"
#include "sql/value_type_internal.h"

namespace tarn::sql {

class Query;

// The queries of a session that have not ended, for its Interrupt. Thread-safe.
class LiveQueries {
 public:
  void Add(Query* query);
  void Remove(Query* query);
  void InterruptAll();

 private:
  os::Mutex mutex_;
  std::vector<Query*> queries_ TARN_GUARDED_BY(mutex_);
};

class FetchedChunk final : public Chunk {
 public:
  size_t rows() const override { return rows_; }
  size_t columns() const override { return views_.size(); }
  Cell At(size_t column, size_t row) const override { return {&views_[column], row}; }

  void Set(ChunkHandle chunk, const std::vector<ValueType>& types);
  // Of the values, nested ones included.
  uint64_t Bytes() const;

 private:
  ChunkHandle chunk_;
  std::vector<VectorView> views_;
  size_t rows_ = 0;
};

// A transaction on a slot of its own in which one statement is planned and run; rolled back at the
// end, and its views with it.
class Query final : public QueryResult {
 public:
  // Begins the transaction.
  static Result<std::unique_ptr<Query>> Begin(EngineImpl& engine, const QueryLimits& limits,
                                              std::shared_ptr<LiveQueries> live);
  ~Query() override;

  duckdb_connection connection() const { return slot_->connection.get(); }
  const std::string& database() const { return slot_->database; }
  // Forgets what the transaction did and begins another.
  Status Restart();
  // Binds and plans the statement that Next will run. `sql` is one checked statement.
  Status Prepare(const std::string& sql);
  // Runs a statement of ours whose single value is a count.
  Result<uint64_t> RunForCount(const std::string& sql);
  // True while planning or in DuckDB; as long as the caller looks at rows it is not.
  void SetBusy(bool busy);
  // What finds out whether a file the query reads is damaged, and which.
  void SetLookForDamage(std::function<Status(const GoOn&)> look) {
    look_for_damage_ = std::move(look);
  }
  // Cancelled or past its deadline: that, instead of `error`. The damaged file behind an error of
  // reading: that, by name. May take as long as the query may.
  Error Judge(Error error) const;

  const std::vector<ColumnInfo>& columns() const override { return columns_; }
  Result<const Chunk*> Next() override;
  uint64_t rows_so_far() const override { return rows_; }
  void Interrupt() override;
  double progress() const override;

 private:
  Query(EngineImpl& engine, const QueryLimits& limits, std::shared_ptr<LiveQueries> live);

  Status Stopped() const;
  bool MayBeDamage(const Error& error) const;
  Status StartExecution();
  Status DescribeColumns();
  Result<const Chunk*> Fetch();

  EngineImpl& engine_;
  const QueryLimits limits_;
  const std::shared_ptr<LiveQueries> live_;
  std::unique_ptr<Slot> slot_;
  int64_t deadline_micros_ = 0;
  uint64_t watch_ = 0;
  std::atomic<bool> interrupted_ = false;
  std::function<Status(const GoOn&)> look_for_damage_;

  PreparedHandle prepared_;
  std::vector<ValueType> types_;
  std::vector<ColumnInfo> columns_;
  ResultHandle result_;
  bool started_ = false;
  bool ended_ = false;
  FetchedChunk chunk_;
  uint64_t rows_ = 0;
  uint64_t bytes_ = 0;
  std::optional<Error> error_;
};

}  // namespace tarn::sql
