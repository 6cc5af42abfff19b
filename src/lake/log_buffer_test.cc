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
    const size_t payload_bytes = batch.payload.size();
    buffer.Add(batch.header, std::move(batch.payload), 0, Timestamp{1});
    size_t taken = payload_bytes + buffer.rejected().memory_bytes();
    for (const auto& [hour, rows] : buffer.hours()) taken += rows.memory_bytes();
    EXPECT_GT(buffer.memory_bytes(), taken * 8 / 10) << line.substr(0, 50);
    EXPECT_LT(buffer.memory_bytes(), taken * 22 / 10) << line.substr(0, 50);
  }
}

TEST(LogBuffer, KeepsWhatItsRowsAreViewsOf) {
  LogBuffer buffer(access_log::Format::Compile("common").value());
  LineCounts counts;
  {
    const std::string host = "w1";
    const std::string line =
        "10.0.0.7 - - [24/Nov/2026:13:09:46 +0000] \"GET /kept HTTP/1.1\" 200 5";
    buffer.AddLine(line, 0, {host, "f", "p", 1, Timestamp{1}}, counts);
    buffer.AddLine("no line", 100, {host, "f", "p", 1, Timestamp{1}}, counts);
    std::string payload = line + "\n";
    const auto header = TestLake::Header("w2", 0, payload, 1);
    buffer.Add(header, std::move(payload), 0, Timestamp{1});
  }
  const event::Schema& schema = buffer.schema();
  for (const auto& [hour, rows] : buffer.hours()) {
    for (size_t row = 0; row < rows.rows(); ++row) {
      EXPECT_EQ(rows.column(*schema.IndexOf("path")).BytesAt(row), "/kept");
      EXPECT_EQ(rows.column(*schema.IndexOf("host")).BytesAt(row), "10.0.0.7");
      EXPECT_EQ(rows.column(*schema.IndexOf("_source")).BytesAt(row), row == 0 ? "w1" : "w2");
    }
  }
  EXPECT_EQ(buffer.rejected().column(*schema.IndexOf("_raw")).BytesAt(0), "no line");
  EXPECT_EQ(counts.rejected, 1U);
}

TEST(LogBuffer, EachRowHasTheOriginOfItsBatchAndItsOwnOffset) {
  LogBuffer buffer(access_log::Format::Compile("common").value());
  std::map<int64_t, std::string> sources;  // by offset
  uint64_t offset = 0;
  for (const std::string source : {"w1", "w2"}) {
    std::string payload;
    for (const char* hour : {"13", "13", "no line", "14", "13", "no line", "15", "15"}) {
      sources[static_cast<int64_t>(offset + payload.size())] = source;
      payload += std::string("::1 - - [24/Nov/2026:") + hour + ":09:46 +0000] \"GET /" + source +
                 " HTTP/1.1\" 200 5\n";
    }
    const auto header = TestLake::Header(source, offset, payload, 8);
    offset = header.end_offset;
    buffer.Add(header, std::move(payload), header.begin_offset, Timestamp{1});
  }
  const event::Schema& schema = buffer.schema();
  std::vector<const event::ColumnBatch*> all = {&buffer.rejected()};
  for (const auto& [hour, rows] : buffer.hours()) all.push_back(&rows);
  size_t found = 0;
  for (const event::ColumnBatch* rows : all) {
    for (size_t i = 0; i < rows->column_count(); ++i) {
      ASSERT_EQ(rows->column(i).size(), rows->rows()) << schema.fields[i].name;
    }
    found += rows->rows();
    for (size_t row = 0; row < rows->rows(); ++row) {
      const std::string& source = sources.at(rows->column(*schema.IndexOf("_position")).IntAt(row));
      EXPECT_EQ(rows->column(*schema.IndexOf("_source")).BytesAt(row), source);
      if (rows == &buffer.rejected()) continue;
      EXPECT_EQ(rows->column(*schema.IndexOf("path")).BytesAt(row), "/" + source);
    }
  }
  EXPECT_EQ(found, sources.size());
  EXPECT_EQ(buffer.rejected().rows(), 4U);
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
  const LineCounts counts = buffer.Add(batch.header, payload, 0, Timestamp{1});
  EXPECT_EQ(buffer.hours().size(), LogBuffer::kMaxHours);
  // The undated hour is one of them.
  EXPECT_EQ(counts.hours_refused, 101U);
  EXPECT_EQ(counts.rejected, 101U);
  EXPECT_EQ(buffer.rejected().rows(), 101U);
  EXPECT_GT(buffer.memory_bytes(), LogBuffer::kMaxHours * 2'000);
}

}  // namespace
}  // namespace tarn::lake
