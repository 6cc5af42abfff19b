#include "serve/rest/source_metrics.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "obs/metrics.h"

namespace tarn::serve::rest {
namespace {

// What sources and hosts have in common.
struct Numbers {
  uint64_t lines = 0;
  uint64_t rejected = 0;
  uint64_t bytes = 0;
  double lag_seconds = 0;
  Timestamp last_read;
  bool has_error = false;
};

// `of`: "source" or "host".
void Add(obs::Registry& series, std::string_view of, const Numbers& numbers,
         const obs::Labels& labels) {
  const auto name = [of](std::string_view what) { return fmt::format("tarn_{}_{}", of, what); };
  const auto counter = [&](std::string_view what, std::string_view help, uint64_t value) {
    series.GetCounter(name(what), help, labels).Add(value);
  };
  const auto gauge = [&](std::string_view what, std::string_view help, double value) {
    series.GetGauge(name(what), help, labels).Set(value);
  };
  counter("lines_total", "Lines that landed.", numbers.lines);
  counter("rejected_total", "Lines that landed in quarantine.", numbers.rejected);
  counter("bytes_total", "Bytes of the lines that landed.", numbers.bytes);
  gauge("lag_seconds", "From the agent's read to the lake, of what landed last.",
        numbers.lag_seconds);
  gauge("last_read_timestamp_seconds", "When an agent read the newest line; 0: none has landed.",
        static_cast<double>(numbers.last_read.micros) / kMicrosPerSecond);
  gauge("error", "1 while there is a last_error in the status.", numbers.has_error ? 1 : 0);
}

HostsOfSource NewestHosts(const lake::LandingStatus& landing) {
  HostsOfSource hosts;
  for (const lake::HostStatus& host : landing.hosts) hosts.push_back(&host);
  const size_t kept = std::min(hosts.size(), kMaxMetricHosts);
  std::partial_sort(hosts.begin(), hosts.begin() + static_cast<std::ptrdiff_t>(kept), hosts.end(),
                    [](const lake::HostStatus* left, const lake::HostStatus* right) {
                      return right->last_ingested < left->last_ingested;
                    });
  hosts.resize(kept);
  return hosts;
}

}  // namespace

std::map<std::string_view, HostsOfSource> HostsBySource(const lake::LandingStatus& landing) {
  std::map<std::string_view, HostsOfSource> by_source;
  for (const auto& [name, source] : landing.sources) by_source[name];
  for (const lake::HostStatus& host : landing.hosts) by_source[host.source].push_back(&host);
  return by_source;
}

std::string ErrorOf(const lake::LandingStatus& landing, const HostsOfSource& hosts) {
  if (!landing.last_error.empty()) return landing.last_error;
  const lake::HostStatus* latest = nullptr;
  for (const lake::HostStatus* host : hosts) {
    if (host->last_error.empty()) continue;
    if (latest == nullptr || latest->last_error_at < host->last_error_at) latest = host;
  }
  if (latest == nullptr) return "";
  return fmt::format("{}: {} ({})", latest->host, latest->last_error,
                     FormatTimestamp(latest->last_error_at));
}

std::string PrintSourceMetrics(const lake::LandingStatus& landing) {
  obs::Registry series;
  const auto by_source = HostsBySource(landing);
  for (const auto& [name, source] : landing.sources) {
    const bool has_error = !ErrorOf(landing, by_source.at(name)).empty();
    Add(series, "source",
        {source.lines, source.rejected, source.bytes, source.lag_seconds, source.last_read,
         has_error},
        {{"source", name}});
  }
  for (const lake::HostStatus* host : NewestHosts(landing)) {
    // The format is UTF-8; the name is whatever an agent sent.
    Add(series, "host",
        {host->lines, host->rejected, host->bytes, host->lag_seconds, host->last_read,
         !host->last_error.empty()},
        {{"source", host->source}, {"host", ReplaceInvalidUtf8(host->host)}});
  }
  return series.Print();
}

}  // namespace tarn::serve::rest
