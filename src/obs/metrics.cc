#include "obs/metrics.h"

#include <fmt/format.h>

#include <cmath>

namespace tarn::obs {
namespace {

std::string LabelText(const Labels& labels) {
  std::string text;
  for (const auto& [key, value] : labels) {
    if (!text.empty()) text.push_back(',');
    text.append(key).append("=\"");
    for (const char c : value) {
      if (c == '\\' || c == '"') text.push_back('\\');
      if (c == '\n') {
        text.append("\\n");
      } else {
        text.push_back(c);
      }
    }
    text.push_back('"');
  }
  return text;
}

std::string Braced(std::string_view labels) {
  return labels.empty() ? "" : fmt::format("{{{}}}", labels);
}

template <typename Metric>
Metric& GetOrMake(std::map<std::string, std::unique_ptr<Metric>>& metrics, const Labels& labels) {
  auto& slot = metrics[LabelText(labels)];
  if (!slot) slot = std::make_unique<Metric>();
  return *slot;
}

void PrintHistogram(std::string& out, const std::string& name, const std::string& labels,
                    const Histogram& metric) {
  const std::string comma = labels.empty() ? "" : labels + ",";
  uint64_t below = 0;
  for (size_t bucket = 0; bucket < Histogram::kBuckets; ++bucket) {
    below += metric.BucketCount(bucket);
    out += fmt::format("{}_bucket{{{}le=\"{:g}\"}} {}\n", name, comma,
                       Histogram::BucketBound(bucket), below);
  }
  out += fmt::format("{}_bucket{{{}le=\"+Inf\"}} {}\n", name, comma, metric.count());
  out += fmt::format("{}_sum{} {}\n{}_count{} {}\n", name, Braced(labels), metric.sum(), name,
                     Braced(labels), metric.count());
}

}  // namespace

double Histogram::BucketBound(size_t bucket) {
  return 1e-4 * std::exp2(static_cast<double>(bucket));
}

void Histogram::Observe(double seconds) {
  for (size_t bucket = 0; bucket < kBuckets; ++bucket) {
    if (seconds <= BucketBound(bucket)) {
      buckets_[bucket].fetch_add(1, std::memory_order_relaxed);
      break;
    }
  }
  count_.fetch_add(1, std::memory_order_relaxed);
  sum_micros_.fetch_add(static_cast<uint64_t>(std::llround(seconds * 1e6)),
                        std::memory_order_relaxed);
}

Registry::Family& Registry::FamilyOf(std::string_view name, std::string_view help) {
  Family& family = families_[std::string(name)];
  if (family.help.empty()) family.help = help;
  return family;
}

Counter& Registry::GetCounter(std::string_view name, std::string_view help, const Labels& labels) {
  os::MutexLock lock(mutex_);
  return GetOrMake(FamilyOf(name, help).counters, labels);
}

Gauge& Registry::GetGauge(std::string_view name, std::string_view help, const Labels& labels) {
  os::MutexLock lock(mutex_);
  return GetOrMake(FamilyOf(name, help).gauges, labels);
}

Histogram& Registry::GetHistogram(std::string_view name, std::string_view help,
                                  const Labels& labels) {
  os::MutexLock lock(mutex_);
  return GetOrMake(FamilyOf(name, help).histograms, labels);
}

std::string Registry::Print() const {
  os::MutexLock lock(mutex_);
  std::string out;
  for (const auto& [name, family] : families_) {
    const std::string_view type =
        !family.counters.empty() ? "counter" : (!family.gauges.empty() ? "gauge" : "histogram");
    out += fmt::format("# HELP {} {}\n# TYPE {} {}\n", name, family.help, name, type);
    for (const auto& [labels, metric] : family.counters) {
      out += fmt::format("{}{} {}\n", name, Braced(labels), metric->value());
    }
    for (const auto& [labels, metric] : family.gauges) {
      out += fmt::format("{}{} {}\n", name, Braced(labels), metric->value());
    }
    for (const auto& [labels, metric] : family.histograms)
      PrintHistogram(out, name, labels, *metric);
  }
  return out;
}

}  // namespace tarn::obs
