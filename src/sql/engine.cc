#include "sql/engine.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>

#include "base/text.h"
#include "sql/engine_internal.h"
#include "sql/functions_internal.h"

namespace tarn::sql {
namespace {

constexpr int64_t kInterruptAgainMicros = 50'000;
constexpr int64_t kNever = INT64_MAX;

std::string ListOf(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const std::string& text : texts) out += (out.size() > 1 ? ", " : "") + Quoted(text);
  return out + "]";
}

// DuckDB allows a folder by prefix; without the slash "lake" would open "lake-secrets" too.
std::string AsFolder(const std::string& path) { return path.ends_with('/') ? path : path + "/"; }

// What people know from DuckDB's shell and extensions, and this engine does not have.
constexpr std::string_view kElsewhere[] = {"delta_scan",  "getenv",    "http_get",  "iceberg_scan",
                                           "mysql_scan",  "read_avro", "read_xlsx", "postgres_scan",
                                           "sqlite_scan", "st_read"};

// An engine's folder "X" is its as long as it holds the lock on "X.lock".
constexpr char kLockSuffix[] = ".lock";

// Of engines whose process died. What cannot be removed now is tried again by the next.
void RemoveLeftovers(os::FileSystem& files, const std::string& folder) {
  const auto names = files.List(folder);
  if (!names.ok()) return;
  for (const std::string& name : *names) {
    if (!name.starts_with("sql-") || !name.ends_with(kLockSuffix)) continue;
    const std::string path = os::JoinPath(folder, name);
    const auto lock = files.Lock(path);
    if (!lock.ok()) continue;  // it lives
    (void)files.RemoveRecursively(path.substr(0, path.size() - (sizeof(kLockSuffix) - 1)));
    (void)files.Remove(path);
  }
}

}  // namespace

Error TookTooLong(int64_t allowed_micros) {
  return DeadlineExceeded(fmt::format("the query took longer than the {:g} s it is allowed",
                                      static_cast<double>(allowed_micros) / 1e6));
}

Watchdog::Watchdog(int64_t stuck_micros, std::function<void(int64_t)> on_stuck)
    : stuck_micros_(stuck_micros),
      on_stuck_(std::move(on_stuck)),
      thread_("sql-watchdog", [this] { Loop(); }) {}

