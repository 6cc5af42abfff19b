// bench_compaction DIR [files] [rows]: what a row costs to compact, and a query over many small
// files against one over the compacted ones. DIR must not exist; prints one line a measurement.
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <string>

#include "base/check.h"
#include "catalog/sqlite_catalog.h"
#include "lake/data_files.h"
#include "lake/maintenance.h"
#include "lake/table.h"
#include "lake/table_resolver.h"
#include "os/posix_file_system.h"

namespace tarn::lake {
namespace {

constexpr int64_t kFilesAnHour = 60;

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

template <typename T>
T Must(Result<T> result) {
  if (!result.ok()) fmt::print(stderr, "{}\n", result.error().ToString());
  return std::move(result).value();
}
void Must(const Status& status) {
  if (!status.ok()) fmt::print(stderr, "{}\n", status.error().ToString());
  TARN_CHECK(status.ok());
}

event::Schema LogSchema() {
  using event::TypeKind;
  const auto field = [](int id, const char* name, TypeKind kind) {
    return event::Field{.id = id, .name = name, .type = {.kind = kind}};
  };
  return {.fields = {field(1, "time", TypeKind::kTimestamptz), field(2, "host", TypeKind::kString),
                     field(3, "method", TypeKind::kString), field(4, "path", TypeKind::kString),
                     field(5, "status", TypeKind::kInt), field(6, "bytes", TypeKind::kLong),
                     field(7, "referer", TypeKind::kString), field(8, "agent", TypeKind::kString)}};
}

// The mix of reference/libraries.md 3.2: 235 bytes a row. Times in no order within the minute.
event::ColumnBatch LogRows(const event::Schema& schema, int64_t rows, int64_t from,
                           os::Random& random) {
  event::ColumnBatch batch(schema);
  for (int64_t i = 0; i < rows; ++i) {
    const uint64_t kind = random.Below(10);
    const uint64_t ip = std::min(random.Below(200'000), random.Below(200'000));
    const uint64_t page = kind < 7   ? random.Below(500)
                          : kind < 9 ? random.Below(50'000)
                                     : random.Next() % 100'000'000;
    batch.column(0).AppendInt(from + static_cast<int64_t>(random.Below(60'000'000)));
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

uint64_t BytesOf(const event::Schema& schema, const event::ColumnBatch& rows) {
  uint64_t bytes = 0;
  for (size_t c = 0; c < schema.fields.size(); ++c) {
    const event::Column& column = rows.column(c);
    if (!column.is_bytes()) bytes += column.size() * 8;
    for (size_t row = 0; column.is_bytes() && row < column.size(); ++row) {
      bytes += column.BytesAt(row).size();
    }
  }
  return bytes;
}

struct Lake {
  os::PosixFileSystem files;
  os::SystemClock clock;
  os::SystemRandom random;
  obs::Logger log{clock, 2, obs::LogFormat::kText, obs::Level::kWarn};
  obs::Registry metrics;
  iceberg::ManifestCache manifests;
  std::unique_ptr<store::LocalStore> store;
  std::unique_ptr<catalog::Catalog> catalog;
  std::unique_ptr<Workspace> work;
  std::string root;
  const catalog::DatasetName name{catalog::Zone::kClean, "web"};
};

void Open(Lake& lake, const std::string& root) {
  lake.root = root;
  Must(lake.files.CreateDirectories(root));
  lake.store = Must(store::LocalStore::Open(lake.files, lake.random, root + "/lake"));
  catalog::SqliteOptions sqlite;
  sqlite.path = root + "/catalog.db";
  lake.catalog = Must(catalog::OpenSqliteCatalog(sqlite, {lake.files, lake.clock, lake.random}));
  lake.work = std::make_unique<Workspace>(Workspace{
      *lake.store, *lake.catalog, lake.clock, lake.random, lake.manifests, lake.log, lake.metrics});
}

uint64_t Fill(Lake& lake, int64_t files, int64_t rows) {
  TableSpec spec{lake.name, LogSchema(), "time", "", ""};
  const auto table = Must(OpenOrCreateTable(*lake.work, spec));
  Committer committer(*lake.work, {}, 0);
  os::SeededRandom random(7);
  const int64_t first = FloorDiv(lake.clock.Now().micros, kMicrosPerHour) - 10'000;
  uint64_t bytes = 0;
  CommitRequest request;
  request.commit.audit = {.who = "bench", .action = "commit", .object = "web"};
  request.tables.push_back({lake.name, {.operation = "append"}});
  DataFiles data_files(*lake.work);
  for (int64_t i = 0; i < files; ++i) {
    const int64_t hour = first + i / kFilesAnHour;
    const auto batch =
        LogRows(table.schema(), rows,
                hour * kMicrosPerHour + i % kFilesAnHour * 60 * kMicrosPerSecond, random);
    bytes += BytesOf(table.schema(), batch);
    request.tables.front().change.added.push_back(
        Must(data_files.Write({lake.name, table, table.schema()}, hour, batch)));
  }
  Must(data_files.Publish());
  Must(committer.Run(request));
  return bytes;
}

void BenchQuery(Lake& lake, const char* label) {
  sql::EngineOptions options;
  options.threads = 1;
  options.data_directories = {lake.root + "/lake"};
  const auto engine = Must(sql::Engine::Open(options, lake.files));
  LakeResolver resolver(*lake.store, *lake.catalog, lake.manifests);
  const auto session = sql::Session::Open(*engine, resolver);
  std::vector<double> wall;
  std::vector<double> cpu;
  for (int run = 0; run < 5; ++run) {
    const int64_t before = lake.clock.MonotonicMicros();
    const double cpu_before = CpuSeconds();
    const auto result = Must(session->Run(
        "SELECT status, count(*), sum(bytes), count(DISTINCT host) FROM clean.web GROUP BY 1"));
    while (Must(result->Next()) != nullptr) {
    }
    wall.push_back(static_cast<double>(lake.clock.MonotonicMicros() - before) / 1e6);
    cpu.push_back(CpuSeconds() - cpu_before);
  }
  std::sort(wall.begin(), wall.end());
  std::sort(cpu.begin(), cpu.end());
  fmt::print("query, {}: {:.3f} s, {:.3f} CPU s (median of 5)\n", label, wall[2], cpu[2]);
}

// The same sort, by what comes after it.
void BenchWriters(Lake& lake) {
  sql::EngineOptions options;
  options.threads = 1;
  options.data_directories = {lake.root + "/lake"};
  options.temp_directory = lake.root + "/tmp";
  const auto engine = Must(sql::Engine::Open(options, lake.files));
  LakeResolver resolver(*lake.store, *lake.catalog, lake.manifests);
  const auto session = sql::Session::Open(*engine, resolver);
  const std::string sql = "SELECT * FROM clean.web ORDER BY time";
  double before = CpuSeconds();
  const auto result = Must(session->Run(sql));
  while (Must(result->Next()) != nullptr) {
  }
  fmt::print("read and sort alone: {:.2f} CPU s\n", CpuSeconds() - before);
  before = CpuSeconds();
  Must(session->CopyToParquet(sql, lake.root + "/copy.parquet"));
  fmt::print("read, sort, COPY: {:.2f} CPU s, {:.1f} MB\n", CpuSeconds() - before,
             static_cast<double>(Must(lake.files.Stat(lake.root + "/copy.parquet")).size) / 1e6);
}

void BenchCompaction(Lake& lake, int64_t rows, uint64_t bytes) {
  MaintenanceOptions options;
  options.max_commits = 1'000'000;
  options.temp_directory = lake.root + "/tmp";
  options.data_directory = lake.root + "/lake";
  Maintainer maintainer(*lake.work, *lake.store, lake.files, options);
  MaintenanceReport report;
  const double before = CpuSeconds();
  maintainer.Compact(Maintainer::Mode::kDo, report);
  const double cpu = CpuSeconds() - before;
  TARN_CHECK(report.failures == 0 && report.rows == rows);
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  fmt::print(
      "compaction: {} files to {}, {:.1f} MB to {:.1f} MB, {:.2f} CPU s: {:.2f} M rows/s/core, "
      "{:.0f} MB/s/core of values, {:.2f} us a row; peak {} MB\n",
      report.files_rewritten, report.compactions, static_cast<double>(report.bytes_in) / 1e6,
      static_cast<double>(report.bytes_out) / 1e6, cpu, static_cast<double>(rows) / cpu / 1e6,
      static_cast<double>(bytes) / cpu / 1e6, cpu / static_cast<double>(rows) * 1e6,
      usage.ru_maxrss / 1'000);
}

}  // namespace
}  // namespace tarn::lake

int main(int argc, char** argv) {
  using namespace tarn::lake;
  if (argc < 2) return 2;
  const int64_t files = argc > 2 ? std::stoll(argv[2]) : 3'000;
  const int64_t rows = argc > 3 ? std::stoll(argv[3]) : 500;
  Lake lake;
  Open(lake, argv[1]);
  const uint64_t bytes = Fill(lake, files, rows);
  fmt::print("{} files of {} rows, {:.1f} MB of values\n", files, rows,
             static_cast<double>(bytes) / 1e6);
  BenchQuery(lake, "small files");
  BenchWriters(lake);
  BenchCompaction(lake, files * rows, bytes);
  BenchQuery(lake, "compacted");
  return 0;
}
