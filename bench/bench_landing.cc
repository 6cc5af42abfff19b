// bench_landing LOG DIR MODE [BUFFER_MB]: LOG into data files under DIR. Prints JSON with the CPU
// seconds of each step and MB of log per second of CPU time. MODE is a word of: clean, raw+clean,
// raw+clean+json (agent batches, as the landing has them: decode, parse, sort by hour, write,
// sync), columns (what a program does that turns a log into Parquet: read, parse, write the log's
// own columns; no batches, no origin of lines, no hours).
#include <fmt/format.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <list>
#include <string>
#include <vector>

#include "agent_wire/batch.h"
#include "base/check.h"
#include "base/text.h"
#include "catalog/sqlite_catalog.h"
#include "lake/data_files.h"
#include "lake/json_rows.h"
#include "lake/log_buffer.h"
#include "lake/log_schema.h"
#include "lake/log_source.h"
#include "lake/table.h"
#include "os/posix_file_system.h"
#include "store/local_store.h"

namespace tarn {
namespace {

constexpr size_t kBatchBytes = 1 << 20;
constexpr size_t kFileRows = 115'000;  // of `columns`; with those of one more batch, a row group
constexpr size_t kReadableSlack = 64;

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double PeakMb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024 / 1e6;
}

double WallSeconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void Must(const Status& status) {
  if (!status.ok()) fmt::print(stderr, "{}\n", status.error().ToString());
  TARN_CHECK(status.ok());
}

template <typename T>
T Must(Result<T> result) {
  if (!result.ok()) fmt::print(stderr, "{}\n", result.error().ToString());
  TARN_CHECK(result.ok());
  return std::move(result).value();
}

// Whole lines, about kBatchBytes of them; empty at the end.
std::string NextLines(std::ifstream& file) {
  std::string lines(kBatchBytes, '\0');
  file.read(lines.data(), kBatchBytes);
  lines.resize(static_cast<size_t>(file.gcount()));
  if (std::string rest; lines.size() == kBatchBytes && lines.back() != '\n') {
    if (std::getline(file, rest)) lines += rest + "\n";
  }
  return lines;
}

// Reads the log batch by batch and gives each as an agent sends it, so that no more than one is in
// memory; reading and encoding are not in the figures.
class Batches {
 public:
  explicit Batches(const std::string& path) : file_(path, std::ios::binary) {
    header_.agent_id = "bench";
    header_.host = "web-1";
    header_.source = "web_log";
    header_.path = "/var/log/apache2/access.log";
    header_.file_id = "0123456789abcdef0123456789abcdef";
    header_.format = "combined";
  }

  // Empty at the end.
  std::string Next() {
    const std::string payload = NextLines(file_);
    if (payload.empty()) return {};
    ++header_.batch_number;
    header_.begin_offset = header_.end_offset;
    header_.end_offset += payload.size();
    header_.line_count = static_cast<uint64_t>(std::count(payload.begin(), payload.end(), '\n'));
    return Must(agent_wire::Encode(header_, payload, zstd_));
  }
  uint64_t bytes() const { return header_.end_offset; }

 private:
  std::ifstream file_;
  agent_wire::BatchHeader header_;
  codec::ZstdCompressor zstd_;
};

class Bench {
 public:
  Bench(const std::string& folder, lake::RawForms land)
      : log_(clock_, 2, obs::LogFormat::kText, obs::Level::kWarn),
        land_(land),
        store_(Must(store::LocalStore::Open(files_, random_, folder + "/lake"))),
        catalog_(OpenCatalog(folder)),
        work_{*store_, *catalog_, clock_, random_, manifests_, log_, metrics_},
        buffer_(Must(access_log::Format::Compile("combined"))) {}

  void Columns(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    access_log::Parser parser(buffer_.format());
    const event::Schema& schema = buffer_.format().schema();
    event::ColumnBatch rows(schema);
    std::list<std::string> pieces;  // rows are views of them
    lake::DataFiles files(work_);
    const auto write = [&] {
      const double before = CpuSeconds();
      Write(files, {clean_name_, table_, schema}, std::nullopt, rows);
      rows.Clear();
      pieces.clear();
      clean_ += CpuSeconds() - before;
    };
    double before = CpuSeconds();
    for (std::string piece; !(piece = NextLines(file)).empty();) {
      decode_ += CpuSeconds() - before;
      before = CpuSeconds();
      AddLines(pieces.emplace_back(std::move(piece)), parser, rows);
      parse_ += CpuSeconds() - before;
      if (rows.rows() >= kFileRows) write();
      before = CpuSeconds();
    }
    if (rows.rows() > 0) write();
    Must(files.Publish());
  }

  void Run(Batches& batches, uint64_t buffer_bytes) {
    for (std::string encoded; !(encoded = batches.Next()).empty();) {
      double before = CpuSeconds();
      agent_wire::Batch batch = Must(agent_wire::Decode(encoded));
      decode_ += CpuSeconds() - before;
      before = CpuSeconds();
      counts_.lines +=
          buffer_
              .Add(batch.header, std::move(batch.payload), batch.header.begin_offset, clock_.Now())
              .lines;
      parse_ += CpuSeconds() - before;
      if (buffer_.memory_bytes() >= buffer_bytes) Flush();
    }
    Flush();
  }

