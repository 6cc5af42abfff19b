#pragma once

#include <cstdint>
#include <string>

#include "catalog/commit.h"
#include "lake/workspace.h"

namespace tarn::lake {

struct CommitRequest;
struct CompactionResult;

// Noteworthy events of the lake: each is one log line and its metrics.

struct CommitDone {
  const CommitRequest& request;
  const catalog::CommitReceipt& receipt;
  int64_t took_micros;
  void Emit(const Workspace& work) const;
};

// Files nobody points to could not be deleted; orphan removal will find them.
struct FilesLeftBehind {
  size_t files;
  const Error& error;
  void Emit(const Workspace& work) const;
};

// The landing stopped and will try again: the disk is full, the catalog is busy.
struct LandingFailed {
  const Error& error;
  int64_t retry_micros;
  bool news;  // it goes to the log
  void Emit(const Workspace& work) const;
};

// The server had to end before a flush of so many records did. They stay in the journal and land
// after the next start.
struct FlushGivenUp {
  uint64_t records;
  void Emit(const Workspace& work) const;
};

// It goes on after so many failures.
struct LandingRecovered {
  uint64_t failures;
  void Emit(const Workspace& work) const;
};

// A journal record that cannot be read, or be taken into the buffers, just now. It is tried again,
// and those behind it wait.
struct RecordHeld {
  uint64_t position;
  const Error& error;
  int64_t retry_micros;
  void Emit(const Workspace& work) const;
};

// A journal record that cannot be read; its lines are lost to the lake. Kept in the journal's file
// until that is recycled.
struct RecordRefused {
  uint64_t position;
  const Error& error;
  void Emit(const Workspace& work) const;
};

// The journal has the bytes of a file before `from` and those from `to` on; the doors take no batch
// that leaves a gap, so the record between was lost. `from` is 0 if nothing is known of the file:
// then that is so unless its agent was told to begin at its end.
struct LinesMissing {
  std::string source;
  std::string host;
  std::string path;
  uint64_t from;
  uint64_t to;
  void Emit(const Workspace& work) const;
};

// Acknowledged records [from, to) are gone from the journal and a person said to go on without.
struct RecordsMissing {
  uint64_t from;
  uint64_t to;
  void Emit(const Workspace& work) const;
};

// A format that does not compile, or whose columns the table cannot take.
struct FormatRefused {
  const std::string& source;
  const std::string& format;
  const Error& error;
  void Emit(const Workspace& work) const;
};

// A key has brought as many files or hosts as one may; logged if `news`.
struct SenderRefused {
  const std::string& key;
  const char* limit;
  size_t most;
  bool news;
  void Emit(const Workspace& work) const;
};

// Lines that went to quarantine because the buffer has too many hours.
struct HoursRefused {
  const std::string& source;
  const std::string& host;
  uint64_t lines;
  void Emit(const Workspace& work) const;
};

// JSON objects an interrupted flush had left were removed.
struct LeftoversRemoved {
  size_t objects;
  void Emit(const Workspace& work) const;
};

struct CompactionDone {
  const catalog::DatasetName& dataset;
  const CompactionResult& result;
  int64_t took_micros;
  void Emit(const Workspace& work) const;
};

// Another commit took a file away while it was being rewritten; tried again at the next look.
struct CompactionOvertaken {
  const catalog::DatasetName& dataset;
  void Emit(const Workspace& work) const;
};

struct OrphansRemoved {
  const catalog::DatasetName& dataset;
  int64_t files;
  int64_t bytes;
  void Emit(const Workspace& work) const;
};

struct CatalogTrimmed {
  int64_t rows;
  void Emit(const Workspace& work) const;
};

// A step of maintenance failed; it is tried again at the next look.
struct MaintenanceFailed {
  const char* step;
  const std::string& object;
  const Error& error;
  void Emit(const Workspace& work) const;
};

}  // namespace tarn::lake
