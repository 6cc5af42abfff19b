#include "lake/table_resolver.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "iceberg/commit.h"
#include "iceberg/scan.h"
#include "lake/damage.h"

namespace tarn::lake {
namespace {

iceberg::Op OpOf(event::Comparison comparison) {
  switch (comparison) {
    case event::Comparison::kEqual:
      return iceberg::Op::kEqual;
    case event::Comparison::kLess:
      return iceberg::Op::kLess;
    case event::Comparison::kLessOrEqual:
      return iceberg::Op::kLessOrEqual;
    case event::Comparison::kGreater:
      return iceberg::Op::kGreater;
    case event::Comparison::kGreaterOrEqual:
      return iceberg::Op::kGreaterOrEqual;
    case event::Comparison::kIn:
      return iceberg::Op::kIn;
    case event::Comparison::kIsNull:
      return iceberg::Op::kIsNull;
    case event::Comparison::kIsNotNull:
      return iceberg::Op::kIsNotNull;
  }
  return iceberg::Op::kIsNotNull;
}

iceberg::Value ValueOf(const event::Literal& literal) {
  if (const auto* integer = std::get_if<int64_t>(&literal)) return *integer;
  if (const auto* number = std::get_if<double>(&literal)) return *number;
  if (const auto* text = std::get_if<std::string>(&literal)) return *text;
  if (const auto* flag = std::get_if<bool>(&literal)) return *flag;
  if (const auto* time = std::get_if<Timestamp>(&literal)) return time->micros;
  return int64_t{std::get<event::Date>(literal).days};
}

iceberg::Filter FilterOf(const event::Filter& filter) {
  iceberg::Filter converted;
  for (const event::Predicate& predicate : filter) {
    iceberg::Predicate& out = converted.all_of.emplace_back();
    out.column = predicate.column;
    out.op = OpOf(predicate.op);
    for (const event::Literal& literal : predicate.literals) out.values.push_back(ValueOf(literal));
  }
  return converted;
}

std::string NameOf(const sql::TableInfo& table) {
  return table.name.schema + "." + table.name.name;
}

bool IsTable(const catalog::Dataset& dataset) { return !dataset.metadata_location.empty(); }

Error NoSuchTable(const sql::TableName& name, const std::vector<catalog::Dataset>& datasets) {
  std::vector<std::string> known;
  for (const catalog::Dataset& dataset : datasets) {
    if (IsTable(dataset)) known.push_back(dataset.name.ToString());
  }
  const std::string wanted = name.schema + "." + name.name;
  return NotFound(fmt::format("there is no table {}{}", wanted,
                              DidYouMean(wanted, {known.begin(), known.end()})));
}

}  // namespace

Result<std::vector<sql::TableName>> LakeResolver::List() {
  TARN_ASSIGN_OR_RETURN(const auto datasets, catalog_.ListDatasets(std::nullopt));
  std::vector<sql::TableName> names;
  for (const catalog::Dataset& dataset : datasets) {
    if (dataset.kind != catalog::DatasetKind::kTable) continue;
    names.push_back({std::string(catalog::ZoneName(dataset.name.zone)), dataset.name.table});
  }
  return names;
}

Result<std::vector<sql::TableInfo>> LakeResolver::Describe(
    const std::vector<sql::TableName>& names) {
  TARN_ASSIGN_OR_RETURN(const auto datasets, catalog_.ListDatasets(std::nullopt));
  std::vector<sql::TableInfo> infos;
  for (const sql::TableName& name : names) {
    const auto found = std::find_if(datasets.begin(), datasets.end(), [&](const auto& dataset) {
      return IsTable(dataset) && EqualsNoCase(catalog::ZoneName(dataset.name.zone), name.schema) &&
             EqualsNoCase(dataset.name.table, name.name);
    });
    if (found == datasets.end()) return NoSuchTable(name, datasets);
    TARN_ASSIGN_OR_RETURN(const Metadata table,
                          Load(found->name.ToString(), found->metadata_location));
    infos.push_back({{std::string(catalog::ZoneName(found->name.zone)), found->name.table},
                     table->schema(),
                     found->metadata_location,
                     found->description});
  }
  return infos;
}

Result<iceberg::Plan> LakeResolver::PlanOf(const sql::TableInfo& table,
                                           const event::Filter& filter) {
  TARN_ASSIGN_OR_RETURN(const Metadata metadata, Load(NameOf(table), table.state));
  auto plan = iceberg::PlanFiles(store_, manifests_, *metadata, std::nullopt, FilterOf(filter));
  if (!plan.ok()) return MetadataDamage(NameOf(table), std::move(plan).error());
  return plan;
}

Result<std::vector<std::string>> LakeResolver::Files(const sql::TableInfo& table,
                                                     const event::Filter& filter) {
  TARN_ASSIGN_OR_RETURN(const iceberg::Plan plan, PlanOf(table, filter));
  std::vector<std::string> paths;
  paths.reserve(plan.files.size());
  for (const iceberg::PlannedFile& file : plan.files) {
    if (!file.deletes.empty()) {
      return Unsupported(NameOf(table) + " has delete files of another engine; compact it there");
    }
    TARN_TRY(CheckEnd(store_, NameOf(table), file.file));
    TARN_ASSIGN_OR_RETURN(const std::string key, store_.KeyOf(file.file.path));
    paths.push_back(store_.PathOf(key));
  }
  return paths;
}

Result<std::optional<std::string>> LakeResolver::PathOf(const sql::TableName& name,
                                                        const std::string& url) {
  TARN_ASSIGN_OR_RETURN(const std::vector<sql::TableInfo> tables, Describe({name}));
  TARN_ASSIGN_OR_RETURN(const iceberg::Plan plan, PlanOf(tables.front(), {}));
  for (const iceberg::PlannedFile& file : plan.files) {
    if (file.file.path != url) continue;
    TARN_ASSIGN_OR_RETURN(const std::string key, store_.KeyOf(url));
    return std::optional(store_.PathOf(key));
  }
  return std::optional<std::string>();
}

Result<std::optional<uint64_t>> LakeResolver::CountRows(const sql::TableInfo& table) {
  TARN_ASSIGN_OR_RETURN(const Metadata metadata, Load(NameOf(table), table.state));
  auto rows = iceberg::CountRows(store_, manifests_, *metadata);
  if (!rows.ok()) return MetadataDamage(NameOf(table), std::move(rows).error());
  return rows;
}

Status LakeResolver::FindDamage(const sql::TableInfo& table, const event::Filter& filter,
                                const sql::GoOn& go_on) {
  TARN_ASSIGN_OR_RETURN(const iceberg::Plan plan, PlanOf(table, filter));
  for (const iceberg::PlannedFile& file : plan.files) {
    TARN_TRY(CheckWhole(store_, NameOf(table), file.file, go_on));
  }
  return {};
}

Result<LakeResolver::Metadata> LakeResolver::Load(const std::string& table,
                                                  const std::string& location) {
  {
    os::MutexLock lock(mutex_);
    if (const auto found = kept_.find(location); found != kept_.end()) return found->second;
  }
  auto loaded = iceberg::LoadMetadata(store_, location);
  if (!loaded.ok()) return MetadataDamage(table, std::move(loaded).error());
  auto metadata = std::make_shared<const iceberg::TableMetadata>(*std::move(loaded));
  os::MutexLock lock(mutex_);
  if (kept_.size() >= kMaxKept) kept_.clear();
  kept_[location] = metadata;
  return metadata;
}

}  // namespace tarn::lake
