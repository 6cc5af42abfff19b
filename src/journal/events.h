#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "obs/log.h"
#include "obs/metrics.h"

namespace tarn::journal {

// Noteworthy events of the journal: each emits its log line and its metrics together.

// An unfinished write at the end that was given up. `bytes` as far as they can be told from what
// the file held before.
struct TornTail {
  std::string file;
  uint64_t offset;
  uint64_t bytes;
};

// Opened.
struct Recovered {
  uint64_t segments;
  uint64_t begin;
  uint64_t end;
  std::optional<TornTail> torn;
  int64_t micros;
  void Emit(obs::Logger& log, obs::Registry& metrics) const;
};

// A write or sync failed: nothing is acknowledged until the journal went on with a new segment.
struct Poisoned {
  std::string reason;
  void Emit(obs::Logger& log, obs::Registry& metrics) const;
};

// No further segment: the bound is reached or the disk is full.
struct Full {
  uint64_t size_bytes;
  std::string reason;
  void Emit(obs::Logger& log, obs::Registry& metrics) const;
};

// Healthy again, and with room, after Poisoned or Full.
struct Continued {
  uint64_t segment;
  void Emit(obs::Logger& log, obs::Registry& metrics) const;
};

struct Trimmed {
  uint64_t segments;
  uint64_t begin;
  uint64_t size_bytes;
  void Emit(obs::Logger& log, obs::Registry& metrics) const;
};

// Records [from, to) were skipped because accept_loss is set; nullopt: nobody knows to which.
struct LossAccepted {
  std::string place;
  std::string_view reason;
  uint64_t from;
  std::optional<uint64_t> to;
  void Emit(obs::Logger& log, obs::Registry& metrics) const;
};

// A sync returned: not logged.
struct Committed {
  uint64_t records;
  uint64_t bytes;
  double seconds;
};

// The metrics of the hot path, looked up once.
class CommitMetrics {
 public:
  explicit CommitMetrics(obs::Registry& metrics);
  void Emit(const Committed& committed);
  void SetSize(uint64_t size_bytes) { size_.Set(static_cast<double>(size_bytes)); }

 private:
  obs::Counter& records_;
  obs::Counter& bytes_;
  obs::Histogram& sync_seconds_;
  obs::Gauge& size_;
};

}  // namespace tarn::journal