  void Print(const std::string& mode, uint64_t log_bytes) const {
    const double cpu = decode_ + parse_ + clean_ + raw_ + json_;
    fmt::print(
        "{{\"mode\":\"{}\",\"lines\":{},\"mb_per_cpu_s\":{:.0f},\"cpu_s\":{:.3f},"
        "\"decode_s\":{:.3f},\"parse_s\":{:.3f},\"clean_s\":{:.3f},\"raw_s\":{:.3f},"
        "\"json_s\":{:.3f},\"flush_wall_s\":{:.3f},\"files\":{},\"rejected\":{},"
        "\"stored_mb\":{:.1f},\"peak_rss_mb\":{:.0f}}}\n",
        mode, counts_.lines, static_cast<double>(log_bytes) / 1e6 / cpu, cpu, decode_, parse_,
        clean_, raw_, json_, flush_wall_, files_written_, rejected_, stored_ / 1e6, PeakMb());
  }

 private:
  std::unique_ptr<catalog::Catalog> OpenCatalog(const std::string& folder) {
    catalog::SqliteOptions sqlite;
    sqlite.path = folder + "/catalog.db";
    return Must(catalog::OpenSqliteCatalog(sqlite, {files_, clock_, random_}));
  }

  void Flush() {
    const double wall = WallSeconds();
    const event::Schema& columns = buffer_.format().schema();
    const event::Schema raw_schema = lake::BufferSchema(columns);
    const event::Schema clean_schema = lake::CleanSchema(columns);
    rejected_ += buffer_.rejected().rows();
    lake::DataFiles files(work_);
    for (auto& [hour, rows] : buffer_.hours()) {
      if (rows.rows() == 0) continue;
      double before = CpuSeconds();
      if (land_.parquet) Write(files, {raw_name_, table_, raw_schema}, hour, rows);
      raw_ += CpuSeconds() - before;
      before = CpuSeconds();
      if (land_.json) {
        const std::string packed = zstd_.Compress(lake::JsonLines(raw_schema, rows));
        Must(files.Put(lake::JsonKey(raw_name_, hour, flushes_, flushes_), packed));
        stored_ += static_cast<double>(packed.size());
        ++files_written_;
      }
      json_ += CpuSeconds() - before;
      before = CpuSeconds();
      Write(files, {clean_name_, table_, clean_schema}, hour,
            lake::ToCleanRows(columns, std::move(rows)));
      clean_ += CpuSeconds() - before;
    }
    Must(files.Publish());
    buffer_.Clear();
    ++flushes_;
    flush_wall_ += WallSeconds() - wall;
  }

  void AddLines(std::string_view piece, access_log::Parser& parser, event::ColumnBatch& rows) {
    parser.set_lines_are_ascii(IsAscii(piece));
    while (!piece.empty()) {
      const size_t end = std::min(piece.find('\n'), piece.size());
      std::string_view reason;
      parser.set_readable_slack(std::min(kReadableSlack, piece.size() - end));
      rejected_ += !parser.Parse(piece.substr(0, end), rows, reason);
      ++counts_.lines;
      piece.remove_prefix(std::min(piece.size(), end + 1));
    }
  }

  void Write(lake::DataFiles& files, const lake::TableTarget& target, lake::Hour hour,
             const event::ColumnBatch& rows) {
    const auto file = Must(files.Write(target, hour, rows));
    stored_ += static_cast<double>(file.file_size_in_bytes);
    ++files_written_;
  }

  os::PosixFileSystem files_;
  os::SystemClock clock_;
  os::SystemRandom random_;
  obs::Logger log_;
  obs::Registry metrics_;
  iceberg::ManifestCache manifests_;
  codec::ZstdCompressor zstd_;
  const lake::RawForms land_;
  const std::unique_ptr<store::LocalStore> store_;
  const std::unique_ptr<catalog::Catalog> catalog_;
  const lake::Workspace work_;
  lake::LogBuffer buffer_;
  const iceberg::TableMetadata table_;  // only its partition spec's number is asked for
  const catalog::DatasetName raw_name_{catalog::Zone::kRaw, "web_log"};
  const catalog::DatasetName clean_name_{catalog::Zone::kClean, "web_log"};
  lake::LineCounts counts_;
  double decode_ = 0, parse_ = 0, clean_ = 0, raw_ = 0, json_ = 0, flush_wall_ = 0, stored_ = 0;
  size_t files_written_ = 0, rejected_ = 0;
  uint64_t flushes_ = 0;
};

}  // namespace
}  // namespace tarn

int main(int argc, char** argv) {
  if (argc < 4) {
    fmt::print(stderr,
               "bench_landing LOG DIR columns|clean|raw+clean|raw+clean+json [BUFFER_MB]\n");
    return 2;
  }
  const std::string mode = argv[3];
  const std::string folder = std::filesystem::absolute(std::string(argv[2]) + "/bench_landing");
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  const bool json = mode.find("json") != std::string::npos;
  const tarn::lake::RawForms land{.parquet = mode.find("raw") != std::string::npos, .json = json};
  {
    tarn::Bench bench(folder, land);
    if (mode == "columns") {
      bench.Columns(argv[1]);
      bench.Print(mode, std::filesystem::file_size(argv[1]));
    } else {
      tarn::Batches batches(argv[1]);
      bench.Run(batches, (argc > 4 ? std::strtoull(argv[4], nullptr, 10) : 64) * 1'000'000);
      bench.Print(mode, batches.bytes());
    }
  }
  std::filesystem::remove_all(folder);
  return 0;
}
