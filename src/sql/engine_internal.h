#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "os/clock.h"
#include "os/mutex.h"
#include "os/thread.h"
#include "sql/duckdb_handle_internal.h"
#include "sql/engine.h"

namespace tarn::sql {

// What a query answers that took longer than it may.
Error TookTooLong(int64_t allowed_micros);

// Interrupts connections: at a deadline, or when told, and again every 50 ms until released, since
// an interrupt that comes between two steps of a query is lost. One thread. Thread-safe.
class Watchdog {
 public:
  // `on_stuck` (may be empty) is called without a lock, for a connection that is busy although its
  // deadline passed `stuck_micros` ago.
  Watchdog(int64_t stuck_micros, std::function<void(int64_t allowed_micros)> on_stuck);
  ~Watchdog();

  // Its time is `allowed_micros` from now; 0: no limit. Busy at first.
  uint64_t Watch(duckdb_connection connection, int64_t allowed_micros);
  void SetBusy(uint64_t id, bool busy);
  void InterruptNow(uint64_t id);
  // No interrupt comes after this.
  void Release(uint64_t id);
  int64_t NowMicros() const { return clock_.MonotonicMicros(); }

 private:
  struct Watched {
    duckdb_connection connection;
    int64_t next_micros;  // when to interrupt
    int64_t allowed_micros;
    int64_t stuck_at_micros;  // kNever once it was reported
    bool busy = true;
  };
  void Loop();
  // Interrupts what is due. Answers when the next is; the allowed time of a stuck one in `stuck`.
  int64_t Look(int64_t now, int64_t& stuck) TARN_REQUIRES(mutex_);

  const int64_t stuck_micros_;
  const std::function<void(int64_t)> on_stuck_;

  os::SystemClock clock_;
  os::Mutex mutex_;
  os::ConditionVariable changed_;
  std::map<uint64_t, Watched> watched_ TARN_GUARDED_BY(mutex_);
  uint64_t next_id_ TARN_GUARDED_BY(mutex_) = 1;
  bool stopping_ TARN_GUARDED_BY(mutex_) = false;
  os::Thread thread_;
};

// A connection with a database of its own, in which a query's views are made. Between queries it
// has no open transaction and no view.
struct Slot {
  ConnectionHandle connection;
  std::string database;
};

class EngineImpl final : public Engine {
 public:
  EngineImpl(const EngineOptions& options, os::FileSystem& files);
  ~EngineImpl() override;

  Status Start();
  std::string version() const override { return duckdb_library_version(); }
  void RemoveTempFiles() override;

  Result<std::unique_ptr<Slot>> Acquire();
  void GiveBack(std::unique_ptr<Slot> slot);

  // Whether DuckDB, its shell or one of its usual extensions has a function of that name (lower
  // case), allowed or not.
  Result<bool> HasFunction(duckdb_connection connection, const std::string& name);

  Watchdog& watchdog() { return watchdog_; }
  os::FileSystem& files() { return files_; }
  const EngineOptions& options() const { return options_; }
  // Where exports are written before they are moved; empty if there is no temp directory.
  std::string staging_directory() const;
  uint64_t NextExport();

 private:
  // A folder of our own below temp_directory, locked for as long as we live.
  Status TakeTempDirectory();
  Status OpenDatabase();
  Status OpenSlots(duckdb_connection admin);
  Status CloseDoors(duckdb_connection admin);

  const EngineOptions options_;
  os::FileSystem& files_;
  std::string temp_;  // empty: none
  std::unique_ptr<os::FileLock> temp_lock_;
  DatabaseHandle database_;
  os::Mutex mutex_;
  std::vector<std::unique_ptr<Slot>> free_ TARN_GUARDED_BY(mutex_);
  uint64_t exports_ TARN_GUARDED_BY(mutex_) = 0;
  std::set<std::string> functions_ TARN_GUARDED_BY(mutex_);  // empty: not asked for yet
  Watchdog watchdog_;
};

}  // namespace tarn::sql
