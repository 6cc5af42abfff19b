#include "obs/metrics.h"

namespace tarn::obs {
namespace {

TEST(Registry, PrintsThePrometheusTextFormat) {
  Registry registry;
  registry.GetCounter("tarn_lines_total", "Lines read.", {{"server", "w\"1"}}).Add(3);
  registry.GetCounter("tarn_lines_total", "Lines read.", {{"server", "w\"1"}}).Add(4);
  registry.GetGauge("tarn_lag_bytes", "Bytes behind.").Set(12.5);
  EXPECT_EQ(
      registry.Print(),
      "# HELP tarn_lag_bytes Bytes behind.\n# TYPE tarn_lag_bytes gauge\ntarn_lag_bytes 12.5\n"
      "# HELP tarn_lines_total Lines read.\n# TYPE tarn_lines_total counter\n"
      "tarn_lines_total{server=\"w\\\"1\"} 7\n");
}

TEST(Histogram, BucketsAreCumulativeInPrint) {
  Registry registry;
  Histogram& sync = registry.GetHistogram("sync_seconds", "Sync.");
  sync.Observe(0.0001);
  sync.Observe(0.00015);
  sync.Observe(1000);
  const std::string text = registry.Print();
  EXPECT_NE(text.find("sync_seconds_bucket{le=\"0.0001\"} 1\n"), std::string::npos);
  EXPECT_NE(text.find("sync_seconds_bucket{le=\"0.0002\"} 2\n"), std::string::npos);
  EXPECT_NE(text.find("sync_seconds_bucket{le=\"+Inf\"} 3\n"), std::string::npos);
}

}  // namespace
}  // namespace tarn::obs
