#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "lake/landing.h"

namespace tarn::serve::rest {

using HostsOfSource = std::vector<const lake::HostStatus*>;  // into the status they were taken from
std::map<std::string_view, HostsOfSource> HostsBySource(const lake::LandingStatus& landing);

// What is wrong with a source, given its hosts; empty: nothing. The landing's trouble is every
// source's; else the newest of a host.
std::string ErrorOf(const lake::LandingStatus& landing, const HostsOfSource& hosts);

// Hosts with series of their own: those that sent last. The others count in their source's.
inline constexpr size_t kMaxMetricHosts = 1'000;

// Series of all sources (tarn_source_…{source}) and of hosts (tarn_host_…{source,host}), in the
// Prometheus text format.
std::string PrintSourceMetrics(const lake::LandingStatus& landing);

}  // namespace tarn::serve::rest
