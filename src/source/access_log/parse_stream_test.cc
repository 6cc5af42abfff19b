#include "source/access_log/parse_stream.h"

#include <gtest/gtest.h>

#include <cstring>

namespace tarn::access_log {
namespace {

constexpr std::string_view kGood = "::1 - - [10/Oct/2000:13:55:36 -0700] \"GET /a HTTP/1.1\" 200 5";

struct Outcome {
  std::string json;
  std::vector<std::string> rejects;
  ParseCounts counts;
};

Outcome ParseAll(std::string_view input, size_t chunk, size_t max_line = kMaxLineBytes) {
  Outcome run;
  ParseStreamIo io;
  io.read = [&](std::span<char> buffer) -> Result<size_t> {
    const size_t n = std::min({input.size(), chunk, buffer.size()});
    std::memcpy(buffer.data(), input.data(), n);
    input.remove_prefix(n);
    return n;
  };
  io.write = [&](std::string_view json) -> Status {
    run.json += json;
    return {};
  };
  io.reject = [&](uint64_t number, std::string_view line, std::string_view reason) -> Status {
    run.rejects.push_back(std::to_string(number) + ":" + std::string(line.substr(0, 20)) + ":" +
                          std::string(reason));
    return {};
  };
  ParseStreamOptions options;
  options.max_line_bytes = max_line;
  const auto counts = ParseStream(*Format::Compile("common"), io, options);
  EXPECT_TRUE(counts.ok());
  run.counts = *counts;
  return run;
}

TEST(ParseStream, WritesTheSameWhateverTheChunks) {
  std::string text;
  for (int i = 0; i < 50; ++i) {
    text += kGood;
    text += i % 3 == 0 ? "\r\n" : "\n";
    if (i % 10 == 0) text += "bad line\r\n\n";
  }
  text += kGood;  // without a newline
  const Outcome whole = ParseAll(text, 1 << 20);
  EXPECT_EQ(whole.counts.parsed, 51U);
  EXPECT_EQ(whole.counts.rejected, 5U);
  EXPECT_EQ(whole.counts.empty, 5U);
  EXPECT_EQ(whole.counts.lines, 61U);
  EXPECT_EQ(whole.counts.bytes, text.size());
  EXPECT_EQ(whole.rejects.front(), "2:bad line:' ' is missing after ident");
  for (const size_t chunk : {1U, 7U, 64U, 1000U}) {
    const Outcome run = ParseAll(text, chunk);
    EXPECT_EQ(run.json, whole.json);
    EXPECT_EQ(run.rejects, whole.rejects);
  }
}

TEST(ParseStream, CutsLinesOverTheLimit) {
  const std::string longer(500, 'x');
  std::string text;
  for (const std::string_view part : {kGood, std::string_view(longer), kGood}) {
    text.append(part);
    text.push_back('\n');
  }
  text.append(longer);
  for (const size_t chunk : {10U, 64U, 10000U}) {
    const Outcome run = ParseAll(text, chunk, 100);
    EXPECT_EQ(run.counts.parsed, 2U);
    EXPECT_EQ(run.counts.lines, 4U);
    ASSERT_EQ(run.rejects.size(), 2U) << chunk;
    EXPECT_EQ(run.rejects[0], "2:" + longer.substr(0, 20) + ":line longer than 100 bytes");
  }
}

TEST(ParseStream, PassesErrorsOn) {
  ParseStreamIo io;
  io.read = [](std::span<char>) -> Result<size_t> { return IoError("disk on fire"); };
  io.write = [](std::string_view) -> Status { return {}; };
  EXPECT_EQ(ParseStream(*Format::Compile("common"), io).error().message(), "disk on fire");
}

TEST(ParseStream, WritesWhatWasReadBeforeAnError) {
  std::string json;
  std::string text = std::string(kGood) + "\n" + std::string(kGood) + "\nhalf a li";
  ParseStreamIo io;
  io.read = [&](std::span<char> buffer) -> Result<size_t> {
    if (text.empty()) return IoError("disk on fire");
    std::memcpy(buffer.data(), text.data(), text.size());
    return std::exchange(text, "").size();
  };
  io.write = [&](std::string_view lines) -> Status {
    json += lines;
    return {};
  };
  io.reject = [](uint64_t, std::string_view, std::string_view) -> Status {
    return Internal("a line that is not whole");
  };
  EXPECT_EQ(ParseStream(*Format::Compile("common"), io).error().message(), "disk on fire");
  EXPECT_EQ(std::count(json.begin(), json.end(), '\n'), 2);
}

TEST(Lines, CutsAtNewlinesAndLeavesTheRest) {
  Lines lines("a\r\n\nb\nrest");
  std::vector<std::string_view> got;
  for (std::string_view line; lines.Next(line);) got.push_back(line);
  EXPECT_EQ(got, (std::vector<std::string_view>{"a", "", "b"}));
  EXPECT_EQ(lines.rest(), "rest");
}

}  // namespace
}  // namespace tarn::access_log
