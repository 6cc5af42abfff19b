#include "lake/replay.h"

#include <fmt/format.h>

#include <iterator>
#include <utility>

#include "iceberg/scan.h"
#include "lake/damage.h"
#include "lake/data_files.h"
#include "lake/log_buffer.h"
#include "lake/log_schema.h"
#include "lake/table.h"

namespace tarn::lake {
namespace {

// Shows one data file of a table as the whole table.
class OneFile final : public sql::TableResolver {
 public:
  OneFile(LakeResolver& tables, sql::TableName name) : tables_(tables), name_(std::move(name)) {}

  // False if the table has the file no more.
  Result<bool> Choose(const std::string& url) {
    TARN_ASSIGN_OR_RETURN(const auto path, tables_.PathOf(name_, url));
    path_ = path.value_or("");
    return path.has_value();
  }

  Result<std::vector<sql::TableName>> List() override { return std::vector{name_}; }
  Result<sql::TableInfo> Describe(const sql::TableName& name) override {
    return tables_.Describe(name);
  }
  Result<std::vector<std::string>> Files(const sql::TableInfo& /*table*/,
                                         const event::Filter& /*filter*/) override {
    return std::vector{path_};
  }

 private:
  LakeResolver& tables_;
  const sql::TableName name_;
  std::string path_;
};

// The rows of one quarantine file, read again with the format.
Status ReadRows(sql::Session& session, const std::string& table, LogBuffer& buffer,
                LineCounts& counts) {
  TARN_ASSIGN_OR_RETURN(
      const auto result,
      session.Run(
          fmt::format("SELECT _source, _file_id, _path, _batch, _ingested_at, _position, _raw, "
                      "_raw_bytes FROM {}",
                      table)));
  for (;;) {
    TARN_ASSIGN_OR_RETURN(const sql::Chunk* chunk, result->Next());
    if (chunk == nullptr) return {};
    for (size_t row = 0; row < chunk->rows(); ++row) {
      const LineOrigin origin{chunk->At(0, row).Bytes(),
                              chunk->At(1, row).Bytes(),
                              chunk->At(2, row).Bytes(),
                              static_cast<uint64_t>(chunk->At(3, row).Int()),
                              {chunk->At(4, row).Int()}};
      const sql::Cell exact = chunk->At(7, row);
      buffer.AddLine(exact.is_null() ? chunk->At(6, row).Bytes() : exact.Bytes(),
                     static_cast<uint64_t>(chunk->At(5, row).Int()), origin, counts);
    }
  }
}

struct Tables {
  catalog::DatasetName quarantine;
  catalog::DatasetName clean;
};

Result<CommitRequest> MakeCommit(const Workspace& work, Committer& committer, const Tables& tables,
                                 const std::string& path, LogBuffer& buffer) {
  const event::Schema& columns = buffer.format().schema();
  TARN_ASSIGN_OR_RETURN(const auto clean, committer.Evolve(tables.clean, CleanSchema(columns)));
  TARN_ASSIGN_OR_RETURN(const auto quarantine, committer.Table(tables.quarantine));
  const event::Schema clean_columns = WithIdsOf(clean, CleanSchema(columns));
  const event::Schema quarantine_columns = WithIdsOf(quarantine, QuarantineSchema());
  TableChange taken{
      tables.quarantine,
      {.operation = "overwrite", .removed_paths = {path}, .removed_without_deletes = true}};
  TableChange added{tables.clean, {.operation = "append"}};
  DataFiles files(work);
  for (auto& [hour, rows] : buffer.hours()) {
    if (rows.rows() == 0) continue;
    TARN_ASSIGN_OR_RETURN(auto file, files.Write({tables.clean, clean, clean_columns}, hour,
                                                 ToCleanRows(columns, std::move(rows))));
    added.change.added.push_back(std::move(file));
  }
  if (buffer.rejected().rows() > 0) {
    TARN_ASSIGN_OR_RETURN(
        taken.change.added,
        files.WriteByHour({tables.quarantine, quarantine, quarantine_columns},
                          ToQuarantineRows(columns, buffer.rejected(), buffer.format_text())));
  }
  TARN_TRY(files.Publish());
  CommitRequest request;
  request.tables = {std::move(taken), std::move(added)};
  request.commit.run.run_id = FormatUuid(work.random.NewUuidV7(work.clock.Now()));
  request.commit.run.job = "replay";
  request.commit.run.started = request.commit.run.ended = work.clock.Now();
  request.commit.audit = {
      .who = "operator", .action = "quarantine.replay", .object = tables.quarantine.ToString()};
  return request;
}

// What is needed for one file after the other.
struct Replay {
  const Workspace& work;
  Committer& committer;
  const access_log::Format& format;
  const Tables& names;
  OneFile& one;
  sql::Session& session;
};

Status ReplayFile(const Replay& replay, const iceberg::DataFile& file, ReplayReport& report) {
  const std::string table = replay.names.quarantine.ToString();
  TARN_ASSIGN_OR_RETURN(const bool is_there, replay.one.Choose(file.path));
  if (!is_there) return {};  // another replay took it meanwhile
  TARN_TRY(CheckWhole(replay.work.store, table, file));
  LogBuffer buffer(replay.format);
  LineCounts counts;
  TARN_TRY(ReadRows(replay.session, table, buffer, counts));
  ++report.files;
  report.rows += static_cast<int64_t>(counts.lines);
  report.rejected += static_cast<int64_t>(counts.rejected);
  if (counts.lines == counts.rejected) return {};  // nothing to bring back
  TARN_ASSIGN_OR_RETURN(const CommitRequest request,
                        MakeCommit(replay.work, replay.committer, replay.names, file.path, buffer));
  TARN_TRY(replay.committer.Run(request));
  report.replayed += static_cast<int64_t>(counts.lines - counts.rejected);
  return {};
}

}  // namespace

Result<ReplayReport> ReplayQuarantine(const Workspace& work, sql::Engine& engine,
                                      LakeResolver& tables, const std::string& source,
                                      const std::string& format) {
  TARN_ASSIGN_OR_RETURN(const auto compiled, access_log::Format::Compile(format));
  const Tables names{{catalog::Zone::kQuarantine, source}, {catalog::Zone::kClean, source}};
  Committer committer(work, kExpire, 600 * kMicrosPerSecond);
  // A table of the first days gets today's columns: their rows are asked for by name.
  TARN_ASSIGN_OR_RETURN(const auto table, committer.Evolve(names.quarantine, QuarantineSchema()));
  TARN_ASSIGN_OR_RETURN(const iceberg::Plan plan,
                        iceberg::PlanFiles(work.store, work.manifests, table, std::nullopt, {}));
  OneFile one(tables, {"quarantine", source});
  const auto session = sql::Session::Open(engine, one);
  const Replay replay{work, committer, compiled, names, one, *session};
  ReplayReport report;
  for (const iceberg::PlannedFile& planned : plan.files) {
    Status replayed = ReplayFile(replay, planned.file, report);
    if (replayed.ok()) continue;
    if (replayed.error().code() != Code::kDataLoss) return std::move(replayed).error();
    if (report.damage.ok()) report.damage = std::move(replayed);
  }
  return report;
}

}  // namespace tarn::lake
