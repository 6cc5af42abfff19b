#include <fmt/format.h>

#include "sql/export_internal.h"

namespace tarn::sql {
namespace {

constexpr size_t kCopyBytes = 1 << 20;

// Copies a file into place, readable by its owner alone: sibling, sync, rename.
Status CopyIntoPlace(os::FileSystem& files, const std::string& from, const std::string& to) {
  const std::string sibling = to + ".partial";
  TARN_ASSIGN_OR_RETURN(const auto source, files.Open(from, os::OpenMode::kRead));
  (void)files.Remove(sibling);  // of a process that died
  TARN_ASSIGN_OR_RETURN(const auto target, files.Open(sibling, os::OpenMode::kCreateNewPrivate));
  for (uint64_t offset = 0;;) {
    TARN_ASSIGN_OR_RETURN(const std::string bytes, source->ReadAt(offset, kCopyBytes));
    if (bytes.empty()) break;
    TARN_TRY(target->WriteAt(offset, bytes));
    offset += bytes.size();
  }
  TARN_TRY(target->Sync());
  TARN_TRY(files.Rename(sibling, to));
  const std::string parent = os::ParentOf(to);
  return files.SyncDirectory(parent.empty() ? "." : parent);
}

}  // namespace

Result<uint64_t> ExportParquet(EngineImpl& engine, Query& query, const std::string& sql,
                               const std::string& path) {
  if (engine.staging_directory().empty()) {
    return Unsupported("an export needs the engine to have a temp_directory");
  }
  // A view takes the statement as it is written, trailing comments and semicolon included.
  TARN_TRY(Execute(
      query.connection(),
      fmt::format("CREATE VIEW {}.main.\"export of a query\" AS {}", query.database(), sql)));
  const std::string staged =
      os::JoinPath(engine.staging_directory(), fmt::format("{}.parquet", engine.NextExport()));
  auto rows = query.RunForCount(
      fmt::format("COPY {}.main.\"export of a query\" TO {} (FORMAT parquet, COMPRESSION zstd)",
                  query.database(), Quoted(staged)));
  Status moved;
  if (rows.ok()) moved = CopyIntoPlace(engine.files(), staged, path);
  // Also what a failed COPY left; it may have left nothing.
  (void)engine.files().Remove(staged);
  if (!rows.ok()) return std::move(rows).error();
  if (!moved.ok()) return std::move(moved).error().In("export to " + path);
  return rows;
}

}  // namespace tarn::sql
