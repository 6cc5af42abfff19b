#include "lake/damage.h"

#include <fmt/format.h>

#include <set>
#include <utility>

#include "base/id.h"
#include "lake/committer.h"
#include "lake/layout.h"
#include "lake/table.h"

namespace tarn::lake {
namespace {

constexpr const char* kHowToGoOn =
    "No file below lake/ ever changes, so put it back from any backup that has it; how to go on "
    "without is in docs/operation.md, section Damage";

bool IsDamage(Code code) { return code == Code::kNotFound || code == Code::kDataLoss; }

// `what` is wrong with the file.
std::string DescribeLoss(const std::string& table, const iceberg::DataFile& file,
                         const std::string& what) {
  return fmt::format(
      "{}: data file {} {}: {} rows cannot be read, nor can any query that needs them be answered. "
      "{}",
      table, file.path, what, file.record_count, kHowToGoOn);
}

Error DataDamage(const std::string& table, const iceberg::DataFile& file, Error error) {
  if (!IsDamage(error.code())) return std::move(error).In(table);
  const std::string what = error.code() == Code::kNotFound
                               ? "is missing"
                               : fmt::format("is damaged ({})", error.message());
  return DataLoss(DescribeLoss(table, file, what));
}

Result<parquet::ExpectedFile> Expected(const store::ObjectStore& store,
                                       const iceberg::DataFile& file) {
  TARN_ASSIGN_OR_RETURN(std::string key, store.KeyOf(file.path));
  const bool ours = IsWrittenByTarn(key);
  return parquet::ExpectedFile{.key = std::move(key),
                               .size = static_cast<uint64_t>(file.file_size_in_bytes),
                               .has_checksum = ours};
}

Result<iceberg::Plan> PlanAll(const Workspace& work, const catalog::DatasetName& dataset) {
  TARN_ASSIGN_OR_RETURN(const iceberg::TableMetadata table, LoadTable(work, dataset));
  auto plan = iceberg::PlanFiles(work.store, work.manifests, table, std::nullopt, {});
  if (!plan.ok()) return MetadataDamage(dataset.ToString(), std::move(plan).error());
  return plan;
}

// A file that was rewritten meanwhile, and deleted when its readers' time was over, is not lost.
Status DropReplaced(const Workspace& work, const catalog::DatasetName& dataset,
                    Verification& found) {
  TARN_ASSIGN_OR_RETURN(const iceberg::Plan plan, PlanAll(work, dataset));
  std::set<std::string_view> live;
  for (const iceberg::PlannedFile& planned : plan.files) live.insert(planned.file.path);
  std::erase_if(found.lost, [&](const LostFile& lost) { return !live.contains(lost.file.path); });
  return {};
}

}  // namespace

Error MetadataDamage(const std::string& table, Error error) {
  if (!IsDamage(error.code())) return std::move(error).In(table);
  return DataLoss(fmt::format("{}: {}. The table cannot be read without it. {}", table,
                              error.message(), kHowToGoOn));
}

Status CheckEnd(const store::ObjectStore& store, const std::string& table,
                const iceberg::DataFile& file) {
  TARN_ASSIGN_OR_RETURN(const parquet::ExpectedFile expected, Expected(store, file));
  Status checked = parquet::CheckFooter(store, expected);
  if (!checked.ok()) return DataDamage(table, file, std::move(checked).error());
  return {};
}

Result<parquet::Checked> CheckWhole(const store::ObjectStore& store, const std::string& table,
                                    const iceberg::DataFile& file,
                                    const std::function<Status()>& go_on) {
  TARN_ASSIGN_OR_RETURN(const parquet::ExpectedFile expected, Expected(store, file));
  auto checked = parquet::CheckFile(store, expected, go_on);
  if (!checked.ok()) return DataDamage(table, file, std::move(checked).error());
  return checked;
}

Result<Verification> Verify(const Workspace& work, const catalog::DatasetName& dataset) {
  TARN_ASSIGN_OR_RETURN(const iceberg::Plan plan, PlanAll(work, dataset));
  Verification found;
  for (const iceberg::PlannedFile& planned : plan.files) {
    ++found.files;
    found.bytes += planned.file.file_size_in_bytes;
    const auto checked = CheckWhole(work.store, dataset.ToString(), planned.file);
    if (checked.ok()) {
      found.without_checksum += *checked == parquet::Checked::kHasNoChecksum ? 1 : 0;
    } else if (checked.error().code() == Code::kDataLoss) {
      found.lost.push_back({planned.file, checked.error().message()});
    } else if (checked.error().code() == Code::kIo) {
      // A disk that fails under one file may still have the others.
      const std::string what = fmt::format("is unreadable ({})", checked.error().message());
      found.lost.push_back({planned.file, DescribeLoss(dataset.ToString(), planned.file, what)});
    } else {
      return checked.error();
    }
  }
  if (!found.lost.empty()) TARN_TRY(DropReplaced(work, dataset, found));
  return found;
}

Status AcceptLoss(const Workspace& work, const catalog::DatasetName& dataset,
                  const std::vector<LostFile>& lost) {
  CommitRequest request;
  request.tables.push_back({dataset, {.operation = "delete"}});
  iceberg::SnapshotChange& change = request.tables.front().change;
  std::string paths;
  for (const LostFile& each : lost) {
    change.removed_paths.push_back(each.file.path);
    paths += (paths.empty() ? "" : " ") + each.file.path;
  }
  change.summary["tarn.job"] = "accept-loss";
  request.commit.run.run_id = FormatUuid(work.random.NewUuidV7(work.clock.Now()));
  request.commit.run.job = "accept-loss";
  request.commit.run.started = request.commit.run.ended = work.clock.Now();
  request.commit.audit = {
      .who = "operator", .action = "table.accept_loss", .object = dataset.ToString()};
  request.commit.audit.detail = std::move(paths);
  Committer committer(work, kExpire, 600 * kMicrosPerSecond);
  TARN_TRY(committer.Run(request));
  return {};
}

}  // namespace tarn::lake
