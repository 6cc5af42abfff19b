#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "os/file_system.h"

namespace tarn::catalog {

inline constexpr uint64_t kLogHeaderBytes = 32;

// Where SQLite stops reading a write-ahead log although commits that were made lie behind.
struct LogDamage {
  uint64_t offset = 0;  // of the first frame it does not read; 0: the log's header
  uint64_t salts = 0;   // which tell the log from those that were in the file before it
  bool operator==(const LogDamage&) const = default;
};

// Looks at a log (sqlite.org/fileformat2.html#walformat), whatever is in it. nullopt: SQLite reads
// every commit that was made, as far as the log alone can tell. Beside a process that appends to it
// or begins it anew, a damage counts only if looking again finds the same.
Result<std::optional<LogDamage>> FindLogDamage(const os::File& log);

// DataLoss if the log of the catalog at `path` is damaged, unless a process has the catalog open:
// that one knows its commits, and others read them with it. Changes nothing.
Status CheckLog(os::FileSystem& fs, const std::string& path);
// What a process that was killed wrote last is durable, before another one builds on it.
Status SyncLog(os::FileSystem& fs, const std::string& path);

}  // namespace tarn::catalog
