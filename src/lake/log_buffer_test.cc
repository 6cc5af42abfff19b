#include "lake/log_buffer.h"

#include "base/text.h"
#include "lake/test_lake.h"

namespace tarn::lake {
namespace {

TEST(LogBuffer, CountsWhatItsRowsTakeHoweverShort) {
  for (const std::string& line :
       {std::string("x\n"), TestLake::Line("w1", 7), "1.2.3.4 " + std::string(5'000, 'x') + "\n"}) {
    LogBuffer buffer(access_log::Format::Compile("common").value());
    agent_wire::Batch batch;
    for (int i = 0; i < 3'000; ++i) batch.payload += line;
    batch.header = TestLake::Header("w1", 0, batch.payload, 3'000);
    buffer.Add(batch, 0, Timestamp{1});
    size_t taken = buffer.rejected().memory_bytes();
    for (const auto& [hour, rows] : buffer.hours()) taken += rows.memory_bytes();
    EXPECT_GT(buffer.memory_bytes(), taken * 8 / 10) << line.substr(0, 50);
    EXPECT_LT(buffer.memory_bytes(), taken * 22 / 10) << line.substr(0, 50);
  }
}

TEST(LogBuffer, CountsWhatItsHoursTakeAndRejectsLinesOfTooMany) {
  LogBuffer buffer(access_log::Format::Compile("common").value());
  agent_wire::Batch batch;
  const auto lines = static_cast<int64_t>(LogBuffer::kMaxHours) + 100;
  std::string payload;
  for (int64_t i = 0; i < lines; ++i) {
    const Civil civil = CivilFromTimestamp({i * kMicrosPerHour});
    constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const std::string month(kMonths.substr(static_cast<size_t>(civil.month - 1) * 3, 3));
    char line[100];
    std::snprintf(line, sizeof line,
                  "::1 - - [%02d/%s/%04d:%02d:00:00 +0000] \"GET / HTTP/1.1\" 200 5\n", civil.day,
                  month.c_str(), civil.year, civil.hour);
    payload += line;
  }
  batch.header = TestLake::Header("w1", 0, payload, static_cast<uint64_t>(lines));
  batch.payload = payload;
  const LineCounts counts = buffer.Add(batch, 0, Timestamp{1});
  EXPECT_EQ(buffer.hours().size(), LogBuffer::kMaxHours);
  // The undated hour is one of them.
  EXPECT_EQ(counts.hours_refused, 101U);
  EXPECT_EQ(counts.rejected, 101U);
  EXPECT_EQ(buffer.rejected().rows(), 101U);
  EXPECT_GT(buffer.memory_bytes(), LogBuffer::kMaxHours * 2'000);
}

}  // namespace
}  // namespace tarn::lake
