#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "catalog/dataset.h"

namespace tarn::catalog {

// Proof of being the youngest worker of a pipeline. Tokens of a pipeline only rise, over restarts
// too.
struct FencingToken {
  int64_t value = 0;  // 0: none
  auto operator<=>(const FencingToken&) const = default;
};

// Moves a dataset's pointer, if it is still where the writer read it.
struct TableSwap {
  DatasetName dataset;
  std::string expected_metadata_location;  // empty: the table has no metadata yet
  std::string new_metadata_location;
  int64_t snapshot_id = 0;
  int64_t rows_delta = 0;
  int64_t bytes_delta = 0;
  std::optional<std::string> schema_summary;  // nullopt: unchanged
};

struct WatermarkKey {
  std::string source;
  std::string host;
  std::string file_id;
  auto operator<=>(const WatermarkKey&) const = default;
};

// How far a file's bytes are in the lake without a gap. Never moves back in a commit.
struct Watermark {
  WatermarkKey key;
  int64_t end_offset = 0;  // bytes [0, end_offset) are committed
  int64_t last_batch = 0;
  Timestamp updated;  // set by the catalog
  bool operator==(const Watermark&) const = default;
};

struct DatasetSnapshot {
  DatasetName dataset;
  int64_t snapshot_id = 0;
  auto operator<=>(const DatasetSnapshot&) const = default;
};

enum class RunStatus : uint8_t { kRunning, kSucceeded, kFailed };
std::string_view RunStatusName(RunStatus status);
std::optional<RunStatus> ParseRunStatus(std::string_view name);

// One execution of a job: which snapshots it read and which it made.
struct LineageRun {
  std::string run_id;  // empty in a commit: none is recorded
  std::string job;     // "land:web", "model:curated.daily_sales"
  Timestamp started;
  Timestamp ended;
  std::vector<DatasetSnapshot> inputs;
  std::vector<DatasetSnapshot> outputs;
  int64_t rows = 0;
  int64_t bytes = 0;
  RunStatus status = RunStatus::kSucceeded;
  std::string code_version;
  std::string message;  // of a failure
  bool operator==(const LineageRun&) const = default;
};

// What others react to. Ids rise in commit order without two commits interleaving.
struct DatasetEvent {
  int64_t id = 0;  // set by the catalog
  DatasetName dataset;
  int64_t snapshot_id = 0;
  std::string kind;     // "append", "replace", "overwrite", "objects"
  std::string payload;  // JSON
  std::string commit_id;
  Timestamp created;                   // set by the catalog
  std::optional<Timestamp> delivered;  // when the last consumer passed it
};

struct AuditRow {
  int64_t id = 0;  // set by the catalog
  Timestamp at;    // set by the catalog
  std::string who;
  std::string action;  // "commit", "dataset.create"
  std::string object;
  std::string detail;
};

// Something out of quarantine was brought back; it cannot be brought back twice.
struct ReplayMark {
  DatasetName dataset;  // the quarantine dataset
  std::string item;     // which rows: chosen by the caller, unique within the dataset
  int64_t rows = 0;
  std::string commit_id;  // set by the catalog
  Timestamp replayed;     // set by the catalog
};

// The one commit (docs/formats/catalog.md): all of it becomes visible, or nothing.
struct Commit {
  std::string commit_id;  // unique; the same id again answers the first receipt
  std::string pipeline;   // empty: no token and no position (a foreign engine, compaction)
  FencingToken token;
  std::string expected_position;  // opaque; empty: the pipeline has none yet
  std::string new_position;
  std::vector<TableSwap> swaps;  // at most one a dataset
  std::vector<Watermark> watermarks;
  LineageRun run;
  std::vector<DatasetEvent> events;
  std::vector<ReplayMark> replays;
  AuditRow audit;  // `who` is required
};

// Bounds of one commit; more is InvalidArgument.
inline constexpr size_t kMaxSwaps = 4'096;
inline constexpr size_t kMaxWatermarks = 100'000;
inline constexpr size_t kMaxEvents = 8'192;
inline constexpr size_t kMaxReplays = 10'000;
inline constexpr size_t kMaxTextBytes = 1 << 20;  // of any one string in a commit

struct CommitReceipt {
  std::string commit_id;
  int64_t sequence = 0;  // 1, 2, 3, … over the whole catalog
  Timestamp committed;
  std::string pipeline;
  std::string new_position;
  int64_t first_event_id = 0;  // 0: no events
  int64_t last_event_id = 0;
  bool repeated = false;  // the commit had been applied before; nothing was done now
};

}  // namespace tarn::catalog
