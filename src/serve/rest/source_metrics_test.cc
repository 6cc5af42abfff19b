#include "serve/rest/source_metrics.h"

#include "base/text.h"

namespace tarn::serve::rest {
namespace {

bool Contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

lake::HostStatus HostAt(const std::string& name, int64_t second) {
  lake::HostStatus host{.source = "web_log", .host = name, .lines = 10, .rejected = 2};
  host.bytes = 400;
  host.last_read = host.last_ingested = {second * kMicrosPerSecond};
  host.lag_seconds = 0.5;
  return host;
}

TEST(SourceMetrics, SourceThatSentNothingHasZeros) {
  lake::LandingStatus landing;
  landing.sources["web_log"];
  const std::string text = PrintSourceMetrics(landing);
  EXPECT_TRUE(Contains(text,
                       "# TYPE tarn_source_lines_total counter\n"
                       "tarn_source_lines_total{source=\"web_log\"} 0\n"));
  for (const std::string name :
       {"rejected_total", "bytes_total", "lag_seconds", "last_read_timestamp_seconds", "error"})
    EXPECT_TRUE(Contains(text, "\ntarn_source_" + name + "{source=\"web_log\"} 0\n")) << name;
  EXPECT_FALSE(Contains(text, "tarn_host_"));
}

TEST(SourceMetrics, HostsHaveTheirOwnSeries) {
  lake::LandingStatus landing;
  landing.sources["web_log"] = {.lines = 30, .rejected = 2, .bytes = 900, .last_read = {2'500'000}};
  landing.hosts = {HostAt("w1", 2)};
  const std::string text = PrintSourceMetrics(landing);
  EXPECT_TRUE(Contains(text, "# TYPE tarn_host_lag_seconds gauge\n"));
  EXPECT_TRUE(Contains(text, "tarn_source_lines_total{source=\"web_log\"} 30\n"));
  EXPECT_TRUE(Contains(text, "tarn_source_last_read_timestamp_seconds{source=\"web_log\"} 2.5\n"));
  EXPECT_TRUE(Contains(text, "tarn_host_rejected_total{source=\"web_log\",host=\"w1\"} 2\n"));
  EXPECT_TRUE(Contains(text, "tarn_host_lag_seconds{source=\"web_log\",host=\"w1\"} 0.5\n"));
}

TEST(SourceMetrics, ErrorOfAHostIsItsSourcesAndThatOfTheLandingEverybodys) {
  lake::LandingStatus landing;
  landing.sources["other"];
  landing.sources["web_log"];
  landing.hosts = {HostAt("w1", 2), HostAt("w2", 2)};
  landing.hosts[0].last_error = "none fits";
  std::string text = PrintSourceMetrics(landing);
  EXPECT_TRUE(Contains(text, "tarn_host_error{source=\"web_log\",host=\"w1\"} 1\n"));
  EXPECT_TRUE(Contains(text, "tarn_host_error{source=\"web_log\",host=\"w2\"} 0\n"));
  EXPECT_TRUE(Contains(text, "tarn_source_error{source=\"other\"} 0\n"));
  EXPECT_TRUE(Contains(text, "tarn_source_error{source=\"web_log\"} 1\n"));
  landing.last_error = "no room";
  text = PrintSourceMetrics(landing);
  EXPECT_TRUE(Contains(text, "tarn_source_error{source=\"other\"} 1\n"));
}

TEST(SourceMetrics, OnlyTheHostsThatSentLastAreShownPastTheLimit) {
  lake::LandingStatus landing;
  landing.sources["web_log"];
  for (size_t i = 0; i < kMaxMetricHosts + 5; ++i)
    landing.hosts.push_back(HostAt("w" + std::to_string(i), static_cast<int64_t>(i)));
  const std::string text = PrintSourceMetrics(landing);
  EXPECT_TRUE(Contains(text, "tarn_host_lines_total{source=\"web_log\",host=\"w5\"} "));
  EXPECT_FALSE(Contains(text, "host=\"w4\""));
  EXPECT_FALSE(Contains(text, "host=\"w0\""));
}

TEST(SourceMetrics, AnyHostNameIsALabel) {
  lake::LandingStatus landing;
  landing.hosts = {HostAt("a\"b\\c\nd\xff", 1)};
  const std::string text = PrintSourceMetrics(landing);
  EXPECT_TRUE(IsValidUtf8(text));
  EXPECT_TRUE(Contains(text, "host=\"a\\\"b\\\\c\\nd\xEF\xBF\xBD\"} 10\n")) << text;
}

}  // namespace
}  // namespace tarn::serve::rest
