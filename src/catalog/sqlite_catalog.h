#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "catalog/catalog.h"
#include "os/clock.h"
#include "os/file_system.h"
#include "os/random.h"

namespace tarn::catalog {

enum class SqliteMode : uint8_t {
  kCreate,    // make it if it is not there
  kExisting,  // NotFound if it is not there
  kReadOnly,  // must exist; works beside a running server and without one, never blocks it
};

enum class LostLog : uint8_t {
  kRefuse,  // a missing write-ahead log is DataLoss
  kAccept,  // a person has decided to go on from the last checkpoint; leaves an audit row
};

struct SqliteOptions {
  std::string path;  // "lake/catalog.db"; its siblings are path-wal, path-shm, path-open
  SqliteMode mode = SqliteMode::kCreate;
  LostLog lost_log = LostLog::kRefuse;
  std::string tarn_version;          // recorded when the catalog is made
  int64_t busy_timeout_ms = 10'000;  // how long a call waits for another process; then Unavailable
  int64_t watermark_keep_micros = 7 * kMicrosPerDay;  // untouched ones go, a few with each commit
  int64_t max_bytes = 0;  // of the database file; 0: no limit. Past it: ResourceExhausted.
  // SQLite's integrity_check, and our own of watermarks and positions; seconds a GB. Not in
  // kReadOnly.
  bool check_pages = true;
};

// What the catalog borrows; outlives it.
struct SqliteDeps {
  os::FileSystem& file_system;
  const os::Clock& clock;
  os::Random& random;
};

// The embedded catalog: one SQLite file in WAL mode, every commit synced (docs/formats/catalog.md).
// One connection for changes and one for reads, so reads never wait for a commit of this process.
// Several processes may have it open; a network file system is no place for it.
//   DataLoss: damaged, empty, or its log is damaged or gone; says which file, what is lost and how
//   to go on.
//   Unsupported: written by a newer Tarn.  InvalidArgument: a SQLite file that is no catalog.
// A damaged file is never changed.
Result<std::unique_ptr<Catalog>> OpenSqliteCatalog(const SqliteOptions& options,
                                                   const SqliteDeps& deps);

}  // namespace tarn::catalog
