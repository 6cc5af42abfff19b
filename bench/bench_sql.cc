// bench_sql DIR [days]: Parquet encoding speed on access-log columns, and SQL over our tables
// against DuckDB on the same files. Writes under DIR, prints one line a measurement.
#include <duckdb.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>

#include "base/check.h"
#include "base/time.h"
#include "os/clock.h"
#include "os/posix_file_system.h"
#include "os/random.h"
#include "parquet/writer.h"
#include "sql/engine.h"

namespace tarn {
namespace {

constexpr int64_t kStart = 1'735'689'600 * kMicrosPerSecond;  // 2025-01-01
constexpr int kRuns = 15;

class FileSink final : public store::ObjectWriter {
 public:
  explicit FileSink(const std::string& path) : file_(path, std::ios::binary) {}
  Status Write(std::string_view bytes) override {
    file_.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    written_ += bytes.size();
    return {};
  }
  Status Finish() override {
    file_.close();
    return {};
  }
  uint64_t written() const override { return written_; }

 private:
  std::ofstream file_;
  uint64_t written_ = 0;
};

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

event::Schema LogSchema() {
  using event::TypeKind;
  const auto field = [](int id, const char* name, TypeKind kind) {
    return event::Field{.id = id, .name = name, .type = {.kind = kind}};
  };
  return {.fields = {field(1, "ts", TypeKind::kTimestamptz), field(2, "host", TypeKind::kString),
                     field(3, "method", TypeKind::kString), field(4, "path", TypeKind::kString),
                     field(5, "status", TypeKind::kInt), field(6, "bytes", TypeKind::kLong),
                     field(7, "referer", TypeKind::kString), field(8, "agent", TypeKind::kString)}};
}

// The mix of reference/libraries.md 3.2: 235 bytes a row.
event::ColumnBatch LogRows(const event::Schema& schema, size_t rows, int64_t from, int64_t micros,
                           os::Random& random) {
  event::ColumnBatch batch(schema);
  for (size_t i = 0; i < rows; ++i) {
    const uint64_t kind = random.Below(10);
    const uint64_t ip = std::min(random.Below(200'000), random.Below(200'000));
    const uint64_t page = kind < 7   ? random.Below(500)
                          : kind < 9 ? random.Below(50'000)
                                     : random.Next() % 100'000'000;
    batch.column(0).AppendInt(from + micros * static_cast<int64_t>(i) / static_cast<int64_t>(rows));
    batch.column(1).AppendBytes(fmt::format("10.{}.{}.{}", ip >> 16, ip >> 8 & 255, ip & 255));
    batch.column(2).AppendBytes(kind == 0 ? "POST" : "GET");
    batch.column(3).AppendBytes(
        fmt::format("/shop/category-{}/product/{:08}?utm_source=x", page % 50, page));
    batch.column(4).AppendInt(kind == 1 ? 404 : 200);
    batch.column(5).AppendInt(static_cast<int64_t>(random.Below(90'000)));
    if (kind == 2) {
      batch.column(6).AppendBytes(fmt::format("https://search.example/?q={}", random.Next()));
    } else {
      batch.column(6).AppendNull();
    }
    batch.column(7).AppendBytes(fmt::format(
        "Mozilla/5.0 (X11; Linux x86_64; rv:{0}.0) AppleWebKit/537.36 (KHTML, like Gecko) "
        "Chrome/{0}.0.0.0 Safari/537.36 build/{1}",
        100 + random.Below(30), random.Below(10)));
  }
  return batch;
}

void Must(const Status& status) {
  if (!status.ok()) fmt::print(stderr, "{}\n", status.error().ToString());
  TARN_CHECK(status.ok());
}

void WriteFile(const std::string& path, const event::Schema& schema,
               const std::vector<const event::ColumnBatch*>& batches) {
  auto writer = parquet::FileWriter::Open(std::make_unique<FileSink>(path), schema);
  TARN_CHECK(writer.ok());
  for (const auto* batch : batches) Must((*writer)->Write(*batch));
  TARN_CHECK((*writer)->Finish().ok());
}

void BenchEncode(const std::string& folder) {
  const event::Schema schema = LogSchema();
  os::SeededRandom random(7);
  constexpr size_t kBatchRows = 10'000;
  std::vector<event::ColumnBatch> batches;
  uint64_t bytes = 0;
  for (int i = 0; i < 50; ++i) {
    batches.push_back(
        LogRows(schema, kBatchRows, kStart + i * kMicrosPerHour, kMicrosPerHour, random));
    for (size_t c = 0; c < schema.fields.size(); ++c) {
      const auto& column = batches.back().column(c);
      bytes += column.size() * 8;
      for (size_t row = 0; column.is_bytes() && row < column.size(); ++row) {
        bytes += column.BytesAt(row).size();
      }
    }
  }
  const std::string path = folder + "/encode.parquet";
  double best = 1e9;
  for (int run = 0; run < 3; ++run) {
    std::vector<const event::ColumnBatch*> all;
    for (const auto& batch : batches) all.push_back(&batch);
    const double before = CpuSeconds();
    WriteFile(path, schema, all);
    best = std::min(best, CpuSeconds() - before);
  }
  const double rows = static_cast<double>(kBatchRows * batches.size());
  fmt::print(
      "encode: {:.0f} rows, {:.0f} B/row, {:.2f} M rows/s/core, {:.0f} MB/s/core, file {:.1f} "
      "MB\n",
      rows, static_cast<double>(bytes) / rows, rows / best / 1e6,
      static_cast<double>(bytes) / best / 1e6,
      static_cast<double>(std::filesystem::file_size(path)) / 1e6);
}

class DayResolver final : public sql::TableResolver {
 public:
  DayResolver(std::vector<std::string> files, int64_t micros_each, size_t rows)
      : files_(std::move(files)), micros_each_(micros_each), rows_(rows) {}
  Result<std::vector<sql::TableName>> List() override { return std::vector{name_}; }
  Result<std::vector<sql::TableInfo>> Describe(const std::vector<sql::TableName>& names) override {
    return std::vector(names.size(), sql::TableInfo{.name = name_, .schema = LogSchema()});
  }
  Result<std::vector<std::string>> Files(const sql::TableInfo&,
                                         const event::Filter& filter) override {
    int64_t first = 0;
    auto last = static_cast<int64_t>(files_.size());
    for (const event::Predicate& predicate : filter) {
      if (predicate.column != "ts" || predicate.literals.size() != 1) continue;
      const int64_t offset = std::get<Timestamp>(predicate.literals[0]).micros - kStart;
      const int64_t index = FloorDiv(offset, micros_each_);
      if (predicate.op == event::Comparison::kGreaterOrEqual) first = std::max(first, index);
      if (predicate.op == event::Comparison::kLess) {
        last = std::min(last, FloorDiv(offset - 1, micros_each_) + 1);
      }
    }
    opened_ = static_cast<size_t>(std::max<int64_t>(0, last - first));
    return std::vector<std::string>(files_.begin() + first,
                                    files_.begin() + first + static_cast<int64_t>(opened_));
  }
  // As the lake knows it from its manifest list.
  Result<std::optional<uint64_t>> CountRows(const sql::TableInfo&) override {
    opened_ = 0;
    return std::optional<uint64_t>(files_.size() * rows_);
  }
  size_t opened() const { return opened_; }

 private:
  const sql::TableName name_{"raw", "web_log"};
  std::vector<std::string> files_;
  int64_t micros_each_;
  size_t rows_;
  size_t opened_ = 0;
};

double MedianMillis(const std::function<void()>& run, std::vector<double>& all) {
  const os::SystemClock clock;
  const int64_t before = clock.MonotonicMicros();
  run();
  all.push_back(static_cast<double>(clock.MonotonicMicros() - before) / 1e3);
  std::vector<double> sorted = all;
  std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2),
                   sorted.end());
  return sorted[sorted.size() / 2];
}

void RunRaw(duckdb_connection connection, const std::string& sql) {
  duckdb_result result;
  const auto state = duckdb_query(connection, sql.c_str(), &result);
  if (state == DuckDBError) fmt::print(stderr, "{}\n", duckdb_result_error(&result));
  TARN_CHECK(state == DuckDBSuccess);
  duckdb_destroy_result(&result);
}

void RunOurs(sql::Session& session, const std::string& sql) {
  auto result = session.Run(sql);
  if (!result.ok()) fmt::print(stderr, "{}\n", result.error().ToString());
  TARN_CHECK(result.ok());
  for (;;) {
    const auto chunk = (*result)->Next();
    TARN_CHECK(chunk.ok());
    if (*chunk == nullptr) return;
  }
}

void BenchQueries(const std::string& folder, int count, int64_t micros_each, size_t rows) {
  const event::Schema schema = LogSchema();
  os::SeededRandom random(9);
  std::filesystem::create_directories(folder);
  std::vector<std::string> files;
  std::string list;
  for (int i = 0; i < count; ++i) {
    files.push_back(fmt::format("{}/{:05}.parquet", folder, i));
    list += (i == 0 ? "'" : ", '") + files.back() + "'";
    const auto batch = LogRows(schema, rows, kStart + i * micros_each, micros_each, random);
    WriteFile(files.back(), schema, {&batch});
  }
  os::PosixFileSystem file_system;
  auto engine = sql::Engine::Open({.threads = 2, .data_directories = {folder}}, file_system);
  TARN_CHECK(engine.ok());
  DayResolver resolver(files, micros_each, rows);
  auto session = sql::Session::Open(**engine, resolver);
  duckdb_database database = nullptr;
  duckdb_connection raw = nullptr;
  TARN_CHECK(duckdb_open(nullptr, &database) == DuckDBSuccess);
  TARN_CHECK(duckdb_connect(database, &raw) == DuckDBSuccess);
  for (const char* setting :
       {"SET threads = 2", "SET TimeZone = 'UTC'", "SET parquet_metadata_cache = true"}) {
    RunRaw(raw, setting);
  }
  for (const std::string& query :
       {std::string("SELECT count(*) FROM $"),
        std::string("SELECT status, count(*), sum(bytes) FROM $ GROUP BY status"),
        std::string("SELECT path, count(*) n FROM $ GROUP BY path ORDER BY n DESC LIMIT 10"),
        std::string("SELECT count(*) FROM $ WHERE ts >= '2025-03-05' AND ts < '2025-03-06'")}) {
    const auto over = [&](const std::string& table) {
      std::string text = query;
      return text.replace(text.find('$'), 1, table);
    };
    const std::string raw_sql = over("read_parquet([" + list + "])");
    const std::string our_sql = over("raw.web_log");
    std::vector<double> raw_times;
    std::vector<double> our_times;
    double raw_median = 0;
    double our_median = 0;
    for (int run = 0; run < kRuns; ++run) {
      raw_median = MedianMillis([&] { RunRaw(raw, raw_sql); }, raw_times);
      our_median = MedianMillis([&] { RunOurs(*session, our_sql); }, our_times);
    }
    fmt::print("{} files: ours {:.1f} ms, DuckDB {:.1f} ms, ratio {:.2f}, opened {}: {}\n", count,
               our_median, raw_median, our_median / raw_median, resolver.opened(), query);
  }
  duckdb_disconnect(&raw);
  duckdb_close(&database);
}

}  // namespace
}  // namespace tarn

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "bench_sql DIR: measures in a folder of its own below DIR\n");
    return 2;
  }
  const std::string folder = std::string(argv[1]) + "/bench_sql";
  std::filesystem::create_directories(folder);
  tarn::BenchEncode(folder);
  tarn::BenchQueries(folder + "/365", 365, tarn::kMicrosPerDay, 20'000);
  tarn::BenchQueries(folder + "/8760", 8'760, tarn::kMicrosPerHour, 800);
  std::filesystem::remove_all(folder);
  return 0;
}
