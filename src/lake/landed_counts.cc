#include "lake/landed_counts.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/text.h"

namespace tarn::lake {
namespace {

// What a commit says of a host's errors is added to what was known.
void NoteErrors(const HostStatus& counted, Timestamp committed, HostStatus& host) {
  if (counted.lines == 0) return;
  if (counted.lines > counted.rejected) host.refused_in_a_row = 0;
  host.refused_in_a_row += counted.refused_in_a_row;
  if (counted.last_error.empty()) {
    host.last_error.clear();
  } else if (host.refused_in_a_row >= HostStatus::kManyLines) {
    host.last_error = counted.last_error;
    host.last_error_at = committed;
  }
}

// Of a batch that goes to quarantine as a whole; empty for others. Each host keeps one.
std::string WhyRefused(const LandedBatch& batch) {
  const LineCounts& counts = batch.counts;
  if (counts.rejected < counts.lines) return "";
  return fmt::format("none of the {} lines of the last batch, of {}, fits '{}': {}", counts.lines,
                     EscapeInvalidUtf8(CutText(batch.header.path, 200)),
                     EscapeInvalidUtf8(CutText(batch.format, 80)),
                     EscapeInvalidUtf8(CutText(counts.first_reason, 200)));
}

double SecondsBetween(Timestamp from, Timestamp to) {
  return static_cast<double>(std::max<int64_t>(0, to.micros - from.micros)) / kMicrosPerSecond;
}

}  // namespace

void CountBatch(const LandedBatch& batch, HostStatus& host) {
  const LineCounts& counts = batch.counts;
  host.source = batch.source;
  host.host = batch.header.host;
  host.lines += counts.lines;
  host.rejected += counts.rejected;
  host.bytes += counts.bytes;
  // A clock that is ahead of ours read it now.
  host.last_read = std::max(host.last_read, std::min(batch.header.read_time, batch.ingested_at));
  host.last_ingested = std::max(host.last_ingested, batch.ingested_at);
  if (counts.lines == 0) return;
  host.last_error = WhyRefused(batch);
  const uint64_t refused = batch.format_refused ? HostStatus::kManyLines : counts.lines;
  host.refused_in_a_row = host.last_error.empty() ? 0 : host.refused_in_a_row + refused;
}

void LandedCounts::AddCommit(const HostCounts& counted, Timestamp committed,
                             int64_t monotonic_micros) {
  for (const auto& [key, added] : counted) {
    HostStatus& host = hosts_[key];
    host.source = added.source;
    host.host = added.host;
    host.lines += added.lines;
    host.rejected += added.rejected;
    host.bytes += added.bytes;
    host.last_read = std::max(host.last_read, added.last_read);
    host.last_ingested = std::max(host.last_ingested, added.last_ingested);
    NoteErrors(added, committed, host);
    host.lag_seconds = SecondsBetween(added.last_read, committed);
    std::deque<Landed>& landed = rates_[key];
    landed.push_back({monotonic_micros, added.lines});
    while (landed.front().at_micros < landed.back().at_micros - kRateMicros) landed.pop_front();
  }
  CountInSources(counted, committed);
  ForgetOldHosts();
}

void LandedCounts::CountInSources(const HostCounts& counted, Timestamp committed) {
  std::set<std::string_view> seen;
  for (const auto& [key, added] : counted) {
    SourceStatus& source = sources_[added.source];
    source.lines += added.lines;
    source.rejected += added.rejected;
    source.bytes += added.bytes;
    source.last_read = std::max(source.last_read, added.last_read);
    const double lag = SecondsBetween(added.last_read, committed);
    const bool first = seen.insert(added.source).second;
    source.lag_seconds = first ? lag : std::max(source.lag_seconds, lag);
  }
}

// A tenth of the hosts, those silent for longest, so that the search is paid for rarely.
void LandedCounts::ForgetOldHosts() {
  if (hosts_.size() <= kMaxHosts) return;
  std::vector<std::pair<Timestamp, HostKey>> all;
  for (const auto& [key, host] : hosts_) all.emplace_back(host.last_ingested, key);
  std::sort(all.begin(), all.end());
  all.resize(hosts_.size() - kMaxHosts + kMaxHosts / 10);
  for (const auto& [time, key] : all) {
    hosts_.erase(key);
    rates_.erase(key);
  }
}

std::vector<HostStatus> LandedCounts::HostsAt(Timestamp now, int64_t monotonic_micros) const {
  std::vector<HostStatus> hosts;
  hosts.reserve(hosts_.size());
  for (const auto& [key, host] : hosts_) {
    HostStatus& shown = hosts.emplace_back(host);
    shown.last_error = host.ErrorAt(now);
    const auto landed = rates_.find(key);
    if (landed == rates_.end()) continue;
    uint64_t lines = 0;
    for (const Landed& commit : landed->second) {
      if (commit.at_micros >= monotonic_micros - kRateMicros) lines += commit.lines;
    }
    shown.lines_per_second = static_cast<double>(lines) * kMicrosPerSecond / kRateMicros;
  }
  return hosts;
}

}  // namespace tarn::lake
