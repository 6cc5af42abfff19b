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
  Result<std::vector<sql::TableInfo>> Describe(const std::vector<sql::TableName>& names) override {
    return tables_.Describe(names);
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

// Rows of quarantine by what becomes of them.
struct QuarantineRows {
  explicit QuarantineRows(const access_log::Format& format) : buffer(format) {}
  LogBuffer buffer;                            // read again with the format
  event::ColumnBatch cut{QuarantineSchema()};  // they stay as they are
  LineCounts counts;                           // of the buffer
};

// In the order of QuarantineSchema.
constexpr const char* kColumns =
    "_source, _file_id, _path, _position, _batch, _ingested_at, _raw, _raw_bytes, _format, _rule, "
    "_reason";
constexpr size_t kRuleIndex = 9;
constexpr size_t kReasonIndex = 10;

// A piece of a cut line is no line, and might fit a format that takes anything.
bool IsCut(const sql::Chunk& chunk, size_t row) {
  const sql::Cell reason = chunk.At(kReasonIndex, row);
  return !reason.is_null() && RuleOf(reason.Bytes()) == kCutRule;
}

void AppendCut(const sql::Chunk& chunk, size_t row, event::ColumnBatch& cut) {
  for (size_t i = 0; i < cut.column_count(); ++i) {
    const sql::Cell cell = chunk.At(i, row);
    if (i == kRuleIndex) {
      cut.column(i).AppendBytes(kCutRule);
    } else if (cell.is_null()) {
      cut.column(i).AppendNull();
    } else if (cut.column(i).is_bytes()) {
      cut.column(i).AppendBytes(cell.Bytes());
    } else {
      cut.column(i).AppendInt(cell.Int());
    }
  }
}

Status ReadRows(sql::Session& session, const std::string& table, QuarantineRows& rows) {
  TARN_ASSIGN_OR_RETURN(const auto result,
                        session.Run(fmt::format("SELECT {} FROM {}", kColumns, table)));
  for (;;) {
    TARN_ASSIGN_OR_RETURN(const sql::Chunk* chunk, result->Next());
    if (chunk == nullptr) return {};
    for (size_t row = 0; row < chunk->rows(); ++row) {
      if (IsCut(*chunk, row)) {
        AppendCut(*chunk, row, rows.cut);
        continue;
      }
      const LineOrigin origin{chunk->At(0, row).Bytes(),
                              chunk->At(1, row).Bytes(),
                              chunk->At(2, row).Bytes(),
                              static_cast<uint64_t>(chunk->At(4, row).Int()),
                              {chunk->At(5, row).Int()}};
      const sql::Cell exact = chunk->At(7, row);
      rows.buffer.AddLine(exact.is_null() ? chunk->At(6, row).Bytes() : exact.Bytes(),
                          static_cast<uint64_t>(chunk->At(3, row).Int()), origin, rows.counts);
    }
  }
}

struct Tables {
  catalog::DatasetName quarantine;
  catalog::DatasetName clean;
};

Result<CommitRequest> MakeCommit(const Workspace& work, Committer& committer, const Tables& tables,
                                 const std::string& path, QuarantineRows& rows_read) {
  LogBuffer& buffer = rows_read.buffer;
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
  event::ColumnBatch left = ToQuarantineRows(columns, buffer.rejected(), buffer.format_text());
  for (size_t row = 0; row < rows_read.cut.rows(); ++row) left.AppendRowFrom(rows_read.cut, row);
  if (left.rows() > 0) {
    TARN_ASSIGN_OR_RETURN(
        taken.change.added,
        files.WriteByHour({tables.quarantine, quarantine, quarantine_columns}, left));
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
  QuarantineRows rows(replay.format);
  TARN_TRY(ReadRows(replay.session, table, rows));
  const LineCounts& counts = rows.counts;
  const auto cut = static_cast<int64_t>(rows.cut.rows());
  ++report.files;
  report.rows += static_cast<int64_t>(counts.lines) + cut;
  report.rejected += static_cast<int64_t>(counts.rejected) + cut;
  report.cut += cut;
  if (counts.lines == counts.rejected) return {};  // nothing to bring back
  TARN_ASSIGN_OR_RETURN(const CommitRequest request,
                        MakeCommit(replay.work, replay.committer, replay.names, file.path, rows));
  if (const auto receipt = replay.committer.Run(request); !receipt.ok()) {
    if (receipt.error().code() != Code::kConflict) return receipt.error();
    return Conflict(
        fmt::format("another commit, of a replay or a compaction, changed {} meanwhile, and "
                    "nothing of its file was replayed here; run it again",
                    table));
  }
  report.replayed += static_cast<int64_t>(counts.lines - counts.rejected);
  return {};
}

}  // namespace

Result<ReplayReport> ReplayQuarantine(const Workspace& work, sql::Engine& engine,
                                      LakeResolver& tables, const std::string& source,
                                      const std::string& format) {
  TARN_ASSIGN_OR_RETURN(const auto compiled, access_log::Format::Compile(format));
  TARN_TRY(CheckColumns(compiled.schema()));
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
