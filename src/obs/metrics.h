#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "os/mutex.h"

namespace tarn::obs {

// A number that only rises. Thread-safe.
class Counter {
 public:
  void Add(uint64_t amount = 1) { value_.fetch_add(amount, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// A number that rises and falls. Thread-safe.
class Gauge {
 public:
  void Set(double value) { value_.store(value, std::memory_order_relaxed); }
  double value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<double> value_{0};
};

// Durations in seconds, in buckets of powers of two from 100 µs to 105 s. Thread-safe.
class Histogram {
 public:
  static constexpr size_t kBuckets = 21;
  static double BucketBound(size_t bucket);  // seconds, inclusive

  void Observe(double seconds);
  uint64_t BucketCount(size_t bucket) const {
    return buckets_.at(bucket).load(std::memory_order_relaxed);
  }
  uint64_t count() const { return count_.load(std::memory_order_relaxed); }
  double sum() const {
    return static_cast<double>(sum_micros_.load(std::memory_order_relaxed)) / 1e6;
  }

 private:
  std::array<std::atomic<uint64_t>, kBuckets> buckets_{};
  std::atomic<uint64_t> count_{0};
  std::atomic<uint64_t> sum_micros_{0};
};

using Labels = std::vector<std::pair<std::string, std::string>>;

// Names metrics and prints them in the Prometheus text format 0.0.4. The same name and labels give
// the same object, which lives as long as the registry. Label values must come from a bounded set.
// Thread-safe.
class Registry {
 public:
  Counter& GetCounter(std::string_view name, std::string_view help, const Labels& labels = {});
  Gauge& GetGauge(std::string_view name, std::string_view help, const Labels& labels = {});
  Histogram& GetHistogram(std::string_view name, std::string_view help, const Labels& labels = {});

  std::string Print() const;

 private:
  struct Family {
    std::string help;
    std::map<std::string, std::unique_ptr<Counter>> counters;
    std::map<std::string, std::unique_ptr<Gauge>> gauges;
    std::map<std::string, std::unique_ptr<Histogram>> histograms;
  };
  Family& FamilyOf(std::string_view name, std::string_view help) TARN_REQUIRES(mutex_);

  mutable os::Mutex mutex_;
  std::map<std::string, Family, std::less<>> families_ TARN_GUARDED_BY(mutex_);
};

}  // namespace tarn::obs
