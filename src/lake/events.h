#pragma once

#include <cstdint>
#include <string>

#include "catalog/commit.h"
#include "lake/workspace.h"

namespace tarn::lake {

struct CommitRequest;

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
  void Emit(const Workspace& work) const;
};

// A journal record that cannot be read; its lines are lost to the lake. Kept in the journal's file
// until that is recycled.
struct RecordRefused {
  uint64_t position;
  const Error& error;
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

// JSON objects an interrupted flush had left were removed.
struct LeftoversRemoved {
  size_t objects;
  void Emit(const Workspace& work) const;
};

}  // namespace tarn::lake
