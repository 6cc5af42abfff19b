#include "obs/log.h"

namespace tarn::obs {
namespace {

TEST(Logger, TextQuotesOnlyWhatNeedsIt) {
  EXPECT_EQ(Logger::Format(LogFormat::kText, {0}, Level::kWarn, "agent.retry",
                           {{"server", "a:1"}, {"error", "timed out"}, {"attempt", 3}}),
            "1970-01-01T00:00:00Z WARN  agent.retry server=a:1 error=\"timed out\" attempt=3\n");
}

TEST(Logger, JsonIsOneObjectALine) {
  EXPECT_EQ(
      Logger::Format(LogFormat::kJson, {0}, Level::kInfo, "commit.done", {{"rows", int64_t{5}}}),
      R"({"time":"1970-01-01T00:00:00Z","level":"INFO","event":"commit.done","rows":5})"
      "\n");
}

}  // namespace
}  // namespace tarn::obs
