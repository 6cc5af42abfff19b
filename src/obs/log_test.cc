#include "obs/log.h"

namespace tarn::obs {
namespace {

TEST(Logger, TextQuotesOnlyWhatNeedsIt) {
  EXPECT_EQ(Logger::Format(LogFormat::kText, {0}, Level::kWarn, "agent.retry",
                           {{"server", "a:1"}, {"error", "timed out"}, {"attempt", 3}}),
            "1970-01-01T00:00:00Z WARN  agent.retry server=a:1 error=\"timed out\" attempt=3\n");
}

TEST(Logger, TextLetsNothingThroughThatATerminalObeys) {
  const auto shown = [](const codec::Json& value) {
    const std::string line =
        Logger::Format(LogFormat::kText, {0}, Level::kWarn, "e", {{"k", value}});
    return line.substr(line.find("k=") + 2);
  };
  EXPECT_EQ(shown("%h\x1b[2J%"), "\"%h\\u001b[2J%\"\n");
  EXPECT_EQ(shown(std::string_view("a\0b", 3)), "\"a\\u0000b\"\n");
  EXPECT_EQ(shown("a\rb"), "\"a\\rb\"\n");
  EXPECT_EQ(shown("a\x7f"), "\"a\\u007f\"\n");
  EXPECT_EQ(shown("a\xc2\x9b 2J"), "\"a\\u009b 2J\"\n");
  EXPECT_EQ(shown("a\xff"), "\"a\\\\xff\"\n");
  EXPECT_EQ(shown("a\xc2"), "\"a\\\\xc2\"\n");
  EXPECT_EQ(shown(codec::Json::Array{"\x1b", "\xc2\x9b"}), "[\"\\u001b\",\"\\u009b\"]\n");
  EXPECT_EQ(shown("gr\xc3\xbc\xc3\x9f"), "gr\xc3\xbc\xc3\x9f\n");
  EXPECT_EQ(shown(""), "\"\"\n");
}

TEST(Logger, JsonIsOneObjectALine) {
  EXPECT_EQ(
      Logger::Format(LogFormat::kJson, {0}, Level::kInfo, "commit.done", {{"rows", int64_t{5}}}),
      R"({"time":"1970-01-01T00:00:00Z","level":"INFO","event":"commit.done","rows":5})"
      "\n");
}

}  // namespace
}  // namespace tarn::obs