Watchdog::~Watchdog() {
  {
    os::MutexLock lock(mutex_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  thread_.Join();
}

uint64_t Watchdog::Watch(duckdb_connection connection, int64_t allowed_micros) {
  os::MutexLock lock(mutex_);
  const uint64_t id = next_id_++;
  watched_[id] = {connection, kNever, allowed_micros, kNever};
  if (allowed_micros == 0) return id;
  watched_[id].next_micros = NowMicros() + allowed_micros;
  if (on_stuck_) watched_[id].stuck_at_micros = watched_[id].next_micros + stuck_micros_;
  changed_.NotifyAll();
  return id;
}

void Watchdog::SetBusy(uint64_t id, bool busy) {
  os::MutexLock lock(mutex_);
  if (const auto found = watched_.find(id); found != watched_.end()) found->second.busy = busy;
}

void Watchdog::InterruptNow(uint64_t id) {
  os::MutexLock lock(mutex_);
  const auto found = watched_.find(id);
  if (found == watched_.end()) return;
  duckdb_interrupt(found->second.connection);
  found->second.next_micros = NowMicros() + kInterruptAgainMicros;
  changed_.NotifyAll();
}

void Watchdog::Release(uint64_t id) {
  os::MutexLock lock(mutex_);
  watched_.erase(id);
}

int64_t Watchdog::Look(int64_t now, int64_t& stuck) {
  int64_t next = kNever;
  for (auto& [id, watched] : watched_) {
    if (watched.next_micros <= now) {
      duckdb_interrupt(watched.connection);
      watched.next_micros = now + kInterruptAgainMicros;
    }
    if (watched.busy && watched.stuck_at_micros <= now) {
      watched.stuck_at_micros = kNever;
      stuck = watched.allowed_micros;
    }
    next = std::min(next, watched.next_micros);
  }
  return next;
}

void Watchdog::Loop() {
  for (;;) {
    int64_t stuck = 0;
    {
      os::MutexLock lock(mutex_);
      if (stopping_) return;
      const int64_t now = NowMicros();
      const int64_t next = Look(now, stuck);
      if (stuck == 0 && next == kNever) {
        changed_.Wait(mutex_);
      } else if (stuck == 0) {
        changed_.WaitFor(mutex_, next - now);
      }
    }
    if (stuck != 0) on_stuck_(stuck);
  }
}

const std::vector<std::string_view>& FunctionNames() { return AllowedFunctions(); }

Result<std::unique_ptr<Engine>> Engine::Open(const EngineOptions& options, os::FileSystem& files) {
  auto engine = std::make_unique<EngineImpl>(options, files);
  if (auto status = engine->Start(); !status.ok()) {
    return std::move(status).error().In("SQL engine");
  }
  return std::unique_ptr<Engine>(std::move(engine));
}

EngineImpl::EngineImpl(const EngineOptions& options, os::FileSystem& files)
    : options_(options),
      files_(files),
      watchdog_(options.stuck_micros,
                options.on_stuck
                    ? [this](int64_t allowed) { options_.on_stuck(TookTooLong(allowed)); }
                    : std::function<void(int64_t)>()) {}

EngineImpl::~EngineImpl() {
  {
    os::MutexLock lock(mutex_);
    free_.clear();
  }
  database_.Reset();
  RemoveTempFiles();
}

void EngineImpl::RemoveTempFiles() {
  if (temp_.empty()) return;
  // What stays is removed by the next engine.
  (void)files_.RemoveRecursively(temp_);
  (void)files_.Remove(temp_ + kLockSuffix);
}

std::string EngineImpl::staging_directory() const {
  return temp_.empty() ? "" : os::JoinPath(temp_, "export");
}

Status EngineImpl::TakeTempDirectory() {
  TARN_TRY(files_.CreateDirectories(options_.temp_directory));
  RemoveLeftovers(files_, options_.temp_directory);
  static std::atomic<int> number = 0;
  for (;;) {
    const std::string path =
        os::JoinPath(options_.temp_directory, fmt::format("sql-{}-{}", getpid(), ++number));
    auto locked = files_.Lock(path + kLockSuffix);
    // Taken by a process of the same number in another container.
    if (!locked.ok() && locked.error().code() == Code::kConflict) continue;
    TARN_ASSIGN_OR_RETURN(auto lock, std::move(locked));
    // Another engine may have taken it for a leftover in between.
    if (!files_.Exists(path + kLockSuffix)) continue;
    temp_ = path;
    temp_lock_ = std::move(lock);
    return files_.CreateDirectories(staging_directory());
  }
}

uint64_t EngineImpl::NextExport() {
  os::MutexLock lock(mutex_);
  return ++exports_;
}

Status EngineImpl::Start() {
  if (options_.max_queries < 1) return InvalidArgument("max_queries must be at least 1");
  for (const std::string& folder : options_.data_directories) {
    if (!folder.starts_with('/')) return InvalidArgument("'" + folder + "' is no absolute path");
  }
  if (!options_.temp_directory.empty()) TARN_TRY(TakeTempDirectory());
  TARN_TRY(OpenDatabase());
  ConnectionHandle admin;
  if (duckdb_connect(database_.get(), admin.out()) == DuckDBError) {
    return Internal("DuckDB gives no connection");
  }
  TARN_TRY(OpenSlots(admin.get()));
  return CloseDoors(admin.get());
}

Status EngineImpl::OpenDatabase() {
  std::vector<std::pair<std::string, std::string>> settings = {
      {"memory_limit", fmt::format("{}B", options_.memory_limit_bytes)},
      {"temp_directory", temp_},
      {"max_temp_directory_size", fmt::format("{}B", options_.temp_limit_bytes)},
      {"autoinstall_known_extensions", "false"},
      {"autoload_known_extensions", "false"},
      {"allow_unsigned_extensions", "false"},
      {"allow_community_extensions", "false"},
  };
  if (options_.threads > 0) settings.emplace_back("threads", std::to_string(options_.threads));
  ConfigHandle config;
  if (duckdb_create_config(config.out()) == DuckDBError) return Internal("no configuration");
  for (const auto& [name, value] : settings) {
    if (duckdb_set_config(config.get(), name.c_str(), value.c_str()) == DuckDBError) {
      return InvalidArgument(fmt::format("DuckDB refuses {} = '{}'", name, value));
    }
  }
  char* reason = nullptr;
  if (duckdb_open_ext(nullptr, database_.out(), config.get(), &reason) == DuckDBError) {
    Error error = FromDuckdb(reason);
    duckdb_free(reason);
    return error;
  }
  return {};
}

// Connections are made, and their own settings set, before the configuration is locked.
Status EngineImpl::OpenSlots(duckdb_connection admin) {
  os::MutexLock lock(mutex_);
  for (int i = 0; i < options_.max_queries; ++i) {
    auto slot = std::make_unique<Slot>();
    slot->database = fmt::format("query_{}", i);
    if (duckdb_connect(database_.get(), slot->connection.out()) == DuckDBError) {
      return Internal("DuckDB gives no connection");
    }
    TARN_TRY(Execute(admin, "ATTACH ':memory:' AS " + slot->database));
    for (const std::string& sql : {"USE " + slot->database, std::string("SET TimeZone = 'UTC'"),
                                   std::string("SET enable_progress_bar = true"),
                                   std::string("SET enable_progress_bar_print = false")}) {
      TARN_TRY(Execute(slot->connection.get(), sql));
    }
    free_.push_back(std::move(slot));
  }
  return {};
}

Status EngineImpl::CloseDoors(duckdb_connection admin) {
  std::vector<std::string> folders;
  for (const std::string& folder : options_.data_directories) folders.push_back(AsFolder(folder));
  if (const auto staging = staging_directory(); !staging.empty()) {
    folders.push_back(AsFolder(staging));
  }
  // Files of a lake never change under their name, so what was read of them stays true.
  TARN_TRY(Execute(admin, "SET GLOBAL parquet_metadata_cache = true"));
  TARN_TRY(Execute(admin, "SET GLOBAL allowed_directories = " + ListOf(folders)));
  TARN_TRY(Execute(admin, "SET GLOBAL enable_external_access = false"));
  return Execute(admin, "SET GLOBAL lock_configuration = true");
}

// Their names are kept: to list them takes DuckDB 40 ms.
Result<bool> EngineImpl::HasFunction(duckdb_connection connection, const std::string& name) {
  {
    os::MutexLock lock(mutex_);
    if (!functions_.empty()) return functions_.contains(name);
  }
  TARN_ASSIGN_OR_RETURN(
      const auto all,
      QueryText(connection,
                "SELECT string_agg(DISTINCT lower(function_name), chr(10)) FROM duckdb_functions()",
                nullptr));
  const std::string names = all.value_or("");
  std::set<std::string> functions(std::begin(kElsewhere), std::end(kElsewhere));
  for (const std::string_view function : Split(names, '\n')) functions.emplace(function);
  os::MutexLock lock(mutex_);
  functions_ = std::move(functions);
  return functions_.contains(name);
}

Result<std::unique_ptr<Slot>> EngineImpl::Acquire() {
  os::MutexLock lock(mutex_);
  if (free_.empty()) {
    return ResourceExhausted(
        fmt::format("{} queries are running, the most allowed; try again when one has ended",
                    options_.max_queries));
  }
  auto slot = std::move(free_.back());
  free_.pop_back();
  return slot;
}

void EngineImpl::GiveBack(std::unique_ptr<Slot> slot) {
  os::MutexLock lock(mutex_);
  free_.push_back(std::move(slot));
}

}  // namespace tarn::sql
