#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "agent_wire/batch.h"
#include "base/time.h"
#include "lake/log_buffer.h"

namespace tarn::lake {

// What `tarn status` says of one host of a source.
struct HostStatus {
  std::string source;
  std::string host;
  uint64_t lines = 0;  // landed since the server started
  uint64_t rejected = 0;
  uint64_t bytes = 0;
  Timestamp last_read;          // the newest read_time of its batches
  Timestamp last_ingested;      // when its newest batch was acknowledged
  double lines_per_second = 0;  // landed, over the last kRateMicros
  double lag_seconds = 0;       // from the agent's read to the lake, of the last batch that landed
  // Why the last batch that landed did so in quarantine as a whole; empty if it did not, or only a
  // few lines did so since one that did not, in a format that can be used.
  std::string last_error;
  Timestamp last_error_at;
  uint64_t refused_in_a_row = 0;  // lines of such batches since one that was none

  // Of lines that do not fit, one after the other, before that is an error of the host's: visitors
  // that probe the port write a few such lines into any log.
  static constexpr uint64_t kManyLines = 10;
  static constexpr int64_t kErrorKeepMicros = kMicrosPerDay;
  // As it counts at a time: a host that is gone does not keep its error for good.
  std::string_view ErrorAt(Timestamp now) const {
    return now.micros - last_error_at.micros < kErrorKeepMicros ? last_error : std::string_view();
  }
};

// A batch as it was taken into the buffers. Views must live as long as the call.
struct LandedBatch {
  const agent_wire::BatchHeader& header;
  std::string_view source;
  std::string_view format;
  const LineCounts& counts;
  bool format_refused = false;  // none of its lines could fit
  Timestamp ingested_at;
};

// Adds to what was counted of its host since the last commit.
void CountBatch(const LandedBatch& batch, HostStatus& host);

// Of all hosts of a source together, those left out of the status among them.
struct SourceStatus {
  uint64_t lines = 0;  // landed since the server started
  uint64_t rejected = 0;
  uint64_t bytes = 0;
  Timestamp last_read;     // the newest read_time of its batches
  double lag_seconds = 0;  // the longest of the hosts in the last commit that brought some of it
};

using HostKey = std::pair<std::string, std::string>;  // source, host
using HostCounts = std::map<HostKey, HostStatus>;

// What landed since the server started, by host and by source. Not thread-safe.
class LandedCounts {
 public:
  // So that a source shows before anything of it has landed.
  void AddSource(const std::string& source) { sources_[source]; }
  // What one commit brought.
  void AddCommit(const HostCounts& counted, Timestamp committed, int64_t monotonic_micros);

  const std::map<std::string, SourceStatus>& sources() const { return sources_; }
  // With their rates and errors as they count now.
  std::vector<HostStatus> HostsAt(Timestamp now, int64_t monotonic_micros) const;

  static constexpr int64_t kRateMicros = 10 * kMicrosPerSecond;
  static constexpr size_t kMaxHosts = 20'000;  // past it the longest silent are left out

 private:
  struct Landed {  // lines of one commit
    int64_t at_micros;
    uint64_t lines;
  };

  void CountInSources(const HostCounts& counted, Timestamp committed);
  void ForgetOldHosts();

  std::map<std::string, SourceStatus> sources_;
  HostCounts hosts_;
  std::map<HostKey, std::deque<Landed>> rates_;  // of kRateMicros
};

}  // namespace tarn::lake
